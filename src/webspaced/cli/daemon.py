"""Asking the daemon that runs: HTTP on the unix socket in its ``data_dir``, or at its API with an admin's token."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen

from webspaced.cli.command import add_config_option, settings_of
from webspaced.control.socket import NAME, reachable
from webspaced.errors import Forbidden, Invalid, Unavailable, WebspacedError

PATIENCE, LONG_PATIENCE = 15.0, 600.0
"""Seconds that an answer may take: of what is known, and of a change, as a stop waits for the container."""
URL, TOKEN_FILE, CA_FILE = "WEBSPACED_URL", "WEBSPACED_TOKEN_FILE", "WEBSPACED_CA_FILE"
"""Variables that stand for the options."""
LARGEST_PIECE = 192 * 1024
"""Bytes of an import at once, at the API, which takes 256 KB."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, folder: Path, patience: float) -> None:
        super().__init__("localhost", timeout=patience)
        self._folder = folder

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with reachable(self._folder) as path:
            self.sock.connect(path)


class Refused(WebspacedError):
    """The daemon's answer was an error."""


@frozen
class Daemon:
    """One that runs.

    ``_connection`` is made anew for each question, for so many seconds; ``where`` is for people. ``largest``: bytes that a
    question may have, if there is a bound.
    """

    _connection: Callable[[float], http.client.HTTPConnection]
    where: str
    prefix: str = ""
    headers: Mapping[str, str] = field(factory=dict)
    largest: int | None = None

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Give the answer's document.

        :raises Unavailable: nobody listens there.
        :raises Forbidden: the socket is not this user's.
        :raises Refused: the daemon says why, or does not answer.
        """
        connection = self._connection(PATIENCE if method == "GET" else LONG_PATIENCE)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, self.prefix + path, text, dict(self.headers))
            answer = connection.getresponse()
            document = json.loads(answer.read())
        except PermissionError as error:
            message = f"only root and webspaced's own user may ask the daemon ({self.where})"
            raise Forbidden(message) from error
        except TimeoutError as error:
            message = f"webspaced runs, but does not answer at {self.where}"
            raise Refused(message) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            message = f"no webspaced answers at {self.where}: {error}"
            raise Unavailable(message) from error
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise Refused(str(document.get("message", answer.status)) if isinstance(document, dict) else str(answer.status))
        return document


def beside(folder: Path) -> Daemon:
    """Give the one whose ``data_dir`` this is."""
    return Daemon(lambda patience: _Connection(folder, patience), str(folder / NAME))


def at(url: str, token: str, ca_file: Path | None = None) -> Daemon:
    """Give the one whose API is at this URL.

    :raises Invalid: it is none, or the token would be sent in the clear.
    """
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or host is None or parts.query or parts.fragment:
        message = f"{url} is not the URL of an API: https://<host>"
        raise Invalid(message)
    if parts.scheme == "http" and not _is_here(host):
        message = f"the token would be sent in the clear: use https instead of {url}"
        raise Invalid(message)
    port = parts.port

    def connection(patience: float) -> http.client.HTTPConnection:
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=patience)
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        return http.client.HTTPSConnection(host, port, timeout=patience, context=context)

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return Daemon(connection, url, f"{parts.path.rstrip('/')}/operator", headers, LARGEST_PIECE)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def add_daemon_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which daemon, and in which form its answer is given."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data-dir", type=Path, metavar="DIR", help="the daemon's data_dir (default: that of the settings)")
    add_config_option(where)
    where.add_argument(
        "--url", metavar="URL", default=os.environ.get(URL),
        help=f"ask its API at https://<host> instead, as an admin (default: {URL})",
    )  # fmt: skip
    for name, variable, what in (("token", TOKEN_FILE, "the admin's token"), ("ca", CA_FILE, "who signed its certificate")):
        parser.add_argument(
            f"--{name}-file", type=Path, metavar="FILE", help=f"with --url: {what} (default: {variable})"
        )
    parser.add_argument("--json", action="store_true", help="give the answer as JSON, for programs")


def daemon_of(arguments: argparse.Namespace) -> Daemon:
    """Give the daemon that the options name.

    :raises Invalid: there is no token for a URL.
    """
    if arguments.url and not (arguments.data_dir or arguments.config):
        token_file, ca_file = _file(arguments.token_file, TOKEN_FILE), _file(arguments.ca_file, CA_FILE)
        if token_file is None:
            message = f"an admin's token is needed for {arguments.url}: --token-file, or {TOKEN_FILE}"
            raise Invalid(message)
        return at(arguments.url, token_file.read_text(encoding="utf-8").strip(), ca_file)
    return beside(arguments.data_dir or settings_of(arguments).data_dir)


def _file(given: Path | None, variable: str) -> Path | None:
    return given or (Path(os.environ[variable]) if os.environ.get(variable) else None)

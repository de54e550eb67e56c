"""Asking the daemon that runs: HTTP on the unix socket in its ``data_dir``."""

from __future__ import annotations

import argparse
import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webspaced.cli.command import add_config_option, settings_of
from webspaced.control.socket import NAME, reachable
from webspaced.errors import Forbidden, Unavailable, WebspacedError

PATIENCE, LONG_PATIENCE = 15.0, 600.0
"""Seconds that an answer may take: of what is known, and of a change, as a stop waits for the container."""


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


class Daemon:
    """The one whose ``data_dir`` this is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Give the answer's document.

        :raises Unavailable: nobody listens there.
        :raises Forbidden: the socket is not this user's.
        :raises Refused: the daemon says why, or does not answer.
        """
        connection = _Connection(self._folder, PATIENCE if method == "GET" else LONG_PATIENCE)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            document = json.loads(answer.read())
        except PermissionError as error:
            message = f"only root and webspaced's own user may ask the daemon ({self._folder / NAME})"
            raise Forbidden(message) from error
        except TimeoutError as error:
            message = f"webspaced runs, but does not answer at {self._folder / NAME}"
            raise Refused(message) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            message = f"no webspaced answers at {self._folder / NAME}: {error}"
            raise Unavailable(message) from error
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise Refused(str(document.get("message", answer.status)) if isinstance(document, dict) else str(answer.status))
        return document


def add_daemon_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which daemon, and in which form its answer is given."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data-dir", type=Path, metavar="DIR", help="the daemon's data_dir (default: that of the settings)")
    add_config_option(where)
    parser.add_argument("--json", action="store_true", help="give the answer as JSON, for programs")


def daemon_of(arguments: argparse.Namespace) -> Daemon:
    """Give the daemon that the options name."""
    return Daemon(arguments.data_dir or settings_of(arguments).data_dir)

"""The REST API of an LXD or Incus, over its Unix socket."""

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from harness.saying import CannotGoOn


class Refused(CannotGoOn):
    """The server said no. `status` is its code, the text what it said."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Rest:
    """Requests to one socket, in one project; operations are waited for."""

    def __init__(self, path: Path, project: str = "default", timeout: float = 120) -> None:
        self.path = path
        self.project = project
        self.timeout = timeout

    def get(self, url: str) -> Any:
        """The metadata of what is at the URL."""
        return self.ask("GET", url)

    def exists(self, url: str) -> bool:
        """Whether there is something at the URL."""
        try:
            self.get(url)
        except Refused as refused:
            if refused.status == http.client.NOT_FOUND:
                return False
            raise
        return True

    def ask(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """One request; gives the answer's metadata, or that of the operation once it is done.

        A body of bytes is sent as it is, any other as JSON. Raises Refused, or OSError without a server.
        """
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        answer = self._send(method, url, raw, headers or {})
        if answer.get("type") == "error":
            raise Refused(int(answer["error_code"]), str(answer["error"]))
        if answer.get("type") == "async":
            return self._finish(answer["operation"])
        return answer.get("metadata")

    def _finish(self, operation: str) -> Any:
        """Wait for an operation. LXD reports its failure within, Incus as an error."""
        done = self.ask("GET", f"{operation.partition('?')[0]}/wait?timeout={int(self.timeout)}")
        if done["status_code"] >= http.client.BAD_REQUEST:
            raise Refused(done["status_code"], str(done["err"]))
        return done

    def _send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        joiner = "&" if "?" in url else "?"
        target = f"{url}{joiner}{urlencode({'project': self.project})}"
        connection = _UnixConnection(str(self.path), self.timeout + 5)
        try:
            connection.request(method, target, body, {"Content-Type": "application/json", **headers})
            text = connection.getresponse().read()
        finally:
            connection.close()
        answer = json.loads(text)
        if not isinstance(answer, dict):
            raise Refused(0, f"no answer of LXD's: {text[:200]!r}")
        return answer


def path_of(*parts: str) -> str:
    """A URL path below /1.0 of names that may hold anything."""
    return "/1.0/" + "/".join(quote(part, safe="") for part in parts)

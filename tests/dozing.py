"""A crowd of visitors who come at random moments around those in which webspaces fall asleep; none may meet an error.

Each webspace has one visitor, who does one thing after the other: plain requests, requests on a connection that is kept,
uploads with pauses, and messages on a WebSocket that was silent meanwhile.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import http.server
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from websockets.sync.client import connect

from tests.real.relayed_inside import configure, gateway_of, relay_inside
from tests.visitors import PATIENCE

PORT = 8080
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FALLS_ASLEEP = {
    "doze_after": "1s", "look": "250ms", "least": "500ms",
    # What Traefik, the bridge and the echo of a test do is little; a machine under load makes it more at a time.
    "floors": {"sent": 2000, "received": 6000, "cpu": 20},
}  # fmt: skip
GAPS = (0.3, 3.7)
"""Seconds between two things that a visitor does: some find it awake, some asleep, and some the moment between."""
PIECE, PIECES, PAUSE = b"x" * 20_000, 4, 0.3


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        if "Upgrade" in self.headers:
            self._echo()
        else:
            self._answer(b"hello")

    def do_POST(self) -> None:
        self._answer(b"%d" % len(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _echo(self) -> None:
        """Send back each frame of less than 126 bytes (RFC 6455 section 5.2), the last one of which closes."""
        accept = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + MAGIC).digest())  # noqa: S324
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept.decode())):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        while len(head := self.rfile.read(2)) == 2:
            mask = self.rfile.read(4)
            data = bytes(byte ^ mask[n % 4] for n, byte in enumerate(self.rfile.read(head[1] & 127)))
            self.wfile.write(bytes([head[0], len(data)]) + data)
            if head[0] & 15 == 8:
                return

    def log_message(self, *_: Any) -> None:
        pass


class _Visitor(threading.Thread):
    """One webspace's."""

    def __init__(self, stack: Any, member: str, count: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.errors: list[str] = []
        self.done = 0
        self._port = stack.http_port
        self._host = f"{member}.example.test"
        self._count = count
        self._chance = random.Random(seed)  # noqa: S311
        self._kept = self._connection()
        self._socket: Any = None

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)

    def run(self) -> None:
        for _ in range(self._count):
            time.sleep(self._chance.uniform(*GAPS))
            act: Callable[[], object] = self._chance.choice([self._ask, self._ask_again, self._upload, self._say])
            try:
                act()
            except Exception as error:  # noqa: BLE001
                self.errors.append(f"{self._host} {act.__name__} {self.done}: {error!r}")
            self.done += 1
        if self._socket is not None:
            self._socket.close()

    def _ask(self) -> None:
        connection = self._connection()
        self._hear(connection, b"hello")
        connection.close()

    def _ask_again(self) -> None:
        self._hear(self._kept, b"hello")

    def _hear(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        connection.request("GET", "/", headers={"Host": self._host})
        self._check(connection, body)

    def _check(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        response = connection.getresponse()
        answer = response.read()
        if (response.status, answer) != (200, body):
            raise ValueError(response.status, answer[:200])

    def _upload(self) -> None:
        connection = self._connection()
        connection.putrequest("POST", "/", skip_host=True)
        for name, value in (("Host", self._host), ("Content-Length", str(len(PIECE) * PIECES))):
            connection.putheader(name, value)
        connection.endheaders()
        for _ in range(PIECES):
            connection.send(PIECE)
            time.sleep(self._chance.uniform(0, PAUSE))
        self._check(connection, b"%d" % (len(PIECE) * PIECES))
        connection.close()

    def _say(self) -> None:
        if self._socket is None:
            plain = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
            self._socket = connect(
                f"ws://{self._host}/", sock=plain, compression=None, open_timeout=PATIENCE, ping_interval=None
            )
        word = f"word {self.done}"
        self._socket.send(word)
        if self._socket.recv(PATIENCE) != word:
            raise ValueError(word)


class Crowd:
    """The visitors, and a server that every container relays to."""

    def __init__(self, stack: Any, members: Sequence[str]) -> None:
        self._stack = stack
        self._members = members
        self.server = http.server.ThreadingHTTPServer((gateway_of(stack), 0), _Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def prepare(self) -> None:
        """Create the webspaces."""
        for uid, member in enumerate(self._members, 1):
            self._stack.create(member)
            answer = self._stack.ask("POST", "/v1/webspace/self/state", token=f"token-{member}")
            assert answer.status == 204, answer
            relay_inside(self._stack, {PORT: self.server.server_port}, uid)
            configure(self._stack, member, httpPort=PORT)

    def come(self, count: int) -> list[str]:
        """Let everybody do so many things; gives what went wrong."""
        visitors = [_Visitor(self._stack, member, count, seed) for seed, member in enumerate(self._members)]
        for each in visitors:
            each.start()
        for each in visitors:
            each.join()
        assert sum(each.done for each in visitors) == count * len(self._members)
        return [error for each in visitors for error in each.errors]

    def close(self) -> None:
        """End the server."""
        self.server.shutdown()
        self.server.server_close()

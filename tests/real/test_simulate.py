"""A machine without LXD: the daemon by `--simulate`, with its real Traefik, as a member and a visitor use it."""

from __future__ import annotations

import signal
import socket

from tests.real.simulated import SimulatedCase
from tests.stack import PATIENCE, exchange, receive_all, wait_until


class SimulateTests(SimulatedCase):
    def test_from_creation_to_a_visit_and_a_forward(self) -> None:
        created = self.ask("POST", "", b'{"image": "fast"}')
        self.assertEqual(created.status, 201, created)
        self.assertEqual(self.visit(), b"ws-u1\n")
        self.assertEqual(self.ask("DELETE", "/state").status, 204)
        self.assertEqual(self.ask("GET", "/state").json["running"], False)
        port = self.ask("POST", "/ports/7007").json["ePort"]
        # For two seconds after a stop visitors do not wake it.
        wait_until("its echo answers", lambda: self.echo(port) == b"hello")
        wait_until("it is awake again", lambda: self.visit() == b"ws-u1\n")
        self.assertEqual(self.end(), -signal.SIGTERM)
        self.assertNotIn("Traceback", self.log.read_text())
        self.assertEqual(list(self.directory.glob("webspaced-*")), [])

    def echo(self, port: int) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                connection.sendall(b"hello")
                connection.shutdown(socket.SHUT_WR)
                return receive_all(connection)
        except ConnectionResetError:
            return b""

    def visit(self) -> bytes:
        return exchange("127.0.0.1", self.http, "GET", "/", None, {"Host": "alice.example.test"}).body

"""A machine without LXD: the daemon by `--simulate`, with its real Traefik, as a member and a visitor use it."""

from __future__ import annotations

import signal

from tests.real.simulated import SimulatedCase
from tests.stack import exchange, wait_until
from tests.visitors import echoes


class SimulateTests(SimulatedCase):
    def test_from_creation_to_a_visit_and_a_forward(self) -> None:
        created = self.ask("POST", "", b'{"image": "fast"}')
        self.assertEqual(created.status, 201, created)
        self.assertEqual(self.visit(), b"ws-u1\n")
        self.assertEqual(self.ask("DELETE", "/state").status, 204)
        self.assertEqual(self.ask("GET", "/state").json["running"], False)
        port = self.ask("POST", "/ports/7007").json["ePort"]
        # For two seconds after a stop visitors do not wake it.
        wait_until("its echo answers", lambda: echoes(port))
        wait_until("it is awake again", lambda: self.visit() == b"ws-u1\n")
        self.assertEqual(self.end(), -signal.SIGTERM)
        self.assertNotIn("Traceback", self.log.read_text())
        self.assertEqual(list(self.directory.glob("webspaced-*")), [])

    def visit(self) -> bytes:
        return exchange("127.0.0.1", self.http, "GET", "/", None, {"Host": "alice.example.test"}).body

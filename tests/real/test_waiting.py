"""Who wakes, and waits how, as it comes through a real Traefik: the daemon by ``--simulate``."""

from __future__ import annotations

from typing import ClassVar

from tests.real.simulated import SimulatedCase
from tests.stack import Answer, exchange, wait_until

BROWSER = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "de", "Sec-Fetch-Mode": "navigate"}


class WaitingTests(SimulatedCase):
    settings: ClassVar[dict[str, object]] = {
        "WEBSPACES_WAITING": "page",
        "WEBSPACES_PAGE_AFTER": "0",
        "WEBSPACES_WAKE_AGENTS_IGNORED": "UptimeRobot,zgrab",
    }

    def visit(self, method: str = "GET", path: str = "/", **headers: str) -> Answer:
        sent = {"Host": "alice.example.test", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return exchange("127.0.0.1", self.http, method, path, None, sent)

    def test_a_browser_a_program_and_a_scanner(self) -> None:
        self.assertEqual(self.ask("POST", "", b'{"image": "fast"}').status, 201)
        scanner = self.visit(User_Agent="Mozilla/5.0 zgrab/0.x", **BROWSER)
        self.assertEqual((scanner.status, scanner.headers["Retry-After"]), (503, "3600"))
        self.assertEqual(self.ask("GET", "/state").json["running"], False)
        page = self.visit(**BROWSER)
        self.assertEqual(page.status, 503)
        self.assertIn("alice.example.test wacht auf", page.body.decode())
        told = {name: page.headers.get(name) for name in ("Refresh", "Retry-After", "Cache-Control", "X-Robots-Tag")}
        expected = {"Refresh": "2", "Retry-After": "2", "Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
        self.assertEqual(told, expected)
        wait_until("the page leads there", lambda: self.visit(**BROWSER).body == b"ws-u1\n")
        self.assertEqual(self.visit(User_Agent="zgrab").status, 200)
        self.assertEqual(self.ask("DELETE", "/state").status, 204)
        self.assertEqual(self.visit().body, b"ws-u1\n", "a program is held")
        self.assertEqual(self.ask("PUT", "/desired", b'{"desired": "stopped"}').status, 200)
        self.assertIn("ist abgeschaltet", self.visit(**BROWSER).body.decode())

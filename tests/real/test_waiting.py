"""Who wakes, and waits how, as it comes through a real Traefik: the daemon by ``--simulate``."""

from __future__ import annotations

import json
from typing import ClassVar
from urllib.parse import urlsplit

from selenium.webdriver import Chrome

from tests.browser import start_browser
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

    def test_in_a_browser_the_page_leads_to_the_webspace_by_itself(self) -> None:
        self.assertEqual(self.ask("POST", "", b'{"image": "fast"}').status, 201)
        chrome = start_browser(self, "host-resolver-rules=MAP alice.example.test 127.0.0.1", "accept-lang=de", "lang=de")
        chrome.get(f"http://alice.example.test:{self.http}/")
        self.assertEqual(chrome.title, "alice.example.test wacht auf")
        self.assertEqual(self.asked(chrome), ["/"], "the page needs nothing else")
        wait_until("the page leads there", lambda: self.text(chrome) == "ws-u1")
        self.assertEqual(self.ask("PUT", "/desired", b'{"desired": "stopped"}').status, 200)
        chrome.get(f"http://alice.example.test:{self.http}/")
        self.assertIn("ist abgeschaltet", self.text(chrome))
        complaints = [each["message"] for each in chrome.get_log("browser") if "503" not in each["message"]]
        self.assertEqual([each for each in complaints if "favicon" not in each], [])

    def text(self, chrome: Chrome) -> str:
        # In one step: the page may be left meanwhile.
        return str(chrome.execute_script("return document.body.innerText")).strip()

    def asked(self, chrome: Chrome) -> list[str]:
        """Give the paths of all that the page made the browser ask for; the browser itself looks for a picture."""
        events = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
        urls = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
        paths = [urlsplit(url).path for url in urls if "alice.example.test" in url]
        return [path for path in paths if path != "/favicon.ico"]

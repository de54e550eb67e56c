"""The page at ``/swagger`` in a real browser: it works, from the daemon alone, and under its Content-Security-Policy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.browser import start_browser
from tests.openapi import operations
from tests.real.simulated import SimulatedCase
from tests.stack import wait_until


class SwaggerTests(SimulatedCase):
    def setUp(self) -> None:
        super().setUp()
        self.assertEqual(self.ask("POST", "", b'{"image": "fast"}').status, 201)
        self.chrome = start_browser(self)
        self.origin = f"127.0.0.1:{self.api}"
        self.chrome.get(f"http://{self.origin}/swagger")

    def find(self, css: str, within: WebElement | None = None) -> WebElement:
        """Wait for an element to be shown, and give it."""
        place: Any = within or self.chrome

        def shown() -> WebElement | None:
            return next((each for each in place.find_elements(By.CSS_SELECTOR, css) if each.is_displayed()), None)

        found: WebElement = wait_until(f"{css} is shown", shown)
        return found

    def press(self, css: str, within: WebElement | None = None) -> None:
        button = self.find(css, within)
        self.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()

    def press_all(self, css: str) -> None:
        self.chrome.execute_script("document.querySelectorAll(arguments[0]).forEach(each => each.click())", css)

    def events(self) -> Iterator[Any]:
        for entry in self.chrome.get_log("performance"):
            yield json.loads(entry["message"])["message"]

    def requests(self) -> list[str]:
        """Give the URLs of all that the page has asked for since the last look."""
        return [each["params"]["request"]["url"] for each in self.events() if each["method"] == "Network.requestWillBeSent"]

    def test_authorize_and_try_it_out(self) -> None:
        self.assertEqual(self.find(".info .title").text.splitlines()[0], "webspaced")
        self.authorize("token-alice")
        call = self.find("#operations-webspace-readWebspace")
        self.press(".opblock-summary-control", call)
        self.press(".try-out__btn", call)
        self.press(".execute", call)
        answered = self.find(".live-responses-table .response", call)
        self.assertEqual(self.find(".response-col_status", answered).text.splitlines()[0], "200")
        self.assertIn('"httpPort"', self.find(".highlight-code", answered).text)
        self.chrome.execute_script("arguments[0].scrollIntoView()", call)
        # In trial's own folder, which stays until the next run: somebody may want to look.
        screenshot = Path("swagger.png").resolve()
        self.assertTrue(self.chrome.save_screenshot(str(screenshot)))
        self.assertGreater(screenshot.stat().st_size, 20_000)
        self.check_manners()

    def authorize(self, token: str) -> None:
        self.press(".auth-wrapper .authorize")
        dialog = self.find(".dialog-ux .modal-ux")
        self.find("input", dialog).send_keys(token)
        self.press(".auth-btn-wrapper .authorize", dialog)
        self.press(".auth-btn-wrapper .btn-done", dialog)

    def check_manners(self) -> None:
        """Nothing was asked of anybody else, nothing was said against the page, and the token is kept nowhere."""
        asked = self.requests()
        # Not images that are data, nor the browser's own first page.
        hosts = {urlsplit(url).netloc for url in asked if urlsplit(url).scheme not in ("data", "chrome")}
        self.assertEqual(hosts, {self.origin})
        self.assertIn(f"http://{self.origin}/v1/webspace/self", asked)
        self.assertEqual(self.complaints(), [])
        kept = self.chrome.execute_script("return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        self.assertNotIn("token-alice", kept)

    def complaints(self) -> list[Any]:
        """Give what stands in the console, such as what the Content-Security-Policy forbade."""
        return [entry for entry in self.chrome.get_log("browser") if entry["level"] != "INFO"]

    def test_every_call_can_be_read(self) -> None:
        self.find("#operations-manual-openManual")
        count = len(list(operations()))
        self.press_all(".opblock-summary-control")
        wait_until("all are open", lambda: len(self.chrome.find_elements(By.CSS_SELECTOR, ".opblock.is-open")) == count)
        self.press_all(".models-control, .model-toggle")
        self.assertEqual(self.chrome.find_elements(By.CSS_SELECTOR, ".errors-wrapper"), [])
        self.assertEqual(self.complaints(), [])

    def test_a_refusal_is_shown(self) -> None:
        call = self.find("#operations-webspace-readWebspace")
        self.press(".opblock-summary-control", call)
        self.press(".try-out__btn", call)
        self.press(".execute", call)
        answered = self.find(".live-responses-table .response", call)
        self.assertEqual(self.find(".response-col_status", answered).text.splitlines()[0], "401")
        self.assertIn("a bearer token is needed", self.find(".highlight-code", answered).text)

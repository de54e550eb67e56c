"""The built site as a browser shows it, on a desk and on a phone: nothing is too wide, nothing comes from elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.browser import start_browser
from tests.docs.blocks import ROOT

WIDTHS = (1280, 390)
TOO_WIDE = """
    const page = document.documentElement, found = [];
    if (page.scrollWidth > page.clientWidth) found.push(`the page: ${page.scrollWidth} of ${page.clientWidth}`);
    for (const each of document.querySelectorAll('article *')) {
        const box = each.getBoundingClientRect();
        let scrolls = false;
        for (let up = each; up && up.tagName !== 'ARTICLE'; up = up.parentElement) {
            scrolls ||= ['auto', 'scroll'].includes(getComputedStyle(up).overflowX);
        }
        const is_out = box.width && box.right > page.clientWidth + 1;
        if (is_out && !scrolls) found.push(`${each.tagName}: ${each.textContent.slice(0, 60)}`);
    }
    return found;
"""
UNSEEN = "return [...document.images].filter((each) => !each.naturalWidth).map((each) => each.src)"
SHORTEST_TEXT = 14
"""Pixels: of what is to be read on a phone."""


class SiteTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.browser = start_browser(self)
        # A folder for pictures of every page, for people to look at.
        self.shots = os.environ.get("WEBSPACED_TEST_SHOTS")
        self.site = Path(os.environ.get("WEBSPACED_TEST_SITE") or self.built())

    def built(self) -> str:
        """Build the site, where the tier has not done so."""
        folder = tempfile.TemporaryDirectory(prefix="webspaced-test-")
        self.addCleanup(folder.cleanup)
        build = ("-q", "-W", "-b", "html", "-d", f"{folder.name}/doctrees", "docs", f"{folder.name}/html")
        subprocess.run([sys.executable, "-m", "sphinx", *build], cwd=ROOT, check=True)
        return f"{folder.name}/html"

    def test_nothing_is_wider_than_the_page(self) -> None:
        pages = sorted(self.site.rglob("*.html"))
        self.assertGreater(len(pages), 100)
        for width in WIDTHS:
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < WIDTHS[0]}
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            for page in pages:
                self.look(page, width)
        self.assertEqual(self.fetched(), set(), "the site asks for what is elsewhere")

    def look(self, page: Path, width: int) -> None:
        name = f"{page.relative_to(self.site)} at {width}"
        self.browser.get(page.as_uri())
        self.assertEqual(self.browser.execute_script("return window.innerWidth"), width, name)
        self.assertEqual(self.browser.execute_script(TOO_WIDE), [], name)
        self.assertEqual(self.browser.execute_script(UNSEEN), [], name)
        size = self.browser.execute_script("return parseFloat(getComputedStyle(document.body).fontSize)")
        self.assertGreaterEqual(size, SHORTEST_TEXT, name)
        if self.shots:
            self.browser.save_screenshot(f"{self.shots}/{name.replace('/', '-').replace(' ', '-')}.png")

    def fetched(self) -> set[str]:
        """Give the addresses on the network that the pages asked for."""
        messages: list[Any] = [json.loads(each["message"])["message"] for each in self.browser.get_log("performance")]
        asked = {each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"}
        self.assertTrue(asked)
        return {url for url in asked if url.startswith(("http", "ws", "//"))}

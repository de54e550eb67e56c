"""A real Chromium without a window."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from unittest import SkipTest

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from twisted.trial.unittest import SynchronousTestCase

from tests.stack import WITHOUT_VARIABLE

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
"""Where Debian's packages chromium and chromium-driver put them."""
# Root's Chromium has no sandbox, and /dev/shm may be small.
SWITCHES = ("headless=new", "no-sandbox", "disable-dev-shm-usage", "no-proxy-server", "window-size=1280,1600")


def start_browser(test: SynchronousTestCase, *switches: str) -> Chrome:
    """Start one that ends with a test; it keeps what it does for the logs ``browser`` and ``performance``."""
    if not (CHROMIUM.exists() and DRIVER.exists()):
        reason = os.environ.get(WITHOUT_VARIABLE) or "run it by `make test` as root"
        message = f"no Chromium: {reason}"
        raise SkipTest(message)
    # Chromium's helpers may write for a moment after its end.
    profile = tempfile.TemporaryDirectory(prefix="webspaced-test-", ignore_cleanup_errors=True)
    test.addCleanup(profile.cleanup)
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for switch in (*SWITCHES, *switches, f"user-data-dir={profile.name}"):
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options=options, service=Service(str(DRIVER)))
    test.addCleanup(chrome.quit)
    return chrome

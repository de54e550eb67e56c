"""A day of 1,000 webspaces whose idle ones doze and are stopped later: everybody is served (``make soak``).

``make bench BENCH=day`` compares it with others, and is its short version in the tier `bench`.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.day import HOUR, Day, Size, calls

HOURS = float(os.environ.get("WEBSPACED_TEST_SOAK_HOURS", "24"))
WEBSPACES = int(os.environ.get("WEBSPACED_TEST_SOAK_WEBSPACES", "1000"))


class DayTests(SynchronousTestCase):
    def test_everybody_is_served(self) -> None:
        size = Size(webspaces=WEBSPACES, seconds=HOURS * HOUR)
        asked = calls(size)
        day = Day(size, {"doze_after": "5m", "stop_after": "1h"}, print)
        try:
            outcome = day.live(asked)
        finally:
            day.deployment.close()
        self.assertEqual((outcome.refused, day.deployment.mishaps), ([], []))
        self.assertEqual(len(outcome.waits), len(asked))
        self.assertLessEqual(max(outcome.memory), size.memory)
        self.flushLoggedErrors()

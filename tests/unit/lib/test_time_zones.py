from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib import time_zones


class OwnZoneTests(SynchronousTestCase):
    def test_what_the_machine_says(self) -> None:
        zone = ZoneInfo("Europe/Berlin")
        self.patch(time_zones, "get_localzone", lambda: zone)
        self.assertIs(time_zones.own_zone(), zone)

    def test_one_that_contradicts_itself(self) -> None:
        def told() -> None:
            raise ZoneInfoNotFoundError("Multiple conflicting time zone configurations found")

        self.patch(time_zones, "get_localzone", told)
        self.assertIs(time_zones.own_zone(), UTC)

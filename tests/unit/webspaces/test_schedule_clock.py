"""Schedules while the time of day jumps, and on days of 23 and 25 hours."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from attrs import evolve

from tests.unit.webspaces.sleeping import RULES
from tests.unit.webspaces.test_schedule import ScheduleCase, config
from webspaced.core.instance import Status
from webspaced.webspaces import schedule as module
from webspaced.webspaces.schedule import CORRECTION, LEAD

BERLIN = ZoneInfo("Europe/Berlin")


class ClockTests(ScheduleCase):
    """The time of day jumps, and the hours of a day are 23 or 25."""

    def test_a_clock_that_is_set_forth_a_little_loses_nothing(self) -> None:
        self.until(12, 15)
        self.w.ahead += CORRECTION - 60
        planned, next_wake = [], module.next_wake
        self.patch(module, "next_wake", lambda *given: planned.append(given) or next_wake(*given))
        self.w.clock.run_for(62)
        # Six times were left out: it was woken once for them.
        self.assertEqual((self.starts(), self.wakes_at(), len(planned)), (1, "30 15:30", 1))

    def test_one_that_is_set_forth_by_far_means_another_time(self) -> None:
        self.until(12, 15)
        self.w.ahead += 86400
        self.w.clock.run_for(62)
        self.assertEqual((self.starts(), self.wakes_at()), (0, "01 12:30"))

    def test_a_clock_that_is_set_back_a_little_repeats_nothing(self) -> None:
        self.set(config("12:30"))
        self.until(12, 31)
        self.stop()
        self.w.ahead -= 3600
        self.until(12, 40)
        self.assertEqual((self.starts(), self.wakes_at()), (1, "01 12:30"))

    def test_one_that_was_wrong_by_years_is_mended(self) -> None:
        self.set_up_at(self.at + 10 * 365 * 86400)
        self.w.clock.run_for(1900)
        self.assertEqual(self.starts(), 1)
        self.stop()
        self.w.ahead = self.at - self.w.clock.seconds()
        self.w.clock.run_for(62)
        self.assertEqual(self.wakes_at(), "30 12:30")
        self.until(12, 30)
        self.assertEqual(self.starts(), 2)

    def test_it_is_looked_once_a_minute(self) -> None:
        self.set(config("23:00"))
        self.w.ahead += 11 * 3600 - 3 * 60 - CORRECTION + 30
        self.w.clock.run_for(61)
        self.assertEqual(self.starts(), 0)
        self.w.ahead += CORRECTION - 60
        self.w.clock.run_for(120)
        self.assertEqual(self.starts(), 1)

    def days(self, first: datetime, text: str, days: int) -> list[str]:
        """Give when it was started on the days from one on."""
        self.patch(self, "rules", evolve(RULES, zone=BERLIN, doze_after=0, stop_after=0))
        self.set_up_at(first.timestamp(), text)
        found, start = [], self.w.lxd.start

        async def starting(name: str) -> None:
            # Its lead is a little longer from the second time on.
            found.append(f"{datetime.fromtimestamp(self.w.now() + LEAD + 5, BERLIN):%d %H:%M}")
            await start(name)

        self.patch(self.w.lxd, "start", starting)
        for _ in range(24 * days):
            self.w.clock.run_for(3600)
            if self.container.status is Status.RUNNING:
                self.stop()
        return found

    def test_the_hour_that_is_missing(self) -> None:
        found = self.days(datetime(2026, 3, 28, 1, tzinfo=BERLIN), "02:30", 3)
        self.assertEqual(found, ["28 02:30", "29 03:00", "30 02:30"])

    def test_the_hour_that_comes_twice(self) -> None:
        found = self.days(datetime(2026, 10, 24, 1, tzinfo=BERLIN), "02:30", 3)
        self.assertEqual(found, ["24 02:30", "25 02:30", "26 02:30"])

"""Periodic work survives whatever it does."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time
from webspaced.errors import Unavailable
from webspaced.lib.periodic import Periodic


class PeriodicTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.runs = 0
        self.does: object = None
        self.periodic = Periodic(self.clock, 10, "it", self.work)
        self.periodic.startService()

    def work(self) -> Deferred[None] | None:
        self.runs += 1
        if isinstance(self.does, Exception):
            raise self.does
        return self.does  # type: ignore[return-value]

    def test_first_after_one_interval_then_after_each(self) -> None:
        self.assertEqual(self.runs, 0)
        self.clock.advance(9.9)
        self.assertEqual(self.runs, 0)
        self.clock.run_for(30.2)
        self.assertEqual(self.runs, 4)

    def test_goes_on_after_an_exception(self) -> None:
        self.does = ValueError("no")
        self.clock.run_for(35)
        self.assertEqual(self.runs, 3)

    def test_goes_on_after_a_failed_deferred(self) -> None:
        self.does = Deferred()
        self.clock.advance(10)
        self.does.errback(Unavailable("LXD cannot be reached"))
        self.does = None
        self.clock.run_for(20)
        self.assertEqual(self.runs, 3)

    def test_does_not_overlap_a_run_that_takes_longer(self) -> None:
        self.does = waiting = Deferred()
        self.clock.run_for(35)
        self.assertEqual(self.runs, 1)
        self.does = None
        waiting.callback(None)
        self.clock.run_for(10)
        self.assertEqual(self.runs, 2)

    def test_another_interval_counts_from_the_moment_when_it_is_told(self) -> None:
        seconds = [10.0]
        periodic = Periodic(self.clock, lambda: seconds[0], "it", self.work)
        self.periodic.stopService()
        periodic.startService()
        self.clock.run_for(9)
        seconds[0] = 3
        periodic.retime()
        self.clock.run_for(2.9)
        self.assertEqual(self.runs, 0)
        self.clock.run_for(3.2)
        self.assertEqual(self.runs, 2)
        periodic.retime()
        self.clock.run_for(3)
        self.assertEqual(self.runs, 3)

    def test_another_interval_while_it_runs_or_before_it_starts(self) -> None:
        seconds = [10.0]
        periodic = Periodic(self.clock, lambda: seconds[0], "it", self.work)
        self.periodic.stopService()
        seconds[0] = 2
        periodic.retime()
        periodic.startService()
        self.does = waiting = Deferred()
        self.clock.run_for(2)
        seconds[0] = 5
        periodic.retime()
        self.clock.run_for(20)
        self.assertEqual(self.runs, 1)
        self.does = None
        waiting.callback(None)
        self.clock.run_for(5)
        self.assertEqual(self.runs, 2)

    def test_stops(self) -> None:
        self.periodic.stopService()
        self.clock.run_for(100)
        self.assertEqual(self.runs, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stops_while_a_run_is_under_way(self) -> None:
        self.does = waiting = Deferred()
        self.clock.advance(10)
        self.periodic.stopService()
        waiting.callback(None)
        self.clock.run_for(100)
        self.assertEqual(self.runs, 1)

    def test_the_failure_is_told_with_what_and_when(self) -> None:
        # The log's own format must hold: a broken one would hide the failure.
        self.does = ValueError("no")
        with capturedLogs() as caught:
            self.clock.advance(10)
        self.assertEqual([formatEvent(event) for event in caught], ["it failed and is tried again in 10 s: no"])

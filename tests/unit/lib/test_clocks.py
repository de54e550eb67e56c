"""What waits goes by a clock that nobody sets, wherever Twisted or webspaced ask for the time."""

from __future__ import annotations

import time

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time
from webspaced.lib.clocks import go_by_monotonic_time, time_with_sleep


class Reactor(ReactorBase):
    """Twisted's own keeping of time, without anything to wait for."""

    def installWaker(self) -> None:
        """Nobody wakes it."""

    def removeAll(self) -> list[object]:
        return []


class MonotonicTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 5000.0
        self.patch(time, "monotonic", lambda: self.now)
        self.reactor = Reactor()

    def turn(self, seconds: float) -> None:
        self.now += seconds
        self.reactor.runUntilCurrent()

    def test_calls_are_due_by_the_monotonic_clock(self) -> None:
        go_by_monotonic_time(self.reactor)
        called: list[str] = []
        self.reactor.callLater(10, called.append, "later")
        # Whatever the time of day is meanwhile: it is not asked.
        self.patch(time, "time", lambda: 0.0)
        self.turn(9.9)
        self.assertEqual(called, [])
        self.assertAlmostEqual(self.reactor.timeout(), 0.1)
        self.turn(0.2)
        self.assertEqual(called, ["later"])

    def test_what_waits_already_keeps_the_time_that_is_left(self) -> None:
        called: list[str] = []
        day = [1_700_000_000.0]
        self.reactor.seconds = lambda: day[0]
        self.reactor.callLater(100, called.append, "earlier")
        soon = self.reactor.callLater(5, called.append, "soon")
        day[0] += 1
        go_by_monotonic_time(self.reactor)
        self.turn(3.9)
        soon.reset(5)
        self.turn(4.9)
        self.assertEqual(called, [])
        self.turn(0.2)
        self.assertEqual(called, ["soon"])
        self.turn(95)
        self.assertEqual(called, ["soon", "earlier"])

    def test_timeouts_go_by_it(self) -> None:
        go_by_monotonic_time(self.reactor)
        waiting: Deferred[None] = Deferred()
        waiting.addTimeout(1.0, self.reactor, lambda *_: "expired")
        self.turn(1.1)
        self.assertEqual(self.successResultOf(waiting), "expired")


class SleepTests(SynchronousTestCase):
    def test_the_machines_suspension_counts(self) -> None:
        reactor = Reactor()
        go_by_monotonic_time(reactor)
        self.patch(time, "clock_gettime", lambda clock: {time.CLOCK_BOOTTIME: 77.0}[clock])
        self.assertEqual(time_with_sleep(reactor)(), 77.0)

    def test_a_clock_in_memory_is_the_only_one(self) -> None:
        clock = Time()
        clock.advance(3)
        self.assertEqual(time_with_sleep(clock)(), 3.0)

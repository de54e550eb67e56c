"""A Traefik that runs and has no routes is noticed, told of, and started again if it is ours."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit.timing import Time
from webspaced.interfaces import ITraefik
from webspaced.traefik.watch import LOOK, TraefikWatch
from webspaced.webspaces.conditions import Conditions, Kind

BOUND = 10.0


@implementer(ITraefik)
class Traefik:
    """Answers as it is told, and is somebody's child."""

    def __init__(self) -> None:
        self.answer: bool | None = True
        self.has_served = True
        self.trouble = ""
        self.restarts = 0

    async def has(self, generation: int) -> bool | None:
        return self.answer

    async def has_any(self) -> bool | None:
        return self.answer

    def restart(self) -> None:
        self.restarts += 1


class WatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.traefik = Time(), Traefik()
        self.conditions = Conditions(self.clock)
        self.watch = TraefikWatch(self.clock, self.traefik, BOUND, self.conditions, lambda: self.clock.seconds() + 1e9)
        self.watch.own = self.traefik

    def looks(self, seconds: float) -> None:
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end:
            self.clock.advance(LOOK)
            looking: Deferred[None] = self.watch.look()
            self.assertTrue(looking.called)

    def test_all_is_well(self) -> None:
        self.looks(100)
        self.assertEqual((self.watch.trouble, self.traefik.restarts, self.conditions.of(1)), ("", 0, {}))

    def test_one_that_is_started_again_by_somebody_else_has_its_time(self) -> None:
        self.traefik.answer = False
        self.looks(BOUND - LOOK)
        self.traefik.answer = True
        self.looks(20)
        self.assertEqual((self.watch.trouble, self.traefik.restarts), ("", 0))

    def test_without_routes_it_is_told_in_its_own_words_and_started_again_until_it_has_them(self) -> None:
        self.traefik.answer, self.traefik.trouble = False, "no inotify instance"
        with capturedLogs() as events:
            self.looks(BOUND + LOOK)
        self.assertEqual(self.traefik.restarts, 1)
        self.assertIn("none of webspaced's routes since 2001-09-09T01:46:45Z; it says: no inotify", self.watch.trouble)
        self.assertEqual(self.conditions.of(7), {Kind.UNROUTED: self.watch.trouble})
        self.assertEqual(len([each for each in events if "unrouted" in (formatEvent(each) or "")]), 1)
        for seconds, restarts in ((15, 2), (10, 2), (5, 3), (10, 3), (5, 4), (15, 5)):
            self.looks(seconds)
            self.assertEqual(self.traefik.restarts, restarts)
        self.traefik.answer = True
        self.looks(LOOK)
        self.assertEqual((self.watch.trouble, self.conditions.of(7)), ("", {}))

    def test_the_next_time_it_is_as_quick_again(self) -> None:
        for _ in range(2):
            self.traefik.answer, self.traefik.restarts = False, 0
            self.looks(BOUND + LOOK)
            self.assertEqual(self.traefik.restarts, 1)
            self.traefik.answer = True
            self.looks(LOOK)

    def test_a_bound_that_is_very_short_is_none_for_this(self) -> None:
        self.watch = TraefikWatch(self.clock, self.traefik, 0.1, self.conditions, self.clock.seconds)
        self.watch.own, self.traefik.answer = self.traefik, False
        self.looks(LOOK + 5)
        self.assertEqual(self.traefik.restarts, 0)

    def test_one_that_never_had_any_is_still_starting(self) -> None:
        self.traefik.answer, self.traefik.has_served = False, False
        self.looks(50)
        self.assertEqual((self.watch.trouble, self.traefik.restarts), ("", 0))

    def test_while_routes_cannot_be_written_a_restart_would_not_help(self) -> None:
        self.traefik.answer = False
        self.watch.is_written = lambda: False
        self.looks(50)
        self.assertIn("none of webspaced's routes", self.watch.trouble)
        self.assertEqual(self.traefik.restarts, 0)

    def test_no_answer_is_no_news(self) -> None:
        self.traefik.answer = False
        self.looks(BOUND + LOOK)
        before, self.traefik.answer = self.watch.trouble, None
        self.looks(50)
        self.assertEqual((self.watch.trouble, self.traefik.restarts), (before, 1))

    def test_somebody_elses_is_only_told_of(self) -> None:
        self.watch.own = None
        self.traefik.answer = False
        self.looks(50)
        self.assertEqual(self.traefik.restarts, 0)
        self.assertIn("Traefik has none of webspaced's routes", self.watch.trouble)

    def test_one_that_cannot_tell_is_believed(self) -> None:
        self.traefik.answer = None
        self.looks(50)
        self.assertEqual((self.watch.trouble, self.traefik.restarts), ("", 0))

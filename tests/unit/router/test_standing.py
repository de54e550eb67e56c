"""Of several routers with one Lease never two answer, whatever happens to the Lease's store."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.fake_lease import FakeLease, Stored
from tests.unit.timing import Time
from webspaced.core.lease import LeaseTimes
from webspaced.leadership.struggle import Leadership
from webspaced.router.standing import ByLease

TIMES = LeaseTimes(duration=2.0, deadline=1.25, pause=0.5)


class Answers:
    """What is asked of a router's duty."""

    def __init__(self) -> None:
        self.is_wanted = False

    def want(self, wanted: bool) -> None:
        self.is_wanted = wanted

    async def over(self) -> None:
        self.want(False)


class Router:
    """One of the routers, with its own way to the Lease."""

    def __init__(self, clock: Time, stored: Stored, name: str) -> None:
        self.duty, self.lease = Answers(), FakeLease(clock, stored)
        self.standing = ByLease(cast("Any", self.duty), lambda: Leadership(clock, self.lease, name, TIMES))
        self.standing.startService()
        self.standing.prepared()

    def stop(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.standing.stopService())


class ByLeaseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, stored = Time(), Stored()
        self.first, self.second = (Router(self.clock, stored, name) for name in ("a", "b"))
        self.assertTrue(self.clock.run_until(lambda: self.first.duty.is_wanted, 1.0))

    def test_the_other_one_takes_over_within_what_was_asked_for(self) -> None:
        self.first.lease.away = True
        last = self.clock.seconds()
        self.assertTrue(self.clock.run_until(lambda: self.second.duty.is_wanted, 10.0))
        self.assertLessEqual(self.clock.seconds() - last, TIMES.duration + TIMES.pause + 0.1)
        self.assertFalse(self.first.duty.is_wanted)

    def test_who_was_deposed_stands_again(self) -> None:
        self.first.lease.away = True
        self.clock.run_until(lambda: self.second.duty.is_wanted, 10.0)
        self.first.lease.away = False
        self.clock.run_for(10.0)
        self.assertEqual((self.first.standing.leader, self.second.duty.is_wanted), ("b", True))
        self.second.lease.away = True
        self.assertTrue(self.clock.run_until(lambda: self.first.duty.is_wanted, 10.0))

    def test_a_short_silence_moves_nothing(self) -> None:
        self.first.lease.away = True
        self.clock.run_for(1.0)
        self.first.lease.away = False
        self.clock.run_for(10.0)
        self.assertEqual((self.first.duty.is_wanted, self.second.duty.is_wanted), (True, False))

    def test_an_orderly_end_hands_over_at_once(self) -> None:
        self.clock.result_of(self.first.stop())
        last = self.clock.seconds()
        self.assertTrue(self.clock.run_until(lambda: self.second.duty.is_wanted, 10.0))
        self.assertLessEqual(self.clock.seconds() - last, 2 * TIMES.pause)

    def test_one_that_is_not_prepared_does_not_stand(self) -> None:
        duty = Answers()
        unprepared = ByLease(cast("Any", duty), lambda: self.fail("it stands"))
        unprepared.startService()
        self.assertEqual(unprepared.leader, "")
        self.successResultOf(Deferred.fromCoroutine(unprepared.stopService()))
        unprepared.prepared()
        self.assertFalse(duty.is_wanted)

    @given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["away", "lost", "hung", "well"]), st.floats(0, 4))))
    def test_never_two_answer(self, steps: list[tuple[str, str, float]]) -> None:
        self.setUp()
        both = {"a": self.first, "b": self.second}
        for name, fault, seconds in steps:
            for each in ("away", "lost", "hung"):
                setattr(both[name].lease, each, each == fault)
            self.clock.run_until(self.two_answer, seconds)
            self.assertFalse(self.two_answer())
        for each in both.values():
            each.lease.away = each.lease.lost = each.lease.hung = False
        self.assertTrue(self.clock.run_until(lambda: any(each.duty.is_wanted for each in both.values()), 30.0))

    def two_answer(self) -> bool:
        return self.first.duty.is_wanted and self.second.duty.is_wanted

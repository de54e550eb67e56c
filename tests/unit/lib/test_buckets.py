from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.buckets import Buckets, Rate

RATES = st.builds(Rate, st.floats(0.1, 1000), st.integers(1, 1000))
PAUSES = st.lists(st.floats(0, 10), max_size=200)


class RateTests(SynchronousTestCase):
    @given(RATES, PAUSES)
    def test_no_more_than_the_burst_and_what_flows_in(self, rate: Rate, pauses: list[float]) -> None:
        now = full_at = taken = 0.0
        for pause in pauses:
            now += pause
            full_at, wait = rate.take(full_at, now)
            taken += not wait
        self.assertLessEqual(taken, rate.burst + rate.per_second * now + 0.01)

    @given(RATES, PAUSES)
    def test_who_waits_as_told_is_served_and_nobody_earlier(self, rate: Rate, pauses: list[float]) -> None:
        now = full_at = 0.0
        for pause in pauses:
            now += pause
            full_at, wait = rate.take(full_at, now)
            if wait:
                self.assertGreater(rate.take(full_at, now + wait / 2)[1], 0)
                now += wait
                full_at, again = rate.take(full_at, now)
                self.assertEqual(again, 0)

    @given(RATES, st.floats(1, 1e5), st.floats(0, 100), st.integers(1, 50))
    def test_a_debt_ends(self, rate: Rate, cost: float, deepest: float, times: int) -> None:
        full_at = 0.0
        for _ in range(times):
            full_at = rate.charge(full_at, 100.0, cost, deepest)
        self.assertLessEqual(rate.take(full_at, 100.0)[1], deepest + 1 / rate.per_second + 0.001)


class BucketsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1e9)

    def buckets(self, rate: Rate, most: int = 10) -> Buckets[str]:
        return Buckets(self.clock, rate, most)

    def test_each_key_has_its_own(self) -> None:
        buckets = self.buckets(Rate(1, 2))
        self.assertEqual([buckets.take("a"), buckets.take("a")], [0, 0])
        self.assertAlmostEqual(buckets.take("a"), 1.0, places=3)
        self.assertEqual(buckets.take("b"), 0)
        self.clock.advance(1)
        self.assertEqual(buckets.take("a"), 0)
        self.assertTrue(buckets.take("a"))

    def test_waiting_costs_nothing(self) -> None:
        buckets = self.buckets(Rate(1, 1))
        buckets.take("a")
        waits = [buckets.take("a") for _ in range(10)]
        self.assertEqual(waits, [waits[0]] * 10)

    def test_a_charge_takes_what_is_not_there(self) -> None:
        buckets = self.buckets(Rate(10, 20))
        for _ in range(3):
            buckets.charge("a", 10, 60)
        self.assertAlmostEqual(buckets.take("a"), 1.1, places=3)

    def test_0_is_off(self) -> None:
        buckets = self.buckets(Rate(0, 1))
        buckets.charge("a", 10, 60)
        self.assertEqual([buckets.take("a") for _ in range(100)], [0] * 100)
        self.assertEqual(len(buckets), 0)

    def test_those_used_last_are_kept(self) -> None:
        buckets = self.buckets(Rate(1, 1), most=3)
        for key in "abcad":
            buckets.take(key)
        self.assertEqual(len(buckets), 3)
        self.assertEqual([bool(buckets.take(key)) for key in "acd"], [True, True, True])
        self.assertEqual(buckets.take("b"), 0)

    def test_a_clock_that_is_set_back_locks_nobody_out(self) -> None:
        buckets = self.buckets(Rate(1, 5))
        buckets.take("a")
        self.clock.rightNow -= 1e6
        for _ in range(4):
            buckets.take("a")
        self.assertLessEqual(buckets.take("a"), 1.001)

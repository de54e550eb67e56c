from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.expiring import ExpiringCache


class ExpiringCacheTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.cache: ExpiringCache[str, int] = ExpiringCache(self.clock, 3)

    def test_a_value_is_there_until_its_time_is_over(self) -> None:
        self.cache.put("a", 1, 2.0)
        self.clock.advance(1.9)
        self.assertEqual(self.cache.get("a"), 1)
        self.clock.advance(0.1)
        self.assertIsNone(self.cache.get("a"))
        self.assertEqual(len(self.cache), 0)

    def test_one_without_time_is_not_kept_and_ends_an_older_one(self) -> None:
        for seconds in (0.0, -5.0):
            self.cache.put("a", 1, 2.0)
            self.cache.put("a", 2, seconds)
            self.assertIsNone(self.cache.get("a"))

    def test_the_oldest_goes_when_there_are_too_many(self) -> None:
        for n, key in enumerate("abc"):
            self.cache.put(key, n, 9.0)
        self.cache.put("a", 7, 9.0)
        self.cache.put("d", 8, 9.0)
        self.assertEqual([self.cache.get(key) for key in "abcd"], [7, None, 2, 8])

    def test_a_clock_that_is_set_back_prolongs_nothing(self) -> None:
        self.clock.advance(1000)
        self.cache.put("a", 1, 2.0)
        self.clock.rightNow = 10.0
        self.assertIsNone(self.cache.get("a"))

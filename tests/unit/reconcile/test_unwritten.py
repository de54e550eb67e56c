"""A store that takes nothing: it is told since when and why, nobody is led astray, and all is written when it can be."""

from __future__ import annotations

import errno
import os

from tests.unit.reconcile.test_publisher import A, B, PublisherCase
from tests.unit.timing import watch
from tests.unit.world import SETTLE
from webspaced.core.brief import LONGEST_SENTENCE
from webspaced.errors import PartlyWritten, RoutesUnwritable
from webspaced.reconcile.publisher import TRY_LIMIT, WRITE_LIMIT, Publisher
from webspaced.reconcile.unwritten import reason_of

NOW = 1_800_000_000.0
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/var/lib/secret/webspaced.yml")


class UnwrittenCase(PublisherCase):
    def setUp(self) -> None:
        super().setUp()
        self.ahead = 0.0
        self.publisher = Publisher(self.clock, self.store, SETTLE, now=lambda: NOW + self.ahead + self.clock.seconds())
        self.unwritten = self.publisher.unwritten
        self.told: list[str] = []
        self.unwritten.subscribe(self.told.append)

    def fail(self, *errors: Exception) -> None:
        self.store.errors.extend(errors)


class WholeTests(UnwrittenCase):
    def test_since_when_and_why_is_told_until_it_is_written(self) -> None:
        self.opened(x=A)
        self.assertEqual(self.unwritten.told(), "")
        self.fail(*[FULL] * 3)
        self.want("x", B)
        self.clock.run_for(0.05)
        told = self.unwritten.told()
        self.assertEqual(told, "routes cannot be written since 2027-01-15T08:00:00Z: No space left on device")
        self.assertEqual(self.unwritten.of("x"), told.removeprefix("routes cannot be written "))
        self.assertEqual(self.unwritten.of("y"), "")
        self.clock.run_for(0.2)
        self.assertEqual(self.unwritten.told(), told)
        self.clock.run_for(10)
        self.assertEqual((self.unwritten.told(), self.unwritten.of("x"), self.told), ("", "", ["x", "x"]))

    def test_what_is_to_be_as_it_was_needs_no_write_to_be_well(self) -> None:
        self.opened(x=A)
        self.fail(*[FULL] * 3)
        self.want("x", B)
        self.clock.run_for(0.05)
        self.want("x", A)
        self.clock.run_for(10)
        self.assertEqual(self.unwritten.told(), "")

    def test_who_needs_it_written_is_refused_where_it_is_not(self) -> None:
        self.opened(x=A)
        self.fail(*[FULL] * 100)
        self.want("x", B)
        needing, asking = watch(self.publisher.settled("x", surely=True)), watch(self.publisher.settled("x"))
        self.clock.run_for(WRITE_LIMIT - 1)
        self.assertFalse(needing.done or asking.done)
        self.clock.run_for(2)
        self.assertIsInstance(needing.error, RoutesUnwritable)
        self.assertIn("No space left on device", str(needing.error))
        self.assertNotIn("secret", str(needing.error))
        self.assertIsNone(asking.value)

    def test_who_comes_later_is_told_sooner_and_has_it_tried_at_once(self) -> None:
        self.opened(x=A)
        self.fail(*[FULL] * 12)
        self.want("x", B)
        self.clock.run_for(40)
        tries = len(self.store.errors)
        needing = watch(self.publisher.settled("x", surely=True))
        self.clock.run_for(TRY_LIMIT + 0.1)
        self.assertIsInstance(needing.error, RoutesUnwritable)
        self.assertLess(len(self.store.errors), tries)
        self.store.errors.clear()
        again = watch(self.publisher.settled("x", surely=True))
        self.clock.run_for(1)
        self.assertIsNone(again.value)

    def test_a_time_of_day_that_is_set_makes_nobody_wait_longer_or_shorter(self) -> None:
        for ahead in (86400.0, -86400.0):
            self.setUp()
            self.opened(x=A)
            self.fail(*[FULL] * 100)
            self.want("x", B)
            self.clock.run_for(1)
            self.ahead = ahead
            needing = watch(self.publisher.settled("x", surely=True))
            self.clock.run_for(WRITE_LIMIT - 1)
            self.assertFalse(needing.done)
            self.clock.run_for(30)
            needing = watch(self.publisher.settled("x", surely=True))
            self.clock.run_for(TRY_LIMIT + 0.1)
            self.assertIsInstance(needing.error, RoutesUnwritable)

    def test_one_that_does_not_answer_is_told_as_well(self) -> None:
        self.opened(x=A)
        self.store.delay = 100.0
        self.want("x", B)
        needing = watch(self.publisher.settled("x", surely=True))
        self.clock.run_for(WRITE_LIMIT + 1)
        self.assertIsInstance(needing.error, RoutesUnwritable)
        self.assertIn("has not answered", self.unwritten.told())
        self.clock.run_for(100)
        self.assertEqual(self.unwritten.told(), "")

    def test_what_others_say_is_short_and_on_one_line(self) -> None:
        said = reason_of(RuntimeError("no\n" + "x" * 10_000))
        self.assertEqual(said, f"no {'x' * (LONGEST_SENTENCE - 3)}…")
        self.assertEqual(reason_of(ValueError()), "ValueError")


class PartTests(UnwrittenCase):
    def test_one_that_is_refused_keeps_nobody_else_waiting(self) -> None:
        self.opened(x=A, y=A)
        self.fail(PartlyWritten("some", {"x": "exceeded quota"}))
        self.want("x", B)
        self.want("y", B)
        self.clock.run_for(0.05)
        self.assertEqual(str(self.publisher.published("y")), f"{B}:80")
        self.assertEqual(str(self.publisher.published("x")), f"{A}:80")
        self.assertIn("exceeded quota", self.unwritten.of("x"))
        self.assertEqual(self.unwritten.of("y"), "")
        self.clock.run_for(1)
        self.assertEqual(self.unwritten.told(), "")
        self.assertEqual(self.store.backend("x"), f"{B}:80")

    def test_nor_does_anybody_give_up_sooner_for_it(self) -> None:
        self.opened(x=A, y=A)
        self.fail(*[PartlyWritten("some", {"x": "exceeded quota"})] * 40)
        self.want("x", B)
        self.clock.run_for(30)
        self.assertEqual(self.unwritten.told(), "")
        self.clock.run_for(0.05)
        self.assertEqual(self.unwritten.lasts("y"), 0.0)
        self.assertGreater(self.unwritten.lasts("x"), 0.0)

    def test_a_store_that_takes_nothing_afterwards_is_told_since_then(self) -> None:
        self.opened(x=A, y=A)
        self.fail(*[PartlyWritten("some", {"x": "exceeded quota"})] * 1000)
        self.want("x", B)
        self.clock.run_for(30)
        self.store.errors[:] = [FULL] * 1000
        self.clock.run_for(12)
        self.assertRegex(self.unwritten.told(), r"^routes cannot be written since 2027-01-15T08:00:(3|4)\d")
        self.assertIn("since 2027-01-15T08:00:00Z: No space left", self.unwritten.of("x"))
        # Others give up by the store's time, this route by its own.
        others, own = self.unwritten.lasts("y"), self.unwritten.lasts("x")
        self.assertLessEqual(others, 12)
        self.assertAlmostEqual(own, 42, delta=0.2)
        self.store.errors[:] = [PartlyWritten("some", {"x": "exceeded quota"})] * 1000
        self.clock.run_for(12)
        self.assertEqual((self.unwritten.told(), self.unwritten.lasts("y")), ("", 0.0))

    def test_many_who_need_what_the_store_refuses_do_not_make_it_be_tried_for_each(self) -> None:
        self.opened(x=A)
        self.fail(*[OSError(28, "No space left on device")] * 1000)
        self.want("x", B)
        self.clock.run_for(60)
        before = len(self.store.errors)
        needing = []
        for _ in range(100):
            needing.append(watch(self.publisher.settled("x")))
            self.clock.run_for(0.01)
        self.assertLess(before - len(self.store.errors), 15)
        self.clock.run_for(20)
        self.assertTrue(all(each.done for each in needing))

    def test_it_is_tried_less_and_less_often_and_at_once_for_who_needs_it(self) -> None:
        self.opened(x=A)
        self.fail(*[PartlyWritten("some", {"x": "exceeded quota"})] * 1000)
        self.want("x", B)
        self.clock.run_for(100)
        tried = 1000 - len(self.store.errors)
        self.assertLess(tried, 20)
        self.assertGreater(tried, 10)
        self.assertTrue(self.publisher.named_by_others(next(iter(self.store.routes.values())).backend.host, "z"))
        self.store.errors.clear()
        needing = watch(self.publisher.settled("x", surely=True))
        self.clock.run_for(1)
        self.assertIsNone(needing.value)

    def test_others_are_written_at_once_meanwhile(self) -> None:
        self.opened(x=A, y=A)
        self.fail(*[PartlyWritten("some", {"x": "exceeded quota"})] * 8)
        self.want("x", B)
        self.clock.run_for(30)
        self.store.errors.clear()
        self.want("y", B)
        self.clock.run_for(0.11)
        self.assertEqual(self.store.backend("y"), f"{B}:80")

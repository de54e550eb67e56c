"""When a webspace wakes by itself, and when it is quiet: what can be written, and what comes when the clocks change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import inf
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core import schedule
from webspaced.core.schedule import (
    Quiet,
    check_apart,
    is_quiet,
    next_quiet,
    next_wake,
    parse_quiet_hours,
    parse_wake_at,
    texts,
)
from webspaced.errors import Forbidden, Invalid

BERLIN = ZoneInfo("Europe/Berlin")
"""02:00 to 03:00 is missing on 2026-03-29, and comes twice on 2026-10-25."""
ZONES = st.sampled_from(
    [UTC, *map(ZoneInfo, ("Europe/Berlin", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana"))]
)
MOMENTS = st.integers(1_600_000_000, 2_000_000_000)


def value(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    spans = st.tuples(number, number).map(lambda pair: "{}-{}".format(*sorted(pair)))
    parts = st.tuples(st.just("*") | spans, st.integers(1, 30)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.lists(st.one_of(number.map(str), spans, parts), min_size=1, max_size=3).map(",".join) | st.just("*")


EXPRESSIONS = st.tuples(value(0, 59), value(0, 23), value(1, 28), value(1, 12), value(0, 7)).map(" ".join)
TIMES = st.times().map(lambda time: f"{time:%H:%M}")


def local(*when: int, zone: ZoneInfo = BERLIN, fold: int = 0) -> datetime:
    return datetime(*when, tzinfo=zone, fold=fold)


def times_of(text: str, first: datetime, last: datetime) -> Iterator[str]:
    """Give the times of an expression after one moment up to another, as local time with its offset."""
    (each,) = parse_wake_at([text])
    at = first.timestamp()
    while (at := each.next_after(at, BERLIN)) <= last.timestamp():
        yield f"{datetime.fromtimestamp(at, BERLIN):%d %H:%M %z}"


class WritingTests(SynchronousTestCase):
    def test_what_is_written_is_shown_again(self) -> None:
        given = ["04:30", "*/30  * * * *", "0 9-17/2 1,15 * mon-FRI"]
        self.assertEqual(texts(parse_wake_at(given)), ["04:30", "*/30 * * * *", "0 9-17/2 1,15 * mon-FRI"])
        self.assertEqual(texts(parse_quiet_hours(["23:00-07:00", "12:00-12:30"])), ["23:00-07:00", "12:00-12:30"])
        self.assertEqual((parse_wake_at([]), parse_quiet_hours([])), ((), ()))

    def test_what_never_comes(self) -> None:
        for text in ("0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 30,31 feb *"):
            self.assertIn("never comes", str(self.assertRaises(Invalid, parse_wake_at, [text])))
        # Seldom is not never.
        self.assertLess(parse_wake_at(["0 0 29 2 */6"])[0].next_after(1.8e9, UTC), inf)

    def test_what_is_no_time_to_wake(self) -> None:
        for text in (
            "", " ", "* * * * * *", "* * * *", "0 * * * * *", "@daily", "@reboot", "60 * * * *", "* 24 * * *", "* * 0 * *",
            "* * * 13 *", "* * * * 8", "*/0 * * * *", "-1 * * * *", "5-1 * * * *", "0 0 L * *", "0 0 LW * *", "0 0 * * 1#5",
            "0 0 * * 5L", "0 0 * foo *", "4:30", "24:00", "04:60", "0430", "04:30:00", "\u0661 * * * *", "1,,2 * * * *",
            "* * * * *;reboot", "0 0 * * *\n0 1 * * *", "x" * 101, "1," * 40 + "1 * * * * " + " " * 20,
        ):  # fmt: skip
            error = str(self.assertRaises(Invalid, parse_wake_at, [text]))
            self.assertIn("wakeAt", error)
            self.assertLess(len(error), 250)

    def test_what_are_no_quiet_hours(self) -> None:
        for text in ("", "23:00", "23:00-24:00", "7:00-8:00", "23:00-07:00-08:00", "-", "x" * 101):
            self.assertIn("quietHours", str(self.assertRaises(Invalid, parse_quiet_hours, [text])))

    def test_what_is_no_list(self) -> None:
        for parse in (parse_wake_at, parse_quiet_hours):
            for wrong in ("04:30", {"a": 1}, 3, True, [3], [None], [["04:30"]], ["04:30"] * 17):
                self.assertRaises(Invalid, parse, wrong)

    @given(st.text(max_size=120) | st.text("0123456789*/,-: LW#", max_size=30))
    def test_any_text_is_a_time_or_invalid(self, text: str) -> None:
        try:
            (each,) = parse_wake_at([text])
        except Invalid:
            return
        self.assertLess(each.next_after(1.8e9, BERLIN), inf)
        self.assertEqual(parse_wake_at([each.text]), (each,))


class NextTests(SynchronousTestCase):
    def test_the_first_of_several_and_after_means_after(self) -> None:
        times = parse_wake_at(["04:30", "0 */6 * * *"])
        at = local(2026, 11, 30, 4, 30).timestamp()
        self.assertEqual(next_wake(times, at - 1, BERLIN), at)
        self.assertEqual(next_wake(times, at, BERLIN), local(2026, 11, 30, 6).timestamp())
        self.assertEqual(next_wake((), at, BERLIN), inf)

    def test_the_hour_that_is_missing(self) -> None:
        for text, expected in (
            ("02:30", ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]),
            ("*/30 2 * * *", ["28 02:00 +0100", "28 02:30 +0100", "29 03:00 +0200", "30 02:00 +0200", "30 02:30 +0200"]),
            ("0 */12 * * *", ["28 12:00 +0100", "29 00:00 +0100", "29 12:00 +0200", "30 00:00 +0200"]),
            ("0 2-22/20 * * *", ["28 02:00 +0100", "28 22:00 +0100", "29 03:00 +0200", "29 22:00 +0200", "30 02:00 +0200"]),
        ):
            self.assertEqual(list(times_of(text, local(2026, 3, 28, 1), local(2026, 3, 30, 3))), expected, text)
        others = list(times_of("0 */2 * * *", local(2026, 3, 29, 0), local(2026, 3, 29, 6)))
        self.assertEqual(others, ["29 03:00 +0200", "29 04:00 +0200", "29 06:00 +0200"])
        hourly = list(times_of("0 * * * *", local(2026, 3, 29, 0), local(2026, 3, 29, 4)))
        self.assertEqual(hourly, ["29 01:00 +0100", "29 03:00 +0200", "29 04:00 +0200"])

    def test_the_hour_that_comes_twice(self) -> None:
        for text, expected in (
            ("02:30", ["25 02:30 +0200", "26 02:30 +0100"]),
            ("*/30 2 * * *", ["25 02:00 +0200", "25 02:30 +0200", "26 02:00 +0100", "26 02:30 +0100"]),
            ("0 */2 25 * *", [f"25 {hour:02}:00 {'+0200' if hour < 3 else '+0100'}" for hour in range(2, 24, 2)]),
        ):
            self.assertEqual(list(times_of(text, local(2026, 10, 25, 1), local(2026, 10, 26, 3))), expected, text)
        # What comes every hour, or more often, comes in both.
        hourly = list(times_of("0 * * * *", local(2026, 10, 25, 1), local(2026, 10, 25, 3)))
        self.assertEqual(hourly, ["25 02:00 +0200", "25 02:00 +0100", "25 03:00 +0100"])
        # Also for who asks in the second one.
        between = local(2026, 10, 25, 2, 10, fold=1)
        self.assertEqual(list(times_of("02:30", between, local(2026, 10, 26, 3))), ["26 02:30 +0100"])

    @given(EXPRESSIONS, MOMENTS, ZONES)
    def test_it_comes_after_and_what_is_between_is_nothing(self, text: str, after: int, zone: ZoneInfo) -> None:
        (each,) = parse_wake_at([text])
        at = each.next_after(after, zone)
        self.assertGreater(at, after)
        if at < inf:
            self.assertEqual(each.next_after((after + at) // 2, zone), at)
            self.assertGreater(each.next_after(at, zone), at)

    @given(TIMES, st.integers(2021, 2036), ZONES)
    def test_each_day_has_its_time_once_whatever_the_clocks_do(self, text: str, year: int, zone: ZoneInfo) -> None:
        (each,) = parse_wake_at([text])
        at, days = datetime(year, 1, 1, tzinfo=zone).timestamp() - 1, []
        for _ in range(365):
            at = each.next_after(at, zone)
            days.append(datetime.fromtimestamp(at, zone).date())
        self.assertEqual({later - earlier for earlier, later in pairwise(days)}, {timedelta(days=1)})


class WholeDayTests(SynchronousTestCase):
    @given(st.integers(0, 1439))
    def test_hours_that_end_when_they_begin_are_the_whole_day(self, minute: int) -> None:
        for text in ("00:00-00:00", "07:00-07:00"):
            (quiet,) = parse_quiet_hours([text])
            self.assertTrue(quiet.has(minute))


class ApartTests(SynchronousTestCase):
    def test_not_too_often(self) -> None:
        for times, apart in (
            (["*/5 * * * *"], True), (["*/4 * * * *"], False), (["* * * * *"], False), (["0 4 * * 1", "2 4 * * 2"], False),
            (["23:58", "00:02"], False), (["23:58", "00:03"], True), (["04:00", "0 4 1 * *"], True), (["04:00"], True),
            (["*/7 * * * *"], False), (["58 * * * *", "3 * * * *"], True), (["57-59 3 * * *"], False), ([], True),
        ):  # fmt: skip
            try:
                check_apart(parse_wake_at(times), 300)
            except Forbidden as error:
                self.assertFalse(apart, (times, error))
            else:
                self.assertTrue(apart, times)

    def test_it_is_said_which(self) -> None:
        error = self.assertRaises(Forbidden, check_apart, parse_wake_at(["23:58", "00:02"]), 300)
        self.assertEqual(str(error), "wakeAt: 23:58 and 00:02 are closer than 300 seconds")

    def test_once_a_day_is_far_enough_apart_for_everybody(self) -> None:
        check_apart(parse_wake_at(["04:00"]), 7 * 86400)


class QuietTests(SynchronousTestCase):
    def test_over_midnight_and_within_a_day(self) -> None:
        hours = parse_quiet_hours(["23:00-07:00", "12:00-12:30"])
        quiet = {(hour, minute) for hour in range(24) for minute in (0, 29, 30, 59)
                 if is_quiet(hours, local(2026, 11, 30, hour, minute).timestamp(), BERLIN)}  # fmt: skip
        night = {(hour, minute) for hour in (23, *range(7)) for minute in (0, 29, 30, 59)}
        self.assertEqual(quiet, night | {(12, 0), (12, 29)})
        self.assertFalse(is_quiet((), 0, UTC))

    def test_when_they_begin_next(self) -> None:
        hours = parse_quiet_hours(["23:00-07:00", "12:00-12:30"])
        self.assertEqual(next_quiet(hours, local(2026, 11, 30, 9).timestamp(), BERLIN), local(2026, 11, 30, 12).timestamp())
        self.assertEqual(next_quiet((), 0, BERLIN), inf)

    @given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
    def test_a_day_is_divided(self, begin: int, end: int, minute: int) -> None:
        if begin != end:
            self.assertNotEqual(Quiet(begin, end).has(minute), Quiet(end, begin).has(minute))
            self.assertEqual(parse_quiet_hours([Quiet(begin, end).text]), (Quiet(begin, end),))


class CostTests(SynchronousTestCase):
    def test_what_was_read_once_is_not_read_again(self) -> None:
        schedule._wake_time.cache_clear()
        for _ in range(3):
            parse_wake_at(["*/30 * * * *"])
        self.assertEqual(schedule._wake_time.cache_info().hits, 2)

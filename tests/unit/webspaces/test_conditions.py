from __future__ import annotations

from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time
from webspaced.webspaces.conditions import LONGEST_DETAIL, Conditions, Kind


class ConditionTests(SynchronousTestCase):
    def test_each_is_said_once_when_it_begins_and_ends_and_a_change_to_who_looks_closely(self) -> None:
        conditions = Conditions(Time())
        with capturedLogs() as said:
            for detail in (None, "a", "a", "b", None, None):
                conditions.note(1, Kind.NO_ADDRESS, detail)
        self.assertEqual([(event["log_level"].name, formatEvent(event)) for event in said], [
            ("warn", "webspace 1: no-address: a"), ("debug", "webspace 1: no-address: b"),
            ("info", "webspace 1: no-address is over"),
        ])  # fmt: skip

    def test_who_changes_all_the_time_writes_a_bounded_number_of_lines(self) -> None:
        conditions = Conditions(Time())
        with capturedLogs() as said:
            for n in range(1000):
                conditions.note(1, Kind.ADDRESS_CLASH, f"it shows 10.7.0.{n}" if n % 3 else None)
            conditions.note(2, Kind.NAMELESS, "x")
        lines = [formatEvent(event) for event in said if event["log_level"] is not LogLevel.debug]
        self.assertLess(len(lines), 110)
        self.assertIn("webspace 2: nameless: x", lines)

    def test_a_detail_has_a_bound_and_is_said_once_all_the_same(self) -> None:
        conditions = Conditions(Time())
        with capturedLogs() as said:
            for end in "ab":
                conditions.note(1, Kind.BAD_FIELD, "x" * LONGEST_DETAIL + end)
        self.assertEqual(conditions.of(1), {Kind.BAD_FIELD: "x" * LONGEST_DETAIL + "…"})
        self.assertEqual(len(said), 1)

    def test_kinds_and_webspaces_are_told_apart(self) -> None:
        conditions = Conditions(Time())
        conditions.note(1, Kind.NO_ADDRESS, "a")
        conditions.note(1, Kind.NAMELESS, "b")
        conditions.note(2, Kind.NAMELESS, "c")
        self.assertEqual(conditions.of(1), {Kind.NO_ADDRESS: "a", Kind.NAMELESS: "b"})
        conditions.forget(1)
        self.assertEqual((conditions.of(1), conditions.of(2)), ({}, {Kind.NAMELESS: "c"}))

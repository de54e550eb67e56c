from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from webspaced.webspaces.conditions import LONGEST_DETAIL, Conditions, Kind


class ConditionTests(SynchronousTestCase):
    def test_each_is_said_once_when_it_begins_changes_and_ends(self) -> None:
        conditions = Conditions()
        with capturedLogs() as said:
            for detail in (None, "a", "a", "b", None, None):
                conditions.note(1, Kind.NO_ADDRESS, detail)
        self.assertEqual([formatEvent(event) for event in said], [
            "webspace 1: no-address: a", "webspace 1: no-address: b", "webspace 1: no-address is over",
        ])  # fmt: skip

    def test_a_detail_has_a_bound_and_is_said_once_all_the_same(self) -> None:
        conditions = Conditions()
        with capturedLogs() as said:
            for end in "ab":
                conditions.note(1, Kind.BAD_FIELD, "x" * LONGEST_DETAIL + end)
        self.assertEqual(conditions.of(1), {Kind.BAD_FIELD: "x" * LONGEST_DETAIL + "…"})
        self.assertEqual(len(said), 1)

    def test_kinds_and_webspaces_are_told_apart(self) -> None:
        conditions = Conditions()
        conditions.note(1, Kind.NO_ADDRESS, "a")
        conditions.note(1, Kind.NAMELESS, "b")
        conditions.note(2, Kind.NAMELESS, "c")
        self.assertEqual(conditions.of(1), {Kind.NO_ADDRESS: "a", Kind.NAMELESS: "b"})
        conditions.forget(1)
        self.assertEqual((conditions.of(1), conditions.of(2)), ({}, {Kind.NAMELESS: "c"}))

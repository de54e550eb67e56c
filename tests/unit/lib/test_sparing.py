"""A flood of one cause, or of many, fills no disk."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time
from webspaced.lib.sparing import OF_A_CAUSE, OF_ALL, SUMMING, Sparing


class SparingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.said: list[str] = []
        self.lines = Sparing(self.clock, mock.Mock(info=self.say), "requests")

    def say(self, line: str, **fields: Any) -> None:
        self.said.append(line.format(**fields))

    def written(self, number: int, *causes: str) -> int:
        return sum(self.lines.may(causes[each % len(causes)]) for each in range(number))

    def test_of_one_cause(self) -> None:
        self.assertEqual(self.written(1000, "a"), OF_A_CAUSE.burst)
        # Others are told of all the same.
        self.assertEqual(self.written(10, "b"), 10)
        self.clock.run_for(10)
        self.assertEqual(self.written(1000, "a"), 10 * OF_A_CAUSE.per_second)

    def test_of_many_causes(self) -> None:
        self.assertEqual(self.written(10_000, *map(str, range(5000))), OF_ALL.burst)
        self.clock.run_for(10)
        self.assertEqual(self.written(10_000, *map(str, range(5000, 9000))), 10 * OF_ALL.per_second)

    def test_what_was_left_out_is_summed_up_once(self) -> None:
        self.written(int(OF_A_CAUSE.burst) + 7, "a")
        self.clock.run_for(SUMMING)
        self.assertEqual(self.said, ["7 more requests within 60 s are not written here"])
        self.written(1, "a")
        self.clock.run_for(5 * SUMMING)
        self.assertEqual((len(self.said), self.clock.getDelayedCalls()), (1, []))

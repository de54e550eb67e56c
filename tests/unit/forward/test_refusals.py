"""However many are refused, the log says so twice."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time
from webspaced.forward.refusals import Refusals


class RefusalsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.said: list[str] = []
        self.patch(Refusals, "log", mock.Mock(info=self.say))
        self.refusals = Refusals(self.clock)

    def say(self, line: str, **fields: Any) -> None:
        self.said.append(line.format(**fields))

    def refuse(self, number: int, uid: int = 1, error: str = "it is full") -> None:
        for _ in range(number):
            self.refusals.refused(uid, error)

    def test_a_line_at_the_beginning_and_one_when_it_is_over(self) -> None:
        self.refuse(500)
        self.assertEqual(self.said, ["webspace 1 begins to refuse visitors: it is full"])
        self.refusals.look()
        self.clock.advance(90)
        self.refuse(500, error="it did not start")
        self.refusals.look()
        self.assertEqual(len(self.said), 1)
        self.refusals.look()
        self.assertEqual(
            self.said[1:], ["webspace 1 refused 1000 visitors within 90 s, the last one because it did not start"]
        )
        self.refusals.look()
        self.assertEqual(len(self.said), 2)
        self.refuse(1)
        self.assertEqual(len(self.said), 3)

    def test_one_alone_is_said_once(self) -> None:
        self.refuse(1)
        for _ in range(3):
            self.refusals.look()
        self.assertEqual(len(self.said), 1)

    def test_each_webspace_for_itself_and_all_at_the_end(self) -> None:
        for uid in (1, 2):
            self.refuse(2, uid)
        self.refusals.close()
        self.assertEqual([line.split()[:3] for line in self.said[2:]], [["webspace", str(uid), "refused"] for uid in (1, 2)])

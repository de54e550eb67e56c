"""Whatever a command says, the answer is its JSON, and nobody waits for long while it is written."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IDelayedCall
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time, watch
from webspaced.core.command import Completed
from webspaced.http import pieces


class Slow(Time):
    """A clock on which each look takes a moment. ``turns``: how often something was put off."""

    turns = 0

    def callLater(self, *arguments: Any, **more: Any) -> IDelayedCall:
        self.turns += 1
        return super().callLater(*arguments, **more)

    def seconds(self) -> float:
        self.rightNow += 0.002
        return self.rightNow


class CompletedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(pieces, "PIECE", 7)

    @given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode), st.binary(max_size=60), st.integers(0, 255))
    def test_it_is_what_it_would_be_in_one_piece(self, stdout: bytes, stderr: bytes, code: int) -> None:
        clock = Time()
        said = clock.result_of(pieces.completed(clock, Completed(code=code, stdout=stdout, stderr=stderr)))
        texts = {"stdout": stdout.decode(errors="replace"), "stderr": stderr.decode(errors="replace")}
        self.assertEqual(json.loads(said), {**texts, "exitCode": code})

    def test_others_have_their_turns(self) -> None:
        clock = Slow()
        writing = watch(pieces.completed(clock, Completed(code=0, stdout=bytes(700))))
        self.assertFalse(writing.done)
        clock.advance(0)
        self.assertTrue(writing.done)
        self.assertGreater(clock.turns, 30)

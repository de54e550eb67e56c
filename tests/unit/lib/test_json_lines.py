"""A line of JSON is written whatever stands in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.json_lines import DEEPEST, LONGEST_TEXT, MOST_ITEMS, line, moment


class Hostile:
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class LineTests(SynchronousTestCase):
    def told(self, members: Mapping[str, Any]) -> Any:
        said = line(members)
        self.assertTrue(said.isascii() and said.endswith("\n") and said.count("\n") == 1, said)
        self.assertTrue(said[:-1].isprintable(), said)
        return json.loads(said, parse_constant=lambda name: self.fail(f"{name} is no JSON"))

    def test_what_json_has_is_kept(self) -> None:
        members = {"a": 1, "b": 1.5, "c": True, "d": None, "e": ["é\n\u2028", {"f": "\ud800"}]}
        self.assertEqual(self.told(members), members)

    def test_what_it_has_not_is_told_by_its_text(self) -> None:
        told = self.told({"a": PurePosixPath("/x"), "b": float("nan"), "c": b"\xff\n", "d": {1}, "e": Hostile(), 5: (2,)})  # type: ignore[dict-item]
        self.assertEqual(told, {"a": "/x", "b": "nan", "c": "�\n", "d": [1], "e": "<a Hostile without a text>", "5": [2]})

    def test_there_is_a_bound(self) -> None:
        endless: list[Any] = []
        endless.append(endless)
        told = self.told({"deep": endless, "long": "x" * 10**6, "many": range(3), "more": list(range(10**5))})
        self.assertEqual(len(told["long"]), LONGEST_TEXT + 1)
        self.assertEqual(len(told["more"]), MOST_ITEMS)
        self.assertLess(json.dumps(told["deep"]).count("["), DEEPEST + 5)

    @given(st.recursive(st.one_of(st.text(), st.binary(), st.floats(), st.integers(), st.none()), st.lists))
    def test_anything(self, value: Any) -> None:
        self.told({"value": value})

    def test_moments(self) -> None:
        self.assertEqual(moment(1_700_000_000.25), "2023-11-14T22:13:20.250000Z")

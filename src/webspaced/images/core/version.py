"""Versions, in the order that they mean: 5.10 is newer than 5.9, 1.0-rc1 is older than 1.0, and 1.0-2 is a rebuild of it."""

from __future__ import annotations

import re
from functools import total_ordering

from attrs import field, frozen

_PART = re.compile(r"\d+|[a-z]+")
_BEFORE = frozenset({"a", "alpha", "b", "beta", "c", "dev", "pre", "preview", "rc", "snapshot"})
"""Words that come before the release that they are added to."""
_END = (1, 0, "")

Part = tuple[int, int, str]


@total_ordering
@frozen(eq=False, order=False)
class Version:
    """One version, as its tag writes it; ``v`` at the beginning means nothing."""

    text: str
    _rank: tuple[tuple[Part, ...], ...] = field(init=False, repr=False)

    @_rank.default
    def _ranked(self) -> tuple[tuple[Part, ...], ...]:
        groups = re.split(r"[-+~_]", self.name.lower())
        # The end of all groups stands where another one would begin: before a rebuild's number, after "rc".
        return (*((*map(_part, _PART.findall(group)), _END) for group in groups), (_END,))

    @property
    def name(self) -> str:
        """The version without its ``v``."""
        return self.text.removeprefix("v")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __lt__(self, other: Version) -> bool:
        # What means the same is told apart by its text, so that there is one order.
        return (self._rank, self.name) < (other._rank, other.name)


def _part(text: str) -> Part:
    if text.isdigit():
        return (3, int(text), "")
    return (0 if text in _BEFORE else 2, 0, text)

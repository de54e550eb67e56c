"""How many each has, and who has the most: each step takes the same time however many there are."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from heapq import nlargest
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Ranking(Generic[K]):
    """Counts. Few of them differ, whatever their number: they are kept by what they are."""

    def __init__(self) -> None:
        self._counts: dict[K, int] = {}
        self._having: dict[int, dict[K, None]] = {}

    def __getitem__(self, key: K) -> int:
        return self._counts.get(key, 0)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, key: K) -> None:
        """Count one more."""
        self._move(key, self[key], self[key] + 1)

    def remove(self, key: K) -> None:
        """Count one less."""
        self._move(key, self[key], self[key] - 1)

    def first(self, number: int) -> Iterator[K]:
        """Give so many of those who have the most."""
        return islice(self._ranked(number), number)

    def _ranked(self, number: int) -> Iterator[K]:
        for count in nlargest(number, self._having):
            yield from list(islice(self._having[count], number))

    def _move(self, key: K, before: int, after: int) -> None:
        if before:
            del self._having[before][key]
            if not self._having[before]:
                del self._having[before]
        if after:
            self._counts[key] = after
            self._having.setdefault(after, {})[key] = None
        else:
            del self._counts[key]

"""Values that are remembered for a while only."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringCache(Generic[K, V]):
    """At most ``most`` values; when there are more, the one that was put first goes."""

    def __init__(self, clock: IReactorTime, most: int) -> None:
        self._clock = clock
        self._most = most
        self._kept: dict[K, tuple[V, float, float]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """Give what was put, unless its time is over."""
        if key not in self._kept:
            return None
        value, since, until = self._kept[key]
        # Set back, a clock must not prolong anything.
        if since <= self._clock.seconds() < until:
            return value
        del self._kept[key]
        return None

    def drop(self, key: K) -> None:
        """Remember a value no more."""
        self._kept.pop(key, None)

    def put(self, key: K, value: V, seconds: float) -> None:
        """Remember a value for so many seconds."""
        self.drop(key)
        if seconds <= 0:
            return
        now = self._clock.seconds()
        self._kept[key] = (value, now, now + seconds)
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

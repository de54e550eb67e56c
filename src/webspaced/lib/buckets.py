"""Token buckets: how often something may happen, for each of many who do it.

The generic cell rate algorithm (ITU-T I.371): of each key one number is kept, the time at which its bucket is full again.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

K = TypeVar("K", bound=Hashable)


@frozen
class Rate:
    """So many a second for ever, and ``burst`` at once after a rest. A rate of 0 bounds nothing."""

    per_second: float
    burst: float

    def take(self, full_at: float, now: float, cost: float = 1.0) -> tuple[float, float]:
        """Give when the bucket is full again after this, and the seconds to wait first: if any, nothing is taken.

        What costs more than the burst waits for a full bucket.
        """
        room = max(self.burst, cost) / self.per_second
        after = max(full_at, now) + cost / self.per_second
        wait = after - room - now
        # Times are large numbers: what is less than rounding is no wait.
        return (after, 0.0) if wait <= 1e-6 else (full_at, wait)  # noqa: PLR2004

    def charge(self, full_at: float, now: float, cost: float, deepest: float) -> float:
        """Give when the bucket is full again after taking what it may not have; a debt ends after ``deepest`` seconds."""
        return min(max(full_at, now) + cost / self.per_second, now + self.burst / self.per_second + deepest)


class Buckets(Generic[K]):
    """A bucket for each key, of the ``most`` that were used last."""

    def __init__(self, clock: IReactorTime, rate: Rate, most: int) -> None:
        self._clock = clock
        self.rate = rate
        self._most = most
        # With the time at which that was so.
        self._kept: dict[K, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, key: K, cost: float = 1.0) -> float:
        """Take from a key's bucket and give 0, or take nothing and give the seconds after which there is enough."""
        if not self.rate.per_second:
            return 0.0
        full_at, wait = self.rate.take(self._of(key), self._clock.seconds(), cost)
        self._keep(key, full_at)
        return wait

    def charge(self, key: K, cost: float, deepest: float) -> None:
        """Take from a key's bucket what it may not have: what comes next waits, at most ``deepest`` seconds more."""
        if self.rate.per_second:
            self._keep(key, self.rate.charge(self._of(key), self._clock.seconds(), cost, deepest))

    def _of(self, key: K) -> float:
        full_at, seen = self._kept.pop(key, (0.0, 0.0))
        # Set back, a clock must not lock anybody out.
        return full_at - max(0.0, seen - self._clock.seconds())

    def _keep(self, key: K, full_at: float) -> None:
        # Taken out and put back: the first one is the one that was not used for longest.
        self._kept[key] = (full_at, self._clock.seconds())
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

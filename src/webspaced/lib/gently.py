"""Long work in small pieces, between which the reactor turns: nobody's connection waits for a list of ten thousand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from webspaced.lib.deferreds import together

T = TypeVar("T")

PIECE = 0.004
"""Seconds of work in one turn of the reactor."""


class Gently:
    """Shared by all who work side by side: together they take no more than one piece of each turn."""

    def __init__(self, clock: IReactorTime, piece: float = PIECE) -> None:
        self._clock = clock
        self._piece = piece
        self._began = 0.0
        self._turn: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []

    async def pause(self) -> None:
        """Go on at once, or in a later turn if this one has had its piece of work."""
        now = self._clock.seconds()
        if self._turn is None:
            self._began, self._turn = now, self._clock.callLater(0, self._turned)
        while self._clock.seconds() - self._began >= self._piece:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def _turned(self) -> None:
        self._turn = None
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._began, self._turn = self._clock.seconds(), self._clock.callLater(0, self._turned)
        for each in waiting:
            if not each.called:
                each.callback(None)

    async def each(self, items: Iterable[T], work: Callable[[T], object]) -> None:
        """Do something at once for each item."""
        for item in items:
            await self.pause()
            work(item)

    async def side_by_side(self, places: int, items: Iterable[T], work: Callable[[T], Awaitable[object]]) -> None:
        """Do something for each item that takes a while, for so many at a time; the first failure ends it all."""
        left = iter(items)

        async def take() -> None:
            for item in left:
                await self.pause()
                await work(item)

        await together(take() for _ in range(places))

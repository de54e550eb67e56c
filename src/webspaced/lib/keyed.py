"""Order for each key, freedom between keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, DeferredLock

from webspaced.lib.deferreds import Flight

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class KeyedLock(Generic[K]):
    """A lock for each key, kept only while somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[K, DeferredLock] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def __call__(self, key: K) -> AsyncIterator[None]:
        """Hold the key's lock; those who wait get it in the order in which they came."""
        lock = self._locks.setdefault(key, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            if not lock.locked and self._locks.get(key) is lock:
                del self._locks[key]


class Busy(Exception):
    """One runs and another one waits already."""


class Line(Generic[K, T]):
    """Runs different things of a key one after the other: one runs, at most one waits.

    Who asks for what was asked for last shares its run, also one that is under way.
    """

    def __init__(self) -> None:
        self._lines: dict[K, list[tuple[str, Flight[T]]]] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def join(self, key: K, what: str, start: Callable[[], Coroutine[Any, Any, T]]) -> Deferred[T]:
        """Give the result of a run of ``what``, of one's own to wait for; ``Busy`` if something else waits already."""
        line = self._lines.setdefault(key, [])
        if line and line[-1][0] == what:
            return line[-1][1].observe()
        if len(line) > 1:
            raise Busy
        flight = Flight(Deferred.fromCoroutine(self._run(line[-1][1] if line else None, start)))
        line.append((what, flight))
        # One that ended at once has left before it is observed.
        flight.observe().addBoth(self._ended, key, line)
        return flight.observe()

    async def _run(self, before: Flight[T] | None, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if before is not None:
            await before.observe().addErrback(lambda _: None)
        return await start()

    def _ended(self, _result: object, key: K, line: list[tuple[str, Flight[T]]]) -> None:
        del line[0]
        if not line:
            del self._lines[key]


class Coalesced(Generic[K, T]):
    """Runs something for a key so that every request sees a run that *began* after it: one runs, at most one waits."""

    def __init__(self, run: Callable[[K], Coroutine[Any, Any, T]]) -> None:
        self._run = run
        self._running: dict[K, Flight[T]] = {}
        self._next: dict[K, Flight[T]] = {}

    def request(self, key: K) -> Deferred[T]:
        """Give the result of a run for the key that begins now or later."""
        # The waiting run comes first: between the end of one run and the start of the next, both tables matter.
        if key in self._next:
            return self._next[key].observe()
        if key not in self._running:
            return self._start(key).observe()
        self._next[key] = Flight(Deferred.fromCoroutine(self._after(key)))
        return self._next[key].observe()

    def _start(self, key: K) -> Flight[T]:
        run: Deferred[T] = Deferred.fromCoroutine(self._run(key))
        flight = Flight(run)
        self._running[key] = flight
        # A run that ended at once has nothing to clear later.
        flight.observe().addBoth(self._ended, key, flight)
        return flight

    async def _after(self, key: K) -> T:
        await self._running[key].observe().addErrback(lambda _failure: None)
        self._next.pop(key, None)
        return await self._start(key).observe()

    def _ended(self, _result: object, key: K, flight: Flight[T]) -> None:
        if self._running.get(key) is flight:
            del self._running[key]

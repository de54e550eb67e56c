"""A Redis in memory, as the store of routes asks it. ``tests.contracts.key_server`` keeps it true."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import deferLater

from tests.unit.timing import Time
from webspaced.errors import Unavailable
from webspaced.traefik.redis_server import News, Notifications

TICK = 0.5


class FakeRedis:
    """``keys`` are what it has; ``writes`` counts transactions, and ``written`` has the last one's keys."""

    def __init__(self, root: str, mark: str) -> None:
        self.keys: dict[str, str] = {}
        self.writes = self.reads = self.reminders = 0
        self.written: tuple[set[str], set[str]] = (set(), set())
        self.away = False
        self.sees_subscribers = True
        self.notifications: Notifications | None = None
        """What it says of notifications, if not the truth."""
        self.closed = False
        self._root, self._mark = root, mark
        self._told: set[str] = set()
        self._is_connected = self._is_flushed = self._has_subscriber = self._notifies = False

    # --- as an operator

    def change(self, put: Mapping[str, str], *remove: str) -> None:
        for key in [key for key in remove if key in self.keys]:
            del self.keys[key]
            self._told.add(key)
        self.keys |= put
        self._told |= put.keys()

    def flush(self) -> None:
        self.keys.clear()
        self._is_flushed = True

    def subscribe(self) -> None:
        self._has_subscriber = True

    def stop(self) -> None:
        self.away = True
        self.keys.clear()
        self._is_connected = self._notifies = False

    def restart(self) -> None:
        self.away = False

    # --- as the store

    def read(self, ours: Callable[[str], bool]) -> dict[str, str]:
        self._reach()
        self.reads += 1
        return {key: value for key, value in self.keys.items() if key.startswith(f"{self._root}/") and ours(key)}

    def read_some(self, keys: Collection[str]) -> dict[str, str]:
        self._reach()
        return {key: self.keys[key] for key in keys if key in self.keys}

    def write(self, put: Mapping[str, str], remove: Collection[str]) -> None:
        self._reach()
        self.writes += 1
        self.written = set(put), set(remove)
        self.change(put, *remove)

    def remind(self, value: str) -> None:
        self._reach()
        self.reminders += 1
        if self._mark in self.keys:
            self.change({self._mark: value})

    def ensure_notifications(self) -> Notifications:
        self._reach()
        before, self._notifies = self._notifies, True
        return self.notifications or (Notifications.ON if before else Notifications.SET)

    def news(self) -> News:
        self._reach()
        is_new, self._is_connected = not self._is_connected, True
        is_flushed, self._is_flushed = self._is_flushed, False
        told, self._told = self._told, set()
        subscribed, self._has_subscriber = self._has_subscriber and self.sees_subscribers, False
        is_lost = is_new or is_flushed or self._mark not in self.keys
        keys = frozenset() if is_lost else frozenset(key for key in told if key.startswith(f"{self._root}/"))
        return News(lost=is_lost, keys=keys, subscribed=subscribed)

    def close(self) -> None:
        self.closed = True

    def _reach(self) -> None:
        if self.away:
            message = "Redis is away"
            raise Unavailable(message)


class FakeThreads:
    """Calls in a thread that the clock drives: news take as long as nothing happens, all else no time.

    While ``held`` is a list, calls wait in it.
    """

    def __init__(self, clock: Time) -> None:
        self._clock = clock
        self.held: list[Callable[[], None]] | None = None
        self.stopped = False

    def run(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        if function.__name__ == "news":
            return deferLater(self._clock, TICK, function, *arguments)
        if self.held is None:
            return deferLater(self._clock, 0, function, *arguments)
        waiting: Deferred[Any] = Deferred()
        self.held.append(lambda: maybeDeferred(function, *arguments).chainDeferred(waiting))
        return waiting

    def stop(self) -> None:
        self.stopped = True

"""What LXD has begun and not finished: when LXD is killed, it is lost, or containers go on with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
REAL_TIME = 1e9
"""Seconds: no test's clock gets there."""


class Agenda:
    """Calls of the future that can be dropped all at once."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._calls: set[IDelayedCall] = set()
        self._ticks = 0

    def later(self, seconds: float, work: Callable[..., Any], *arguments: Any) -> IDelayedCall:
        """Do something after so many seconds, unless it is dropped."""

        def run() -> None:
            self._calls.discard(call)
            work(*arguments)

        call = self._clock.callLater(seconds, run)
        self._calls.add(call)
        return call

    def cancel(self, call: IDelayedCall) -> None:
        """Drop one."""
        self._calls.discard(call)
        if call.active():
            call.cancel()

    def drop(self) -> None:
        """Drop all."""
        for call in self._calls:
            call.cancel()
        self._calls.clear()

    def seconds(self) -> float:
        """Give the time."""
        return self._clock.seconds()

    def now(self) -> str:
        """Give the time as the API writes it; no two are the same."""
        self._ticks += 1
        seconds = self._clock.seconds()
        # A test's clock begins at nought, a real reactor tells the time.
        moment = datetime.fromtimestamp(seconds, UTC) if seconds > REAL_TIME else EPOCH + timedelta(seconds=seconds)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond * 1000 + self._ticks % 1000:09d}Z"

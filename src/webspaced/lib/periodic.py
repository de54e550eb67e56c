"""Work that is done again and again, and survives its own failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure


class Periodic(Service):
    """Calls ``work`` every ``interval`` seconds, first after one interval; a run that takes longer is not overlapped."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, interval: float | Callable[[], float], what: str,
        work: Callable[[], Deferred[Any] | None],
    ) -> None:  # fmt: skip
        """:param interval: seconds, or what gives them where they can change; then :meth:`retime` has to be called."""
        self._what = what
        self._work = work
        self._told = interval if callable(interval) else lambda: interval
        self._interval = self._told()
        self._loop = LoopingCall(self._once)
        self._loop.clock = clock

    def retime(self) -> None:
        """Go by another interval, if it has changed; the first call comes after one such from now."""
        before, self._interval = self._interval, self._told()
        if before != self._interval and self._loop.running:
            # A run under way goes on, and the next one is not before it is over.
            self._loop.interval = self._interval
            self._loop.reset()

    def startService(self) -> None:
        """Begin."""
        super().startService()
        self._loop.start(self._interval, now=False)

    def stopService(self) -> None:
        """End; a run under way is not waited for."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()

    def _once(self) -> Deferred[Any] | None:
        try:
            running = self._work()
        except Exception:  # noqa: BLE001  (a loop that stops for ever after one failure is worse)
            self._failed(Failure())
            return None
        return None if running is None else running.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        self.log.warn(
            "{what} failed and is tried again in {seconds:g} s: {error}",
            event="daemon.work-failed",
            what=self._what,
            seconds=self._interval,
            error=failure.getErrorMessage(),
        )

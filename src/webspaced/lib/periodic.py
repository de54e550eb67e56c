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

    def __init__(self, clock: IReactorTime, interval: float, what: str, work: Callable[[], Deferred[Any] | None]) -> None:
        self._what = what
        self._work = work
        self._interval = interval
        self._loop = LoopingCall(self._once)
        self._loop.clock = clock

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

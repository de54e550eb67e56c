"""How late the reactor is: how long others wait while one turn of it lasts."""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from webspaced.lib.measures import Timed

PAUSE = 0.25
"""Seconds between two measurements: some 20 µs of work each."""
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Latency(Service):
    """Sets itself a timer, and sees how late it comes."""

    def __init__(self, clock: IReactorTime) -> None:
        self.seconds = Timed(BOUNDS)
        self._clock = clock
        self._call: IDelayedCall | None = None

    def startService(self) -> None:
        """Begin to measure."""
        super().startService()
        self._set()

    def stopService(self) -> None:
        """Measure no more."""
        super().stopService()
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _set(self) -> None:
        self._due = self._clock.seconds() + PAUSE
        self._call = self._clock.callLater(PAUSE, self._came)

    def _came(self) -> None:
        self.seconds.note(max(0.0, self._clock.seconds() - self._due))
        self._set()

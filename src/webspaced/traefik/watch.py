"""Whether Traefik has webspaced's routes at all: a Traefik that runs may have none, and serves nobody then.

One that found no inotify instance for its file provider, say, tells that in one line, goes on without, and tries no more.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.interfaces import ITraefik
from webspaced.lib.backoff import pauses
from webspaced.webspaces.conditions import Conditions, Kind

LOOK = 5.0
"""Seconds between two looks."""
PATIENCE, LONGEST_PATIENCE = 10.0, 15.0
"""Seconds without routes until they count as missing, at least, and between two restarts, growing: nobody is served anyway,
and what kept it from them may be over at any time."""


class Restarted(Protocol):
    """A Traefik of webspaced's own."""

    has_served: bool

    @property
    def trouble(self) -> str:
        """Give what it last said was wrong."""

    def restart(self) -> None:
        """Start it again."""


class TraefikWatch:
    """Looks whether webspaced's own router answers. ``trouble`` says since when it does not, and why; empty if it does.

    One that gives no answer at all, or that is busy, is not known to have no routes, and is left alone.
    """

    log = Logger()

    def __init__(
        self, clock: IReactorTime, traefik: ITraefik, bound: float, conditions: Conditions, now: Callable[[], float]
    ) -> None:
        """:param bound: seconds that Traefik may take to have them; an own one is started again after as many, then more.

        :param now: gives the time of day, in seconds since the epoch.
        """
        self.own: Restarted | None = None
        """The Traefik that this webspaced runs, if it does."""
        self.is_written: Callable[[], bool] = lambda: True
        """Whether the routes are there for it to read: else a restart would not help."""
        self.trouble = ""
        self._clock = clock
        self._traefik = traefik
        self._bound = max(PATIENCE, bound)
        self._conditions = conditions
        self._now = now
        self._missing: tuple[float, float] | None = None
        self._patience = pauses(self._bound, max(LONGEST_PATIENCE, self._bound))
        self._patient_until = 0.0

    def look(self) -> Deferred[None]:
        """Ask once."""
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        if self.own is not None and not self.own.has_served:
            return
        has = await self._traefik.has_any()
        now = self._clock.seconds()
        if has:
            self._found()
        elif has is None:
            return
        elif self._missing is None:
            self._missing = (now, self._now())
            self._patience = pauses(self._bound, max(LONGEST_PATIENCE, self._bound))
            self._patient_until = now + next(self._patience)
        elif now >= self._patient_until:
            self._miss(self._missing[1])
            self._patient_until = now + next(self._patience)

    def _miss(self, since: float) -> None:
        when = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = "" if self.own is None or not self.own.trouble else f"; it says: {self.own.trouble}"
        self._tell(f"Traefik has none of webspaced's routes since {when}{said}")
        if self.own is not None and self.is_written():
            self.log.warn("Traefik is started again: it has none of webspaced's routes", event="traefik.restarted")
            self.own.restart()

    def _found(self) -> None:
        self._missing = None
        self._tell("")

    def _tell(self, trouble: str) -> None:
        if trouble == self.trouble:
            return
        self.trouble = trouble
        self._conditions.note_all(Kind.UNROUTED, trouble or None)

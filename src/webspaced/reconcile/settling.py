"""When a change is in effect: asked of Traefik where that can be, else believed after a while (design decision 5)."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.interfaces import ITraefik
from webspaced.lib.backoff import pauses
from webspaced.lib.deferreds import sleep
from webspaced.lib.measures import Timed

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.05
"""Seconds between two questions: Traefik takes a change up within some ten milliseconds, or within seconds."""


class Settling:
    """Waits for generations, for all who wait together: Traefik is asked for the oldest of them only.

    Whoever waits for a later one cannot be served before.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, traefik: ITraefik | None) -> None:
        self.waits = Timed()
        """How long each waited."""
        self._clock = clock
        self._traefik = traefik
        self._waiting: dict[int, list[Deferred[None]]] = {}
        self._asking: Deferred[None] | None = None
        self._is_told = True
        self._is_late = False

    async def wait(self, generation: int | None, longest: float) -> None:
        """Wait until a generation is in effect, if that can be asked, and no longer than so many seconds."""
        if longest > 0:
            began = self._clock.seconds()
            await self._wait(generation, longest)
            self.waits.note(self._clock.seconds() - began)

    async def _wait(self, generation: int | None, longest: float) -> None:
        if generation is None or self._traefik is None:
            await sleep(self._clock, longest)
            return
        waiting: Deferred[None] = Deferred()
        self._waiting.setdefault(generation, []).append(waiting)
        waiting.addTimeout(longest, self._clock, self._give_up)
        if self._asking is None:
            asking = Deferred.fromCoroutine(self._ask(self._traefik)).addBoth(self._asked)
            self._asking = None if asking.called else asking
        try:
            await waiting
        finally:
            self._leave(generation, waiting)

    def _give_up(self, _result: object, longest: float) -> None:
        if self._is_told and not self._is_late:
            self._is_late = True
            self.log.warn("Traefik did not take a change up within {bound:g} s (traefik.settle_time): it is busy, or its"
                          " providersThrottleDuration or pollInterval is longer",
                          event="traefik.settle-late", bound=longest)  # fmt: skip

    def _leave(self, generation: int, waiting: Deferred[None]) -> None:
        others = self._waiting.get(generation, [])
        if waiting in others:
            others.remove(waiting)
        if not others:
            self._waiting.pop(generation, None)

    async def _ask(self, traefik: ITraefik) -> None:
        waits: Iterator[float] = pauses(FIRST_PAUSE, LONGEST_PAUSE)
        while self._waiting:
            oldest = min(self._waiting)
            answer = await traefik.has(oldest)
            self._note(is_told=answer is not None)
            if answer:
                waits = pauses(FIRST_PAUSE, LONGEST_PAUSE)
                self._is_late = False
                self._tell(oldest)
            else:
                await sleep(self._clock, next(waits))

    def _tell(self, generation: int) -> None:
        for each in self._waiting.pop(generation, []):
            if not each.called:
                each.callback(None)

    def _asked(self, result: object) -> None:
        self._asking = None
        if isinstance(result, Failure):
            self.log.failure("Traefik cannot be asked what it has taken up", result, event="traefik.settle-broke")

    def _note(self, *, is_told: bool) -> None:
        """Say once that Traefik does not tell, and once that it does again."""
        if is_told is self._is_told:
            return
        self._is_told = is_told
        if is_told:
            self.log.info("Traefik tells again what it has taken up", event="traefik.settle-told")
        else:
            self.log.warn("Traefik does not tell what it has taken up (traefik.probe_url): each change counts as taken up"
                          " after traefik.settle_time", event="traefik.settle-untold")  # fmt: skip

"""Keeping off what is wanted off, whoever started it, and whatever came between the wish and the stop.

LXD may have been away, or not have told the state; webspaced may have ended; a snapshot may have frozen the container.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.audit.cause import because
from webspaced.core.boot import Hold
from webspaced.core.desired import Wish
from webspaced.core.sleep import Depth
from webspaced.lib.deferreds import shield, sleep
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.departures import Departures
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.power import Power
from webspaced.webspaces.registry import Registry

DELAY = 2.0
"""Seconds: whoever said what is wanted stops it, too."""


class Warden:
    """Stops webspaces that run although they are suspended, switched off by their member, or without one for too long."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, registry: Registry, booter: Booter, power: Power, departures: Departures,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        """:param may_write: whether no other daemon can be at work."""
        self._clock = clock
        self._registry = registry
        self._booter = booter
        self._power = power
        self._departures = departures
        self._may_write = may_write
        self._watches = False
        self._considered: set[int] = set()
        registry.subscribe(self._noticed)
        departures.subscribe(self._noticed)

    def watch(self) -> None:
        """Look at all, and from now on at whatever changes: this daemon may change something."""
        self._watches = True
        for observed in self._registry:
            self._noticed(observed.uid)

    def _noticed(self, uid: int) -> None:
        if self._watches and uid not in self._considered and self._runs_unwanted(self._registry.get(uid)):
            self._considered.add(uid)
            shield(self._consider(uid)).addErrback(self._failed, uid)

    def _runs_unwanted(self, observed: Observed | None) -> bool:
        if observed is None or observed.depth is Depth.ASLEEP or observed.untold or not self._booter.unwanted(observed):
            return False
        return self._booter.memory(observed.uid).hold is Hold.NONE

    async def _consider(self, uid: int) -> None:
        try:
            await sleep(self._clock, DELAY)
            if await self._is_to_stop(uid) and self._may_write():
                self.log.info(
                    "webspace {webspace} runs although it is to stay off, and is shut down",
                    event="stop.unwanted",
                    webspace=uid,
                )
                with because("unwanted"):
                    await self._power.keep_off(uid)
        finally:
            self._considered.discard(uid)

    async def _is_to_stop(self, uid: int) -> bool:
        observed = self._registry.get(uid)
        if observed is None or not self._runs_unwanted(observed):
            return False
        # Of a member who is gone LXD tells what IAM said once, and the list that said so may have been wrong.
        return observed.webspace.desired.wish is not Wish.AUTO or await self._departures.is_confirmed(observed)

    def _failed(self, failure: Failure, uid: int) -> None:
        # The next full pass, or event, tries again.
        self.log.warn(
            "webspace {webspace} could not be shut down: {error}",
            event="stop.unwanted-failed",
            webspace=uid,
            error=failure.getErrorMessage(),
        )

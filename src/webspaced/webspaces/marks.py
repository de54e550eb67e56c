"""Taking the mark of a doze off who is awake again: who freezes it next may be somebody else."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from webspaced.core.boot import Hold
from webspaced.core.sleep import DOZING_KEY
from webspaced.errors import WebspacedError
from webspaced.lib.deferreds import shield
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry

DELAY = 0.1
"""Seconds after a wake until its mark is taken away: who woke it shall not wait behind that."""
RETRY = 30.0
"""Seconds until that is tried again."""


class Marks:
    """Takes marks off, each a moment after the wake."""

    def __init__(
        self, clock: IReactorTime, registry: Registry, documents: Documents, booter: Booter, may: Callable[[], bool]
    ) -> None:
        """:param may: whether this daemon may write by now."""
        self._clock = clock
        self._registry = registry
        self._documents = documents
        self._booter = booter
        self._may = may
        self._at_work: set[int] = set()

    def take_off(self, observed: Observed) -> None:
        """Take the mark off, soon, if it has one that is of no use any more."""
        is_stale = observed.doze_mark is not None and not observed.dozes and not observed.untold
        if is_stale and not self._is_held(observed.uid) and observed.uid not in self._at_work and self._may():
            self._at_work.add(observed.uid)
            self._clock.callLater(DELAY, self._begin, observed.uid)

    def _is_held(self, uid: int) -> bool:
        return self._booter.memory(uid).hold is not Hold.NONE

    def _begin(self, uid: int) -> None:
        shield(self._take_off(uid)).addErrback(self._failed, uid)

    async def _take_off(self, uid: int) -> None:
        def keys(now: Observed) -> dict[str, str]:
            return {} if self._is_held(uid) or now.dozes or now.doze_mark is None else {DOZING_KEY: ""}

        try:
            await self._documents.change_keys(uid, keys)
        finally:
            self._at_work.discard(uid)

    def _failed(self, failure: Failure, uid: int) -> None:
        failure.trap(WebspacedError)
        self._clock.callLater(RETRY, self._again, uid)

    def _again(self, uid: int) -> None:
        observed = self._registry.get(uid)
        if observed is not None:
            self.take_off(observed)

"""Completing webspaces, and asking for everybody's name, without anybody waiting: IAM may be slow, and they may be many."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.lib.deferreds import bounded
from webspaced.lib.keyed import Coalesced
from webspaced.webspaces.adoption import Adoption
from webspaced.webspaces.registry import Registry

PARALLEL = 8
"""Webspaces that are completed at a time."""
BUDGET = 15.0
"""Seconds that IAM and LXD may take for one webspace: one that hangs must not keep the others from theirs."""


class Completion:
    """Completes one webspace when it is asked to, and all of them in turn."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, registry: Registry, adoption: Adoption, failed: Callable[[Failure, int], None]
    ) -> None:
        """:param failed: hears which webspace could not be completed within a refreshment of all, and why."""
        self._clock = clock
        self._registry = registry
        self._adoption = adoption
        self._failed = failed
        self._places = DeferredSemaphore(PARALLEL)
        self._requests: Coalesced[int, None] = Coalesced(self._in_place)
        self._next = 0
        self._open = True
        self._refreshing: Deferred[None] | None = None

    def request(self, uid: int) -> Deferred[None]:
        """Complete a webspace, beginning now or later."""
        return self._requests.request(uid)

    @property
    def refreshing(self) -> bool:
        """Whether names are being asked for."""
        return self._refreshing is not None

    def refresh(self) -> None:
        """Begin to complete everybody, unless that is under way."""
        if self._refreshing is None:
            refreshing = Deferred.fromCoroutine(self._refresh_all())
            refreshing.addErrback(self._refresh_failed)
            if not refreshing.called:
                self._refreshing = refreshing.addCallback(self._refreshed)

    def close(self) -> None:
        """Begin nothing more."""
        self._open = False
        if self._refreshing is not None:
            self._refreshing.cancel()

    async def _in_place(self, uid: int) -> None:
        await self._places.run(self._completed, uid)

    def _completed(self, uid: int) -> Deferred[None]:
        return bounded(self._clock, BUDGET, self._adoption.complete(uid), f"completing webspace {uid}")

    async def _refresh_all(self) -> None:
        """Go through all, beginning where the last time ended."""

        async def refresh(uid: int) -> None:
            if self._open:
                self._next = uid
                await self.request(uid).addErrback(self._failed, uid)

        uids = sorted(observed.uid for observed in self._registry)
        first = next((n for n, uid in enumerate(uids) if uid >= self._next), 0)
        # Half of the places: who lacks something to be served does not wait behind all names.
        await self._registry.gently.side_by_side(PARALLEL // 2, uids[first:] + uids[:first], refresh)
        self._next = 0

    def _refresh_failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("names could not be refreshed", failure, event="webspace.names-broke")

    def _refreshed(self, _result: None) -> None:
        self._refreshing = None

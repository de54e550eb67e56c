"""Serving: to have the LAN's addresses, to answer, and to decide. Exactly one router does that at a time.

What is wanted is told from outside (:mod:`webspaced.router.standing`); this brings it about, one step after the other, and
tries again while it cannot be.
"""

from __future__ import annotations

from attrs import Factory, define
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.errors import WebspacedError
from webspaced.lib.deferreds import sleep
from webspaced.router.address_log import AddressLog
from webspaced.router.keeper import Keeper
from webspaced.router.link import Link
from webspaced.router.server import Dnsmasq

RETRY = 1.0


@define
class Duty:
    """One router's part in it. ``moves``: whether the addresses are ours to take and to give up."""

    clock: IReactorTime
    keeper: Keeper
    server: Dnsmasq
    link: Link
    addresses: AddressLog
    moves: bool
    keeps: bool = False
    """Whether the addresses stay when this router serves no more, as there is no other one."""
    is_wanted: bool = False
    is_serving: bool = False
    _working: Deferred[None] = Factory(lambda: succeed(None))

    log = Logger()

    def want(self, wanted: bool) -> None:
        """Serve, or do not. Who is to be silent is so when this returns."""
        self.is_wanted = wanted
        if not wanted:
            self._fall_silent()
        if self._working.called:
            self._working = Deferred.fromCoroutine(self._work())
            self._working.addErrback(self._broke)

    async def over(self) -> None:
        """Serve no more, and wait until that is so."""
        self.want(False)
        working, done = self._working, Deferred[None]()
        # Others may wait for the same work.
        working.addBoth(lambda _: done.callback(None))
        await done

    def _fall_silent(self) -> None:
        self.server.rest()
        self.keeper.decides = False

    async def _work(self) -> None:
        while self.is_wanted is not self.is_serving:
            try:
                await (self._begin() if self.is_wanted else self._end())
            except WebspacedError as error:
                self.log.warn("the router cannot serve yet: {error}", event="router.serving-failed", error=str(error))
                await sleep(self.clock, RETRY)

    async def _begin(self) -> None:
        if self.moves:
            await self.link.take()
        else:
            self.link.announce()
        if not self.is_wanted:
            self.is_serving = True
            return
        self.is_serving = True
        self.server.serve()
        self.keeper.decides = True
        self.addresses.begin(self.keeper.plan)
        self.keeper.write_decided()
        self.log.info("this router serves", event="router.serving")

    async def _end(self) -> None:
        self._fall_silent()
        self.addresses.end()
        self.is_serving = False
        if self.moves and not self.keeps:
            await self.link.leave()
        self.log.info("this router serves no more", event="router.resting")

    def _broke(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("nobody sees to it any more whether this router serves", failure, event="router.duty-broke")

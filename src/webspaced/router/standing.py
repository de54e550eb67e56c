"""Which router serves: the only one; one by a Lease of Kubernetes; or the one that keepalived gave the address."""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.leadership.struggle import Leadership, Standing
from webspaced.router.duty import Duty

POLL = 0.2
"""Seconds between looks at who has the address."""


class Alone(Service):
    """There is no other router."""

    def __init__(self, duty: Duty) -> None:
        self._duty = duty

    def prepared(self) -> None:
        """The plan is known: serve."""
        if self.running:
            self._duty.want(True)

    async def stopService(self) -> None:
        """End."""
        super().stopService()
        await self._duty.over()


class ByAddress(Service):
    """Whoever has the router's address serves; somebody else moves it (VRRP, RFC 5798)."""

    def __init__(self, clock: IReactorTime, duty: Duty, is_ours: Callable[[], bool]) -> None:
        """:param is_ours: tells whether this machine has the address."""
        self._duty, self._is_ours = duty, is_ours
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    def prepared(self) -> None:
        """The plan is known: serve as soon as the address is here."""
        if self.running and not self._looking.running:
            self._looking.start(POLL)

    def _look(self) -> None:
        is_ours = self._is_ours()
        if is_ours is not self._duty.is_wanted:
            self._duty.want(is_ours)

    async def stopService(self) -> None:
        """End."""
        super().stopService()
        if self._looking.running:
            self._looking.stop()
        await self._duty.over()


class ByLease(Service):
    """Whoever holds the Lease serves. Who cannot renew it stops before anybody else may take it."""

    log = Logger()

    def __init__(self, duty: Duty, struggle: Callable[[], Leadership]) -> None:
        """:param struggle: begins anew, as another run of the same name."""
        self._duty, self._struggle = duty, struggle
        self._leadership: Leadership | None = None

    @property
    def leader(self) -> str:
        """The name of the router that serves, as far as this one knows."""
        return "" if self._leadership is None else self._leadership.leader

    def prepared(self) -> None:
        """The plan is known: stand for the Lease. One that knows nothing is not to serve."""
        if self.running and self._leadership is None:
            self._stand()

    def _stand(self) -> None:
        leadership = self._leadership = self._struggle()
        leadership.subscribe(lambda standing: self._changed(leadership, standing))
        leadership.run().addCallbacks(lambda _elected: self._duty.want(True), self._failed)

    def _changed(self, leadership: Leadership, standing: Standing) -> None:
        if leadership is not self._leadership:
            return
        self._duty.want(standing is Standing.LEADING)
        if standing is Standing.OVER and self.running:
            self._stand()

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("the Lease is no longer cared for", failure, event="router.lease-broke")

    async def stopService(self) -> None:
        """End, and then let the other one have the Lease."""
        super().stopService()
        await self._duty.over()
        leadership, self._leadership = self._leadership, None
        if leadership is not None:
            await leadership.release()


Choice = Alone | ByAddress | ByLease

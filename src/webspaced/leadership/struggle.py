"""Leading: of several daemons that could serve the same webspaces, one does (design decision 13).

The leader renews its lease. If it cannot, it stops writing before anybody else can take the lease, and goes on serving
visitors; when it can again, and nobody took the lease, it writes on. If somebody did, it is deposed, and its process ends.
"""

from __future__ import annotations

import enum
import math
import secrets
from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core.lease import Claim, LeaseTimes, Sighting, holder_of, is_alive, is_free, name_of, sighted
from webspaced.errors import Changed, Conflict, WebspacedError
from webspaced.interfaces import ILease
from webspaced.lib.deferreds import bounded

NEVER = -math.inf
SOON = 0.0001
"""Seconds until the end of a lease is looked for again by another clock than the one that woke us."""


class Standing(enum.Enum):
    """How this daemon stands to the others."""

    STANDBY = "standby"
    LEADING = "leading"
    SUSPENDED = "suspended"
    """It led last, and cannot renew its lease: it writes nothing."""
    OVER = "over"
    """Another one leads now, or this one gave the lease up."""


class Leadership:
    """The struggle for one lease."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        lease: ILease,
        name: str,
        times: LeaseTimes | None = None,
        *,
        queues: bool = True,
        now: Callable[[], float] | None = None,
    ) -> None:
        """:param name: is the same at each start, and no other daemon's.

        :param queues: whether a standby waits for its turn; else it fails with ``Conflict`` when another one leads.
        :param now: the clock by which the lease is judged, if it is another one than what is waited by. It counts the time
            for which the machine was suspended, as others count it, too: a leader that slept for an hour leads no more.
        """
        self.predecessor = ""
        """The name of who held the lease last, if that was another one."""
        self.standing = Standing.STANDBY
        self.queues = queues
        self._clock = clock
        self._now = now or clock.seconds
        self._lease = lease
        self._name = name
        self._me = holder_of(name, secrets.token_hex(4))
        self.times = self._times = times or LeaseTimes()
        self._alarm: IDelayedCall | None = None
        self._claim: Claim | None = None
        self._sighting: Sighting | None = None
        self._renewed = 0.0
        self._running: Deferred[None] | None = None
        self._elected: Deferred[None] = Deferred()
        self._listeners: list[Callable[[Standing], None]] = []
        self._nap: Deferred[None] = Deferred()

    @property
    def leader(self) -> str:
        """The name of the daemon that leads, as far as this one knows; empty where it knows of none."""
        if self.standing is Standing.LEADING:
            return self._name
        claim = None if self._sighting is None else self._sighting.claim
        return "" if claim is None or not claim.holder else name_of(claim.holder)

    def subscribe(self, listener: Callable[[Standing], None]) -> None:
        """Call ``listener(standing)`` after each change but the election. It must not raise."""
        self._listeners.append(listener)

    def holds(self) -> bool:
        """Whether nobody else can have the lease now: without that nothing may be written.

        It is asked before each write, as a process that was stopped for a while runs on before any timer fires.
        """
        if self._now() < self._renewed:
            # A clock that was set back tells nothing, and no more when it comes here again: only the next renewal does.
            self._renewed = NEVER
        return self.standing is Standing.LEADING and self._now() < self._renewed + self._times.deadline

    def run(self) -> Deferred[None]:
        """Begin to struggle, and fire when this daemon leads; ``Conflict`` if another one does and there is no queue."""
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._failed)
        return self._elected

    async def release(self) -> None:
        """Give the lease up, so that the next one need not wait. Nothing is written after this."""
        if self._running is not None:
            self._running.cancel()
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        led = self.standing in (Standing.LEADING, Standing.SUSPENDED)
        self._become(Standing.OVER)
        if led:
            try:
                await bounded(self._clock, self._times.pause, self._give_up(), "giving the lease up")
            except WebspacedError as error:
                self.log.warn(
                    "the lease was not given up, the next one waits for its end: {error}",
                    event="lease.release-failed",
                    error=str(error),
                )

    async def _give_up(self) -> None:
        # A renewal may have been under way.
        claim = await self._lease.read()
        if claim is not None and claim.holder == self._me:
            await self._lease.write("", claim)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) and self._elected.called:
            return
        if not self._elected.called:
            self._elected.errback(failure)
        else:
            self.log.failure("the lease is no longer cared for", failure, event="lease.broke")
            self._become(Standing.OVER)

    async def _run(self) -> None:
        while self.standing is not Standing.OVER:
            try:
                await bounded(self._clock, self._times.deadline / 2, self._turn(), "an answer about the lease")
            except Conflict:
                raise
            except WebspacedError as error:
                self.log.warn("the lease cannot be cared for: {error}", event="lease.failed", error=str(error))
            await self._pause()

    def hurry(self) -> None:
        """Try again now, rather than after the pause: what was away may be back."""
        if not self._nap.called:
            self._nap.callback(None)

    async def _pause(self) -> None:
        self._nap = Deferred()
        waking = self._clock.callLater(self._times.pause, self.hurry)
        try:
            await self._nap
        finally:
            if waking.active():
                waking.cancel()

    async def _turn(self) -> None:
        if self._claim is not None:
            try:
                return await self._write()
            except Changed as error:
                self.log.info("the lease changed meanwhile: {error}", event="lease.contended", error=str(error))
                self._claim = None
        before = self._sighting
        self._sighting = sighted(before, await self._lease.read(), self._now())
        if self._may_take(before, self._sighting):
            self._claim = self._sighting.claim
            await self._write()
        return None

    async def _write(self) -> None:
        # What counts is when the request was sent: it may arrive at once, and its answer late.
        began = self._now()
        self._claim = await self._lease.write(self._me, self._claim)
        self._renewed = began
        self._set_alarm()
        self._lead()

    def _set_alarm(self) -> None:
        """Be told of the deadline when it comes, whatever is waited for then."""
        delay = self._renewed + self._times.deadline - self._now()
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = self._clock.callLater(max(SOON, delay), self._judge)

    def _may_take(self, before: Sighting | None, now: Sighting) -> bool:
        holder = now.claim.holder if now.claim else ""
        if self.standing is not Standing.STANDBY and now.claim is not None and holder != self._me:
            # Even if it has ended again: what it wrote is not what is remembered here.
            self.log.error("{holder} leads now, or did", event="lease.lost", holder=holder or "another one")
            self._become(Standing.OVER)
            return False
        self.predecessor = "" if name_of(holder) == self._name else name_of(holder)
        if is_free(now, self._name, self._now(), self._times.duration):
            return True
        if not self.queues and is_alive(before, now):
            message = f"{name_of(holder)} serves these webspaces already"
            raise Conflict(message)
        return False

    def _lead(self) -> None:
        first = self.standing is Standing.STANDBY
        if self.standing is not Standing.LEADING and not first:
            self.log.info("the lease is held again", event="lease.regained")
        if first:
            self.standing = Standing.LEADING
            self.log.info("{name} leads", event="lease.taken", name=self._name)
            self._elected.callback(None)
        else:
            self._become(Standing.LEADING)

    def _judge(self) -> None:
        if self.holds():
            # The clock that it is judged by has not come that far.
            self._set_alarm()
        elif self.standing is Standing.LEADING:
            self.log.error("the lease could not be renewed: nothing is written until it can be", event="lease.lapsed")
            self._become(Standing.SUSPENDED)

    def _become(self, standing: Standing) -> None:
        if self.standing is not standing:
            self.standing = standing
            for listener in self._listeners:
                listener(standing)

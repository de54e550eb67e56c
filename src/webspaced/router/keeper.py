"""The plan as wanted state: what LXD says is read, the plan computed, and the least difference written.

An event says only which instance to look at. After each new connection to LXD, and now and then, all are read. What LXD does
not tell, as while a cluster member is away, stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core.instance import IPAddress
from webspaced.errors import Changed, NotFound, WebspacedError
from webspaced.router.deciding import Deciding
from webspaced.router.dnsmasq import Folders, Names, Offer
from webspaced.router.filing import Filing
from webspaced.router.instances import Seen
from webspaced.router.lan import Lan
from webspaced.router.plan import Identity, Plan, Reservation, Rests, Seat, make_plan

GATHERING = 0.005
"""Seconds for which events are gathered before the plan is computed anew: a start waits for longer than that in LXD."""
REST = 4.0
"""How many times as long as a plan takes is nothing planned after it."""
FULL_PASS = 600.0
"""Seconds between looks at everything."""
FORGETTING = 3600.0
"""Seconds between new starts of dnsmasq, if there is something that it should forget."""


class Instances(Protocol):
    """What the keeper asks of LXD; see :class:`webspaced.router.instances.LxdInstances`."""

    async def greet(self) -> None: ...

    async def all(self) -> list[Seen]: ...

    async def one(self, project: str, name: str) -> Seen: ...

    async def keep(self, reservation: Reservation) -> None: ...


class Keeper(Service):
    """Keeps plan and files."""

    log = Logger()

    def __init__(
        self, reactor: Any, instances: Instances, lan: Lan, names: Names, offer: Offer, folders: Folders,
        forget: Callable[[frozenset[IPAddress]], None],
    ) -> None:  # fmt: skip
        """:param forget: has dnsmasq know nothing any more of who had some addresses."""
        self.plan = Plan()
        self.is_known = False
        """Whether LXD was heard, so that the plan is one."""
        self.decides = False
        """Whether addresses that are decided are written to LXD: only the router that serves does that."""
        self.told: list[Callable[[Plan, Plan], None]] = []
        """Each is called with the plan before and the one now, when they differ. None may raise."""
        self._reactor, self._instances, self._lan, self._forget = reactor, instances, lan, forget
        self._rests = Rests(offer.lease)
        self._seats: dict[Identity, Seat] = {}
        self._filing = Filing(folders, names, offer)
        self._deciding = Deciding(self._keep, self._failed)
        self._idle_until = 0.0
        self._earlier: tuple[Reservation, ...] = ()
        self._looking: dict[Identity, bool] = {}
        self._passes = 0
        self._meanwhile: set[Identity] = set()
        self._call: IDelayedCall | None = None
        self._forgotten = reactor.seconds()
        self._without: frozenset[tuple[Identity, str]] = frozenset()

    @property
    def is_usable(self) -> bool:
        """Whether there is something to answer by: the plan, or files of an earlier run, which count while LXD is away."""
        return self.is_known or bool(self._earlier)

    @property
    def resting(self) -> int:
        """How many addresses rest."""
        return len(self._rests.addresses)

    def startService(self) -> None:
        """Take up what is there of an earlier run, which counts until LXD was heard."""
        super().startService()
        self._earlier = self._filing.earlier()

    def stopService(self) -> None:
        """Change nothing any more."""
        super().stopService()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def connected(self) -> Deferred[None]:
        """Read everything, as events may have been missed; fires when that is done."""
        return Deferred.fromCoroutine(self.look_at_all()).addErrback(self._failed)

    def happened(self, project: str, name: str) -> None:
        """Look at one instance; if that is being done, once more after it, as an older answer must not count last."""
        identity = project, name
        if self._passes:
            self._meanwhile.add(identity)
        if identity in self._looking:
            self._looking[identity] = True
        else:
            Deferred.fromCoroutine(self._look_while_asked(identity)).addErrback(self._failed)

    async def _look_while_asked(self, identity: Identity) -> None:
        asked = True
        try:
            while asked:
                self._looking[identity] = False
                await self._look_at(*identity)
                asked = self._looking[identity]
        finally:
            del self._looking[identity]

    async def look_at_all(self) -> None:
        """Read everything, and plan by it.

        What happens meanwhile may be newer than what the list says, and is looked at again.
        """
        self._passes += 1
        try:
            await self._instances.greet()
            self._take(await self._instances.all())
        finally:
            self._passes -= 1
        if not self._passes:
            meanwhile, self._meanwhile = self._meanwhile, set()
            for identity in meanwhile:
                self.happened(*identity)

    def _take(self, seen: list[Seen]) -> None:
        kept = {each.identity: self._seats[each.identity] for each in seen if each.untold and each.identity in self._seats}
        self._seats = {each.identity: each.seat for each in seen if each.seat is not None} | kept
        self.is_known = True
        self._replan()

    async def _look_at(self, project: str, name: str) -> None:
        seen = await self._instances.one(project, name)
        if seen.untold or self._seats.get(seen.identity) == seen.seat:
            return
        if seen.seat is None:
            self._seats.pop(seen.identity, None)
        else:
            self._seats[seen.identity] = seen.seat
        if self._call is None and self.is_known:
            pause = max(GATHERING, self._idle_until - self._reactor.seconds())
            self._call = self._reactor.callLater(pause, self._gathered)

    def _gathered(self) -> None:
        self._call = None
        began = self._reactor.seconds()
        self._replan()
        # With very many instances a plan takes long enough for a burst of events to leave no time for anything else.
        ended = self._reactor.seconds()
        self._idle_until = ended + REST * (ended - began)

    def _replan(self) -> None:
        now, before = self._reactor.seconds(), self.plan
        earlier, self._earlier = (*self._earlier, *before.reservations), ()
        held = {each.mac: each.address for each in earlier}
        self.plan = make_plan(self._seats.values(), self._lan, self._rests.addresses, held)
        self._rests.replaced(earlier, self.plan.reservations, now)
        self._write_files()
        self._clear(now)
        self._tell_without()
        if self.plan.reservations != before.reservations:
            for told in self.told:
                told(before, self.plan)
        self.write_decided()

    def _clear(self, now: float) -> None:
        """Have dnsmasq forget what must not wait, and what rested long enough, once an hour."""
        over = self._rests.over(now)
        due = over if now - self._forgotten >= FORGETTING else frozenset()
        gone = due | self._rests.blocks(self.plan.reservations)
        if gone:
            self._rests.forgotten(gone)
            self._forgotten = now if due else self._forgotten
            self._filing.remove_stale()
            self._forget(frozenset(gone))

    def forget_rested(self) -> None:
        """Have dnsmasq forget what rested long enough."""
        self._clear(self._reactor.seconds())

    def _write_files(self) -> None:
        try:
            self._filing.keep(self.plan.reservations)
        except OSError as error:
            self.log.error(  # noqa: TRY400  (Twisted's, and no mistake of ours)
                "dnsmasq's files cannot be written: {error}", event="router.files-failed", error=str(error)
            )

    def _tell_without(self) -> None:
        without = frozenset((seat.identity, reason) for seat, reason in self.plan.without)
        for (project, name), reason in sorted(without - self._without):
            self.log.warn(
                "{instance} of {project} gets no address: {error}", event="router.no-address",
                instance=name, project=project, error=reason,
            )  # fmt: skip
        self._without = without

    def write_decided(self) -> None:
        """Write what was decided to LXD, if that is ours to do."""
        if self.decides:
            self._deciding.want(each for each in self.plan.decided if not self._stands(each))

    def _stands(self, reservation: Reservation) -> bool:
        seat = self._seats.get((reservation.project, reservation.instance))
        return seat is not None and seat.address == reservation.address

    async def _keep(self, reservation: Reservation) -> None:
        if not self.decides:
            return
        identity = reservation.project, reservation.instance
        try:
            await self._instances.keep(reservation)
        except (Changed, NotFound):
            # Somebody else's change counts, and may have come before its event.
            self.happened(*identity)
            return
        seat = self._seats.get(identity)
        if seat is not None and seat.mac == reservation.mac and not seat.by_nic:
            # The event of our own change is then no news.
            self._seats[identity] = evolve(seat, address=reservation.address)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        if not failure.check(WebspacedError):
            self.log.failure("the plan cannot be kept", failure, event="router.plan-broke")
            return
        self.log.warn("LXD cannot be read: {error}", event="router.lxd-failed", error=failure.getErrorMessage())


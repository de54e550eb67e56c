"""The listeners for forwarded ports and boot ports, kept equal to what the reconciler wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf

from attrs import define, field
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTime
from zope.interface import implementer

from webspaced.core.forward import Forward, WakeOn
from webspaced.errors import Conflict, Refused, Unavailable
from webspaced.forward.counters import Counters, total
from webspaced.forward.drain import drain
from webspaced.forward.lines import Crowd
from webspaced.forward.means import Destination, Means
from webspaced.forward.ports import EXHAUSTED
from webspaced.forward.refusals import LOOK
from webspaced.forward.states import Stage
from webspaced.forward.visits import Visits
from webspaced.forward.web import WebVisit
from webspaced.interfaces import IForwards, IListeners, IVisitors
from webspaced.lib.gently import Gently
from webspaced.lib.periodic import Periodic
from webspaced.webspaces.conditions import Conditions, Kind

LATE_LOOKS = 8
"""So many looks at those who wait make one ``max_wait``: one is refused at most an eighth late."""
LATE_RETRY_AFTER = 30.0
IDLE_LOOKS = 4
UNBOUND = 86400.0
"""Seconds between looks of which none is needed."""
"""So many looks at the connections make one ``idle_timeout``: a connection is cut at most a quarter late."""


@define
class _Bound:
    """A bound port. ``uid`` is ``None`` while it is only reserved."""

    listening: IListeningPort
    visits: Visits
    uid: int | None = None
    forward: Forward | None = None

    def destination(self) -> Destination | None:
        if self.uid is None or self.forward is None:
            return None
        forward, on_data = self.forward, self.forward.wake_on is WakeOn.DATA
        return Destination(self.uid, forward.internal, forward.ready, forward.proxy_protocol, on_data=on_data)

    def lead(self, uid: int, forward: Forward) -> None:
        """Lead visitors there. Those who are here are reset if they want to go elsewhere."""
        if self.forward is not None and self.forward.internal != forward.internal:
            self.visits.cut_unwanted()
        self.uid, self.forward = uid, forward


@define
class _BootPort:
    port: int
    listening: IListeningPort
    visits: Visits


@define(kw_only=True)
class Where:
    """Addresses to bind: ``forwards`` may be empty for every interface, IPv4 and IPv6."""

    forwards: str
    boot: str


@implementer(IForwards, IListeners, IVisitors)
@define
class Listeners:
    """All listeners, by external port and by webspace."""

    _means: Means
    _conditions: Conditions
    _where: Where
    _web: Callable[[int], Destination | None]
    """Gives the destination of a webspace's boot port at the moment of a visit."""
    _web_means: Means | None = None
    """Of boot ports, which have places of their own; the same for all if there are none."""
    _forwards: dict[int, _Bound] = field(factory=dict, init=False)
    _wanted: dict[int, Mapping[int, Forward]] = field(factory=dict, init=False)
    _boot_ports: dict[int, _BootPort] = field(factory=dict, init=False)
    _parting: list[Visits] = field(factory=list, init=False)
    """Of ports that are closed; somebody may still be here."""
    _hurried: bool = field(default=False, init=False)
    _past: Counters = field(factory=Counters, init=False)
    """Of those of which nobody is here any more."""

    def reserve(self, port: int) -> None:
        """See :meth:`webspaced.interfaces.IForwards.reserve`."""
        if port in self._forwards:
            message = f"port {port} is in use"
            raise Conflict(message)
        try:
            self._forwards[port] = self._bind(port)
        except CannotListenError as error:
            if error.socketError.errno in EXHAUSTED:
                # Another number would not help.
                message = f"no more ports can be opened now: {error.socketError.strerror}"
                raise Unavailable(message) from error
            message = f"port {port} is in use on this machine"
            raise Conflict(message) from error

    def unreserve(self, port: int) -> None:
        """See :meth:`webspaced.interfaces.IForwards.unreserve`."""
        bound = self._forwards.get(port)
        if bound is not None and bound.uid is None:
            self._close(port)

    def want_forwards(self, uid: int, forwards: Mapping[int, Forward]) -> None:
        """Make a webspace's forwards these, by external port. What does not change is not touched."""
        before = self._wanted.get(uid, {})
        self._wanted[uid] = forwards
        for external in before:
            bound = self._forwards.get(external)
            if external not in forwards and bound is not None and bound.uid == uid:
                self._close(external)
        self._bind_wanted(uid)
        if not forwards:
            del self._wanted[uid]

    def retry(self) -> None:
        """Try again what could not be bound."""
        for uid in list(self._wanted):
            self._bind_wanted(uid)

    def want_boot_port(self, uid: int, port: int | None) -> None:
        """Make this a webspace's boot port. Raises ``CannotListenError`` if it cannot be bound."""
        present = self._boot_ports.get(uid)
        if present is not None and present.port == port:
            return
        # Visitors of an old number go on: their webspace is the same.
        visits = present.visits if present is not None else self._web_visits(uid)
        listening = None if port is None else self._means.lines.listen(port, visits, self._where.boot, crowd=Crowd.WEB)
        if present is not None:
            del self._boot_ports[uid]
            present.listening.stopListening()
        if port is None or listening is None:
            self._part(visits)
        else:
            self._boot_ports[uid] = _BootPort(port, listening, visits)

    def _web_visits(self, uid: int) -> Visits:
        return Visits(self._web_means or self._means, lambda: self._web(uid), WebVisit)

    def cut_relayed(self, uid: int) -> None:
        """Reset what is relayed to a container that is gone: no FIN may ever come from it."""
        for visits in self._visits_of(uid):
            visits.cut_relayed()

    async def cut_idle(self, most: float) -> None:
        """Reset relayed connections on which nothing moved for so many seconds."""
        await Gently(self._means.clock).each(self._all(), lambda bound: bound.visits.cut_idle(most))

    def quiet(self, uid: int) -> float:
        """See :meth:`webspaced.interfaces.IVisitors.quiet`."""
        present = [visit for visits in self._visits_of(uid) for visit in visits.present]
        # Who is being refused wants nothing of the container any more.
        return min((visit.quiet for visit in present if visit.stage is not Stage.REFUSED), default=inf)

    def watch(self, uid: int, stirred: Callable[[], None] | None) -> None:
        """See :meth:`webspaced.interfaces.IVisitors.watch`."""
        for visits in self._visits_of(uid):
            for visit in visits.relayed:
                visit.watch(stirred)

    def refuse_late(self, most: float) -> None:
        """Refuse who has waited for so many seconds or longer."""
        error = Refused(f"it did not start within {most:g} seconds", retry_after=LATE_RETRY_AFTER)
        for bound in self._all():
            bound.visits.turn_away(error, self._means.clock.seconds() - most)

    def sum_up(self) -> None:
        """Say in the log how many were refused where nobody is any more."""
        self._means.refusals.look()

    def counters(self) -> Counters:
        """Give what was counted of all visits, also of those of ports that are closed by now."""
        crowds = self._crowds()
        return total([self._past, *(visits.counters() for visits in crowds)])

    async def count(self, gently: Gently) -> Counters:
        """Give the same, counted in pieces: there may be ten thousand ports."""
        crowds, seen = self._crowds(), total([self._past])
        await gently.each(crowds, lambda visits: seen.add(visits.counters()))
        return seen

    def _crowds(self) -> list[Visits]:
        self._forget_who_left()
        return [*self._parting, *(bound.visits for bound in self._all())]

    def counters_of(self, uid: int) -> Counters:
        """Give the same of one webspace, but for its ports that are closed by now."""
        boot = self._boot_ports.get(uid)
        if boot is not None and uid not in self._wanted:
            # As most have it, of ten thousand.
            return boot.visits.counters()
        return total(visits.counters() for visits in self._visits_of(uid))

    def counters_by_port(self) -> Mapping[int, Counters]:
        """Give the same per forward, by external port."""
        return {port: bound.visits.counters() for port, bound in self._forwards.items()}

    async def close(self, within: float = 0.0) -> None:
        """Stop to listen, refuse who waits, let who is relayed finish within so many seconds, and reset the others."""
        bound = self._all()
        self._forwards.clear()
        self._boot_ports.clear()
        self._wanted.clear()
        closed = gatherResults([maybeDeferred(each.listening.stopListening) for each in bound])
        if self._web_means is not None and self._web_means.waiting_room is not None:
            self._web_means.waiting_room.close()
        crowds = [each.visits for each in bound]
        self._parting.extend(crowds)
        await drain(self._means.clock, crowds, 0.0 if self._hurried else within)
        await closed
        self._means.refusals.close()

    def hurry(self) -> None:
        """Reset who is still let finish by :meth:`close`, also by one to come."""
        self._hurried = True
        for visits in self._parting:
            visits.cut_all()

    def _all(self) -> list[_Bound | _BootPort]:
        return [*self._forwards.values(), *self._boot_ports.values()]

    def _visits_of(self, uid: int) -> list[Visits]:
        bound = (self._forwards.get(external) for external in self._wanted.get(uid, ()))
        visits = [each.visits for each in bound if each is not None and each.uid == uid]
        boot = self._boot_ports.get(uid)
        return visits if boot is None else [*visits, boot.visits]

    def _bind_wanted(self, uid: int) -> None:
        unbound = []
        for external, forward in self._wanted[uid].items():
            bound = self._forwards.get(external)
            if bound is None:
                try:
                    bound = self._forwards[external] = self._bind(external)
                except CannotListenError as error:
                    unbound.append(f"port {external}: {error.socketError}")
                    continue
            if bound.uid is None or bound.uid == uid:
                # The socket stays: the kernel would not give it back within this turn of the reactor.
                bound.lead(uid, forward)
            else:
                # In passing: whose a port is, and the condition `port-clash`, is for webspaced.webspaces.claims to say.
                unbound.append(f"port {external}: webspace {bound.uid} has it still")
        self._conditions.note(uid, Kind.FORWARD_UNBOUND, "; ".join(unbound) or None)

    def _bind(self, port: int) -> _Bound:
        visits = Visits(self._means, lambda: None)
        bound = _Bound(self._means.lines.listen(port, visits, self._where.forwards), visits)
        visits.destination = bound.destination
        return bound

    def _close(self, port: int) -> None:
        bound = self._forwards.pop(port)
        bound.listening.stopListening()
        self._part(bound.visits)

    def _part(self, visits: Visits) -> None:
        visits.cut_unwanted()
        self._forget_who_left()
        self._parting.append(visits)

    def _forget_who_left(self) -> None:
        left = [visits for visits in self._parting if not visits.present]
        if left:
            self._past = total([self._past, *(visits.counters() for visits in left)])
            self._parting = [visits for visits in self._parting if visits.present]


def looks(
    clock: IReactorTime, listeners: Listeners, wait: Callable[[], float], idle: Callable[[], float]
) -> Iterator[Periodic]:
    """Give what keeps the bounds on waiting and on silence (0: none), in seconds: no timer for each connection."""

    def cut_idle() -> Deferred[None] | None:
        return Deferred.fromCoroutine(listeners.cut_idle(idle())) if idle() else None

    yield Periodic(clock, lambda: wait() / LATE_LOOKS, "the look at who waits", lambda: listeners.refuse_late(wait()))
    yield Periodic(clock, LOOK, "the sum of who was refused", listeners.sum_up)
    yield Periodic(clock, lambda: (idle() or UNBOUND) / IDLE_LOOKS, "the look at idle visitors", cut_idle)

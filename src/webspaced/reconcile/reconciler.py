"""From what LXD says to what is served: level-triggered, key by key (design decisions 1, 4 and 5).

An event, a full pass, a probe's result or a stop in progress all end in :meth:`Reconciler.act`, which derives everything
that a webspace should have now and hands it to the listeners and the publisher; those change only what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.core.boot import Hold
from webspaced.core.hosts import HostClaims
from webspaced.core.instance import IPAddress
from webspaced.core.names import default_domain
from webspaced.core.routes import Readiness, Standing, wanted_route
from webspaced.errors import WebspacedError
from webspaced.interfaces import IBootGate, IEventListener, IExposure, IListeners, IRoutes
from webspaced.lib.keyed import Coalesced
from webspaced.reconcile.publisher import Publisher
from webspaced.webspaces.adoption import Adoption
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.readiness import Probe, ReadinessTable
from webspaced.webspaces.registry import Registry

PARALLEL_ADOPTIONS = 8


@frozen(kw_only=True)
class Collaborators:
    """What the reconciler works with."""

    registry: Registry
    readiness: ReadinessTable
    booter: Booter
    gate: IBootGate
    adoption: Adoption
    conditions: Conditions
    publisher: Publisher
    listeners: IListeners
    exposure: IExposure


@frozen(kw_only=True)
class Serving:
    """Where webspaces are served: the service's domain, and the address at which Traefik reaches boot ports."""

    domain: str
    boot_address: IPAddress
    settle_time: float


@implementer(IEventListener, IRoutes)
class Reconciler:
    """Keeps routes and listeners as they should be."""

    log = Logger()

    def __init__(self, clock: IReactorTime, serving: Serving, with_: Collaborators) -> None:
        self.seen: Deferred[None] = Deferred()
        """Fires once everything has been seen."""
        self.connected_to_lxd = False
        self._clock = clock
        self._serving = serving
        self._with = with_
        self._leads = False
        self._kept: frozenset[int] = frozenset()
        self._again: dict[int, IDelayedCall] = {}
        self._after_pass: list[Callable[[], None]] = []
        self._hosts = HostClaims()
        self._served: dict[int, tuple[str, int | None]] = {}
        self._adoptions: Coalesced[int, None] = Coalesced(with_.adoption.complete)
        with_.registry.subscribe(self.act)
        with_.readiness.subscribe(self.act)
        with_.booter.subscribe(self.act)

    # --- what happens in LXD

    def connected(self) -> Deferred[Any]:
        """See :meth:`webspaced.interfaces.IEventListener.connected`."""
        self.connected_to_lxd = True
        return Deferred.fromCoroutine(self.full_pass())

    def happened(self, name: str) -> None:
        """See :meth:`webspaced.interfaces.IEventListener.happened`."""
        uid = self._with.registry.uid_of(name)
        if uid is not None:
            # What cannot be read now is read by the next full pass.
            self._with.registry.look(uid).addErrback(self._not_seen, uid)

    def disconnected(self, reason: str) -> None:
        """See :meth:`webspaced.interfaces.IEventListener.disconnected`."""
        self.connected_to_lxd = False

    def _not_seen(self, failure: Failure, uid: int) -> None:
        failure.trap(WebspacedError)
        self.log.info("webspace {uid} could not be looked at: {error}", uid=uid, error=failure.getErrorMessage())

    def after_pass(self, listener: Callable[[], None]) -> None:
        """Call ``listener()`` after each full pass of a daemon that leads. It must not raise."""
        self._after_pass.append(listener)

    # --- the full pass

    async def full_pass(self) -> None:
        """Read everything; whoever leads completes what needs it, and applies what differs."""
        await self._with.registry.sync()
        if not self.seen.called:
            self.log.info("webspaces known: {count}", count=len(list(self._with.registry)))
            self.seen.callback(None)
        if self._leads:
            await self._apply_all()

    async def lead(self) -> None:
        """Act from now on, on what has been seen: the doors open."""
        self._leads = True
        await self._apply_all()

    async def _apply_all(self) -> None:
        self._with.adoption.everything_seen()
        self._keep_unseen()
        gently = self._with.registry.gently
        await gently.each([observed.uid for observed in self._with.registry], self.act)
        await self._adopt_all()
        self._with.listeners.retry()
        self._with.publisher.open()
        self._with.exposure.open()
        for listener in self._after_pass:
            listener()

    def _keep_unseen(self) -> None:
        """Leave the routes of webspaces that nobody has told us of since we started: their cluster member is away."""
        publisher, registry = self._with.publisher, self._with.registry
        unseen = registry.never_seen
        for uid in self._kept - unseen:
            if registry.get(uid) is None:
                publisher.want(registry.name_of(uid), None)
                self._release_hosts(uid, ())
        for uid in unseen:
            route = publisher.keep(registry.name_of(uid))
            if route is not None:
                # Visitors are still led there: nobody else may listen on that port, or be served under these names.
                self._with.adoption.leave(route.backend.port)
                for host in route.hosts:
                    self._hosts.claim(host, uid)
        self._kept = unseen

    def return_of_members(self) -> Deferred[None]:
        """Look again while a cluster member is away: no event tells that it is back."""
        return Deferred.fromCoroutine(self._look_for_members())

    async def _look_for_members(self) -> None:
        # The list alone is cheap.
        if self.connected_to_lxd and self._with.registry.away and await self._with.registry.somebody_is_back():
            await self.full_pass()

    def periodic_pass(self) -> Deferred[None]:
        """Make a full pass if LXD is there; while it is away, reconnecting makes one."""
        return Deferred.fromCoroutine(self.full_pass()) if self.connected_to_lxd else succeed(None)

    def look_at_addresses(self) -> Deferred[None]:
        """Read the addresses of all that run: no event tells what their root does with them."""
        return Deferred.fromCoroutine(self._with.registry.read_addresses()) if self.connected_to_lxd else succeed(None)

    async def _adopt_all(self) -> None:
        async def adopt(uid: int) -> None:
            await self._adoptions.request(uid).addErrback(self._not_seen, uid)

        uids = [observed.uid for observed in self._with.registry]
        await self._with.registry.gently.side_by_side(PARALLEL_ADOPTIONS, uids, adopt)

    # --- one webspace

    async def resync(self, uid: int) -> None:
        """Look at one webspace and bring everything of it in order (``PATCH …/state``)."""
        await self._with.registry.look(uid)
        await self._with.registry.read_address(uid)
        await self._adoptions.request(uid)
        self.act(uid)
        self._with.listeners.retry()

    def retry_unbound(self) -> None:
        """Try again to bind what could not be bound."""
        self._with.listeners.retry()
        for observed in self._with.registry:
            if self._is_unbound(observed.uid):
                self.act(observed.uid)

    def _is_unbound(self, uid: int) -> bool:
        return Kind.BOOT_PORT_UNBOUND in self._with.conditions.of(uid)

    def close(self) -> None:
        """Act no more: the daemon stops."""
        self._leads = False
        for again in self._again.values():
            if again.active():
                again.cancel()

    def settled(self, uid: int) -> Deferred[None]:
        """See :meth:`webspaced.interfaces.IRoutes.settled`."""
        return self._with.publisher.settled(self._with.registry.name_of(uid))

    def act(self, uid: int) -> None:
        """Make what a webspace has what it should have."""
        if not self._leads:
            return
        observed = self._with.registry.get(uid)
        if observed is None or observed.unfinished:
            # What is still being created is opened all at once, at its end.
            self._forget(uid)
            return
        self._cut_if_gone(observed)
        if self._with.adoption.lacks(observed):
            self._adoptions.request(uid).addErrback(self._not_seen, uid)
        self._listen(observed)
        self._route(observed)
        self._probe(observed)

    def _forget(self, uid: int) -> None:
        _, boot_port = self._served.pop(uid, ("", None))
        self._with.adoption.leave(boot_port)
        again = self._again.pop(uid, None)
        if again is not None and again.active():
            again.cancel()
        self._with.listeners.cut_relayed(uid)
        self._with.listeners.want_forwards(uid, {})
        self._with.exposure.want(uid, ())
        self._with.listeners.want_boot_port(uid, None)
        self._release_hosts(uid, ())
        self._with.publisher.want(self._with.registry.name_of(uid), None)
        self._with.readiness.forget(uid)
        self._with.booter.forget(uid)

    def _cut_if_gone(self, observed: Observed) -> None:
        """Reset connections into an incarnation that ended: a container killed by force sends no FIN."""
        frozen_now = observed.instance.status.name in ("FROZEN", "FREEZING")
        incarnation = observed.instance.incarnation if observed.runs or frozen_now else ""
        before, _ = self._served.get(observed.uid, ("", None))
        self._served[observed.uid] = (incarnation, observed.boot_port)
        if before and before != incarnation:
            self._with.listeners.cut_relayed(observed.uid)

    def _listen(self, observed: Observed) -> None:
        deleting = self._with.booter.memory(observed.uid).hold is Hold.DELETING
        forwards = {} if deleting else observed.webspace.forwards
        self._with.listeners.want_forwards(observed.uid, forwards)
        self._with.exposure.want(observed.uid, forwards)
        port = observed.boot_port if self._with.adoption.owns_boot_port(observed) else None
        try:
            self._with.listeners.want_boot_port(observed.uid, port)
        except CannotListenError as error:
            detail = f"boot port {port}: {error.socketError}"
            self._with.conditions.note(observed.uid, Kind.BOOT_PORT_UNBOUND, detail)
        else:
            self._with.conditions.note(observed.uid, Kind.BOOT_PORT_UNBOUND, None)

    def _route(self, observed: Observed) -> None:
        publisher = self._with.publisher
        standing = self._standing(observed)
        if standing is None:
            publisher.want(observed.name, None)
            return
        address = standing.address
        taken = {address} if address and publisher.named_by_others(address, observed.name) else set()
        published = publisher.published(observed.name)
        route = wanted_route(standing, published, taken)
        # A boot port relays to a running webspace just as well: only leaving the container is urgent.
        lazy = published == standing.boot and route.backend != standing.boot
        if route.backend == standing.boot and self._is_unbound(observed.uid):
            # Whoever has that port is not to be sent the webspace's visitors.
            publisher.want(observed.name, None)
        else:
            publisher.want(observed.name, route, lazy=lazy)
        if taken and standing.readiness is Readiness.READY and route.backend == standing.boot:
            # Somebody else's visitors may still be on their way there: look again when that has settled.
            self._look_again(observed.uid)

    def _look_again(self, uid: int) -> None:
        pending = self._again.get(uid)
        if pending is None or not pending.active():
            self._again[uid] = self._clock.callLater(self._serving.settle_time, self.act, uid)

    def _standing(self, observed: Observed) -> Standing | None:
        hold = self._with.booter.memory(observed.uid).hold
        hosts = self._own_hosts(observed)
        if hold is Hold.DELETING or not hosts or not self._with.adoption.owns_boot_port(observed):
            return None
        return Standing(
            name=observed.name,
            hosts=hosts,
            http_port=observed.webspace.config.http_port,
            passthrough=not observed.web_is_http,
            boot=Endpoint(self._serving.boot_address, observed.boot_port or 0),
            address=observed.address if observed.runs else None,
            readiness=self._with.readiness.get(observed, self._web(observed)),
            diverted=hold is not Hold.NONE,
        )

    def _web(self, observed: Observed) -> Probe:
        return Probe(observed.webspace.config.http_port, observed.web_is_http)

    def _own_hosts(self, observed: Observed) -> tuple[str, ...]:
        """Give the names under which this webspace alone is served; the first that claims a name keeps it."""
        inside = f".{self._serving.domain}"
        default = [default_domain(observed.username, self._serving.domain)] if observed.username else []
        # A name inside the service's own domain is some member's default domain, whatever a document says.
        wanted = default + [d for d in observed.webspace.domains if not d.endswith(inside) and d != self._serving.domain]
        self._release_hosts(observed.uid, wanted)
        own = tuple(host for host in wanted if self._hosts.claim(host, observed.uid))
        lost = [f"{host} is served for another webspace" for host in wanted if host not in own]
        self._with.conditions.note(observed.uid, Kind.HOST_CLASH, "; ".join(lost) or None)
        return own

    def _release_hosts(self, uid: int, keep: Collection[str]) -> None:
        if self._hosts.release(uid, keep):
            # Somebody may be waiting for such a name.
            for other in self._with.registry:
                if Kind.HOST_CLASH in self._with.conditions.of(other.uid):
                    self._clock.callLater(0, self.act, other.uid)

    def _probe_failed(self, failure: Failure) -> None:
        failure.trap(WebspacedError)

    def _probe(self, observed: Observed) -> None:
        """Ask a running webspace's web port, whoever started it, so that its route can become direct."""
        if not observed.runs or self._with.booter.memory(observed.uid).hold is not Hold.NONE:
            return
        web = self._web(observed)
        if self._with.readiness.get(observed, web) is Readiness.UNKNOWN:
            asked = self._with.gate.ready(observed.uid, web.port, http=web.http)
            # The gate remembers and logs what it found; there is no visitor to tell.
            asked.addErrback(self._probe_failed)

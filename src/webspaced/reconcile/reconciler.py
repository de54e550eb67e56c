"""From what LXD says to what is served: level-triggered, key by key (design decisions 1, 4 and 5).

An event, a full pass, a probe's result or a stop in progress all end in :meth:`Reconciler.act`, which derives everything
that a webspace should have now and hands it to the listeners and the publisher; those change only what differs.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextvars import Context
from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.core.boot import Hold
from webspaced.core.desired import Wish
from webspaced.core.instance import IPAddress
from webspaced.core.routes import Readiness, Standing, wanted_route
from webspaced.errors import WebspacedError
from webspaced.interfaces import IEventListener, IRoutes
from webspaced.lib.measures import Calls
from webspaced.reconcile.collaborators import Collaborators, Serving
from webspaced.reconcile.completion import Completion
from webspaced.webspaces.conditions import Kind
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.readiness import Probe

ADOPTION_RETRY = 5.0
"""Seconds after which what a webspace lacks is tried to be given again."""
NO_PORT_AT_ALL = frozenset({errno.EACCES, errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Why a boot port cannot be bound where another number would not help."""


@implementer(IEventListener, IRoutes)
class Reconciler:
    """Keeps routes and listeners as they should be."""

    log = Logger()

    def __init__(self, clock: IReactorTime, serving: Serving, with_: Collaborators) -> None:
        self.seen: Deferred[None] = Deferred()
        """Fires once everything has been seen."""
        self.connected_to_lxd = False
        self.no_boot_port = ""
        """Why no boot port can be bound on this machine, if so."""
        self.passes = Calls(clock, "reconcile")
        self._clock = clock
        self._serving = serving
        self._with = with_
        self._leads = False
        self._kept: frozenset[int] = frozenset()
        self._again: dict[int, IDelayedCall] = {}
        self._after_pass: list[Callable[[], None]] = []
        self._served: dict[int, tuple[str, int | None]] = {}
        self._completion = Completion(clock, with_.registry, with_.adoption, self._not_seen)
        self._reading: Deferred[None] | None = None
        with_.registry.is_there = lambda: self.connected_to_lxd
        with_.registry.subscribe(self.act)
        with_.readiness.subscribe(self.act)
        with_.booter.subscribe(self.act)
        with_.claims.subscribe(self.act)
        with_.certificates.subscribe(self.act)

    # --- what happens in LXD

    def connected(self) -> Deferred[Any]:
        """See :meth:`webspaced.interfaces.IEventListener.connected`."""
        self.connected_to_lxd = True
        return Deferred.fromCoroutine(self.full_pass())

    def happened(self, name: str) -> None:
        """See :meth:`webspaced.interfaces.IEventListener.happened`."""
        uid = self._with.registry.uid_of(name)
        # What cannot be read now is read by the next full pass.
        if uid is not None:
            self._with.registry.look(uid).addErrback(self._not_seen, uid)
        else:
            Deferred.fromCoroutine(self._with.registry.look_at_stranger(name)).addErrback(self._not_looked_at)

    def disconnected(self, reason: str) -> None:
        """See :meth:`webspaced.interfaces.IEventListener.disconnected`."""
        self.connected_to_lxd = False

    def _not_looked_at(self, failure: Failure) -> None:
        failure.trap(WebspacedError, CancelledError)

    def _not_seen(self, failure: Failure, uid: int) -> None:
        failure.trap(WebspacedError, CancelledError)
        self.log.info(
            "webspace {webspace} could not be looked at: {error}",
            event="webspace.look-failed",
            webspace=uid,
            error=failure.getErrorMessage(),
        )

    def after_pass(self, listener: Callable[[], None]) -> None:
        """Call ``listener()`` after each full pass of a daemon that leads. It must not raise."""
        self._after_pass.append(listener)

    # --- the full pass

    async def full_pass(self) -> None:
        """Read everything; whoever leads completes what needs it, and applies what differs."""
        await self.passes.measured("full", self._full_pass())

    async def _full_pass(self) -> None:
        await self._with.registry.sync()
        if not self.seen.called:
            self.log.info("webspaces known: {count}", event="webspace.counted", count=len(list(self._with.registry)))
            self.seen.callback(None)
        if self._leads:
            await self._apply_all()

    async def lead(self) -> None:
        """Act from now on, on what has been seen: the doors open."""
        await self._with.registry.read_words()
        self._leads = True
        await self._apply_all()
        # Nobody waits for what containers show.
        self._reading = self.look_at_addresses().addErrback(self._not_looked_at)

    async def _apply_all(self) -> None:
        self._with.adoption.everything_seen()
        self._keep_unseen()
        gently = self._with.registry.gently
        await gently.each([observed.uid for observed in self._with.registry], self.act)
        self._with.listeners.retry()
        self._with.publisher.open()
        self._with.exposure.open()
        self._completion.refresh()
        for listener in self._after_pass:
            listener()

    def _keep_unseen(self) -> None:
        """Leave the routes of webspaces that nobody has told us of since we started: their cluster member is away."""
        publisher, registry = self._with.publisher, self._with.registry
        unseen = registry.never_seen
        for uid in self._kept - unseen:
            if registry.get(uid) is None:
                publisher.want(registry.name_of(uid), None)
                self._with.claims.drop(uid)
        for uid in unseen:
            route = publisher.keep(registry.name_of(uid))
            if route is not None:
                # Visitors are still led there: nobody else may listen on that port, or be served under these names.
                self._with.adoption.leave(uid, route.backend.port)
                self._with.claims.keep(uid, route.hosts)
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

    def refresh_members(self) -> None:
        """Ask anew who everybody's member is, as the next full pass would."""
        if self._leads:
            self._completion.refresh()

    def departed(self, uid: int) -> None:
        """Hear that a webspace has had no member for too long, which IAM is asked for once more."""
        observed = self._with.registry.get(uid)
        if observed is not None and self._with.booter.is_departed(observed):
            self.act(uid)
        elif self._leads:
            self._completion.request(uid).addErrback(self._not_seen, uid).addCallback(lambda _: self.act(uid))

    @property
    def refreshing(self) -> bool:
        """Whether names are being asked for."""
        return self._completion.refreshing

    def _not_adopted(self, failure: Failure, uid: int) -> None:
        self._not_seen(failure, uid)
        # Nobody else tells that what it lacks can be given now.
        self._look_again(uid, ADOPTION_RETRY)

    # --- one webspace

    async def resync(self, uid: int) -> None:
        """Look at one webspace and bring everything of it in order (``PATCH …/state``)."""
        await self._with.registry.look(uid)
        await self._with.registry.read_address(uid)
        await self._completion.request(uid)
        # What of it could not be bound is tried again by that.
        self.act(uid)

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
        self._completion.close()
        if self._reading is not None:
            self._reading.cancel()
        for again in self._again.values():
            if again.active():
                again.cancel()

    def settled(self, uid: int) -> Deferred[None]:
        """See :meth:`webspaced.interfaces.IRoutes.settled`."""
        return self._with.publisher.settled(self._with.registry.name_of(uid))

    def led_away(self, uid: int) -> Deferred[None]:
        """See :meth:`webspaced.interfaces.IRoutes.led_away`."""
        return self._with.publisher.settled(self._with.registry.name_of(uid), surely=True)

    def act(self, uid: int) -> None:
        """Make what a webspace has what it should have: on nobody's behalf, whoever has caused the look at it."""
        if self._leads:
            Context().run(self._act, uid)

    def _act(self, uid: int) -> None:
        observed = self._with.registry.get(uid)
        if observed is None or observed.unfinished:
            # What is still being created is opened all at once, at its end.
            self._forget(uid)
            return
        self._cut_if_gone(observed)
        if self._with.adoption.lacks(observed):
            self._completion.request(uid).addErrback(self._not_adopted, uid)
        self._listen(observed)
        self._route(observed)
        self._probe(observed)

    def _forget(self, uid: int) -> None:
        _, boot_port = self._served.pop(uid, ("", None))
        self._with.adoption.leave(uid, boot_port)
        again = self._again.pop(uid, None)
        if again is not None and again.active():
            again.cancel()
        self._with.listeners.cut_relayed(uid)
        self._with.listeners.want_forwards(uid, {})
        self._with.exposure.want(uid, ())
        self._with.listeners.want_boot_port(uid, None)
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
        own, suspended = self._with.claims.forwards(observed), self._note_wish(observed)
        forwards = {} if deleting or suspended else own
        self._with.listeners.want_forwards(observed.uid, forwards)
        self._with.exposure.want(observed.uid, forwards)
        port = observed.boot_port if self._with.adoption.owns_boot_port(observed) else None
        try:
            self._with.listeners.want_boot_port(observed.uid, port)
        except CannotListenError as error:
            detail = f"boot port {port}: {error.socketError}"
            self._with.conditions.note(observed.uid, Kind.BOOT_PORT_UNBOUND, detail)
            if port is not None and getattr(error.socketError, "errno", None) not in NO_PORT_AT_ALL:
                # Somebody else's program has it, and may have it for long: another number serves as well.
                self._with.adoption.give_up(observed.uid, port)
                self._completion.request(observed.uid).addErrback(self._not_seen, observed.uid)
            else:
                self.no_boot_port = detail
        else:
            self._with.conditions.note(observed.uid, Kind.BOOT_PORT_UNBOUND, None)

    def _note_wish(self, observed: Observed) -> bool:
        """Note that an admin wants a webspace to stay off, if so."""
        desired = observed.webspace.desired
        suspended = desired.wish is Wish.SUSPENDED
        self._with.conditions.note(observed.uid, Kind.SUSPENDED, desired.reason if suspended else None)
        return suspended

    def _route(self, observed: Observed) -> None:
        publisher = self._with.publisher
        if self._keeps_backend(observed) and (kept := publisher.keep(observed.name)) is not None:
            hosts = self._with.claims.hosts(observed)
            own = () if kept.passthrough else self._with.certificates.served(observed, hosts)
            publisher.want(observed.name, evolve(kept, hosts=hosts, certificates=own) if hosts else None)
            return
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
            self._look_again(observed.uid, self._serving.settle_time)

    def _keeps_backend(self, observed: Observed) -> bool:
        """Whether a webspace may run where its route leads, although LXD cannot tell."""
        if not observed.untold or observed.runs or self._with.booter.unwanted(observed):
            return False
        return self._with.booter.memory(observed.uid).hold is Hold.NONE

    def _look_again(self, uid: int, seconds: float) -> None:
        pending = self._again.get(uid)
        if self._leads and (pending is None or not pending.active()):
            self._again[uid] = self._clock.callLater(seconds, self.act, uid)

    def _standing(self, observed: Observed) -> Standing | None:
        hold = self._with.booter.memory(observed.uid).hold
        hosts = self._with.claims.hosts(observed)
        if hold is Hold.DELETING or not hosts or not self._with.adoption.owns_boot_port(observed):
            return None
        return Standing(
            name=observed.name,
            hosts=hosts,
            http_port=observed.webspace.config.http_port,
            passthrough=observed.webspace.config.sni_passthrough,
            protocol=observed.webspace.config.protocol,
            boot=Endpoint(self._serving.boot_address, observed.boot_port or 0),
            address=self._where(observed) if observed.runs else None,
            readiness=self._with.readiness.get(observed, self._web(observed)),
            diverted=hold is not Hold.NONE or bool(self._with.booter.unwanted(observed)),
            certificates=self._with.certificates.served(observed, hosts),
        )

    def _where(self, observed: Observed) -> IPAddress | None:
        """Give the address at which the web port answers, else the one that the route names, else the first."""
        answering = self._with.readiness.answering(observed, self._web(observed))
        published = self._with.publisher.published(observed.name)
        named = published.host if published and self._with.registry.may_be_at(observed, published.host) else None
        return answering or named or observed.address

    def _web(self, observed: Observed) -> Probe:
        return Probe(observed.webspace.config.http_port, observed.web_asks)

    def _probe_failed(self, failure: Failure) -> None:
        failure.trap(WebspacedError)

    def _probe(self, observed: Observed) -> None:
        """Ask a running webspace's web port, whoever started it, so that its route can become direct."""
        if not observed.runs or self._with.booter.memory(observed.uid).hold is not Hold.NONE:
            return
        if self._with.booter.unwanted(observed) or self._with.registry.awaits_leases(observed):
            return
        web = self._web(observed)
        if self._with.readiness.get(observed, web) is Readiness.UNKNOWN:
            asked = Deferred.fromCoroutine(self._with.gate.look_at(observed.uid, web.port, web.asks))
            # The gate remembers and logs what it found; there is no visitor to tell.
            asked.addErrback(self._probe_failed)

"""The daemon's life: start in order, stand by until it leads, say when it is ready, stop in order.

Nothing is published before the first full sync, and nothing is cleared at the end: running webspaces are served on by
Traefik while webspaced is away. A standby has seen everything, listens for health only, and changes nothing.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.assembly.addresses import Ground
from webspaced.assembly.election import Election
from webspaced.control.socket import ControlSocket
from webspaced.errors import Conflict, DeadlineExceeded, Distrusted, Invalid, Unavailable, WebspacedError
from webspaced.forward.front import Front
from webspaced.forward.lines import ILines
from webspaced.forward.listeners import Listeners
from webspaced.http.site import Sites
from webspaced.interfaces import IExposure, ILeaderMark
from webspaced.leadership.struggle import Standing
from webspaced.lib.deferreds import bounded, sleep
from webspaced.lib.ephemeral import collision_advice, ephemeral_ports, reserved_ports
from webspaced.lib.instance_lock import InstanceLock
from webspaced.lib.periodic import Periodic
from webspaced.lxd.events import EventSubscription
from webspaced.lxd.network import ProfileNetwork
from webspaced.reconcile.publisher import Publisher
from webspaced.reconcile.reconciler import Reconciler
from webspaced.settings import Settings
from webspaced.traefik.embedded import EmbeddedTraefik
from webspaced.webspaces.allocator import Allocator
from webspaced.webspaces.filters import Filters
from webspaced.webspaces.housing import Housing
from webspaced.webspaces.registry import Registry

CONTACT_PAUSE = 0.5
T = TypeVar("T")
LAST_WRITE = 2.0
"""Seconds for each last thing that is written before the lease is given up: the next one waits for that."""
DRAIN_SHARE = 0.8
"""Of ``timeouts.shutdown``: how long relayed visitors may take to finish. The rest is for what has to follow."""


@frozen(kw_only=True)
class Parts:
    """What the daemon starts and stops. ``network`` asks LXD for the webspaces' network, ``ground`` what follows from it.

    ``lock`` keeps a second process from the same folder; ``keep`` hears when what is in memory is there to stay.
    """

    lock: InstanceLock
    election: Election
    network: Callable[[], Coroutine[Any, Any, ProfileNetwork]]
    ground: Callable[[ProfileNetwork], Ground]
    housing: Housing
    filters: Filters
    registry: Registry
    allocator: Allocator
    publisher: Publisher
    reconciler: Reconciler
    events: EventSubscription
    periodic: tuple[Service, ...]
    listeners: Listeners
    exposure: IExposure
    lines: ILines
    traefik: EmbeddedTraefik | None
    front: Front | None
    keep: Callable[[], None]

async def _until(waiting: Deferred[None]) -> None:
    await waiting


class Daemon(Service):
    """The service that twistd runs."""

    log = Logger()
    sites: Sites
    control: ControlSocket

    def __init__(self, reactor: Any, startup_timeout: float, shutdown_timeout: float, parts: Parts) -> None:
        self.ready = False
        self.figures: Service | None = None
        """What is measured all the time, by standbys too."""
        self._reactor = reactor
        self._startup_timeout = startup_timeout
        self.shutdown_timeout = shutdown_timeout
        self._parts = parts
        self._starting: Deferred[None] | None = None

    def privilegedStartService(self) -> None:
        """Bind the API before privileges are dropped; a daemon that is deaf must not start."""
        super().privilegedStartService()
        try:
            self._parts.lock.take()
            self.sites.listen()
            self.control.listen()
        except (Conflict, Unavailable) as error:
            raise SystemExit(str(error)) from error

    def startService(self) -> None:
        """Begin to start; :attr:`ready` tells when that is done. A start that fails ends the process."""
        super().startService()
        if self.figures is not None:
            self.figures.startService()
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._start_failed)

    async def _start(self) -> None:
        within = partial(bounded, self._reactor, self._startup_timeout)
        await within(self._see(), "the first full sync (timeouts.startup)")
        self._parts.keep()
        leadership = self._parts.election.leadership
        leadership.subscribe(self._stands)
        if self._parts.election.mark is not None:
            # Left by a run that died in the same pod.
            await within(self._reached(self._parts.election.mark.hide), "hiding from others (timeouts.startup)")
        elected = leadership.run()
        # A standby is as ready as it can be.
        self.ready = leadership.queues
        if leadership.queues:
            await elected
        else:
            longest = leadership.times.duration + self._startup_timeout
            await bounded(self._reactor, longest, _until(elected), "the wait for the lease (leadership.lease)")
        await within(self._lead(), "taking over (timeouts.startup)")
        self._parts.keep()
        self.ready = True
        self.log.info("webspaced is ready", event="daemon.ready")

    async def _see(self) -> None:
        parts = self._parts
        network = await self._reached(parts.network)
        ground = parts.ground(network)
        if not ground.rule.networks:
            message = "LXD does not tell the subnet of the webspaces' bridge: set webspaces.networks to it"
            raise Invalid(message)
        for advice in ground.advice:
            self.log.warn("{advice}", event="network.advice", advice=advice)
        parts.registry.prepare(network.nic, ground.rule, ground.ownership)
        parts.housing.prepare(ground.site, ground.rule, ground.ownership)
        parts.filters.prepare(ground.filters)
        parts.events.startService()
        await parts.reconciler.seen

    async def _lead(self) -> None:
        parts = self._parts
        # Numbers in routes that were published before this start may not be given to anybody else yet.
        parts.allocator.rest([backend.port for backend in await self._reached(parts.publisher.load)])
        self._warn_of_collisions()
        await parts.reconciler.lead()
        self._check_boot_ports()
        for periodic in parts.periodic:
            periodic.startService()
        if parts.front is not None:
            # Who comes now waits for Traefik.
            parts.front.listen()
        if parts.traefik is not None:
            parts.traefik.startService()
            await parts.traefik.serving()
        if parts.election.mark is not None:
            predecessor = parts.election.leadership.predecessor
            await self._reached(partial(parts.election.mark.show, predecessor))

    def _stands(self, standing: Standing) -> None:
        if standing is Standing.LEADING:
            self._parts.publisher.resume()
            self._parts.exposure.check()
            return
        self._parts.publisher.suspend()
        self._parts.exposure.suspend()
        if standing is Standing.OVER and self.running:
            self.log.critical("another webspaced serves these webspaces now", event="daemon.superseded")
            self._end()

    async def _reached(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Ask LXD or the store of routes until it is there."""
        while True:
            try:
                return await ask()
            except Distrusted:
                raise
            except Unavailable as error:
                self.log.warn("{error}; trying again", event="daemon.start-waits", error=str(error))
                await sleep(self._reactor, CONTACT_PAUSE)

    def _warn_of_collisions(self) -> None:
        allocator = self._parts.allocator
        for what, ours in (("webspaces.ports", allocator.external), ("webspaces.boot_ports", allocator.boot)):
            advice = collision_advice(ours, ephemeral_ports(), reserved_ports())
            if advice is not None:
                self.log.warn(
                    "outgoing connections can take ports of {what}; to prevent that: {advice}",
                    event="daemon.ports-exposed", what=what, advice=advice,
                )

    def _check_boot_ports(self) -> None:
        detail = self._parts.reconciler.no_boot_port
        if detail:
            message = f"cannot bind {detail}: see traefik.boot_address and webspaces.boot_ports"
            raise Unavailable(message)

    def _start_failed(self, failure: Failure) -> None:
        if not self.running or failure.check(CancelledError):
            # Given up because the daemon stops: whatever was under way fails in a way of its own.
            return
        if not failure.check(WebspacedError, DeadlineExceeded):
            self.log.failure("webspaced cannot start", failure, event="daemon.start-broke")
        else:
            said = "" if self._parts.traefik is None else self._parts.traefik.trouble
            more = f"; Traefik says: {said}" if said else ""
            self.log.critical(
                "webspaced cannot start: {error}{more}",
                event="daemon.start-failed", error=failure.getErrorMessage(), more=more,
            )
        self._end()

    def _end(self) -> None:
        """End the process in order, and with a status that tells its supervisor that it was not asked to."""
        # Twisted has no way to hand an exit status to twistd: set it after the orderly shutdown, once logs are out.
        self._reactor.addSystemEventTrigger("after", "shutdown", atexit.register, os._exit, 1)
        self._reactor.stop()

    def stopService(self) -> Deferred[None]:
        """Stop in order, within the bound of ``timeouts.shutdown``."""
        super().stopService()
        self.ready = False
        until = self._reactor.seconds() + self.shutdown_timeout
        stopping = bounded(self._reactor, self.shutdown_timeout, self._stop(until), "the stop (timeouts.shutdown)")
        stopping.addErrback(lambda failure: self.log.warn(
            "{error}", event="daemon.stop-late", error=failure.getErrorMessage()
        ))
        return stopping.addBoth(lambda _: self._parts.lock.let_go())

    def follow(self, settings: Settings) -> None:
        """Go by these settings from now on. Who else follows them has done so by then."""
        self.shutdown_timeout = settings.timeouts.shutdown
        for periodic in self._parts.periodic:
            if isinstance(periodic, Periodic):
                periodic.retime()

    def hurry(self) -> None:
        """Let visitors finish no longer."""
        self._parts.listeners.hurry()
        if self._parts.front is not None:
            self._parts.front.close()

    async def _stop(self, until: float) -> None:
        parts = self._parts
        if self._starting is not None:
            self._starting.cancel()
        if parts.election.mark is not None:
            await self._hide(parts.election.mark)
        await self.sites.close()
        if self.figures is not None:
            await maybeDeferred(self.figures.stopService)
        await self.control.close()
        for periodic in parts.periodic:
            if periodic.running:
                periodic.stopService()
        if parts.events.running:
            parts.events.stopService()
        parts.reconciler.close()
        await self._last_write()
        await parts.exposure.close()
        if parts.front is not None:
            # Who takes over may be on this machine.
            parts.front.stop_listening()
        await parts.election.leadership.release()
        await parts.publisher.stop()
        await parts.listeners.close(DRAIN_SHARE * max(0.0, until - self._reactor.seconds()))
        if parts.traefik is not None and parts.traefik.running:
            # What it is answering still goes through the lines.
            await parts.traefik.stopService()
        if parts.front is not None:
            parts.front.close()
        parts.lines.close()

    async def _hide(self, mark: ILeaderMark) -> None:
        """Lead nobody here any more, before the lease is given up."""
        try:
            await bounded(self._reactor, LAST_WRITE, mark.hide(), "hiding from others")
        except WebspacedError as error:
            self.log.warn("others are still led here: {error}", event="daemon.hide-failed", error=str(error))

    async def _last_write(self) -> None:
        writing = self._parts.publisher.close()
        if writing is not None:
            # Others wait for the lease; what is not written by then, they write.
            await writing.addTimeout(LAST_WRITE, self._reactor, lambda *_: None)

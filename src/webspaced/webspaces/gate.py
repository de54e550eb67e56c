"""The boot gate: the one waist through which every visitor reaches a webspace (design decisions 2 and 3)."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.core.boot import Hold
from webspaced.core.names import default_domain
from webspaced.core.routes import Readiness
from webspaced.errors import BootFailed, PortSilent
from webspaced.interfaces import IBootGate, IPortLook
from webspaced.lib.backoff import pauses
from webspaced.lib.deferreds import Flights, sleep
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.probe import PortProbe
from webspaced.webspaces.readiness import Probe, ReadinessTable
from webspaced.webspaces.registry import Registry

CONNECT_FIRST, CONNECT_LONGEST = 0.05, 1.0
"""Seconds per try, growing: a SYN that is lost before the container has its address must not cost a full second."""
TRY_PAUSE_FIRST, TRY_PAUSE_LONGEST = 0.01, 0.25
WARM_UP_PAUSE = 0.1
BOOTS_PER_VISIT = 3
WARMING_UP: frozenset[int | None] = frozenset({502, 503, 504})
WARMING_UP_OR_SILENT = WARMING_UP | {None}


class StoppedMeanwhile(BootFailed):
    """The incarnation that was probed is over."""


@implementer(IBootGate, IPortLook)
class BootGate:
    """See :class:`webspaced.interfaces.IBootGate` and :class:`webspaced.interfaces.IPortLook`."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        booter: Booter,
        readiness: ReadinessTable,
        probe: PortProbe,
        *,
        ready_timeout: float,
        domain: str,
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._booter = booter
        self._readiness = readiness
        self._probe = probe
        self._ready_timeout = ready_timeout
        self._domain = domain
        self._probing: Flights[tuple[int, str, Probe], Endpoint] = Flights()

    def ready_now(self, uid: int, port: int, *, http: bool = False) -> Endpoint | None:
        """See :meth:`webspaced.interfaces.IBootGate.ready_now`."""
        # The warm path: a visitor of a running webspace pays for two look-ups, not for the machinery of a boot.
        observed = self._registry.get(uid)
        if (
            observed is not None
            and observed.address is not None
            and observed.runs
            and self._readiness.get(observed, Probe(port, http)) is Readiness.READY
            and self._booter.memory(uid).hold in (Hold.NONE, Hold.DRAINING)
            and not self._booter.unwanted(observed)
        ):
            return Endpoint(observed.address, port)
        return None

    def ready(self, uid: int, port: int, *, http: bool = False) -> Deferred[Endpoint]:
        """See :meth:`webspaced.interfaces.IBootGate.ready`."""
        endpoint = self.ready_now(uid, port, http=http)
        return Deferred.fromCoroutine(self._ready(uid, Probe(port, http))) if endpoint is None else succeed(endpoint)

    async def look_at(self, uid: int, port: int, *, http: bool = False) -> None:
        """See :meth:`webspaced.interfaces.IPortLook.look_at`."""
        observed = self._registry.get(uid)
        if observed is not None and observed.runs:
            await self._boot_and_probe(uid, Probe(port, http))

    async def suspect(self, uid: int, endpoint: Endpoint, *, refused: bool, http: bool = False) -> None:
        """See :meth:`webspaced.interfaces.IBootGate.suspect`."""
        before = self._registry.get(uid)
        after = await self._registry.look(uid)
        if before is None or after is None or not after.runs:
            return
        if before.instance.incarnation == after.instance.incarnation:
            # Root may have changed its addresses since the start.
            after = await self._registry.read_address(uid) or after
        if refused and before.instance.incarnation == after.instance.incarnation:
            self._readiness.put(after, Probe(endpoint.port, http), Readiness.NEVER)

    async def _ready(self, uid: int, probe: Probe) -> Endpoint:
        # A container that stops under a waiting visitor (somebody rebooted it) is woken again, but not for ever.
        for _ in range(BOOTS_PER_VISIT - 1):
            try:
                return await self._boot_and_probe(uid, probe)
            except StoppedMeanwhile:
                continue
        return await self._boot_and_probe(uid, probe)

    async def _boot_and_probe(self, uid: int, probe: Probe) -> Endpoint:
        observed = await self._booter.boot(uid)
        key = (uid, observed.instance.incarnation, probe)
        return await self._probing.join(key, lambda: self._answers(observed, probe))

    async def _answers(self, observed: Observed, probe: Probe) -> Endpoint:
        if observed.address is None:
            message = "it has no usable address"
            raise BootFailed(message)
        endpoint = Endpoint(observed.address, probe.port)
        once = self._readiness.get(observed, probe) is Readiness.NEVER
        if not await self._accepts(observed, endpoint, once=once):
            self._readiness.put(observed, probe, Readiness.NEVER)
            message = f"nothing answers on port {probe.port} of the webspace"
            raise PortSilent(message)
        if probe.http:
            await self._warm_up(observed, endpoint)
        self._readiness.put(observed, probe, Readiness.READY)
        return endpoint

    async def _accepts(self, observed: Observed, endpoint: Endpoint, *, once: bool) -> bool:
        deadline = self._clock.seconds() + self._ready_timeout
        timeouts = pauses(CONNECT_LONGEST if once else CONNECT_FIRST, CONNECT_LONGEST, factor=1.1)
        for pause, timeout in zip(pauses(TRY_PAUSE_FIRST, TRY_PAUSE_LONGEST, factor=1.05), timeouts, strict=False):
            accepts = await self._probe.accepts(endpoint, timeout)
            # If it stopped meanwhile, what accepted may have been somebody else at the same address.
            self._check_same(observed)
            if accepts:
                return True
            if once or self._clock.seconds() >= deadline:
                return False
            await sleep(self._clock, pause)
        raise AssertionError  # pauses() never ends

    async def _warm_up(self, observed: Observed, endpoint: Endpoint) -> None:
        """Wait while a web server says that what is behind it is not there yet, at most the webspace's own bound.

        Silence on the first try means a server that is slow or speaks no HTTP: there is nothing to wait for. Silence after
        it has said that it is not ready means that it is busy getting there.
        """
        host = default_domain(observed.username or observed.name, self._domain)
        deadline = self._clock.seconds() + observed.webspace.config.startup_delay
        status = await self._probe.head(endpoint, host)
        not_ready = WARMING_UP
        while status in not_ready and self._clock.seconds() < deadline:
            not_ready = WARMING_UP_OR_SILENT
            await sleep(self._clock, WARM_UP_PAUSE)
            self._check_same(observed)
            status = await self._probe.head(endpoint, host)

    def _check_same(self, observed: Observed) -> None:
        current = self._registry.get(observed.uid)
        same = current is not None and current.instance.incarnation == observed.instance.incarnation
        if current is None or not same or not current.runs:
            message = "it stopped again before its port answered"
            raise StoppedMeanwhile(message)

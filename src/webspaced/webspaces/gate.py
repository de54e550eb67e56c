"""The boot gate: the one waist through which every visitor reaches a webspace (design decisions 2 and 3)."""

from __future__ import annotations

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.core.boot import Hold
from webspaced.core.names import default_domain
from webspaced.core.probing import Answer, Ask
from webspaced.core.routes import Readiness
from webspaced.core.waiting import Phase
from webspaced.errors import BootFailed, PortSilent, WebspacedError
from webspaced.interfaces import IBootGate, IPortLook, IWakeLook
from webspaced.lib.backoff import pauses
from webspaced.lib.deferreds import Flights, sleep
from webspaced.lib.measures import Calls
from webspaced.lib.spans import span
from webspaced.webspaces.activity import Activity
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.course import Step
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.probe import ANSWER_TIMEOUT, PortProbe, first_that_accepts
from webspaced.webspaces.readiness import Probe, ReadinessTable
from webspaced.webspaces.registry import Registry

CONNECT_FIRST, CONNECT_LONGEST = 0.05, 1.0
"""Seconds per try, growing: a SYN that is lost before the container has its address must not cost a full second."""
TRY_PAUSE_FIRST, TRY_PAUSE_LONGEST = 0.01, 0.25
WARM_UP_PAUSE = 0.1
BOOTS_PER_VISIT = 3
ADDRESSES_FIRST, ADDRESSES_LONGEST = 0.1, 30.0
"""Seconds between reads of a webspace's addresses while its port does not answer, growing: another one may come up."""
FAMILIES = 2
"""Addresses beyond which none is looked for."""
NOT_READY = frozenset({Answer.NOT_YET, Answer.REFUSED})
LONGEST_LISTENING = 10.0
"""Seconds on one connection for a server that is to say something by itself."""


@frozen(kw_only=True)
class Patience:
    """For how many seconds a port is waited for: the operator's own bound, and the most that a member may ask for."""

    ready_timeout: float
    max_startup_delay: float

    def startup_delay(self, observed: Observed) -> float:
        """Give what a member has asked for, as far as that is allowed now."""
        return min(observed.webspace.config.startup_delay, self.max_startup_delay)

    def accepting(self, observed: Observed) -> float:
        """Give how long a port may take until it accepts."""
        return max(self.ready_timeout, self.startup_delay(observed))


class StoppedMeanwhile(BootFailed):
    """The incarnation that was probed is over."""


@implementer(IBootGate, IPortLook, IWakeLook)
class BootGate:
    """See :class:`webspaced.interfaces.IBootGate` and its neighbours."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        booter: Booter,
        readiness: ReadinessTable,
        probe: PortProbe,
        activity: Activity,
        *,
        patience: Patience,
        domain: str,
    ) -> None:
        self.ports = Calls(clock, "container")
        """The waits for ports that answer."""
        self._clock = clock
        self._registry = registry
        self._booter = booter
        self._readiness = readiness
        self._probe = probe
        self._activity = activity
        self.patience = patience
        self._domain = domain
        self._probing: Flights[tuple[int, str, Probe], Endpoint] = Flights()

    def ready_now(self, uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Endpoint | None:
        """See :meth:`webspaced.interfaces.IBootGate.ready_now`."""
        # The warm path: a visitor of a running webspace pays for two look-ups, not for the machinery of a boot.
        observed = self._registry.get(uid)
        if (
            observed is not None
            and observed.runs
            and (address := self._readiness.answering(observed, Probe(port, asks))) is not None
            and self._booter.memory(uid).hold in (Hold.NONE, Hold.DRAINING)
            and not self._booter.unwanted(observed)
        ):
            self._activity.note(uid)
            return Endpoint(address, port)
        return None

    def ready(self, uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Deferred[Endpoint]:
        """See :meth:`webspaced.interfaces.IBootGate.ready`."""
        endpoint = self.ready_now(uid, port, asks)
        return Deferred.fromCoroutine(self._ready(uid, Probe(port, asks))) if endpoint is None else succeed(endpoint)

    def wakes(self, uid: int) -> bool:
        """See :meth:`webspaced.interfaces.IWakeLook.wakes`."""
        observed = self._registry.get(uid)
        return observed is not None and (self._booter.would_thaw(observed) or self._booter.would_start(observed))

    def boots(self, uid: int) -> bool:
        """See :meth:`webspaced.interfaces.IWakeLook.boots`."""
        observed = self._registry.get(uid)
        return observed is not None and self._booter.would_start(observed)

    def phase(self, uid: int) -> Phase:
        """See :meth:`webspaced.interfaces.IWakeLook.phase`."""
        observed = self._registry.get(uid)
        if observed is not None and observed.runs:
            return Phase.STARTING if observed.address is None else Phase.ANSWERING
        return Phase.STARTING if self._booter.is_asked(uid) else Phase.QUEUED

    async def look_at(self, uid: int, port: int, asks: Ask = Ask.CONNECTION) -> None:
        """See :meth:`webspaced.interfaces.IPortLook.look_at`."""
        observed = self._registry.get(uid)
        if observed is not None and observed.runs:
            await self._boot_and_probe(uid, Probe(port, asks))

    async def suspect(self, uid: int, endpoint: Endpoint, *, refused: bool, asks: Ask = Ask.CONNECTION) -> None:
        """See :meth:`webspaced.interfaces.IBootGate.suspect`."""
        before = self._registry.get(uid)
        after = await self._registry.look(uid)
        if before is None or after is None or not after.runs:
            return
        if before.instance.incarnation == after.instance.incarnation:
            # Root may have changed its addresses since the start.
            after = await self._registry.read_address(uid) or after
        if before.instance.incarnation != after.instance.incarnation:
            return
        if refused:
            self._readiness.put(after, Probe(endpoint.port, asks), Readiness.NEVER)
        elif len(after.addresses) > 1:
            # It may just be busy; but the other address may be the better one by now.
            self._readiness.doubt(after, Probe(endpoint.port, asks))

    async def _ready(self, uid: int, probe: Probe) -> Endpoint:
        with self._activity.used(uid):
            # A container that stops under a waiting visitor (somebody rebooted it) is woken again, but not for ever.
            for _ in range(BOOTS_PER_VISIT - 1):
                try:
                    return await self._boot_and_probe(uid, probe)
                except StoppedMeanwhile:
                    continue
            return await self._boot_and_probe(uid, probe)

    async def _boot_and_probe(self, uid: int, probe: Probe) -> Endpoint:
        waiting = self._booter.boot(uid)
        has_to_wait = not waiting.called
        observed = await waiting
        if has_to_wait:
            self._booter.boots.tell_up(uid)
        if (address := self._readiness.answering(observed, probe)) is not None:
            # It dozed: what answered before answers now.
            return Endpoint(address, probe.port)
        key = (uid, observed.instance.incarnation, probe)
        with span("port", port=probe.port):
            endpoint = await self._probing.join(key, lambda: self._answers(observed, probe))
        self.log.debug(
            "webspace {webspace} answers at {host}:{port}",
            event="boot.port-answers", webspace=uid, host=str(endpoint.host), port=endpoint.port,
        )  # fmt: skip
        return endpoint

    async def _answers(self, observed: Observed, probe: Probe) -> Endpoint:
        return await self.ports.measured(Step.PORT.value, self._answer(observed, probe))

    async def _answer(self, observed: Observed, probe: Probe) -> Endpoint:
        if not observed.addresses:
            message = "it has no usable address"
            raise BootFailed(message)
        once = self._readiness.get(observed, probe) is Readiness.NEVER
        until = self._clock.seconds() + self.patience.accepting(observed)
        endpoint = await self._accepts(observed, probe.port, until, once=once)
        if endpoint is not None and probe.asks is not Ask.CONNECTION:
            endpoint = await self._warm_up(observed, endpoint, probe.asks, until)
        if endpoint is None:
            self._readiness.put(self._current(observed), probe, Readiness.NEVER)
            message = f"nothing answers on port {probe.port} of the webspace"
            raise PortSilent(message)
        self._readiness.put(self._current(observed), probe, Readiness.READY, endpoint.host)
        return endpoint

    async def _accepts(self, observed: Observed, port: int, until: float, *, once: bool) -> Endpoint | None:
        """Give the first endpoint that accepts, of all addresses: one that comes up meanwhile is tried, too."""
        reads = pauses(ADDRESSES_FIRST, ADDRESSES_LONGEST, factor=2.0)
        read_again = self._clock.seconds() + next(reads)
        timeouts = pauses(CONNECT_LONGEST if once else CONNECT_FIRST, CONNECT_LONGEST, factor=1.1)
        for pause, timeout in zip(pauses(TRY_PAUSE_FIRST, TRY_PAUSE_LONGEST, factor=1.05), timeouts, strict=False):
            found = await first_that_accepts(self._clock, self._probe, self._endpoints(observed, port), timeout)
            now = self._clock.seconds()
            # If it stopped meanwhile, what accepted may have been somebody else at the same address.
            current = self._current(observed)
            if found is not None or once or now >= until:
                return found
            if now >= read_again and len(current.addresses) < FAMILIES:
                read_again = now + next(reads)
                # Beside the tries: a slow LXD must not hold up whom an open port awaits.
                Deferred.fromCoroutine(self._registry.read_address(observed.uid)).addErrback(self._not_read)
            await sleep(self._clock, pause)
        raise AssertionError  # pauses() never ends

    def _endpoints(self, observed: Observed, port: int) -> list[Endpoint]:
        return [Endpoint(address, port) for address in self._current(observed).addresses]

    def _not_read(self, failure: Failure) -> None:
        failure.trap(WebspacedError, CancelledError)

    async def _warm_up(self, observed: Observed, endpoint: Endpoint, asks: Ask, until: float) -> Endpoint | None:
        """Wait while a server says that what is behind it is not there yet, at most the webspace's own bound.

        Gives the endpoint that answers, or that took a connection at least. Silence on the first try means a server that is
        slow or speaks something else: there is nothing to wait for, unless it is to speak first. Silence after it has said
        that it is not ready means that it is busy getting there.
        """
        until = min(until, self._clock.seconds() + self.patience.startup_delay(observed))
        host = default_domain(observed.username or observed.name, self._domain)
        not_ready = NOT_READY | ({Answer.SILENT} if asks.waits_for_data else frozenset())
        answers: dict[Endpoint, Answer] = {}
        while True:
            # The one that accepted first, and the other ones when that is not ready.
            for each in dict.fromkeys([endpoint, *self._endpoints(observed, endpoint.port)]):
                answers[each] = await self._probe.ask(each, asks, host, self._for_an_answer(asks, until))
                if answers[each] not in not_ready:
                    return each
            if self._clock.seconds() >= until:
                return next((each for each, answer in answers.items() if answer is not Answer.REFUSED), None)
            self._current(observed)
            not_ready = NOT_READY | {Answer.SILENT}
            # Only who has listened for as long as may be has waited already.
            if not asks.waits_for_data or any(answer is not Answer.SILENT for answer in answers.values()):
                await sleep(self._clock, WARM_UP_PAUSE)
                self._current(observed)

    def _for_an_answer(self, asks: Ask, deadline: float) -> float:
        """Give the seconds for one answer: a server that speaks first may take its time for it."""
        if not asks.waits_for_data:
            return ANSWER_TIMEOUT
        return min(LONGEST_LISTENING, max(ANSWER_TIMEOUT, deadline - self._clock.seconds()))

    def _current(self, observed: Observed) -> Observed:
        """Give a webspace as it is now, if it is still the same incarnation and runs."""
        current = self._registry.get(observed.uid)
        same = current is not None and current.instance.incarnation == observed.instance.incarnation
        if current is None or not same or not current.runs:
            message = "it stopped again before its port answered"
            raise StoppedMeanwhile(message)
        return current

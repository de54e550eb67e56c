"""Looking after those who doze: a connection that was silent for long, and passes webspaced by, may speak again.

The kernel answers for a frozen container, so nothing is lost; but somebody has to notice. Where webspaced runs on the
machine of the containers, packets into a container and what its processes have not read, or have to pass on, tell it.
Elsewhere LXD's metrics do, which are up to 8 seconds old, or where they do not tell of one, its own state.

Who is woken so was used: it stays awake as after a visit. So one that somebody speaks to more often does not doze.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core.instance import InstanceState
from webspaced.core.sleep import Usage
from webspaced.core.usage import usage_of
from webspaced.errors import DeadlineExceeded, NotFound, RemoteError, WebspacedError
from webspaced.interfaces import IHostKernel, IInstances
from webspaced.lib.deferreds import bounded
from webspaced.webspaces.activity import Activity
from webspaced.webspaces.addressing import ADDRESS_BUDGET, PARALLEL_READS
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.meter import MOST_ASKED, Meter
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry

LOOK = 1.0
"""Seconds between looks."""
ASKING_LOOKS = 8
"""So many looks make one question to LXD, which tells the same for 8 seconds."""
FRAME = 64
"""Bytes in that time that nobody is woken for: one question who has an address."""


@define
class _Dozer:
    """What is known of one: its start, its first process, what it had received.

    ``received`` are packets, ``told`` bytes as LXD tells them, ``segments`` those of TCP, ``forwarded`` what went to
    containers within.
    """

    incarnation: str
    received: int | None = None
    told: int | None = None
    segments: int | None = None
    forwarded: int | None = None
    pid: int = 0
    asked: bool = False
    """Whether LXD or the kernel is being asked about it."""


class Dozers:
    """Wakes who dozes and is spoken to."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, registry: Registry, instances: IInstances, host: IHostKernel, booter: Booter,
        meter: Meter, activity: Activity,
    ) -> None:  # fmt: skip
        """:param meter: knows what each had received, and which process it was, right before it fell asleep."""
        self._clock = clock
        self._registry = registry
        self._instances = instances
        self._host = host
        self._booter = booter
        self._meter = meter
        self._activity = activity
        self._dozing: set[int] = set()
        self._known: dict[int, _Dozer] = {}
        self._looks = 0
        self._next = 0
        self._places = DeferredSemaphore(PARALLEL_READS)
        registry.subscribe(self._noticed)

    def _noticed(self, uid: int) -> None:
        # Of ten thousand that are asleep nobody wants to hear each second.
        observed = self._registry.get(uid)
        if observed is None or not observed.dozes:
            self._dozing.discard(uid)
        elif uid not in self._dozing:
            self._dozing.add(uid)
            known = self._known[uid] = _Dozer(observed.instance.incarnation, pid=self._meter.pid(observed))
            if known.pid:
                known.forwarded = self._host.forwarded(known.pid)

    def look(self) -> Deferred[None]:
        """Look at all that doze."""
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        dozing = [each for uid in self._dozing if (each := self._registry.get(uid)) is not None and each.dozes]
        self._known = {uid: known for uid, known in self._known.items() if uid in self._dozing}
        if not dozing:
            return
        self._looks += 1
        received = self._host.received()
        unseen = []
        for observed in dozing:
            count = received.get(observed.instance.config.get(f"volatile.{self._registry.nic}.host_name", ""))
            if count is None:
                unseen.append(observed)
            elif self._grew(observed, count):
                await self._registry.gently.pause()
                self._mind(observed)
        if unseen and self._looks % ASKING_LOOKS == 0:
            await self._ask(unseen)

    def _of(self, observed: Observed) -> _Dozer:
        known = self._known.get(observed.uid)
        if known is None or known.incarnation != observed.instance.incarnation:
            known = self._known[observed.uid] = _Dozer(observed.instance.incarnation)
        return known

    def _grew(self, observed: Observed, count: int) -> bool:
        known = self._of(observed)
        if known.asked:
            return False
        # What came right before the first look is not known: it is looked at, too.
        grew, known.received = known.received != count, count
        return grew

    def _mind(self, observed: Observed) -> None:
        """Look what it was that came; of which process, LXD is asked once."""
        known = self._of(observed)
        known.asked = True
        work = lambda: Deferred.fromCoroutine(self._look_into(observed, known))  # noqa: E731
        self._places.run(work).addErrback(self._not_found, known)

    async def _look_into(self, observed: Observed, known: _Dozer) -> None:
        try:
            if not known.pid:
                known.pid = int((await self._state(observed)).document.get("pid") or 0)
            is_spoken_to = await self._is_spoken_to(known)
        finally:
            known.asked = False
        if is_spoken_to:
            self._wake(observed)

    async def _is_spoken_to(self, known: _Dozer) -> bool:
        before, known.forwarded = known.forwarded, self._host.forwarded(known.pid)
        if None not in (before, known.forwarded) and before != known.forwarded:
            # To a container within, of whose connections nothing is known here.
            return True
        before, known.segments = known.segments, self._host.segments(known.pid)
        # What is for all, such as the question who has an address, is no reason to go through connections.
        return (known.segments is None or known.segments != before) and await self._host.has_unread(known.pid)

    def _state(self, observed: Observed) -> Deferred[InstanceState]:
        what = f"reading the state of webspace {observed.uid}, which dozes"
        return bounded(self._clock, ADDRESS_BUDGET, self._instances.state(observed.name), what)

    async def _ask(self, unseen: Sequence[Observed]) -> None:
        try:
            usages = await self._instances.usages(self._registry.nic)
        except (RemoteError, NotFound, DeadlineExceeded) as error:
            self.log.debug(
                "LXD does not tell what dozing containers received: {error}", event="doze.traffic-unread", error=str(error)
            )
            usages = {}
        untold = []
        for observed in unseen:
            usage = usages.get(observed.name)
            if usage is None:
                untold.append(observed)
            else:
                self._take(observed, usage)
        await self._ask_each(untold)

    async def _ask_each(self, untold: Sequence[Observed]) -> None:
        """Ask of some of those of which the metrics do not tell, in turns: each member of a cluster tells of its own."""
        ordered = sorted(untold, key=lambda each: (each.uid < self._next, each.uid))[:MOST_ASKED]
        self._next = ordered[-1].uid + 1 if ordered else 0
        await self._registry.gently.side_by_side(PARALLEL_READS, ordered, self._ask_one)

    async def _ask_one(self, observed: Observed) -> None:
        try:
            state = await self._state(observed)
        except (RemoteError, NotFound, DeadlineExceeded) as error:
            self.log.debug(
                "what {instance} received cannot be read: {error}",
                event="doze.traffic-of-one-unread",
                instance=observed.name,
                error=str(error),
            )
        else:
            self._take(observed, usage_of(state.document, self._registry.nic))

    def _take(self, observed: Observed, usage: Usage) -> None:
        known = self._of(observed)
        before = self._meter.received(observed) if known.told is None else known.told
        # What LXD tells may be from before the doze.
        known.told = usage.received if before is None else max(before, usage.received)
        if before is not None and usage.received - before > FRAME:
            self._wake(observed)

    def _wake(self, observed: Observed) -> None:
        uid, now = observed.uid, self._registry.get(observed.uid)
        # Finding out takes a moment.
        if now is not None and now.dozes and now.instance.incarnation == observed.instance.incarnation:
            self._activity.note(uid)
            self._booter.boot(uid).addErrback(self._not_woken)

    def _not_woken(self, failure: Failure) -> None:
        # Whoever is refused is told so elsewhere; this was nobody's request.
        failure.trap(WebspacedError)

    def _not_found(self, failure: Failure, known: _Dozer) -> None:
        # The next look tries again.
        known.received = None
        failure.trap(WebspacedError)

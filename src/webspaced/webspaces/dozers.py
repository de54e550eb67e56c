"""Looking after those who doze: a connection that was silent for long, and passes webspaced by, may speak again.

The kernel answers for a frozen container, so nothing is lost; but somebody has to notice. Where webspaced runs on the
machine of the containers, packets into a container and what its processes have not read tell it. Elsewhere LXD's metrics do,
which are up to 8 seconds old.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import define
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.errors import DeadlineExceeded, NotFound, RemoteError, WebspacedError
from webspaced.interfaces import IHostNics, IInstances
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry

LOOK = 1.0
"""Seconds between looks."""
ASKING_LOOKS = 8
"""So many looks make one question to LXD, which tells the same for 8 seconds."""
FEW = 3
"""Of those that got the same number of packets so many are looked at at a time."""
FRAME = 64
"""Bytes in that time that nobody is woken for: one question who has an address."""


@define
class _Dozer:
    """What is known of one: by which start, what it had received (packets, or bytes as LXD tells it), its first process."""

    incarnation: str
    received: int | None = None
    told: int | None = None
    pid: int = 0


class Dozers:
    """Wakes who dozes and is spoken to."""

    log = Logger()

    def __init__(
        self, registry: Registry, instances: IInstances, host: IHostNics, booter: Booter, nic: str = "eth0"
    ) -> None:
        """:param nic: the device by which containers are reached."""
        self._registry = registry
        self._instances = instances
        self._host = host
        self._booter = booter
        self._nic = nic
        self._dozing: set[int] = set()
        self._known: dict[int, _Dozer] = {}
        self._looks = 0
        registry.subscribe(self._noticed)

    def _noticed(self, uid: int) -> None:
        # Of ten thousand that are asleep nobody wants to hear each second.
        observed = self._registry.get(uid)
        if observed is not None and observed.dozes:
            self._dozing.add(uid)
        else:
            self._dozing.discard(uid)

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
        unseen, grown = [], []
        for observed in dozing:
            count = received.get(observed.instance.config.get(f"volatile.{self._nic}.host_name", ""))
            if count is None:
                unseen.append(observed)
            else:
                grown.append((observed, self._growth(observed, count)))
        for observed in _to_look_at(grown, self._looks):
            Deferred.fromCoroutine(self._wake_if_unread(observed)).addErrback(self._not_asked)
        if unseen and self._looks % ASKING_LOOKS == 0:
            await self._ask(unseen)

    def _of(self, observed: Observed) -> _Dozer:
        known = self._known.get(observed.uid)
        if known is None or known.incarnation != observed.instance.incarnation:
            known = self._known[observed.uid] = _Dozer(observed.instance.incarnation)
        return known

    def _growth(self, observed: Observed, count: int) -> int | None:
        """Give how many packets more it got; ``None`` at the first look: what came right before is not known."""
        known = self._of(observed)
        before, known.received = known.received, count
        return None if before is None else count - before

    async def _wake_if_unread(self, observed: Observed) -> None:
        known = self._of(observed)
        if not known.pid:
            known.pid = int((await self._instances.state(observed.name)).document.get("pid") or 0)
        if self._host.has_unread(known.pid):
            self._wake(observed.uid)

    async def _ask(self, unseen: Sequence[Observed]) -> None:
        try:
            usages = await self._instances.usages()
        except (RemoteError, NotFound, DeadlineExceeded) as error:
            self.log.debug("LXD does not tell what dozing containers received: {error}", error=str(error))
            return
        for observed in unseen:
            usage, known = usages.get(observed.name), self._of(observed)
            if usage is not None:
                before, known.told = known.told, usage.received
                if before is not None and usage.received - before > FRAME:
                    self._wake(observed.uid)

    def _wake(self, uid: int) -> None:
        observed = self._registry.get(uid)
        if observed is not None and observed.dozes:
            self._booter.boot(uid).addErrback(self._not_woken)

    def _not_woken(self, failure: Failure) -> None:
        # Whoever is refused is told so elsewhere; this was nobody's request.
        failure.trap(WebspacedError)

    def _not_asked(self, failure: Failure) -> None:
        failure.trap(WebspacedError)



def _to_look_at(grown: Sequence[tuple[Observed, int | None]], turn: int) -> Iterator[Observed]:
    """Give who may have been spoken to: of those who got the same number of packets, a few, in turn.

    To look whether anything is unread takes some 10 ms of processor time for each, and whoever starts on the bridge is
    heard by everybody. Who was spoken to in the very same moment as many others is looked at when it is said to it again.
    """
    groups: dict[int | None, list[Observed]] = {}
    for observed, growth in grown:
        if growth != 0:
            groups.setdefault(growth, []).append(observed)
    for growth, group in groups.items():
        first = turn * FEW % len(group)
        yield from group if growth is None else (group[first:] + group[:first])[:FEW]

"""Who of the running webspaces has done anything since the last look: one request to LXD for all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.core.sleep import Floors, Usage
from webspaced.core.usage import usage_of
from webspaced.errors import DeadlineExceeded, NotFound, RemoteError
from webspaced.interfaces import IInstances
from webspaced.lib.deferreds import bounded
from webspaced.lib.sparing import Sparing
from webspaced.webspaces.activity import Activity
from webspaced.webspaces.addressing import ADDRESS_BUDGET, PARALLEL_READS
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry

CACHED = 8.0
"""Seconds for which LXD and Incus tell the same metrics: what moved in a look may have moved in the time before."""
LATE = 2.0
"""Seconds that such an answer may be under way beyond that."""
SPAN = 60.0
"""Seconds for which what is used is added up, at least: floors are of a minute, and a little may come again and again."""
MOST_ASKED = 100
"""So many are asked one by one in a look, where LXD does not tell of all at once: each costs it 9 ms of processor time."""


@frozen
class _Seen:
    """What was used, when, and by which start of the container."""

    incarnation: str
    usage: Usage
    at: float
    pid: int = 0


class Meter:
    """Tells :class:`Activity` who is active. What cannot be measured is not known to be idle."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, registry: Registry, instances: IInstances, activity: Activity, floors: Floors
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._instances = instances
        self._activity = activity
        self.floors = floors
        self._since: dict[tuple[int, bool], _Seen] = {}
        """What is compared with. By webspace, and whether it was asked itself: both ways of counting processor time drift
        apart."""
        self._last: dict[int, _Seen] = {}
        """What each told when it was asked itself the last time."""
        self._fresh: dict[int, float] = {}
        """Of those that started a moment ago: until when LXD may tell what they used before that."""
        self._next = 0
        self._lines = Sparing(clock, self.log, "looks at what containers use")

    def started(self, uid: int) -> None:
        """Say that a webspace was started: for some seconds LXD may tell of the time before."""
        self._fresh[uid] = self._clock.seconds() + CACHED + LATE

    async def look(self, running: Collection[Observed], dozing: Collection[Observed] = ()) -> None:
        """Measure all that run; of those that doze what was seen is kept."""
        told = await self._told()
        untold = []
        for observed in running:
            await self._registry.gently.pause()
            usage = told.get(observed.name)
            if usage is None or self._is_of_before(observed):
                untold.append(observed)
            else:
                self._take(observed, usage, exact=False)
        await self._ask(untold)
        alive = {observed.uid for observed in (*running, *dozing)}
        self._since = {key: seen for key, seen in self._since.items() if key[0] in alive}
        self._last = {uid: seen for uid, seen in self._last.items() if uid in alive}
        self._fresh = {uid: until for uid, until in self._fresh.items() if until > self._clock.seconds()}

    def _is_of_before(self, observed: Observed) -> bool:
        """Whether what LXD tells of all may be from before a webspace's start."""
        seen = self._since.get((observed.uid, False))
        if seen is not None and seen.incarnation != observed.instance.incarnation:
            del self._since[observed.uid, False]
            self.started(observed.uid)
        return self._fresh.get(observed.uid, 0.0) > self._clock.seconds()

    async def look_at(self, observed: Observed) -> bool:
        """Measure one, as exactly as can be; whether that tells what it did since it was active the last time.

        Where it was not asked itself since then, the next look tells.
        """
        what = f"reading what webspace {observed.uid} uses"
        state = await bounded(self._clock, ADDRESS_BUDGET, self._instances.state(observed.name), what)
        usage, pid = usage_of(state.document, self._registry.nic), int(state.document.get("pid") or 0)
        self._last[observed.uid] = _Seen(observed.instance.incarnation, usage, self._clock.seconds(), pid)
        is_sure = self._take(observed, usage, exact=True)
        self._compare(observed, usage)
        return is_sure

    def received(self, observed: Observed) -> int | None:
        """Give what a webspace had received when it was asked itself the last time: right before it dozed, if it does."""
        last = self._of_this_start(observed)
        return None if last is None else last.usage.received

    def pid(self, observed: Observed) -> int:
        """Give its first process on the machine of the containers, of a webspace that was asked itself; 0 if not known."""
        last = self._of_this_start(observed)
        return 0 if last is None else last.pid

    def _of_this_start(self, observed: Observed) -> _Seen | None:
        last = self._last.get(observed.uid)
        return last if last is not None and last.incarnation == observed.instance.incarnation else None

    def _compare(self, observed: Observed, usage: Usage) -> None:
        """See what moved since the last look at all, in which this one may not have been asked itself."""
        told = self._since.get((observed.uid, False))
        if told is not None and told.incarnation == observed.instance.incarnation:
            # Processor time is counted in another way there; and what was asked before may be answered after.
            received, sent = max(usage.received, told.usage.received), max(usage.sent, told.usage.sent)
            moved = Usage(cpu=told.usage.cpu, received=received, sent=sent)
            if moved.is_activity(told.usage, max(CACHED, self._clock.seconds() - told.at), self.floors):
                self._activity.moved(observed.uid)

    async def _told(self) -> Mapping[str, Usage]:
        try:
            return await self._instances.usages(self._registry.nic)
        except (RemoteError, NotFound, DeadlineExceeded) as error:
            if self._lines.may("all"):
                self.log.info(
                    "LXD does not tell what all containers use, and is asked for each: {error}",
                    event="meter.metrics-missing",
                    error=str(error),
                )
            return {}

    async def _ask(self, untold: Collection[Observed]) -> None:
        """Ask for some of those that LXD did not tell of, in turns."""
        ordered = sorted(untold, key=lambda each: (each.uid < self._next, each.uid))
        asked = ordered[:MOST_ASKED]
        self._next = asked[-1].uid + 1 if asked else 0
        await self._registry.gently.side_by_side(PARALLEL_READS, asked, self._ask_one)

    async def _ask_one(self, observed: Observed) -> None:
        try:
            await self.look_at(observed)
        except (RemoteError, NotFound, DeadlineExceeded) as error:
            if self._lines.may("one"):
                self.log.info(
                    "what {instance} uses cannot be read: {error}",
                    event="meter.unread",
                    instance=observed.name,
                    error=str(error),
                )

    def _take(self, observed: Observed, usage: Usage, *, exact: bool) -> bool:
        """Compare with what was told before; gives whether that says anything of the time since the last activity."""
        now, incarnation, key = self._clock.seconds(), observed.instance.incarnation, (observed.uid, exact)
        since, told = self._since.get(key), _Seen(incarnation, usage, now)
        if since is None or since.incarnation != incarnation:
            # How much of it is new is not known.
            self._since[key] = told
            return True
        if not usage.is_activity(since.usage, max(CACHED, now - since.at), self.floors):
            if now - since.at >= SPAN:
                self._since[key] = told
            self._activity.looked(observed.uid)
            return True
        self._since[key] = told
        if exact and since.at < self._activity.last(observed.uid):
            # What was used may be what is known already.
            return False
        self._activity.moved(observed.uid)
        return True

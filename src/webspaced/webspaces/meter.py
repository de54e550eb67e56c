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
from webspaced.lib.gently import Gently
from webspaced.lib.sparing import Sparing
from webspaced.webspaces.activity import Activity
from webspaced.webspaces.addressing import ADDRESS_BUDGET, PARALLEL_READS
from webspaced.webspaces.observed import Observed

CACHED = 8.0
"""Seconds for which LXD and Incus tell the same metrics: what moved in a look may have moved in the time before."""
MOST_ASKED = 100
"""So many are asked one by one in a look, where LXD does not tell of all at once: each costs it 9 ms of processor time."""


@frozen
class _Seen:
    """What was used, when, and by which start of the container."""

    incarnation: str
    usage: Usage
    at: float


class Meter:
    """Tells :class:`Activity` who is active. What cannot be measured is not known to be idle."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, gently: Gently, instances: IInstances, activity: Activity, floors: Floors
    ) -> None:
        self._clock = clock
        self._gently = gently
        self._instances = instances
        self._activity = activity
        self._floors = floors
        self._seen: dict[tuple[int, bool], _Seen] = {}
        """By webspace, and whether it was asked itself: both ways of counting processor time drift apart."""
        self._next = 0
        self._lines = Sparing(clock, self.log, "looks at what containers use")

    async def look(self, running: Collection[Observed]) -> None:
        """Measure all that run."""
        told = await self._told()
        untold = []
        for observed in running:
            await self._gently.pause()
            usage = told.get(observed.name)
            if usage is None:
                untold.append(observed)
            else:
                self._take(observed, usage, exact=False)
        await self._ask(untold)
        alive = {observed.uid for observed in running}
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] in alive}

    async def look_at(self, observed: Observed) -> None:
        """Measure one, as exactly as can be."""
        what = f"reading what webspace {observed.uid} uses"
        state = await bounded(self._clock, ADDRESS_BUDGET, self._instances.state(observed.name), what)
        self._take(observed, usage_of(state.document), exact=True)

    async def _told(self) -> Mapping[str, Usage]:
        try:
            return await self._instances.usages()
        except (RemoteError, NotFound, DeadlineExceeded) as error:
            if self._lines.may("all"):
                self.log.info("LXD does not tell what all containers use, and is asked for each: {error}", error=str(error))
            return {}

    async def _ask(self, untold: Collection[Observed]) -> None:
        """Ask for some of those that LXD did not tell of, in turns."""
        ordered = sorted(untold, key=lambda each: (each.uid < self._next, each.uid))
        asked = ordered[:MOST_ASKED]
        self._next = asked[-1].uid + 1 if asked else 0
        await self._gently.side_by_side(PARALLEL_READS, asked, self._ask_one)

    async def _ask_one(self, observed: Observed) -> None:
        try:
            await self.look_at(observed)
        except (RemoteError, NotFound, DeadlineExceeded) as error:
            if self._lines.may("one"):
                self.log.info("what {name} uses cannot be read: {error}", name=observed.name, error=str(error))

    def _take(self, observed: Observed, usage: Usage, *, exact: bool) -> None:
        now, incarnation, key = self._clock.seconds(), observed.instance.incarnation, (observed.uid, exact)
        seen = self._seen.get(key)
        self._seen[key] = _Seen(incarnation, usage, now)
        if seen is None or seen.incarnation != incarnation:
            # How much of it is new is not known.
            return
        if usage.is_activity(seen.usage, max(CACHED, now - seen.at), self._floors):
            self._activity.moved(observed.uid)
        else:
            self._activity.looked(observed.uid)

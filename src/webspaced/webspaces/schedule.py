"""Waking webspaces at the times that their members have set: one timer for all of them.

Times are kept by the time of day, and waited for by the monotonic clock: at least once a minute it is looked what the time
of day is by now. :mod:`webspaced.core.schedule` has the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from heapq import heapify, heappop, heappush
from math import inf

from attrs import define, evolve, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.audit.cause import because
from webspaced.core.boot import Hold
from webspaced.core.schedule import WakeTime, next_wake
from webspaced.core.sleep import Depth, SleepRules
from webspaced.errors import WebspacedError
from webspaced.lib.deferreds import sleep
from webspaced.lib.ids import carried
from webspaced.lib.semaphore import Semaphore
from webspaced.lib.sparing import Sparing
from webspaced.webspaces.activity import Activity
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry

LEAD, LONGEST_LEAD = 10.0, 60.0
"""Seconds before its time at which a webspace is woken, and the most for one that took long: its cron has to be up then."""
LONGEST_PAUSE = 60.0
"""Seconds between looks at the time of day."""
STANDBY_PAUSE = 5.0
"""Seconds between looks at what is due while another daemon is at work."""
LATE = 300.0
"""Seconds for which a time is made good that nobody was there for: webspaced was started again, or another took over."""
CORRECTION = 3 * 3600.0
"""Seconds by which the time of day may jump and what it left out is made good, as Debian's cron does; after more, all times
are counted anew."""
BATCH = 50
"""So many times are computed in one turn of the reactor: each takes some 0.1 ms."""
PAUSES = (5.0, 15.0, 30.0)
"""Seconds before a wake that failed is tried again."""


@frozen(kw_only=True)
class Alarm:
    """What the schedule works with. ``at_once``: so many are woken at a time."""

    registry: Registry
    booter: Booter
    activity: Activity
    at_once: int


@define
class _Entry:
    """A webspace with times. ``at``, ``last``: the next one and the one before, in seconds since the epoch.

    The next one is ``None`` until it has been found out.
    """

    times: tuple[WakeTime, ...]
    at: float | None = None
    last: float = -inf
    lead: float = LEAD

    @property
    def start(self) -> float:
        """When there is something to do for it."""
        return -inf if self.at is None else self.at - self.lead


class Schedule(Service):
    """Wakes webspaces in time. Does nothing before :meth:`begin`: another daemon may be at work."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, rules: SleepRules, with_: Alarm, now: Callable[[], float], may_write: Callable[[], bool]
    ) -> None:
        """:param now: gives seconds since the epoch.

        :param may_write: whether no other daemon can be at work.
        """
        self.wakes = 0
        self._clock = clock
        self._rules = rules
        self._with = with_
        self._now = now
        self._may_write = may_write
        self._begun = False
        self._entries: dict[int, _Entry] = {}
        self._heap: list[tuple[float, int]] = []
        """When waking begins, and who. What is no longer so is passed over."""
        self._at_work: set[int] = set()
        self._places = Semaphore(with_.at_once)
        self._timer: IDelayedCall | None = None
        self._ahead = 0.0
        """By how much the time of day was ahead of the clock at the last look."""
        self._since = 0.0
        """What came after this is not to be missed."""
        self._lines = Sparing(clock, self.log, "webspaces that could not be woken in time")
        with_.registry.subscribe(self._noticed)

    def begin(self) -> None:
        """Wake from now on: everything has been seen."""
        if not self._begun:
            self._begun = True
            self._ahead = self._now() - self._clock.seconds()
            # What came while webspaced was started again is not lost.
            self._count_anew(self._now() - LATE)
            self._arm()

    def change(self, rules: SleepRules, at_once: int) -> None:
        """Go by other rules, and wake so many at the same time."""
        self._with = evolve(self._with, at_once=at_once)
        self._places.resize(at_once)
        if rules == self._rules:
            return
        self._rules = rules
        for observed in self._with.registry:
            self._noticed(observed.uid)
        for uid in self._entries:
            self._plan(uid, self._now())
        self._arm()

    def stopService(self) -> None:
        """End; a wake under way is not waited for."""
        super().stopService()
        self._begun = False
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def wakes_at(self, uid: int) -> float | None:
        """Give when a webspace is woken next, in seconds since the epoch; ``None`` for never, as it is now."""
        entry, observed = self._entries.get(uid), self._with.registry.get(uid)
        if entry is None or observed is None or self._with.booter.unwanted(observed):
            return None
        return None if entry.at == inf else entry.at

    # --- planning

    def _noticed(self, uid: int) -> None:
        observed = self._with.registry.get(uid)
        times = observed.webspace.config.wake_at if observed is not None and "wakeAt" in self._rules.allow else ()
        entry = self._entries.get(uid)
        if not times:
            self._entries.pop(uid, None)
        elif entry is None:
            self._entries[uid] = _Entry(times)
            self._plan(uid, self._now())
        elif entry.times != times:
            entry.times = times
            self._plan(uid, self._now())

    def _plan(self, uid: int, after: float) -> None:
        """Find out when a webspace is woken next after a time, and not too soon after the last one."""
        if not self._begun:
            return
        entry = self._entries[uid]
        entry.at = next_wake(entry.times, max(after, entry.last + self._rules.wake_every - 1), self._rules.zone)
        self._push(uid, entry)

    def _push(self, uid: int, entry: _Entry) -> None:
        if len(self._heap) > 2 * len(self._entries) + BATCH:
            self._heap = [(each.start, number) for number, each in self._entries.items() if number != uid]
            heapify(self._heap)
        heappush(self._heap, (entry.start, uid))
        if self._heap[0] == (entry.start, uid):
            self._arm()

    def _arm(self) -> None:
        if not self._begun or not self._heap:
            return
        pause = self._heap[0][0] - self._now()
        pause = min(LONGEST_PAUSE, max(pause, 0.0 if self._may_write() else STANDBY_PAUSE))
        if self._timer is not None and self._timer.active():
            self._timer.reset(pause)
        else:
            self._timer = self._clock.callLater(pause, self._look)

    # --- waking

    def _look(self) -> None:
        """Wake who is due, a batch at a time."""
        try:
            self._mind_corrections()
            self._take_due()
        finally:
            self._arm()

    def _mind_corrections(self) -> None:
        before, self._ahead = self._ahead, self._now() - self._clock.seconds()
        if abs(self._ahead - before) > CORRECTION:
            self.log.info(
                "the time of day was corrected by {seconds:.0f} s", event="schedule.clock-set", seconds=self._ahead - before
            )
            self._count_anew(self._now())

    def _count_anew(self, since: float) -> None:
        """Have all times found out again, in batches."""
        self._since = since
        for entry in self._entries.values():
            entry.at, entry.last = None, -inf
        self._heap = [(entry.start, uid) for uid, entry in self._entries.items()]

    def _take_due(self) -> None:
        now, leads, left = self._now(), self._may_write(), BATCH
        while self._heap and self._heap[0][0] <= now and left > 0:
            start, uid = self._heap[0]
            entry = self._entries.get(uid)
            if entry is None or entry.start != start:
                heappop(self._heap)
                continue
            if not leads and entry.at is not None and now - entry.at < LATE:
                # Whoever leads does it. It is ours if we do so shortly.
                return
            heappop(self._heap)
            left -= len(entry.times)
            self._take(uid, entry, leads=leads)

    def _take(self, uid: int, entry: _Entry, *, leads: bool) -> None:
        at, now = entry.at, self._now()
        if at is None:
            self._plan(uid, self._since)
            return
        entry.last = at
        self._plan(uid, max(at, now))
        if leads and uid not in self._at_work and not self._is_served(uid, entry, at):
            self._at_work.add(uid)
            with because("schedule"):
                work = carried(lambda: Deferred.fromCoroutine(self._wake(uid, at)))
            self._places.run(work).addErrback(self._failed, uid).addBoth(lambda _: self._at_work.discard(uid))

    def _is_served(self, uid: int, entry: _Entry, at: float) -> bool:
        """Whether a webspace needs no waking: nobody is to have it, it runs, or it was started for this time by others."""
        observed = self._with.registry.get(uid)
        if observed is None or observed.unfinished or self._with.booter.unwanted(observed):
            return True
        if observed.runs and self._with.booter.memory(uid).hold in (Hold.NONE, Hold.DRAINING):
            # Who is about to put it to sleep asks once more whether that may be.
            self._keep(uid, at)
            return True
        return self._now() > at and _started(observed) >= at - entry.lead

    def _keep(self, uid: int, at: float) -> None:
        ahead = min(LONGEST_LEAD, max(0.0, at - self._now()))
        self._with.activity.keep(uid, ahead + self._rules.least)

    async def _wake(self, uid: int, at: float) -> None:
        observed = self._with.registry.get(uid)
        slept = observed is not None and observed.depth is not Depth.AWAKE
        if slept:
            self._with.activity.scheduled(uid)
        began = self._clock.seconds()
        if not await self._insist(uid):
            self._with.activity.rested(uid)
            return
        self._keep(uid, at)
        entry = self._entries.get(uid)
        if slept:
            self.wakes += 1
            self.log.info("webspace {webspace} is awake: its schedule says so", event="schedule.woke", webspace=uid)
            if entry is not None:
                # Waiting for room is in it, too; so there is a bound.
                entry.lead = min(LONGEST_LEAD, LEAD + self._clock.seconds() - began)
                self._push(uid, entry)

    async def _insist(self, uid: int) -> bool:
        """Boot a webspace, with some more tries; whether it is up. Not if nobody is to have it any more."""
        for pause in (*PAUSES, None):
            observed = self._with.registry.get(uid)
            if observed is None or self._with.booter.unwanted(observed) or not self._may_write():
                return False
            try:
                await self._with.booter.boot(uid)
            except WebspacedError:
                if pause is None:
                    raise
                await sleep(self._clock, pause)
            else:
                break
        return True

    def _failed(self, failure: Failure, uid: int) -> None:
        self._with.activity.rested(uid)
        if not failure.check(WebspacedError):
            self.log.failure("webspace {webspace} could not be woken in time", failure, event="schedule.broke", webspace=uid)
        elif self._lines.may(str(uid)):
            self.log.warn(
                "webspace {webspace} could not be woken in time: {error}",
                event="schedule.wake-failed", webspace=uid, error=failure.getErrorMessage(),
            )


def _started(observed: Observed) -> float:
    """Give when a webspace was started the last time, in seconds since the epoch."""
    try:
        return datetime.fromisoformat(observed.instance.last_used_at).timestamp()
    except ValueError:
        return -inf

"""Putting to sleep who is idle, and to whom it falls to make room for others (design decision 17).

:mod:`webspaced.core.sleep` and :mod:`webspaced.core.room` have the rules, :class:`Activity` and :class:`Meter` know who is
idle, :class:`Power` does it in order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.audit.cause import because
from webspaced.core.boot import Hold
from webspaced.core.room import Candidate, next_to_stop
from webspaced.core.sleep import Depth, Habits, SleepRules
from webspaced.errors import Conflict, Forbidden, WebspacedError
from webspaced.interfaces import IVisitors
from webspaced.lib.measures import Counted
from webspaced.lib.sparing import Sparing
from webspaced.webspaces.activity import Activity
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.marks import Marks
from webspaced.webspaces.meter import Meter
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.power import Power
from webspaced.webspaces.registry import Registry
from webspaced.webspaces.room import Room
from webspaced.webspaces.schedule import Schedule

AT_ONCE = 8
"""So many are put to sleep at a time, and as many more stopped to make room, for which nobody waits behind the others."""
FIRST_REST, LONGEST_REST = 20.0, 1800.0
"""Seconds for which one that could not be put to sleep is not tried again: while room is wanted others can make it. Doubled
each time where its visitors were led away for it."""
VAIN_PAUSE = 0.5
"""Seconds for which it is not looked again who could make room, where nobody could: a crowd may wait for it."""


@frozen(kw_only=True)
class Rest:
    """How a webspace rests. Times are seconds since the epoch; ``sleeps_at``: when it sleeps deeper, if it stays idle;
    ``wakes_at``: when its schedule wakes it next.
    """

    depth: Depth
    last_active: float
    sleeps_at: float | None
    wakes_at: float | None = None


@frozen(kw_only=True)
class Bed:
    """What the sleeper works with."""

    registry: Registry
    documents: Documents
    booter: Booter
    power: Power
    activity: Activity
    meter: Meter
    visitors: IVisitors
    room: Room
    schedule: Schedule


class Sleeper:
    """Lets webspaces doze and stops them. Does nothing before :meth:`begin`: another daemon may be at work."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, rules: SleepRules, with_: Bed, now: Callable[[], float], may_write: Callable[[], bool]
    ) -> None:
        """:param now: gives seconds since the epoch.

        :param may_write: whether no other daemon can be at work.
        """
        self.dozes = 0
        self.stops = 0
        self.sleeps = Counted()
        """By depth, and why: ``idle``, or ``room`` for others."""
        self._clock = clock
        self.rules = rules
        self._with = with_
        self._now = now
        self._may_write = may_write
        self._begun = False
        self._at_work: dict[int, Depth] = {}
        self._later: dict[int, Depth] = {}
        """Who else was due at the last look."""
        self._rests: dict[int, tuple[float, float]] = {}
        """Of those that could not be put to sleep: for how long, and until when, they are left alone."""
        self._depths: dict[int, Depth] = {}
        self._in_vain_until = 0.0
        self._lines = Sparing(clock, self.log, "webspaces that could not be put to sleep")
        self._marks = Marks(clock, with_.registry, with_.documents, with_.booter, lambda: self._begun and may_write())
        with_.registry.subscribe(self._noticed)
        with_.activity.stirred = self._stirred
        with_.room.wanted = self._room_is_wanted

    @property
    def is_needed(self) -> bool:
        """Whether anything of this can ever happen."""
        return self.rules.is_on or self._with.room.is_bounded

    def begin(self) -> None:
        """Put to sleep from now on: everything has been seen, and this daemon leads."""
        if not self._begun:
            self._begun = True
            for observed in self._with.registry:
                self._noticed(observed.uid)

    def rest(self, observed: Observed) -> Rest:
        """Give how a webspace rests."""
        ago = self._clock.seconds() - self._with.activity.last(observed.uid)
        last_active = self._now() - ago
        at, wakes_at = self._sleeps_at(observed, last_active), self._with.schedule.wakes_at(observed.uid)
        return Rest(
            depth=observed.depth, last_active=last_active, sleeps_at=None if at == inf else at, wakes_at=wakes_at
        )

    def _sleeps_at(self, observed: Observed, last_active: float) -> float:
        """Give when it sleeps deeper, if it stays idle; infinite for never."""
        kept = self._kept_until(observed)
        if kept is not None or observed.depth is Depth.ASLEEP:
            return inf if kept is None else kept
        now = self._now()
        quiet_from = self.rules.next_quiet(observed.webspace.config.quiet_hours, now)
        usual, quiet = (
            last_active + self._habits(observed, quiet=each).next_after(observed.depth) for each in (None, True)
        )
        kept_for = self._with.activity.kept_for(observed.uid)
        return max(min(usual, max(quiet, quiet_from)), now + kept_for if kept_for else 0.0)

    async def keep_awake(self, uid: int, seconds: float) -> float:
        """Keep a webspace from sleeping for so many seconds, 0 for no longer, and give until when (since the epoch).

        One that dozes is woken; one that is stopped stays so until somebody visits it. ``Forbidden`` where members may not,
        or not for so long.
        """
        if "keepAwake" not in self.rules.allow:
            message = "webspaces cannot be kept awake here"
            raise Forbidden(message)
        if not 0 <= seconds <= self.rules.max_awake:
            message = f"webspaces can be kept awake for {self.rules.max_awake:g} seconds at most"
            raise Forbidden(message)
        until = self._now() + seconds if seconds else 0.0
        await self._with.documents.change(uid, lambda webspace: webspace.with_awake_until(until))
        observed = self._with.registry.get(uid)
        if seconds and observed is not None and (observed.dozes or self._is_falling_asleep(uid)):
            await self._with.booter.boot(uid, by_api=True)
        return until

    # --- looking

    def look(self) -> Deferred[None]:
        """Measure all, and put to sleep who is due."""
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        if not self._begun or not self.is_needed or not self._may_write():
            return
        await self._with.power.freezer.mend()
        everybody = list(self._with.registry)
        await self._with.meter.look([each for each in everybody if each.runs], [each for each in everybody if each.dozes])
        self._later = {}
        await self._with.registry.gently.each(self._with.registry, self._consider)
        self.make_room()
        self._go_on()

    def _go_on(self) -> None:
        """Put to sleep the next ones who were due, and still are."""
        while self._later and len(self._at_work) < AT_ONCE and self._may_write():
            uid = next(iter(self._later))
            depth, observed = self._later.pop(uid), self._with.registry.get(uid)
            if observed is not None and self._due(observed) is depth:
                self._put(uid, depth, partial(self._is_due, depth))

    def _consider(self, observed: Observed) -> None:
        due = self._due(observed)
        if due is not observed.depth:
            self._later[observed.uid] = due
        if observed.dozes and self._is_to_be_awake(observed):
            # Its member said so while it slept.
            with because("schedule"):
                self._with.booter.boot(observed.uid).addErrback(self._not_woken)
        self._marks.take_off(observed)

    def _due(self, observed: Observed) -> Depth:
        """Give how deep a webspace is to sleep by now."""
        if self._is_occupied(observed):
            return observed.depth
        return self._habits(observed).due(self._idle(observed), observed.depth)

    def _is_due(self, depth: Depth, observed: Observed) -> bool:
        return self._idle(observed) >= self._habits(observed).after(depth)

    def _is_occupied(self, observed: Observed) -> bool:
        """Whether it is none to be put to sleep now, however long it was idle."""
        if observed.depth is Depth.ASLEEP or observed.untold or observed.unfinished:
            return True
        if self._with.activity.kept_for(observed.uid) or self._rests_now(observed.uid):
            return True
        return self._with.booter.memory(observed.uid).hold not in (Hold.NONE, Hold.DRAINING)

    def _rests_now(self, uid: int) -> bool:
        return uid in self._rests and self._clock.seconds() < self._rests[uid][1]

    def _idle(self, observed: Observed) -> float:
        quiet = self._with.visitors.quiet(observed.uid)
        return min(quiet, self._with.activity.idle(observed.uid, frozen=observed.dozes))

    def _habits(self, observed: Observed, *, quiet: bool | None = None) -> Habits:
        """:param quiet: whether as in quiet hours; as it is now if not said."""
        config = observed.webspace.config
        return self.rules.habits(
            config.sleep,
            config.sleep_after,
            kept_awake=self._kept_until(observed) is not None,
            quiet=self._is_quiet(observed) if quiet is None else quiet,
            unasked=not self._with.activity.is_asked_for(observed.uid),
        )

    def _is_quiet(self, observed: Observed) -> bool:
        return self.rules.is_quiet(observed.webspace.config.quiet_hours, self._now())

    def _is_to_be_awake(self, observed: Observed) -> bool:
        kept, quiet = self._kept_until(observed) is not None, self._is_quiet(observed)
        return self.rules.is_to_be_awake(observed.webspace.config.sleep, kept_awake=kept, quiet=quiet)

    def _kept_until(self, observed: Observed) -> float | None:
        until = observed.webspace.awake_until
        return until if until > self._now() else None

    # --- doing

    def _put(self, uid: int, depth: Depth, may: Callable[[Observed], bool]) -> None:
        """Put a webspace to sleep, beside all else.

        :param may: asked again at the end, when the last look at it is over.
        """
        if uid not in self._at_work:
            self._at_work[uid] = depth
            self._later.pop(uid, None)
            with because("room" if may == self._may_make_room else "idle"):
                putting = Deferred.fromCoroutine(self._put_now(uid, depth, may))
            putting.addErrback(self._failed, uid).addBoth(self._done, uid)

    async def _put_now(self, uid: int, depth: Depth, may: Callable[[Observed], bool]) -> None:
        observed = self._with.registry.get(uid)
        if observed is None or self._is_occupied(observed) or not self._may_write():
            return
        if observed.runs and not await self._with.meter.look_at(observed):
            return
        idle = lambda: self._is_still_idle(uid, depth, may)  # noqa: E731
        if depth is Depth.DOZING:
            done = await self._with.power.doze(uid, idle)
            self.dozes += done
        else:
            done = await self._with.power.stop_idle(uid, idle)
            self.stops += done
        if done:
            self.sleeps.add("doze" if depth is Depth.DOZING else "asleep", "room" if may == self._may_make_room else "idle")
        self._rests.pop(uid, None)
        if done:
            self.log.info(
                "webspace {webspace} is {depth} now: nobody used it", event="sleep.done", webspace=uid, depth=depth.value
            )

    async def _is_still_idle(self, uid: int, depth: Depth, may: Callable[[Observed], bool]) -> bool:
        observed = self._with.registry.get(uid)
        if observed is not None and observed.runs and not await self._with.meter.look_at(observed):
            return False
        observed = self._with.registry.get(uid)
        if observed is None or self._is_occupied(observed) or not may(observed):
            return False
        # What is said from here on wakes it.
        if depth is Depth.DOZING:
            self._with.visitors.watch(uid, lambda: self._with.activity.stir(uid))
        return True

    def _failed(self, failure: Failure, uid: int) -> None:
        again = uid in self._rests and not failure.check(Conflict)
        pause = min(LONGEST_REST, 2 * self._rests[uid][0]) if again else FIRST_REST
        self._rests[uid] = (pause, self._clock.seconds() + pause)
        if not failure.check(WebspacedError):
            self.log.failure("webspace {webspace} could not be put to sleep", failure, event="sleep.broke", webspace=uid)
        elif self._lines.may(str(uid)):
            self.log.info(
                "webspace {webspace} could not be put to sleep: {error}",
                event="sleep.failed", webspace=uid, error=failure.getErrorMessage(),
            )

    def _done(self, _result: object, uid: int) -> None:
        self._at_work.pop(uid, None)
        observed = self._with.registry.get(uid)
        if observed is not None and observed.runs:
            self._with.visitors.watch(uid, None)
        if self._with.room.lacking and not self._with.room.short:
            # How much memory it has made free is seen by the next look at that.
            self.make_room()
        if self._later:
            self._clock.callLater(0, self._go_on)

    # --- making room

    def make_room(self) -> None:
        """Stop who was idle longest, for as many as wait; more, one by one, while memory is short."""
        room = self._with.room
        if not self._begun or not self._may_write():
            return
        stopping = sum(depth is Depth.ASLEEP for depth in self._at_work.values())
        wanted = min(AT_ONCE, sum(room.short.values()) or room.lacking) - stopping
        candidates = [each for each in map(self._candidate, self._with.registry) if each is not None] if wanted > 0 else []
        for _ in range(wanted):
            chosen = next_to_stop(candidates, self.rules.least)
            if chosen is None:
                self._in_vain_until = self._clock.seconds() + VAIN_PAUSE
                return
            candidates.remove(chosen)
            self._put(chosen.uid, Depth.ASLEEP, self._may_make_room)

    def _room_is_wanted(self) -> None:
        if self._clock.seconds() >= self._in_vain_until:
            self.make_room()

    def _candidate(self, observed: Observed) -> Candidate | None:
        if observed.uid in self._at_work or self._is_occupied(observed):
            return None
        if not self._with.room.gains_by(observed.instance.location) or not self._is_stoppable(observed):
            return None
        return Candidate(uid=observed.uid, depth=observed.depth, idle=self._idle(observed))

    def _is_stoppable(self, observed: Observed) -> bool:
        kept = self._kept_until(observed) is not None
        quiet = self._is_quiet(observed)
        return self.rules.may_be_stopped(observed.webspace.config.sleep, kept_awake=kept, quiet=quiet)

    def _may_make_room(self, observed: Observed) -> bool:
        return self._is_stoppable(observed) and self._idle(observed) >= self.rules.least

    # --- waking

    def _noticed(self, uid: int) -> None:
        observed = self._with.registry.get(uid)
        if observed is None:
            self._depths.pop(uid, None)
            self._rests.pop(uid, None)
            self._with.activity.forget(uid)
            return
        before, self._depths[uid] = self._depths.get(uid), observed.depth
        if before is not observed.depth and observed.depth is Depth.AWAKE:
            self._with.visitors.watch(uid, None)
            if before is not Depth.DOZING:
                # Somebody wanted it, or a schedule did.
                self._with.activity.moved(uid)
            if before is Depth.ASLEEP:
                self._with.meter.started(uid)
        elif before is not observed.depth:
            self._with.activity.rested(uid)
        self._marks.take_off(observed)

    def _stirred(self, uid: int) -> None:
        observed = self._with.registry.get(uid)
        if observed is not None and (observed.dozes or self._is_falling_asleep(uid)):
            with because("activity"):
                self._with.booter.boot(uid).addErrback(self._not_woken)

    def _is_falling_asleep(self, uid: int) -> bool:
        """Whether it is too late to keep it awake: it is woken again."""
        return self._with.booter.memory(uid).hold is Hold.DOZING

    def _not_woken(self, failure: Failure) -> None:
        # Who visits is told why; this was nobody's visit.
        failure.trap(WebspacedError)

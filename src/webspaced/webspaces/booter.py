"""Waking webspaces: one boot for all who wait, a bound on parallel boots, memory of failures.

What to do next is :func:`webspaced.core.boot.decide`'s; this carries it out against LXD and looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import evolve
from twisted.internet.defer import Deferred, DeferredSemaphore, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.core.boot import UNWANTED_PAUSE, Act, Decision, Hold, Memory, decide, unwanted
from webspaced.core.instance import Status
from webspaced.errors import BootFailed, DeadlineExceeded, NotFound, Refused
from webspaced.interfaces import IInstances, IRoom
from webspaced.lib.backoff import pauses
from webspaced.lib.deferreds import Flights, sleep
from webspaced.lib.ids import carried
from webspaced.lib.semaphore import Semaphore
from webspaced.webspaces.boot_limits import BootLimits
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.course import Boots, Course, Step
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.patience import Patience
from webspaced.webspaces.registry import Registry

FREEZING_LIMIT = 5.0
"""Seconds: an LXD that was killed within a freeze says "Freezing" for ever, and a resume does not help (seen on 5.0.2)."""
UNFINISHED_PAUSE = 5.0
"""Seconds after which asking again makes sense for a webspace that is still being created."""
ADDRESS_POLL_FIRST, ADDRESS_POLL_LONGEST = 0.04, 0.2
"""Seconds between reads of the addresses after a start: a container has its own 0.12 s after it at the earliest."""
PAUSED_PAUSE, PAUSED_RETRY_AFTER = 0.5, 30.0
"""Seconds between looks whether LXD still works on a webspace that somebody else froze, and for visitors after that."""
RESUMES_AT_ONCE = 32
"""Those that doze are woken so many at a time: each asks what LXD works on, and would hear of a thousand others."""
LEASES_RETRY_AFTER = 10.0
"""Seconds after which asking again makes sense while leases cannot be read."""
RESTART_PAUSE = 1.0
"""Seconds that one which stopped after its start has to come back: whoever restarts it starts it again by then."""
UNTOLD_LIMIT = 15.0
"""Seconds that visitors wait for an LXD that cannot tell a webspace's state."""


class StoppedAgain(BootFailed):
    """It was up, and its end came before its address was known."""


class Booter:
    """Boots webspaces."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        instances: IInstances,
        conditions: Conditions,
        limits: BootLimits,
        room: IRoom,
    ) -> None:
        self.boots = Boots(clock)
        self._clock = clock
        self._registry = registry
        self._instances = instances
        self._conditions = conditions
        self.limits = limits
        self._room = room
        self._flights: Flights[int, Observed] = Flights()
        self._starts: Flights[int, bool] = Flights()
        self._courses: dict[int, Course] = {}
        self._places = Semaphore(limits.max_concurrent)
        self._resumes = DeferredSemaphore(RESUMES_AT_ONCE)
        self._asked_by_api: set[int] = set()
        self._memories: dict[int, Memory] = {}
        self._standing_by: dict[int, list[Deferred[None]]] = {}
        self._listeners: list[Callable[[int], None]] = []

    @property
    def under_way(self) -> int:
        """How many webspaces are being booted now, those that wait for their turn included."""
        return len(self._flights)

    def bound(self, limits: BootLimits) -> None:
        """Go by other limits; boots under way go on."""
        self.limits = limits
        self._places.resize(limits.max_concurrent)

    def subscribe(self, listener: Callable[[int], None]) -> None:
        """Call ``listener(uid)`` when a webspace's hold changes."""
        self._listeners.append(listener)

    def memory(self, uid: int) -> Memory:
        """Give what is remembered of a webspace between boots."""
        return self._memories.get(uid, Memory())

    def hold(self, uid: int, hold: Hold) -> None:
        """Say what is being done to a webspace; ``Hold.NONE`` when it is over."""
        course = self._courses.get(uid)
        if course is not None and hold in (Hold.STOPPING, Hold.RESTARTING):
            # That it stops again is our doing, and nobody is refused because of timing.
            course.started = False
        self._remember(uid, evolve(self.memory(uid), hold=hold))

    @contextmanager
    def place_kept(self, uid: int) -> Iterator[None]:
        """Let nobody else have the place of one that is stopped to be started again."""
        self._room.keep(uid)
        try:
            yield
        finally:
            self._room.leave(uid)

    def forget(self, uid: int) -> None:
        """Drop what is remembered of a webspace that is gone."""
        self._memories.pop(uid, None)
        self.boots.forget(uid)
        # What they wait for may end without a word: the hold is forgotten, too.
        self._go_on(uid)

    def boot(self, uid: int, *, by_api: bool = False) -> Deferred[Observed]:
        """Give the webspace once it runs and has an address; see :class:`webspaced.interfaces.IBootGate` for errors."""
        observed = self._registry.get(uid)
        if observed is not None and observed.unfinished:
            return fail(_unfinished())
        if observed is not None and observed.runs and observed.address and self.memory(uid).hold is Hold.NONE:
            reason = self.unwanted(observed)
            return fail(Refused(_sentence(reason), UNWANTED_PAUSE)) if reason else succeed(observed)
        if by_api:
            # Also where a visitor's boot is under way that would be refused.
            self._asked_by_api.add(uid)
        begins = uid not in self._flights
        course = self.boots.begin(uid) if begins else self._courses[uid]
        self.boots.asked(course, begins=begins)
        return self._flights.join(uid, lambda: self._boot(uid, course), lambda: not course.asked)

    def is_departed(self, observed: Observed) -> bool:
        """Whether a webspace has had no member for too long."""
        return self.limits.departed(observed)

    def unwanted(self, observed: Observed) -> str:
        """Give why visitors are not to have a webspace that runs, in words for everybody; empty if they may."""
        return unwanted(observed.webspace.desired, departed=self.limits.departed(observed))

    def would_start(self, observed: Observed) -> bool:
        """Whether a visit now would cause a boot, at once or after the stop that is under way, and joins none."""
        if observed.uid in self._flights or observed.unfinished or self.memory(observed.uid).hold is Hold.RESTARTING:
            return False
        act = self._decide(observed).act
        return act in (Act.START, Act.STAND_BY) or (act is Act.WAIT and observed.instance.status is Status.STOPPING)

    def would_thaw(self, observed: Observed) -> bool:
        """Whether a visit now would wake it from a doze, and joins nobody who does so."""
        return observed.uid not in self._flights and not observed.unfinished and self._decide(observed).act is Act.RESUME

    def is_asked(self, uid: int) -> bool:
        """Whether LXD was asked for the start of a boot that is under way."""
        course = self._courses.get(uid)
        return course is not None and course.asked

    async def boot_unfinished(self, uid: int) -> Observed:
        """Boot a webspace for who creates it, and for nobody else beside."""
        self._asked_by_api.add(uid)
        return await self._boot(uid, self.boots.begin(uid, unfinished=True))

    def _remember(self, uid: int, memory: Memory) -> None:
        before = self.memory(uid)
        self._memories[uid] = memory
        if before.hold is not memory.hold:
            self._go_on(uid)
            for listener in self._listeners:
                listener(uid)

    def _go_on(self, uid: int) -> None:
        for waiting in self._standing_by.pop(uid, []):
            if not waiting.called:
                waiting.callback(None)

    async def _boot(self, uid: int, course: Course) -> Observed:
        began = self._clock.seconds()
        self._courses[uid] = course
        try:
            with self.boots.counted(course):
                observed = await self._come_up(uid, course)
        except (BootFailed, DeadlineExceeded) as error:
            self._remember(uid, self.memory(uid).failed(self._clock.seconds(), str(error)))
            text, detail = "webspace {webspace} did not boot: {error} {detail}", getattr(error, "detail", "")
            self.log.warn(text, event="boot.failed", boot_id=course.id, webspace=uid, error=str(error), detail=detail)
            raise
        finally:
            self._asked_by_api.discard(uid)
            self._courses.pop(uid, None)
            self._room.leave(uid)
        self._remember(uid, self.memory(uid).succeeded())
        self.log.info(
            "webspace {webspace} is up at {address} after {seconds:.3f} s", event="boot.up", boot_id=course.id, webspace=uid,
            address=observed.address, seconds=self._clock.seconds() - began, phases=course.phases(),
        )  # fmt: skip
        return observed

    async def _come_up(self, uid: int, course: Course) -> Observed:
        while True:
            await self._bring_up(uid, course)
            course.enter(Step.ADDRESS, self._clock.seconds())
            try:
                return await self._address(uid, lambda: course.acted or uid in self._asked_by_api)
            except StoppedAgain:
                # It may have been dead when we came: Incus says that a container runs until it is done with its end.
                course.acted = True

    async def _bring_up(self, uid: int, course: Course) -> None:
        """Act and look again until it runs.

        What was seen last is good enough to begin with: LXD refuses a wrong act.
        """
        observed = self._registry.get(uid) or await self._registry.look(uid)
        while True:
            if observed is None:
                message = "there is no such webspace"
                raise NotFound(message)
            if observed.unfinished and not course.unfinished:
                raise _unfinished()
            decision = self._decide(observed)
            if decision.act is Act.SERVE:
                # Not before it is known that it runs: there may seem to be room that there is not.
                self._room.leave(uid)
                return
            course.acted = True
            if decision.act is Act.START and course.started:
                observed = await self._seen_again(uid, course)
                continue
            course.started = await self._carry_out(decision, observed, course)
            observed = await self._after(decision.act, uid)

    async def _seen_again(self, uid: int, course: Course) -> Observed | None:
        """Look a moment later at one that stopped after its start: somebody may restart it. ``BootFailed`` beyond that."""
        if course.doubted:
            message = "it stopped again at once"
            raise BootFailed(message)
        course.doubted = True
        await sleep(self._clock, RESTART_PAUSE)
        return await self._registry.look(uid)

    async def _after(self, act: Act, uid: int) -> Observed | None:
        """Look again, but not at what LXD has just said that it runs: who visits one that dozes shall not wait for that."""
        observed = self._registry.get(uid)
        return observed if act is Act.RESUME and observed and observed.runs else await self._registry.look(uid)

    def _decide(self, observed: Observed) -> Decision:
        return decide(
            # One that was seen running runs on, whatever LXD can tell; one that was not is not started.
            Status.ERROR if observed.untold and not observed.runs else observed.instance.status,
            self.memory(observed.uid),
            self._clock.seconds(),
            by_api=observed.uid in self._asked_by_api,
            desired=observed.webspace.desired,
            departed=self.limits.departed(observed),
            dozes=observed.dozes,
        )

    async def _carry_out(self, decision: Decision, observed: Observed, course: Course) -> bool:
        """Act; whether a start was asked for and went well."""
        patience = course.patience
        if decision.act is Act.REFUSE:
            raise Refused(_sentence(decision.reason), decision.retry_after)
        if decision.act is Act.START:
            return await self._start(observed, course)
        if decision.act is Act.RESUME:
            await self._resume(observed, course)
        elif decision.act is Act.STAND_BY:
            await self._hold_changed(observed.uid)
        elif decision.act is Act.PAUSED:
            await self._unpaused(observed)
        elif observed.untold and patience.busy_for() > UNTOLD_LIMIT:
            message = "LXD cannot tell whether it runs"
            raise Refused(message, PAUSED_RETRY_AFTER)
        elif observed.instance.status is Status.FREEZING and await self._is_stuck(observed, patience):
            text = "{instance} is stuck in freezing and is stopped by force"
            self.log.warn(text, event="boot.stuck", instance=observed.name)
            await patience.tried(self._instances.stop(observed.name, FREEZING_LIMIT, force=True))
        else:
            await patience.wait()
        return False

    async def _is_stuck(self, observed: Observed, patience: Patience) -> bool:
        """Whether it has been freezing for long, and LXD works on nothing that freezes it, such as a snapshot."""
        return patience.busy_for() > FREEZING_LIMIT and not await self._instances.others_work(observed.name)

    async def _resume(self, observed: Observed, course: Course) -> None:
        """Wake one that dozes; LXD's work on it, such as a snapshot, is let finish before."""
        if await self._resumes.run(carried(lambda: Deferred.fromCoroutine(self._resume_in_place(observed, course)))):
            await course.patience.wait()

    async def _resume_in_place(self, observed: Observed, course: Course) -> str:
        """Give what LXD works on that keeps it from being woken; empty if there is nothing."""
        # Somebody else may have woken it, or want it otherwise, while this waited for its place.
        if not self._is_to_be_resumed(observed.uid):
            return ""
        if work := await self._instances.others_work(observed.name):
            return work
        # Before anybody may be led there: its lease may have run out, and its address be another's.
        await self._registry.confirm_address(observed.uid)
        if not self._is_to_be_resumed(observed.uid):
            return ""
        course.wake(Step.RESUME, self._clock.seconds())
        if await course.patience.tried(self._instances.resume(observed.name)):
            self._registry.resumed(observed.uid)
        return ""

    def _is_to_be_resumed(self, uid: int) -> bool:
        current = self._registry.get(uid)
        return current is not None and self._decide(current).act is Act.RESUME

    def _hold_changed(self, uid: int) -> Deferred[None]:
        """Fire when webspaced is done with what it does to a webspace, or goes on to something else."""
        waiting: Deferred[None] = Deferred()
        self._standing_by.setdefault(uid, []).append(waiting)
        return waiting

    async def _unpaused(self, observed: Observed) -> None:
        """Wait a moment for LXD, which freezes containers for snapshots; what it does not work on is somebody's wish."""
        if await self._instances.others_work(observed.name):
            await sleep(self._clock, PAUSED_PAUSE)
            return
        again = await self._registry.look(observed.uid)
        if again is None or again.instance.status is not Status.FROZEN:
            return
        message = "it is paused"
        self._conditions.note(observed.uid, Kind.PAUSED, "it was frozen by somebody else, and is left so")
        raise Refused(message, PAUSED_RETRY_AFTER)

    async def _start(self, observed: Observed, course: Course) -> bool:
        # Who hangs up at once is noticed within two turns of the reactor: its own, and the one that looks at sockets.
        await sleep(self._clock, 0)
        await sleep(self._clock, 0)
        await self._room.enter(observed.uid)
        return await self._places.run(carried(lambda: Deferred.fromCoroutine(self._start_in_place(observed, course))))

    async def _start_in_place(self, observed: Observed, course: Course) -> bool:
        # While this waited for its place, the webspace may have been claimed by a stop or a deletion, or be wanted off.
        current = self._registry.get(observed.uid)
        if current is None or self._decide(current).act is not Act.START:
            return False
        course.wake(Step.START, self._clock.seconds())
        return await self._starts.join(observed.uid, lambda: self._started(observed, course))

    async def _started(self, observed: Observed, course: Course) -> bool:
        return await course.patience.tried(self._instances.start(observed.name))

    def start_over(self, uid: int) -> Deferred[object]:
        """Fire when a start is over that LXD was asked for, however it ended; at once if there is none."""
        return self._starts.over(uid)

    async def _address(self, uid: int, patient: Callable[[], bool]) -> Observed:
        """Wait for an address that counts. Polled, as no event carries it, and not too often: it slows the start down.

        :param patient: whether it is waited for after a failure, too; its member may ask for that meanwhile.
        """
        deadline = self._clock.seconds() + self.limits.ip_timeout
        for pause in pauses(ADDRESS_POLL_FIRST, ADDRESS_POLL_LONGEST, factor=1.2):
            observed = self._registry.get(uid)
            if observed is None or not observed.runs:
                message = "it stopped again while it was starting"
                raise StoppedAgain(message)
            if observed.address is not None:
                self._conditions.note(uid, Kind.NO_ADDRESS, None)
                return observed
            if self._clock.seconds() > deadline:
                self._no_address(observed)
            await sleep(self._clock, pause)
            observed = await self._registry.read_address(uid)
            memory = self.memory(uid)
            rest = memory.rest(self._clock.seconds())
            if not patient() and (observed is None or observed.address is None) and memory.failures and rest > 0:
                # It had none a moment ago, and has none now: nobody needs to wait for that again yet.
                raise Refused(_sentence(memory.reason), rest)
        raise AssertionError  # pauses() never ends

    def _no_address(self, observed: Observed) -> None:
        if self._registry.awaits_leases(observed):
            # That is not its fault, and is not held against it.
            message = "nobody can tell yet which address it was given: the leases of its network cannot be read"
            raise Refused(message, LEASES_RETRY_AFTER)
        message = f"it got no usable address within {self.limits.ip_timeout:g} s"
        self._conditions.note(observed.uid, Kind.NO_ADDRESS, message)
        raise BootFailed(message)


def _unfinished() -> Refused:
    return Refused("the webspace is still being created", retry_after=UNFINISHED_PAUSE)


def _sentence(reason: str) -> str:
    return f"the webspace {reason}" if reason.startswith(("is ", "was ")) else reason

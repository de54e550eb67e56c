"""What one boot has done so far, in which phase it is, and what is counted of all boots."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.lib.ids import Ids, within
from webspaced.lib.logs import BOOT_ID
from webspaced.lib.measures import Counted, Timed, outcome_of
from webspaced.lib.spans import SPAN, ISpan, span
from webspaced.webspaces.patience import Patience

log = Logger()


class Step(enum.Enum):
    """The phases of a boot; ``PORT`` follows it, for a visitor."""

    QUEUE = "queue"
    """It waits: for a stop that is under way, for room, for its place among those that start."""
    RESUME = "resume"
    """LXD thaws it."""
    START = "start"
    """LXD starts it."""
    ADDRESS = "address"
    """It runs, and has no address yet."""
    PORT = "port"
    """It has one, and its port is tried until it answers."""


@define
class Course:
    """What one boot, which has an ``id`` in the log, has done so far.

    Anything at all, and whether a start went well since LXD was last not ready for one.
    """

    id: str
    webspace: int
    patience: Patience
    acted: bool = False
    started: bool = False
    asked: bool = False
    """Whether LXD was asked for a start: that goes on, whether anybody waits for it or not."""
    doubted: bool = False
    """Whether it stopped after its start, and was given a moment to come back."""
    unfinished: bool = False
    """Whether it is for who creates the webspace."""
    depth: str = "awake"
    """How deep the webspace slept that LXD was asked to wake: ``doze``, ``asleep``, or ``awake`` if it was not."""
    step: Step = Step.QUEUE
    lasted: dict[Step, float] = field(factory=dict)
    """Seconds spent in each phase before this one."""
    since: float = 0.0
    span: ISpan | None = None
    """In the trace of who began it, where there is one."""

    def enter(self, step: Step, now: float) -> None:
        """Be in another phase from now on."""
        self.lasted[self.step] = self.lasted.get(self.step, 0.0) + now - self.since
        if step is not self.step:
            log.debug("webspace {webspace} boots: {phase}", event="boot.phase", webspace=self.webspace, phase=step.value)
        self.step, self.since = step, now

    def phases(self) -> Mapping[str, float]:
        """Give how long each phase took, in seconds."""
        return {step.value: round(seconds, 6) for step, seconds in self.lasted.items()}

    def wake(self, step: Step, now: float) -> None:
        """Ask LXD now to start or thaw it."""
        self.asked = True
        self.depth = "doze" if step is Step.RESUME else "asleep"
        self.enter(step, now)


class Boots:
    """What is counted of boots; each counts once, however many wait for it."""

    def __init__(self, clock: IReactorTime) -> None:
        self.ended = Counted()
        """By outcome, and the phase in which it ended."""
        self.wakes = Counted()
        """Those that went well, by the depth of sleep."""
        self.seconds = Timed()
        """By outcome."""
        self.steps = Timed()
        """By phase, of those that went well."""
        self._clock = clock
        self._ids = Ids("b")
        self._up: dict[int, Course] = {}

    def begin(self, uid: int, *, unfinished: bool = False) -> Course:
        """Give the course of a boot that begins now."""
        return Course(self._ids.new(), uid, Patience(self._clock), unfinished=unfinished, since=self._clock.seconds())

    def asked(self, course: Course, *, begins: bool) -> None:
        """Say in the log, in the context of who asks for it, which boot that is."""
        text = "webspace {webspace} is to be up, by boot {boot_id}"
        log.debug(text, event="boot.asked", boot_id=course.id, webspace=course.webspace, begins=begins)
        own = SPAN.get()
        if not begins and own is not None and course.span is not None:
            own.link(course.span)

    def forget(self, uid: int) -> None:
        """Drop what is known of the last boot of a webspace that is gone."""
        self._up.pop(uid, None)

    def tell_up(self, uid: int) -> None:
        """Say in the log, in the context of who has waited for it, that a boot went well."""
        course = self._up.get(uid)
        if course is not None:
            log.debug(
                "webspace {webspace} is up", event="boot.awaited", boot_id=course.id, webspace=uid, phases=course.phases()
            )

    @contextmanager
    def counted(self, course: Course) -> Iterator[None]:
        """Surround a boot, and count it at its end."""
        with within(BOOT_ID, course.id), span("boot", webspace=course.webspace, boot_id=course.id) as course.span:
            try:
                yield
            except BaseException as error:
                self._over(course, error)
                raise
            self._over(course, None)

    def _over(self, course: Course, error: BaseException | None) -> None:
        outcome = outcome_of(error)
        self.ended.add(outcome, course.step.value)
        course.enter(course.step, self._clock.seconds())
        self.seconds.note(sum(course.lasted.values()), outcome)
        if error is None:
            self._up[course.webspace] = course
            self.wakes.add(course.depth)
            for step, seconds in course.lasted.items():
                self.steps.note(seconds, step.value)

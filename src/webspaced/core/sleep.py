"""When a webspace that nobody uses falls asleep, and how deep: pure values and rules (design decision 17).

Two depths: *dozing* is frozen by the kernel, with its memory kept, and wakes in milliseconds; *asleep* is stopped.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from datetime import UTC, tzinfo
from math import inf

from attrs import evolve, frozen

from webspaced.core.schedule import Quiet, is_quiet, next_quiet

DOZING_KEY = "user._webspaced_dozing"
"""Holds the mark of a doze, from before webspaced freezes a container until after the wake: so its own freezes are told from
those of others, also after a crash."""


def doze_mark(incarnation: str, chance: str) -> str:
    """Give the mark of one doze: of that start of the container, and of no other doze in it."""
    return f"{incarnation}#{chance}"


def is_doze_mark(mark: str | None, incarnation: str) -> bool:
    """Whether a mark is of a doze of that start of the container."""
    return mark is not None and mark.partition("#")[0] == incarnation


class Depth(enum.StrEnum):
    """How far away from work a webspace is."""

    AWAKE = "awake"
    DOZING = "dozing"
    ASLEEP = "asleep"


class Sleep(enum.StrEnum):
    """What a member wants of sleeping."""

    AUTO = "auto"
    DOZE = "doze"
    """Never stopped."""
    AWAKE = "awake"
    """Never put to sleep."""


MOST_UNANSWERED = 1000
"""Bytes for one that is sent: TCP acknowledges some 64 KB by 66 bytes at least. Who answers less hears what is for all."""


@frozen(kw_only=True)
class Floors:
    """What a container does at rest, per minute; only what goes beyond it is activity.

    ``sent`` and ``received`` are bytes on its NIC (ARP, neighbour discovery, DHCP, time, broadcasts of others); ``cpu`` is
    seconds of processor time.
    """

    sent: float
    received: float
    cpu: float


@frozen(kw_only=True)
class Usage:
    """What a container has used since its start: seconds of processor time, bytes on the NIC by which it is reached."""

    cpu: float = 0.0
    received: int = 0
    sent: int = 0

    def is_activity(self, before: Usage, seconds: float, floors: Floors) -> bool:
        """Whether more was used than at rest, since ``before``, in so many seconds.

        Counters that went back begin anew: something was started, and that is activity. What the network moves at rest
        comes at once, such as the renewal of a lease: in less than a minute it may be as much as in one. What is only heard
        and not answered is no activity: anybody on the network can send to all.
        """
        minutes = seconds / 60.0
        whole = max(1.0, minutes)
        cpu, received, sent = self.cpu - before.cpu, self.received - before.received, self.sent - before.sent
        if min(cpu, received, sent) < 0:
            return True
        heard = received > floors.received * whole and sent * MOST_UNANSWERED > received
        return sent > floors.sent * whole or heard or cpu > floors.cpu * minutes


@frozen(kw_only=True)
class Habits:
    """After how many idle seconds a webspace dozes and is stopped; infinite for never."""

    doze_after: float = inf
    stop_after: float = inf

    def due(self, idle: float, depth: Depth) -> Depth:
        """Give how deep one that was idle for so many seconds is to sleep; never less deep than it does."""
        if depth is Depth.ASLEEP or idle >= self.stop_after:
            return Depth.ASLEEP
        return Depth.DOZING if depth is Depth.DOZING or idle >= self.doze_after else Depth.AWAKE

    def after(self, depth: Depth) -> float:
        """Give after how many idle seconds it is that deep."""
        return {Depth.DOZING: self.doze_after, Depth.ASLEEP: self.stop_after}.get(depth, 0.0)

    def next_after(self, depth: Depth) -> float:
        """Give after how many idle seconds it sleeps deeper than now; infinite for never."""
        return {Depth.AWAKE: min(self.doze_after, self.stop_after), Depth.DOZING: self.stop_after}.get(depth, inf)

    def soon(self, least: float) -> Habits:
        """Give these for one that is not wanted any more: it falls asleep after so many idle seconds at the latest."""
        if min(self.doze_after, self.stop_after) == inf:
            return self
        if self.doze_after <= self.stop_after:
            return evolve(self, doze_after=min(self.doze_after, least))
        return evolve(self, stop_after=min(self.stop_after, least))


@frozen(kw_only=True)
class SleepRules:
    """What the operator lets webspaces do. Seconds; 0 for never. ``allow``: what members may choose."""

    doze_after: float = 0.0
    stop_after: float = 0.0
    least: float = 60.0
    """Whatever was active within so many seconds stays awake."""
    allow: frozenset[str] = frozenset()
    max_awake: float = 86400.0
    """The longest that a member may keep a webspace awake at a time."""
    wake_every: float = 300.0
    """The least time between two scheduled wakes of a webspace."""
    zone: tzinfo = UTC
    """In which members mean times of the day."""

    @property
    def is_on(self) -> bool:
        """Whether webspaces fall asleep by themselves at all."""
        return bool(self.doze_after or self.stop_after)

    def habits(
        self, wish: Sleep, after: float | None, *, kept_awake: bool, quiet: bool = False, unasked: bool = False
    ) -> Habits:
        """Give a webspace's habits.

        :param after: the idle seconds that its member chose instead of the operator's; what is not allowed (any more) counts
            for nothing.
        :param kept_awake: whether its member keeps it awake for now. That is a word for this very time, quiet hours or not.
        :param quiet: whether these are its quiet hours: then it sleeps whatever its member wants at other times.
        :param unasked: whether a schedule has woken it, and nobody has used it since.
        """
        if self.is_to_be_awake(wish, kept_awake=kept_awake, quiet=quiet):
            return Habits()
        usual = self._usual(self._means(wish, quiet=quiet), None if quiet else after)
        return usual.soon(self.least) if quiet or unasked else usual

    def _usual(self, wish: Sleep, after: float | None) -> Habits:
        own = max(after, self.least) if after is not None and "sleepAfter" in self.allow else None
        doze_after = _never(self.doze_after) if own is None or not self.doze_after else own
        stop_after = _never(self.stop_after)
        if own is not None and self.stop_after:
            # One who wants it awake for longer does not want it stopped earlier.
            stop_after = max(own, stop_after) if self.doze_after else own
        return Habits(doze_after=doze_after, stop_after=inf if wish is Sleep.DOZE else stop_after)

    def is_to_be_awake(self, wish: Sleep, *, kept_awake: bool, quiet: bool = False) -> bool:
        """Whether its member wants it never to sleep now: one that dozes already is woken."""
        return kept_awake or self._means(wish, quiet=quiet) is Sleep.AWAKE

    def may_be_stopped(self, wish: Sleep, *, kept_awake: bool, quiet: bool = False) -> bool:
        """Whether it may be stopped to make room for others."""
        return not kept_awake and self._means(wish, quiet=quiet) is Sleep.AUTO

    def is_quiet(self, hours: Collection[Quiet], at: float) -> bool:
        """Whether a time is among somebody's quiet hours; times here are seconds since the epoch."""
        return bool(hours) and "quietHours" in self.allow and is_quiet(hours, at, self.zone)

    def next_quiet(self, hours: Collection[Quiet], after: float) -> float:
        """Give when somebody's quiet hours begin next; infinite for never."""
        return next_quiet(hours, after, self.zone) if "quietHours" in self.allow else inf

    def _means(self, wish: Sleep, *, quiet: bool) -> Sleep:
        # Who only wants never to be stopped may doze in quiet hours, too, if anybody dozes here.
        if quiet and not (wish is Sleep.DOZE and self.doze_after):
            return Sleep.AUTO
        return wish if wish.value in self.allow else Sleep.AUTO


def _never(seconds: float) -> float:
    return seconds or inf

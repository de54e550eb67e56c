"""When a webspace is to be awake by itself, and when it is to be quiet: pure values and rules.

A time to wake is five fields as in crontab(5), or "HH:MM" for every day. cronsim reads them as Debian's cron(8) does.
Where the clocks change, fixed times of the day come once: one that is missing comes at the first minute after the gap, one
that there is twice comes the first time. What comes in every hour goes by the time that passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, tzinfo
from functools import lru_cache
from math import inf
from typing import TypeVar, cast

from attrs import frozen
from cronsim import CronSim, CronSimError

from webspaced.core.brief import shown
from webspaced.errors import Forbidden, Invalid

T = TypeVar("T")

LONGEST = 100
"""Characters of one expression."""
MOST_TIMES, MOST_QUIET = 16, 8
HOURS, DAY = 24, 1440
"""In a day, and minutes of it."""

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_VALUE = r"(?:\d{1,2}|[A-Za-z]{3})"
_PART = rf"(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/\d{{1,2}})?"
_FIELD = re.compile(rf"{_PART}(?:,{_PART})*", re.ASCII)
"""Of cron's language what crontab(5) has. Of what cronsim knows beside it, such as "L" and "#", some never comes."""
_FIELDS = 5
_ANY_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - only to have an expression read


@frozen
class WakeTime:
    """A time to wake, as its member wrote it, and as five fields whose minutes and hours are lists."""

    text: str
    cron: str

    def next_after(self, after: float, zone: tzinfo) -> float:
        """Give when it comes next after a time, both in seconds since the epoch; infinite for not in 50 years."""
        for local in CronSim(self.cron, datetime.fromtimestamp(after, zone)):
            # In the hour that comes twice, cronsim gives the first of both also to who asks in the second.
            if (at := local.timestamp()) > after:
                return at
        return inf

    @property
    def minutes(self) -> frozenset[int]:
        """Give at which minutes of a day it can come."""
        minutes, hours, *_ = self.cron.split()
        every = range(HOURS) if hours == "*" else map(int, hours.split(","))
        return frozenset(60 * hour + int(minute) for hour in every for minute in minutes.split(","))


@frozen
class Quiet:
    """Hours of the day in which a webspace is to sleep; minutes of the day. They may go over midnight.

    Those that end when they begin are the whole day.
    """

    begin: int
    end: int

    @property
    def text(self) -> str:
        """Give them as members write them."""
        return f"{_clock(self.begin)}-{_clock(self.end)}"

    def has(self, minute: int) -> bool:
        """Whether a minute of the day is among them."""
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


def next_wake(times: Iterable[WakeTime], after: float, zone: tzinfo) -> float:
    """Give the first of several times after one; all in seconds since the epoch, infinite for none."""
    return min((each.next_after(after, zone) for each in times), default=inf)


def is_quiet(hours: Iterable[Quiet], at: float, zone: tzinfo) -> bool:
    """Whether a time, in seconds since the epoch, is among somebody's quiet hours."""
    local = datetime.fromtimestamp(at, zone)
    return any(each.has(60 * local.hour + local.minute) for each in hours)


def next_quiet(hours: Iterable[Quiet], after: float, zone: tzinfo) -> float:
    """Give when quiet hours begin next; in seconds since the epoch, infinite for never."""
    return next_wake((_daily(_clock(each.begin)) for each in hours), after, zone)


def check_apart(times: Iterable[WakeTime], least: float) -> None:
    """See to it that times are at least so many seconds apart, as if all came every day.

    :raises Forbidden: it names two that are not.
    """
    minutes = sorted(frozenset().union(*(each.minutes for each in times)))
    for one, other in zip(minutes, minutes[1:] + [each + DAY for each in minutes[:1]], strict=True):
        # More than a day cannot be told from the time of the day; the schedule itself keeps it.
        if 60 * (other - one) < min(least, 60 * DAY):
            message = f"wakeAt: {_clock(one)} and {_clock(other % DAY)} are closer than {least:g} seconds"
            raise Forbidden(message)


def parse_wake_at(value: object) -> tuple[WakeTime, ...]:
    """Read a list of times to wake.

    :raises Invalid: it names what is wrong.
    """
    return _parse_list("wakeAt", value, MOST_TIMES, _wake_time)


def parse_quiet_hours(value: object) -> tuple[Quiet, ...]:
    """Read a list of quiet hours.

    :raises Invalid: it names what is wrong.
    """
    return _parse_list("quietHours", value, MOST_QUIET, _quiet)


def texts(values: Collection[WakeTime] | Collection[Quiet]) -> list[str]:
    """Give what the two functions above read."""
    return [each.text for each in values]


def _parse_list(name: str, value: object, most: int, parse: Callable[[str], T]) -> tuple[T, ...]:
    if not isinstance(value, list) or len(value) > most:
        message = f"{name} must be a list of at most {most} texts"
        raise Invalid(message)
    for each in value:
        if not isinstance(each, str) or len(each) > LONGEST:
            message = f"{name}: {shown(each)} is not a text of at most {LONGEST} characters"
            raise Invalid(message)
    return tuple(map(parse, cast(list[str], value)))


@lru_cache(4096)
def _wake_time(text: str) -> WakeTime:
    return _daily(text) if _TIME.fullmatch(text) else _cron(text)


def _daily(text: str) -> WakeTime:
    hour, minute = map(int, text.split(":"))
    return WakeTime(text, f"{minute} {hour} * * *")


def _cron(text: str) -> WakeTime:
    fields = text.split()
    if len(fields) != _FIELDS or not all(map(_FIELD.fullmatch, fields)):
        message = f'wakeAt: {shown(text)} is neither a time such as "04:30" nor five fields of cron such as "*/30 * * * *"'
        raise Invalid(message)
    try:
        read = CronSim(text, _ANY_DAY)
    except CronSimError as error:
        message = f"wakeAt: {shown(text)} never comes or cannot be read: {str(error).lower()}"
        raise Invalid(message) from None
    # A star would have cronsim take some hours of the day for all of them: it would miss or repeat them with the clocks.
    hours = "*" if len(read.hours) == HOURS else _list(read.hours)
    return WakeTime(" ".join(fields), " ".join([_list(read.minutes), hours, *fields[2:]]))


def _list(values: Iterable[int]) -> str:
    return ",".join(map(str, sorted(values)))


def _quiet(text: str) -> Quiet:
    begin, _, end = text.partition("-")
    first, last = _TIME.fullmatch(begin), _TIME.fullmatch(end)
    if first is None or last is None:
        message = f'quietHours: {shown(text)} is not two times such as "23:00-07:00"'
        raise Invalid(message)
    return Quiet(60 * int(first[1]) + int(first[2]), 60 * int(last[1]) + int(last[2]))


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"

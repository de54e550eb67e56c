"""The clocks of the machine. What waits goes by one that nobody sets; the time of day is for people and other programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any


def go_by_monotonic_time(reactor: Any) -> None:
    """Let a real reactor, which goes by the time of day, go by the machine's monotonic clock (CLOCK_MONOTONIC).

    All that Twisted schedules asks its reactor for the time: calls, timeouts, its HTTP, and how long it sleeps. So a clock
    that is set back or forth neither holds anything up nor ends it early. What is waited for already keeps the time that it
    has left.
    """
    before = reactor.seconds()
    reactor.seconds = time.monotonic
    for call in reactor.getDelayedCalls():
        left = max(0.0, call.getTime() - before)
        call.seconds = time.monotonic
        call.reset(left)


def time_with_sleep(reactor: Any) -> Callable[[], float]:
    """Give the clock that also counts the time for which the machine was suspended (CLOCK_BOOTTIME), as everybody else does.

    A reactor that does not go by the machine's clock, and a system that has no such clock, have but one.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if reactor.seconds is not time.monotonic or clock is None:
        seconds: Callable[[], float] = reactor.seconds
        return seconds
    return partial(time.clock_gettime, clock)

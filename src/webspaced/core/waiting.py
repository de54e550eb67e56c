"""How visitors wait for a boot, and what a page tells those who wait before a browser."""

from __future__ import annotations

import math
from collections.abc import Collection
from enum import StrEnum

from webspaced.core.visitor import weighted


class Waiting(StrEnum):
    """How a visitor's browser is kept waiting, as members and the operator write it."""

    DEFAULT = "default"
    """As the operator has set."""
    HOLD = "hold"
    """The connection is held until the answer is there."""
    PAGE = "page"
    """After a while it gets a page that reloads itself."""


class Phase(StrEnum):
    """How far a boot is."""

    QUEUED = "queued"
    """LXD was not asked for the start yet."""
    STARTING = "starting"
    """It has no address yet."""
    ANSWERING = "answering"
    """It runs, and its port is waited for."""


class Refusal(StrEnum):
    """Why a page says that there is nothing to wait for, or not for this visitor now."""

    BUSY = "busy"
    """There is no place for the moment."""
    LATER = "later"
    """It cannot be reached now, for other reasons."""
    FAILED = "failed"
    """It was started and did not come up."""
    STOPPED = "stopped"
    """Its owner has switched it off."""
    SUSPENDED = "suspended"
    """An admin has."""


STEADY = 10.0
"""Seconds in which a boot that goes on steadily makes two thirds of the way that is left in its phase."""
_PARTS = {Phase.QUEUED: (4, 4), Phase.STARTING: (15, 65), Phase.ANSWERING: (70, 97)}


def progress(phase: Phase, seconds: float) -> int:
    """Give how far a boot is in percent, by its phase and how long it has been waited for.

    How long it takes nobody knows: within a phase it goes on ever more slowly, and never to its end.
    """
    begin, end = _PARTS[phase]
    return round(begin + (end - begin) * (1 - math.exp(-max(0.0, seconds) / STEADY)))


def preferred(accepted: str, spoken: Collection[str], default: str) -> str:
    """Give the language of those that are spoken which a visitor likes best (RFC 4647 section 3.4, lookup).

    :param accepted: the value of ``Accept-Language``; what cannot be understood there counts as nothing.
    """
    for wanted, weight in sorted(weighted(accepted), key=lambda each: -each[1]):
        if not weight:
            break
        parts = wanted.split("-")
        for length in range(len(parts), 0, -1):
            tag = "-".join(parts[:length])
            if tag in spoken:
                return tag
    return default

"""The time zone of this machine, with its rules."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfoNotFoundError

from twisted.logger import Logger
from tzlocal import get_localzone

log = Logger()


def own_zone() -> tzinfo:
    """Give the machine's time zone (``TZ``, else what ``/etc`` says); UTC where that cannot be told."""
    try:
        return get_localzone()
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        log.warn(
            "the time zone of this machine cannot be told, so times of the day are UTC: {error}",
            event="daemon.no-time-zone",
            error=str(error),
        )
        return UTC

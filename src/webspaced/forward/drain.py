"""The end of all visits: who is relayed may finish, for a while."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from webspaced.errors import Refused
from webspaced.forward.visits import Visits

LOOK = 1.0
"""Seconds between two looks at web visitors: one that has its answer and was silent for as long has finished. Traefik keeps
connections open for later."""
RETRY_AFTER = 5.0

log = Logger()


async def drain(clock: IReactorTime, crowds: Sequence[Visits], seconds: float) -> None:
    """Refuse who waits, wait for who is relayed, and reset who is left after so many seconds, or when this is cancelled."""
    try:
        if seconds:
            await _emptied(clock, crowds, seconds)
    finally:
        for visits in crowds:
            visits.cut_all()


async def _emptied(clock: IReactorTime, crowds: Sequence[Visits], seconds: float) -> None:
    for visits in crowds:
        visits.turn_away(Refused("webspaced is being restarted", retry_after=RETRY_AFTER))
    empty: Deferred[list[None]] = gatherResults([visits.emptied() for visits in crowds], consumeErrors=True)
    if empty.called:
        return
    log.info(
        "{count} visitors have up to {seconds:g} s to finish",
        event="relay.drains",
        count=_present(crowds),
        seconds=seconds,
    )
    looking = LoopingCall(_look, crowds)
    looking.clock = clock
    looking.start(LOOK, now=False)
    over = clock.callLater(seconds, empty.cancel)
    try:
        await empty
    except (CancelledError, FirstError):
        # Somebody else may have lost patience, too: with all of this.
        if over.active():
            raise CancelledError from None
    finally:
        looking.stop()
        if over.active():
            over.cancel()


def _look(crowds: Sequence[Visits]) -> None:
    for visits in crowds:
        visits.cut_answered()


def _present(crowds: Sequence[Visits]) -> int:
    return sum(len(visits.present) for visits in crowds)

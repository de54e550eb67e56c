"""Log lines that strangers and members can cause as often as they like: so many are written, the others counted.

Of one cause (a member, an address) some lines are written each second, and of all causes together some more. What is left
out is summed up a minute later. Without this the disk is anybody's who can ask for something.
"""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from webspaced.lib.buckets import Buckets, Rate

OF_A_CAUSE, OF_ALL = Rate(5, 100), Rate(20, 300)
"""Lines a second in the long run, and at once after a rest: at most some 250 MB a day, whatever happens."""
MOST_CAUSES = 4096
SUMMING = 60.0
"""Seconds after which what was left out is summed up."""


class Sparing:
    """Says whether one more line of a kind may be written."""

    def __init__(self, clock: IReactorTime, log: Logger, what: str) -> None:
        """:param what: the lines, in the plural, for the sum."""
        self._clock = clock
        self._log = log
        self._what = what
        self._causes: Buckets[str] = Buckets(clock, OF_A_CAUSE, MOST_CAUSES)
        self._all: Buckets[str] = Buckets(clock, OF_ALL, 1)
        self._left_out = 0
        self._summing: IDelayedCall | None = None

    def may(self, cause: str) -> bool:
        """Whether a line may be written; if not, it is counted."""
        if not self._causes.take(cause) and not self._all.take(""):
            return True
        self._left_out += 1
        if self._summing is None:
            self._summing = self._clock.callLater(SUMMING, self._sum_up)
        return False

    def _sum_up(self) -> None:
        number, self._left_out, self._summing = self._left_out, 0, None
        self._log.info(
            "{count} more {what} within {seconds:g} s are not written here",
            event="log.left-out",
            count=number,
            what=self._what,
            seconds=SUMMING,
        )

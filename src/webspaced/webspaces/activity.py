"""When each webspace was last used, by whatever can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define
from twisted.internet.interfaces import IReactorTime


@define
class _Known:
    """``last``: when it was active; ``looked``: up to when that is known. Seconds of the clock."""

    last: float
    looked: float
    users: int = 0
    asked: bool = True
    """Whether anybody has used it since a schedule woke it."""
    kept: float = 0.0
    """Until when it is not to fall asleep."""


class Activity:
    """Activity by webspace. One of which nothing was told yet counts as active now."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._known: dict[int, _Known] = {}
        self.stirred: Callable[[int], None] = lambda _uid: None
        """Is called with a webspace that somebody says something to who has been connected for long."""

    def note(self, uid: int) -> None:
        """Say that somebody uses a webspace now."""
        self._of(uid).asked = True
        self.moved(uid)

    def moved(self, uid: int) -> None:
        """Say that a webspace is active now, whoever causes that."""
        known = self._of(uid)
        known.last = known.looked = self._clock.seconds()

    def scheduled(self, uid: int) -> None:
        """Say that a schedule wakes a webspace; whoever waits for it already has asked for it."""
        known = self._of(uid)
        known.asked = bool(known.users)

    def rested(self, uid: int) -> None:
        """Say that a webspace sleeps: whoever wakes it asks for it, but for a schedule."""
        self._of(uid).asked = True

    def is_asked_for(self, uid: int) -> bool:
        """Whether anybody but a schedule wants it awake, as far as is known."""
        return self._of(uid).asked

    def keep(self, uid: int, seconds: float) -> None:
        """Keep a webspace from falling asleep for so many seconds, and no shorter than was said before."""
        known = self._of(uid)
        known.kept = max(known.kept, self._clock.seconds() + seconds)

    def kept_for(self, uid: int) -> float:
        """Give for how many seconds a webspace is still not to fall asleep."""
        return max(0.0, self._of(uid).kept - self._clock.seconds())

    def stir(self, uid: int) -> None:
        """Say that somebody uses a webspace, of one that may be asleep: it is woken."""
        self.note(uid)
        self.stirred(uid)

    def looked(self, uid: int) -> None:
        """Say that a webspace has been watched up to now, and nothing was seen."""
        self._of(uid).looked = self._clock.seconds()

    @contextmanager
    def used(self, uid: int) -> Iterator[None]:
        """Count a webspace as active for the time of the context."""
        self.note(uid)
        known = self._of(uid)
        known.users += 1
        try:
            yield
        finally:
            known.users -= 1
            self.note(uid)

    def last(self, uid: int) -> float:
        """Give when a webspace was active the last time, in seconds of the clock."""
        known = self._of(uid)
        return self._clock.seconds() if known.users else known.last

    def idle(self, uid: int, *, frozen: bool = False) -> float:
        """Give for how many seconds a webspace was idle, as far as is known.

        :param frozen: it cannot have done anything since it was looked at.
        """
        known = self._of(uid)
        if known.users:
            return 0.0
        return (self._clock.seconds() if frozen else known.looked) - known.last

    def forget(self, uid: int) -> None:
        """Drop what is known of a webspace that is gone."""
        self._known.pop(uid, None)

    def _of(self, uid: int) -> _Known:
        known = self._known.get(uid)
        if known is None:
            now = self._clock.seconds()
            known = self._known[uid] = _Known(now, now)
        return known

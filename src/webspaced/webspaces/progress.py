"""How far creations are, for those who wait for them: in memory only, and for a minute after their end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from webspaced.core.creation import Progress, Step
from webspaced.errors import NotFound
from webspaced.lib.expiring import ExpiringCache

KEPT = 60.0
"""Seconds for which the outcome can be asked for: somebody's connection may have been lost in the last moment."""
MOST_KEPT = 1000


class Creation:
    """One creation. ``steps`` are those that it has; ``error`` is why it failed, once it is over."""

    def __init__(self, clock: IReactorTime, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)
        self.progress = Progress(step=self.steps[0])
        self.begun = False
        """Whether there is anything to tell of: what is refused at once is told to who asked for it, and to nobody later."""
        self.over = False
        self.error: BaseException | None = None
        self.clock = self._clock = clock
        self._began = clock.seconds()
        self._ended: float | None = None
        self._waiting: list[Deferred[bool]] = []

    @property
    def seconds(self) -> float:
        """How long it has taken so far, or took."""
        return (self._clock.seconds() if self._ended is None else self._ended) - self._began

    def tell(self, progress: Progress) -> None:
        """Note how far it is."""
        if progress != self.progress and not self.over:
            self.progress = progress
            self.wake()

    def at(self, step: Step) -> None:
        """Note that a step begins."""
        self.tell(Progress(step=step))

    def end(self, error: BaseException | None = None) -> None:
        """Note the end."""
        self.over, self.error, self._ended = True, error, self._clock.seconds()
        self.wake()

    def changed(self, within: float) -> Deferred[bool]:
        """Fire at the next change with ``True``, or with ``False`` after so many seconds without one."""
        waiter: Deferred[bool] = Deferred(self._forget)
        self._waiting.append(waiter)
        return waiter.addTimeout(within, self._clock, lambda *_: False)

    def _forget(self, waiter: Deferred[bool]) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def wake(self) -> None:
        """Let everybody look who waits for a change."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(True)


class Creations:
    """Those under way, and those that ended a moment ago, by user id."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._under_way: dict[int, Creation] = {}
        self._ended: ExpiringCache[int, Creation] = ExpiringCache(clock, MOST_KEPT)

    def get(self, uid: int) -> Creation:
        """Give a user's creation; ``NotFound`` if none is under way or ended a moment ago."""
        creation = self._under_way.get(uid) or self._ended.get(uid)
        if creation is None:
            message = "no webspace is being created"
            raise NotFound(message)
        return creation

    def __contains__(self, uid: int) -> bool:
        return uid in self._under_way

    @contextmanager
    def begin(self, uid: int, steps: Sequence[Step]) -> Iterator[Creation]:
        """Show a creation for as long as the context lasts, and for a minute how it ended."""
        creation = self._under_way[uid] = Creation(self._clock, steps)
        try:
            yield creation
        except Exception as error:
            # Not the end of the interpreter, or of a test's world: then there is nobody to tell.
            creation.end(error)
            raise
        else:
            creation.end()
        finally:
            del self._under_way[uid]
            if creation.begun:
                self._ended.put(uid, creation, KEPT)

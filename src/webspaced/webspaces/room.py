"""Room for one more webspace: how many may run, and how much memory must be free (design decision 17).

Whoever finds none waits in a queue, and somebody who is idle is asked to make room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from webspaced.errors import Momentary, Refused
from webspaced.interfaces import IRoom
from webspaced.webspaces.registry import Registry

RETRY_AFTER = 10.0


@implementer(IRoom)
class Room:
    """See :class:`webspaced.interfaces.IRoom`."""

    def __init__(self, clock: IReactorTime, registry: Registry, most: int, max_wait: float) -> None:
        """:param most: webspaces that may have processes at once, frozen ones too; 0 for any number.

        :param max_wait: seconds after which who waits is refused.
        """
        self.wanted: Callable[[], None] = lambda: None
        """Is called when somebody waits for room; :attr:`lacking` tells how much."""
        self.short: frozenset[str] = frozenset()
        """Where memory is short: nobody is let in there. Cluster members' names, ``none`` without a cluster."""
        self._allowed: dict[str, int] = {}
        self._clock = clock
        self._registry = registry
        self._most = most
        self._max_wait = max_wait
        self._starting: set[int] = set()
        self._waiting: deque[tuple[int, Deferred[None]]] = deque()
        registry.subscribe(lambda _uid: self.look())

    @property
    def lacking(self) -> int:
        """Give for how many there is no room who wait for it."""
        return len(self._waiting)

    @property
    def is_bounded(self) -> bool:
        """Whether there is a bound on how many run."""
        return bool(self._most)

    def allow(self, location: str, count: int) -> None:
        """Say how many of those who wait memory has room for there, until this is said again."""
        self._allowed[location] = count

    def gains_by(self, location: str) -> bool:
        """Whether it helps somebody if one is stopped there."""
        return bool(self._waiting) if not self.short else location in self.short

    async def enter(self, uid: int) -> None:
        """See :meth:`webspaced.interfaces.IRoom.enter`."""
        if not self._waiting and self._has_room(uid):
            self._starting.add(uid)
            return
        entered: Deferred[None] = Deferred()
        place = (uid, entered)
        self._waiting.append(place)
        self.wanted()
        try:
            await entered.addTimeout(self._max_wait, self._clock, self._too_late)
        except (CancelledError, Refused):
            if place in self._waiting:
                self._waiting.remove(place)
            raise

    def _too_late(self, _result: object, _seconds: float) -> None:
        what = "memory is short" if self.short else "too many webspaces are running already"
        raise Momentary(what, retry_after=RETRY_AFTER)

    def leave(self, uid: int) -> None:
        """See :meth:`webspaced.interfaces.IRoom.leave`."""
        if uid in self._starting:
            self._starting.discard(uid)
            self.look()

    def look(self) -> None:
        """Let in whom there is room for by now, in the order in which they came."""
        for place in list(self._waiting):
            uid, entered = place
            if self._has_room(uid) and place in self._waiting and self._is_allowed(uid):
                self._waiting.remove(place)
                self._starting.add(uid)
                entered.callback(None)

    def _is_allowed(self, uid: int) -> bool:
        """Take one of the places that memory has for those who wait: all at once they would take more than there is."""
        observed = self._registry.get(uid)
        if observed is None or observed.instance.location not in self._allowed:
            return True
        self._allowed[observed.instance.location] -= 1
        return self._allowed[observed.instance.location] >= 0

    def _has_room(self, uid: int) -> bool:
        observed = self._registry.get(uid)
        if observed is not None and observed.instance.location in self.short:
            return False
        if not self._most:
            return True
        living = {each.uid for each in self._registry if each.lives}
        return len(living | self._starting) < self._most

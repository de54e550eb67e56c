"""Room for one more webspace: how many may run, and how much memory must be free (design decision 17).

Whoever finds none waits in a queue, and somebody who is idle is asked to make room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import inf

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
        self.short: Mapping[str, int] = {}
        """Where memory is short: nobody is let in there; and how many have to be stopped, as far as that can be told,
        so that there is enough. By cluster members' names, ``none`` without a cluster."""
        self._allowed: dict[str, int] = {}
        """Where memory was short, for how many who have waited for it there is some."""
        self._clock = clock
        self._registry = registry
        self._most = most
        self.max_wait = max_wait
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

    def bound(self, most: int, max_wait: float) -> None:
        """Go by other bounds: of webspaces that run (0: none), and of seconds that newcomers wait."""
        self._most, self.max_wait = most, max_wait
        self.look()

    def allow(self, location: str, count: int) -> None:
        """Say for how many of those who wait there is memory where it was short, until this is said again.

        Let in all at once they would take more than there is.
        """
        self._allowed[location] = count

    def is_recovering(self, location: str) -> bool:
        """Whether memory is short there, or was, and there is still somebody who has waited for it."""
        return location in self.short or location in self._allowed

    def gains_by(self, location: str) -> bool:
        """Whether it helps somebody if one is stopped there."""
        if not self.short:
            return bool(self._waiting)
        return location in self.short or not all(self._is_short_for(uid) for uid, _ in self._waiting)

    async def enter(self, uid: int) -> None:
        """See :meth:`webspaced.interfaces.IRoom.enter`."""
        if uid in self._starting:
            return
        entered: Deferred[None] = Deferred()
        place = (uid, entered)
        self._waiting.append(place)
        self._let_in([place] if self._is_next(uid) else [])
        if not entered.called:
            self.wanted()
        try:
            await entered.addTimeout(self.max_wait, self._clock, self._too_late)
        except (CancelledError, Refused):
            if place in self._waiting:
                self._waiting.remove(place)
            raise

    def _too_late(self, _result: object, _seconds: float) -> None:
        what = "memory is short" if self.short else "too many webspaces are running already"
        raise Momentary(what, retry_after=RETRY_AFTER)

    def keep(self, uid: int) -> None:
        """See :meth:`webspaced.interfaces.IRoom.keep`."""
        self._starting.add(uid)

    def leave(self, uid: int) -> None:
        """See :meth:`webspaced.interfaces.IRoom.leave`."""
        if uid in self._starting:
            self._starting.discard(uid)
            self.look()

    def look(self) -> None:
        """Let in whom there is room for by now, in the order in which they came."""
        self._let_in(list(self._waiting))
        if not self._waiting:
            self._allowed.clear()

    def _is_next(self, uid: int) -> bool:
        """Whether nobody who came before waits for the same room: where memory is short elsewhere keeps nobody here."""
        return all(self._is_short_for(other) for other, entered in self._waiting if other != uid and not entered.called)

    def _let_in(self, places: Sequence[tuple[int, Deferred[None]]]) -> None:
        # Counted once for all of them: there may be many webspaces, and many who wait.
        left = self._places_left() if places else 0
        entering: list[Deferred[None]] = []
        for uid, entered in places:
            if left > len(entering) and not self._is_short_for(uid) and self._takes_memory(uid):
                self._waiting.remove((uid, entered))
                self._starting.add(uid)
                entering.append(entered)
        for entered in entering:
            # Who was called before may have ended others' waiting.
            if not entered.called:
                entered.callback(None)

    def _takes_memory(self, uid: int) -> bool:
        observed = self._registry.get(uid)
        if observed is None or observed.instance.location not in self._allowed:
            return True
        left = self._allowed[observed.instance.location]
        self._allowed[observed.instance.location] = max(0, left - 1)
        return left > 0

    def _is_short_for(self, uid: int) -> bool:
        observed = self._registry.get(uid)
        return observed is not None and observed.instance.location in self.short

    def _places_left(self) -> float:
        if not self._most:
            return inf
        living = {each.uid for each in self._registry if each.lives}
        return self._most - len(living | self._starting)

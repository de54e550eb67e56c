"""Bounds on how much there may be at once: of one webspace, of one visitor, and of all together.

When one of the bounds is reached, room is made by ending who carried nothing for longest, where there are the most: of the
fullest webspace, and there of the visitor who has the most. So whoever takes much loses first, and who needs one has it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from itertools import islice
from typing import Protocol, TypeAlias, TypeVar

from attrs import define, field

from webspaced.lib.ranking import Ranking

LEAST_IDLE = 1.0
"""Seconds: who carried something since is not ended to make room for others, unless told otherwise."""
LOOKS, GROUPS = 32, 4
"""Of so many at most it is seen whether they are idle, in each of so many groups: each newcomer costs as little as that."""


class Holder(Protocol):
    """Who has a place."""

    def idle(self) -> float:
        """Give for how many seconds it is known to have carried nothing; whatever it carried since the last call counts.

        Less than nothing says that it must not be ended.
        """

    def displaced(self, places: Places) -> None:
        """Be told that the place is somebody else's now."""


Group: TypeAlias = tuple[int, str]
A = TypeVar("A", bound=Hashable)
B = TypeVar("B", bound=Hashable)


@define
class Places:
    """So many in all, so many for one webspace, and so many for one visitor (0: no bound of theirs).

    ``fits`` says whether the machine has room for one more.
    """

    most: int
    most_per_webspace: int
    most_per_visitor: int = 0
    fits: Callable[[], bool] = lambda: True
    least_idle: float = LEAST_IDLE
    spares_busy: bool = False
    """Whether a visitor who has all of theirs loses none that carried something just now, and gets no other."""
    held: int = field(default=0, init=False)
    """The number of places taken now."""
    _groups: dict[Group, dict[Holder, None]] = field(factory=dict, init=False, repr=False)
    """Who has one; in front are those of whom nothing was seen for longest."""
    _webspaces: Ranking[int] = field(factory=Ranking, init=False, repr=False)
    _visitors: Ranking[str] = field(factory=Ranking, init=False, repr=False)
    _visitors_of: dict[int, Ranking[str]] = field(factory=dict, init=False, repr=False)
    _webspaces_of: dict[str, Ranking[int]] = field(factory=dict, init=False, repr=False)

    def bound_as(self, other: Places) -> None:
        """Have the bounds of others. Those who have a place keep it."""
        self.most, self.most_per_webspace = other.most, other.most_per_webspace
        self.most_per_visitor = other.most_per_visitor

    @property
    def full(self) -> bool:
        """Whether there is no place for anybody, unless somebody loses theirs."""
        return self.held >= self.most or not self.fits()

    def has_room(self) -> bool:
        """Whether there is a place for somebody, or can be."""
        return not self.full or self._idle_one(self._anywhere(0), self.least_idle) is not None

    def take(self, uid: int, holder: Holder, visitor: str = "") -> bool:
        """Take a place in a webspace for a visitor, if there is one or can be."""
        if not (self._room_of(uid, visitor) and self._room_in(uid, visitor) and self._room(uid)):
            return False
        self.held += 1
        self._groups.setdefault((uid, visitor), {})[holder] = None
        self._webspaces.add(uid)
        self._visitors.add(visitor)
        self._visitors_of.setdefault(uid, Ranking()).add(visitor)
        self._webspaces_of.setdefault(visitor, Ranking()).add(uid)
        return True

    def give_back(self, uid: int, holder: Holder, visitor: str = "") -> None:
        """Give a taken place back, unless it is somebody else's by now."""
        group = self._groups.get((uid, visitor), {})
        if holder not in group:
            return
        del group[holder]
        if not group:
            del self._groups[uid, visitor]
        self.held -= 1
        self._webspaces.remove(uid)
        self._visitors.remove(visitor)
        _less(self._visitors_of, uid, visitor)
        _less(self._webspaces_of, visitor, uid)

    # --- room, or who has to make it

    def _room_of(self, uid: int, visitor: str) -> bool:
        most = self.most_per_visitor
        if not most or not visitor or self._visitors[visitor] < most:
            return True
        # At last one's own that was idle for ever so short: others are no worse off, and nobody is turned away.
        groups = [(each, visitor) for each in self._webspaces_of[visitor].first(GROUPS)]
        least_idle = (self.least_idle,) if self.spares_busy else (self.least_idle, 0.0)
        return any(self._displace(iter(groups), least) for least in least_idle)

    def _room_in(self, uid: int, visitor: str) -> bool:
        if self._webspaces[uid] < self.most_per_webspace:
            return True
        return uid in self._visitors_of and self._displace(
            self._in(uid, self._visitors_of[uid][visitor]), self.least_idle
        )

    def _room(self, uid: int) -> bool:
        return not self.full or self._displace(self._anywhere(self._webspaces[uid]), self.least_idle)

    def _in(self, uid: int, least: int) -> Iterator[Group]:
        ranking = self._visitors_of[uid]
        return ((uid, visitor) for visitor in ranking.first(GROUPS) if ranking[visitor] >= least)

    def _anywhere(self, least: int) -> Iterator[Group]:
        """Give where there are the most; nobody makes room for a webspace or visitor that has more already."""
        for uid in self._webspaces.first(GROUPS):
            if self._webspaces[uid] >= least:
                yield from self._in(uid, 0)

    def _displace(self, groups: Iterator[Group], least: float) -> bool:
        found = self._idle_one(groups, least)
        if found is None:
            return False
        (uid, visitor), holder = found
        self.give_back(uid, holder, visitor)
        holder.displaced(self)
        return True

    def _idle_one(self, groups: Iterator[Group], least: float) -> tuple[Group, Holder] | None:
        for key in groups:
            group, found, longest = self._groups[key], None, least
            for holder in list(islice(group, LOOKS)):
                idle = holder.idle()
                if idle < least:
                    # It carried something: it is last in line again.
                    del group[holder]
                    group[holder] = None
                elif found is None or idle > longest:
                    found, longest = holder, idle
            if found is not None:
                return key, found
        return None


def _less(rankings: dict[A, Ranking[B]], of: A, key: B) -> None:
    ranking = rankings[of]
    ranking.remove(key)
    if not ranking:
        del rankings[of]

"""Bounds on how much there may be at once, of one webspace and of all together."""

from __future__ import annotations

from collections import Counter

from attrs import define, field


@define
class Places:
    """So many in all, and so many for one webspace."""

    most: int
    most_per_webspace: int
    held: int = field(default=0, init=False)
    """The number of places taken now."""
    _held: Counter[int] = field(factory=Counter, init=False)

    @property
    def full(self) -> bool:
        """Whether there is no place for anybody."""
        return self.held >= self.most

    def take(self, uid: int) -> bool:
        """Take a place for a webspace, if there is one."""
        if self.full or self._held[uid] >= self.most_per_webspace:
            return False
        self.held += 1
        self._held[uid] += 1
        return True

    def give_back(self, uid: int) -> None:
        """Give a taken place back."""
        self.held -= 1
        self._held[uid] -= 1
        if not self._held[uid]:
            del self._held[uid]

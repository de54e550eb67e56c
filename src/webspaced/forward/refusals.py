"""What the log says of visitors who are refused: that a webspace begins to, and later how many they were.

A line for each would be a stranger's way to fill the disk; the counters have the rest.
"""

from __future__ import annotations

from attrs import define
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

LOOK = 60.0
"""Seconds without a refusal after which a webspace is taken to refuse nobody any more: it is looked every so often."""


@define
class _Spell:
    """The refusals of one webspace. ``seen`` is how many there were at the last look."""

    began: float
    ended: float
    number: int = 0
    seen: int = 0
    error: str = ""


class Refusals:
    """One line when a webspace begins to refuse visitors, and one that sums up."""

    log = Logger()

    def __init__(self, clock: IReactorTime, who: str = "webspace {uid}") -> None:
        """:param who: refuses, in the log's words."""
        self._clock = clock
        self._who = who
        self._spells: dict[int, _Spell] = {}

    def refused(self, uid: int, error: str) -> None:
        """Note that a visitor was refused."""
        now = self._clock.seconds()
        spell = self._spells.get(uid)
        if spell is None:
            spell = self._spells[uid] = _Spell(began=now, ended=now)
            self.log.info(
                "{who} begins to refuse visitors: {error}",
                event="visit.refusals-began", who=self._name(uid), webspace=uid, error=error,
            )  # fmt: skip
        spell.number += 1
        spell.ended, spell.error = now, error

    def look(self) -> None:
        """Sum up what is over."""
        for uid, spell in list(self._spells.items()):
            if spell.number == spell.seen:
                self._sum_up(uid)
            spell.seen = spell.number

    def close(self) -> None:
        """Sum everything up."""
        for uid in list(self._spells):
            self._sum_up(uid)

    def _sum_up(self, uid: int) -> None:
        spell = self._spells.pop(uid)
        if spell.number > 1:
            self.log.info(
                "{who} refused {count} visitors within {seconds:.0f} s, the last one because {error}",
                event="visit.refusals-ended",
                who=self._name(uid),
                webspace=uid,
                count=spell.number,
                seconds=spell.ended - spell.began,
                error=spell.error,
            )

    def _name(self, uid: int) -> str:
        return self._who.format(uid=uid)

"""The factory of one listener: its visits, where they lead, and what was counted of them."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory

from webspaced.errors import Refused
from webspaced.forward.counters import NOBODY, Counters
from webspaced.forward.means import Destination, Means
from webspaced.forward.states import Stage
from webspaced.forward.visit import Visit
from webspaced.lib.addresses import counted_as

ALMOST = 0.999
"""Looks at times that are told in seconds are not to miss by a rounding."""


class Visits(Factory):
    """The visits of one listener. ``None`` as destination turns visitors away."""

    noisy = False

    def __init__(
        self, means: Means, destination: Callable[[], Destination | None], kind: type[Visit] = Visit
    ) -> None:
        """:param kind: of each visit."""
        self.destination = destination
        self._kind = kind
        self.means = means
        self.present: set[Visit] = set()
        self.opened = self.to_container = self.to_visitor = 0
        self.held_seconds = 0.0
        self.failed: dict[str, int] = {}
        self._emptied: Deferred[None] | None = None

    def buildProtocol(self, addr: Any) -> Visit | None:
        """Give a visit, or ``None`` to close the connection at once."""
        destination = self.destination()
        if destination is None:
            return None
        return self._kind(self, destination, counted_as(addr) if self.means.by_visitor else "")

    @property
    def held(self) -> set[Visit]:
        """Those who wait."""
        return self._at(Stage.HELD)

    @property
    def relayed(self) -> set[Visit]:
        """Those who are connected to a container."""
        return self._at(Stage.RELAYED)

    def _at(self, stage: Stage) -> set[Visit]:
        return {visit for visit in self.present if visit.stage is stage}

    def count(self, reason: str) -> None:
        """Count a visitor that is not served."""
        self.failed[reason] = self.failed.get(reason, 0) + 1

    def left(self, visit: Visit) -> None:
        """Forget a visitor, and add up what it moved."""
        self.present.discard(visit)
        to_container, to_visitor = visit.moved()
        self.to_container += to_container
        self.to_visitor += to_visitor
        if self._emptied is not None and not self.present:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def counters(self) -> Counters:
        """Give what was counted up to now."""
        if not (self.present or self.opened or self.failed or self.held_seconds):
            # Of ten thousand most have seen nobody.
            return NOBODY
        moved = [visit.moved() for visit in self.present]
        return Counters(
            open=len(self.relayed),
            held=len(self.held),
            opened=self.opened,
            failed=dict(self.failed),
            to_container=self.to_container + sum(there for there, _ in moved),
            to_visitor=self.to_visitor + sum(back for _, back in moved),
            held_seconds=self.held_seconds,
        )

    def cut_relayed(self) -> None:
        """Reset the connections to a container that is gone."""
        for visit in self.relayed:
            visit.cut()

    def cut_unwanted(self) -> None:
        """Reset the connections of a listener that is no longer wanted; who is being refused may still read why."""
        for visit in self._at(Stage.ARRIVED) | self.held | self.relayed:
            visit.cut()

    def cut_all(self) -> None:
        """Reset every connection."""
        for visit in set(self.present):
            visit.cut()

    def cut_idle(self, most: float) -> None:
        """Reset relayed connections on which nothing moved for so many seconds, as far as it was looked."""
        for visit in self.relayed:
            if visit.idle() >= most * ALMOST:
                visit.cut()

    def cut_answered(self) -> None:
        """Reset relayed web connections on which nothing moved since the last call of this, if nobody awaits an answer."""
        for visit in self.relayed:
            if visit.web and visit.idle() and not visit.unanswered:
                visit.cut()

    def turn_away(self, error: Refused, since: float = inf) -> None:
        """Refuse all who wait since then or longer, for their webspace or to be understood."""
        for visit in self._at(Stage.ARRIVED) | self.held:
            if visit.since <= since:
                visit.turn_away(error)

    def emptied(self) -> Deferred[None]:
        """Fire once nobody is here; asked once."""
        if not self.present:
            return succeed(None)
        self._emptied = Deferred()
        return self._emptied

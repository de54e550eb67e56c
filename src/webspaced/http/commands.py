"""Plain commands that are under way: how many there may be."""

from __future__ import annotations

from webspaced.core.command import Command, Completed
from webspaced.http.problems import TooManyRequests
from webspaced.lib.measures import Counted
from webspaced.lib.places import Places
from webspaced.webspaces.insides import Insides

RETRY_AFTER = 5.0
"""Seconds: most commands are short, but one may take a minute."""


class _Running:
    """A command, which keeps its place until it has ended."""

    def idle(self) -> float:
        return 0.0

    def displaced(self, places: Places) -> None:
        raise AssertionError


class Commands:
    """Runs commands on behalf of requests. Whoever goes away ends their command: nobody would read what it says."""

    def __init__(self, insides: Insides, most: int, most_per_webspace: int) -> None:
        """:param most: in all; each takes four connections to LXD."""
        self._insides = insides
        self.hits = Counted()
        self._places = Places(most, min(most_per_webspace, max(1, most // 4)))

    def bound(self, most_per_webspace: int) -> None:
        """Let one webspace have so many from now on."""
        self._places.most_per_webspace = min(most_per_webspace, max(1, self._places.most // 4))

    async def run(self, uid: int, command: Command) -> Completed:
        """Run one as :meth:`Insides.run` does; ``TooManyRequests`` where there are too many."""
        running = _Running()
        if not self._places.take(uid, running):
            self.hits.add("commands")
            message = "too many commands are running"
            raise TooManyRequests(message, retry_after=RETRY_AFTER)
        try:
            return await self._insides.run(uid, command)
        finally:
            self._places.give_back(uid, running)

"""Plain commands that are under way: how many there may be."""

from __future__ import annotations

from webspaced.core.command import Command, Completed
from webspaced.http.problems import TooManyRequests
from webspaced.lib.places import Places
from webspaced.webspaces.insides import Insides

MOST_PER_WEBSPACE = 16
"""A panel that asks for several things at once needs no more; whoever does is to wait."""
MOST = 200
"""Each takes four connections to LXD, beside its client's: a thousand descriptors in all."""
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

    def __init__(self, insides: Insides) -> None:
        self._insides = insides
        self._places = Places(MOST, MOST_PER_WEBSPACE)

    async def run(self, uid: int, command: Command) -> Completed:
        """Run one as :meth:`Insides.run` does; ``TooManyRequests`` where there are too many."""
        running = _Running()
        if not self._places.take(uid, running):
            message = "too many commands are running"
            raise TooManyRequests(message, retry_after=RETRY_AFTER)
        try:
            return await self._insides.run(uid, command)
        finally:
            self._places.give_back(uid, running)

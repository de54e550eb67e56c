"""Plain commands that are under way: how many there may be."""

from __future__ import annotations

from collections import Counter

from webspaced.core.command import Command, Completed
from webspaced.http.problems import TooManyRequests
from webspaced.webspaces.insides import Insides

MOST_PER_WEBSPACE = 16
"""A panel that asks for several things at once needs no more; whoever does is to wait."""
MOST = 200
"""Each takes four connections to LXD, beside its client's: a thousand descriptors in all."""
RETRY_AFTER = 5.0
"""Seconds: most commands are short, but one may take a minute."""


class Commands:
    """Runs commands on behalf of requests. Whoever goes away ends their command: nobody would read what it says."""

    def __init__(self, insides: Insides) -> None:
        self._insides = insides
        self._running: Counter[int] = Counter()

    def __len__(self) -> int:
        return self._running.total()

    async def run(self, uid: int, command: Command) -> Completed:
        """Run one as :meth:`Insides.run` does; ``TooManyRequests`` where there are too many."""
        if len(self) >= MOST or self._running[uid] >= MOST_PER_WEBSPACE:
            message = "too many commands are running"
            raise TooManyRequests(message, retry_after=RETRY_AFTER)
        self._running[uid] += 1
        try:
            return await self._insides.run(uid, command)
        finally:
            self._running[uid] -= 1
            # Those of which there are none are forgotten.
            self._running += Counter()

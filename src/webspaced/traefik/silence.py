"""Whether a Traefik of the operator's own lets go who says nothing: seen from outside, as its configuration cannot be.

The embedded one needs no such look: its visitors come by :mod:`webspaced.forward.front`.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.errors import DeadlineExceeded
from webspaced.lib.deferreds import bounded

LOOK = 300.0
"""Seconds between two looks, each of which takes as long as silence is borne."""
SHORT = 300.0
"""Seconds: who bears less cuts uploads that take longer, as silence and uploads have one bound."""
LONGEST = 3900.0
"""Seconds: a little more than docs/traefik.md advises to keep silent connections."""


class _Silent(Protocol):
    """Says nothing; ``ended`` fires when the other side is fed up."""

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        if not self.ended.called:
            self.ended.callback(None)


class _Silents(Factory):
    noisy = False
    protocol = _Silent


class SilenceWatch:
    """Looks now and then, and says in the log what it finds when that is new."""

    log = Logger()

    def __init__(self, reactor: Any, endpoint: IStreamClientEndpoint, where: str) -> None:
        """:param endpoint: an entry point; ``where`` is its URL, for messages."""
        self._reactor = reactor
        self._endpoint = endpoint
        self._where = where
        self._found = ""

    def look(self) -> Deferred[None]:
        """Be silent for as long as that is borne."""
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        try:
            silent: Any = await self._endpoint.connect(_Silents())
        except ConnectError:
            return
        began = self._reactor.seconds()
        try:
            await bounded(self._reactor, LONGEST, _until(silent.ended), "silence")
            took = self._reactor.seconds() - began
            found = f"cuts uploads that take longer than about {took:.0f} s" if took < SHORT else ""
        except DeadlineExceeded:
            silent.transport.abortConnection()
            found = "keeps connections that say nothing for longer than an hour, and scanners can take all that it may have"
        if found and found != self._found:
            self.log.warn(
                "Traefik at {where} {found}: set readTimeout of its entry points to 1h, see docs/traefik.md",
                where=self._where,
                found=found,
            )
        self._found = found


async def _until(ended: Deferred[None]) -> None:
    await ended

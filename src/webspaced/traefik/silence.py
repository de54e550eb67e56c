"""Whether a Traefik of the operator's own lets go who says nothing: seen from outside, as its configuration cannot be.

The embedded one needs no such look: its visitors come by :mod:`webspaced.forward.front`.
"""

from __future__ import annotations

from enum import Enum
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
"""Seconds: a little more than docs/how-to/own-traefik.md advises to keep silent connections."""


class Borne(Enum):
    """How long silence was borne, in words for the log."""

    WELL = ""
    BRIEFLY = "cuts uploads that take longer than about {took:.0f} s"
    FOR_EVER = "keeps connections that say nothing for longer than an hour, and scanners can take all that it may have"


_TOLD_AT = {Borne.WELL: 0, Borne.BRIEFLY: 2, Borne.FOR_EVER: 1}
"""How often in a row it is seen when it is told; 0 for never."""


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
        self._borne = Borne.WELL
        self._times = 0

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
        except DeadlineExceeded:
            silent.transport.abortConnection()
            self._judge(Borne.FOR_EVER, LONGEST)
            return
        took = self._reactor.seconds() - began
        self._judge(Borne.BRIEFLY if took < SHORT else Borne.WELL, took)

    def _judge(self, borne: Borne, took: float) -> None:
        """Tell once. One that hangs up may just have been ended: what is brief counts when it is seen twice."""
        self._times = self._times + 1 if borne is self._borne else 1
        self._borne = borne
        if self._times == _TOLD_AT[borne]:
            self.log.warn(
                "Traefik at {where} {found}: set readTimeout of its entry points to 1h, see docs/how-to/own-traefik.md",
                event="traefik.impatient",
                where=self._where,
                found=borne.value.format(took=took),
            )


async def _until(ended: Deferred[None]) -> None:
    await ended

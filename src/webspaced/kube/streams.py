"""A response's body read line by line, as it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse

from webspaced.errors import Unavailable

LONGEST_LINE = 8 * 1024 * 1024
"""Bytes; an object of etcd's has at most 1.5 MiB, and JSON may double that."""


class _Lines(LineOnlyReceiver):
    """Passes lines on until the body ends or one of them cannot be used."""

    delimiter = b"\n"
    MAX_LENGTH = LONGEST_LINE
    transport: Any

    def __init__(self, told: Callable[[bytes], None]) -> None:
        self.ended: Deferred[None] = Deferred(lambda _: self._hang_up())
        self._told = told

    def lineReceived(self, line: bytes) -> None:
        if self.ended.called:
            return
        try:
            self._told(line)
        except Exception:  # noqa: BLE001  (it is told to whoever reads)
            self._fail(Failure())

    def lineLengthExceeded(self, line: bytes) -> None:
        self._fail(Failure(Unavailable("a line of Kubernetes' watch is too long")))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.ended.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.ended.callback(None)
        else:
            self.ended.errback(reason)

    def _fail(self, failure: Failure) -> None:
        self._hang_up()
        self.ended.errback(failure)

    def _hang_up(self) -> None:
        if self.transport is None:
            return
        # Twisted hands out a stand-in that can only take leave, and then an answer that ends meanwhile is taken for whole.
        actual = getattr(self.transport, "_producer", None)
        if actual is None:
            self.transport.loseConnection()
        else:
            actual.abortConnection()


async def read_lines(response: IResponse, told: Callable[[bytes], None]) -> None:
    """Tell each line until the body ends. An error of ``told`` ends it, too, and is raised; cancelling hangs up."""
    lines = _Lines(told)
    response.deliverBody(lines)
    await lines.ended

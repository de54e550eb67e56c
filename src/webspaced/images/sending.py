"""Sends a file, whole or a part of it, as it is there: one that is still fetched is sent as it comes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from zope.interface import implementer

from webspaced.images.store import Held

PIECE = 64 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Unsatisfiable(Exception):
    """There is nothing of the file in the range that is asked for."""


def part_of(header: str | None, size: int) -> tuple[int, int] | None:
    """Read a Range header (RFC 9110, section 14): give the first byte and the one after the last.

    None where all is to be sent: without one, and with what may be ignored, such as several parts.

    :raises Unsatisfiable: the range lies beyond the file.
    """
    match = None if header is None else _RANGE.fullmatch(header.strip())
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
        if match[2] and int(match[2]) < start:
            return None
    if start >= size:
        raise Unsatisfiable
    return start, end


@implementer(IPushProducer)
class Sending:
    """Sends the bytes of one answer; ends the connection when the rest does not come."""

    def __init__(self, request: IRequest, held: Held, start: int, end: int, done: Callable[[int], object]) -> None:
        """:param done: is told once how many bytes were sent, however it ended."""
        self._request: Any = request
        self._held, self._at, self._end = held, start, end
        self._start, self._done = start, done
        self._file = held.path.open("rb")
        self._is_over = self._is_waiting = False
        self._is_paused = True

    def begin(self) -> None:
        """Send, as fast as the client reads."""
        self._request.notifyFinish().addErrback(self._gone)
        self._request.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        """Go on."""
        if self._is_paused:
            self._is_paused = False
            self._send()

    def pauseProducing(self) -> None:
        """Wait until the client has read."""
        self._is_paused = True

    def stopProducing(self) -> None:
        """Send nothing more."""
        self._close()

    def _send(self) -> None:
        while not (self._is_over or self._is_paused or self._is_waiting):
            there = min(self._end, self._held.written) - self._at
            if self._at == self._end:
                self._finish()
            elif there <= 0:
                self._is_waiting = True
                self._held.more().addCallbacks(self._more, self._failed)
            else:
                self._file.seek(self._at)
                piece = self._file.read(min(PIECE, there))
                self._at += len(piece)
                self._request.write(piece)

    def _more(self, _result: object) -> None:
        self._is_waiting = False
        self._send()

    def _failed(self, _failure: Failure) -> None:
        # The store has said why. A cut connection is all that tells the client that this is not the whole.
        if not self._is_over:
            self._close()
            self._request.unregisterProducer()
            self._request.loseConnection()

    def _finish(self) -> None:
        self._close()
        self._request.unregisterProducer()
        self._request.finish()

    def _gone(self, _failure: Failure) -> None:
        self._close()

    def _close(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._file.close()
            self._done(self._at - self._start)

"""Traefik's process as its supervisor sees it: what it says, within bounds, and that it ended.

A Traefik without free descriptors says so without a pause. So many of its lines are written, the others are counted; and who
says more than a pipe holds is not read for a moment, which slows it down and costs nobody a processor.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core.brief import sentence
from webspaced.lib.sparing import Sparing

MOST_READ, PAUSE = 65536, 0.1
"""Bytes that are read of it within so many seconds."""
LONGEST_LINE = 1000
PROVIDER = "provider"
"""Lines about what brings the routes; others may name members' domains, and are for the log alone."""
TROUBLES = (" ERR ", " FTL ")
"""Levels of lines that say what is wrong (https://doc.traefik.io/traefik/reference/install-configuration/observability/logs/)."""


class Child(ProcessProtocol):
    """Passes lines on to our log. ``trouble`` is the last one that says what is wrong with a provider, without its time."""

    log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self.ended: Deferred[str] = Deferred()
        self.trouble = ""
        self._rest = b""
        self._clock = clock
        self._lines = Sparing(clock, self.log, "lines of Traefik")
        self._read = 0
        self._pause: IDelayedCall | None = None

    def errReceived(self, data: bytes) -> None:
        self.outReceived(data)

    def outReceived(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        # What is no line yet waits for its rest, but not for ever.
        self._rest = rest if len(rest) <= LONGEST_LINE else b""
        for line in lines if len(rest) <= LONGEST_LINE else [*lines, rest]:
            self._said(line.decode(errors="replace"))
        self._read += len(data)
        if self._pause is None:
            self._pause = self._clock.callLater(PAUSE, self._go_on)
        if self._read >= MOST_READ:
            self._for_each_pipe("stopReading")

    def _said(self, line: str) -> None:
        for level in TROUBLES:
            said = line.partition(level)[2]
            if PROVIDER in said.lower():
                self.trouble = sentence(said)
        if self._lines.may(""):
            self.log.info("traefik: {line}", event="traefik.line", line=line[:LONGEST_LINE])

    def _go_on(self) -> None:
        self._pause = None
        if self._read >= MOST_READ:
            self._for_each_pipe("startReading")
        self._read = 0

    def _for_each_pipe(self, act: str) -> None:
        # Twisted's process transports have their pipes under the child's descriptors; those of tests may have none.
        pipes: dict[int, Any] = getattr(self.transport, "pipes", {})
        for number in (1, 2):
            if number in pipes:
                getattr(pipes[number], act)()

    def processEnded(self, reason: Failure) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self.ended.callback("it exited" if reason.check(ProcessDone) else reason.getErrorMessage())

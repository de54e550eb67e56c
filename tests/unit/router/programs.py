"""Programs that a test plays: what one is given, and what it says to that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure

from tests.unit.timing import Time
from webspaced.errors import Unavailable


class _Process:
    """One run of a program, which answers when it was told everything."""

    def __init__(self, reactor: Programs, protocol: Any, arguments: Sequence[str]) -> None:
        self._reactor, self._protocol, self._arguments = reactor, protocol, arguments
        self._text = ""
        self.signals: list[str] = []

    def write(self, data: bytes) -> None:
        self._text += data.decode()

    def closeStdin(self) -> None:
        self._reactor.ran.append(tuple(self._arguments))
        if self._reactor.hangs:
            return
        try:
            self._protocol.outReceived(self._reactor.say(self._arguments[1:], self._text).encode())
            reason: Exception = ProcessDone(0)
        except Unavailable as error:
            self._protocol.errReceived(str(error).encode())
            reason = ProcessTerminated(1)
        self._protocol.processEnded(Failure(reason))

    def signalProcess(self, name: str) -> None:
        self.signals.append(name)
        self._protocol.processEnded(Failure(ProcessTerminated(signal=9)))


class Programs(Time):
    """A reactor that runs them. ``say`` is to be replaced: its ``Unavailable`` is a bad end with that text."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[tuple[str, ...]] = []
        self.hangs = False
        self.processes: list[_Process] = []

    def say(self, arguments: Sequence[str], text: str) -> str:
        return ""

    def spawnProcess(self, protocol: Any, program: str, arguments: Sequence[str], env: Any) -> _Process:
        assert program == arguments[0]
        if program.startswith("/missing"):
            raise FileNotFoundError(2, "No such file or directory")
        process = _Process(self, protocol, arguments)
        self.processes.append(process)
        protocol.makeConnection(process)
        return process

"""Programs that do one thing and end: nft and ip."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from webspaced.errors import Unavailable
from webspaced.lib.deferreds import bounded

TIMEOUT = 10.0
LONGEST = 300
PLACES = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"))
"""Where systems have what only administrators use, which is not on everybody's PATH."""


def find(program: str, package: str) -> str:
    """Give the path of a program.

    :raises Unavailable: it is not installed; the text names Debian's package.
    """
    found = shutil.which(program) or shutil.which(program, path=PLACES)
    if found is None:
        message = f"the program {program} is not installed (package {package})"
        raise Unavailable(message)
    return found


class _Collecting(ProcessProtocol):
    def __init__(self, text: str) -> None:
        self.ended: Deferred[str] = Deferred()
        """Fires with why it ended badly; empty if it did well."""
        self.out, self.err = b"", b""
        self._text = text

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self._text.encode())
        transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self.out += data

    def errReceived(self, data: bytes) -> None:
        self.err += data

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback("" if reason.check(ProcessDone) else reason.getErrorMessage())


async def run(reactor: Any, arguments: Sequence[str], text: str = "") -> str:
    """Run a program, with a text as its input, and give what it says.

    :raises Unavailable: it cannot be run, or ends badly; the text has the beginning of what it said.
    """
    collecting = _Collecting(text)
    try:
        process = reactor.spawnProcess(collecting, arguments[0], list(arguments), env={"PATH": PLACES, "LC_ALL": "C"})
    except OSError as error:
        message = f"{arguments[0]} cannot be run: {error.strerror}"
        raise Unavailable(message) from error

    async def end() -> str:
        return await collecting.ended

    try:
        reason = await bounded(reactor, TIMEOUT, end(), arguments[0])
    except BaseException:
        with suppress(ProcessExitedAlready):
            process.signalProcess("KILL")
        raise
    if reason:
        said = collecting.err.decode(errors="replace").strip()[:LONGEST]
        message = f"{' '.join(arguments)}: {said or reason}"
        raise Unavailable(message)
    return collecting.out.decode(errors="replace")

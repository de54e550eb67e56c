"""dnsmasq as a child process: it ends with us, and is started again when it ends by itself."""

from __future__ import annotations

import grp
import os
import pwd
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core.instance import IPAddress
from webspaced.errors import Unavailable
from webspaced.lib.backoff import pauses
from webspaced.lib.deferreds import sleep
from webspaced.lib.files import make_private_directory, replace_file
from webspaced.lib.sparing import Sparing
from webspaced.router.dnsmasq import Folders, Identity, Names, Offer, configuration, without_leases
from webspaced.router.lan import Lan
from webspaced.router.records import Given, read_line

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 10.0
LONGEST_LINE = 1000
STARTED = ": started, version "
CHATTER = "dnsmasq-dhcp"
"""What tells of each question for an address."""


class Child(ProcessProtocol):
    """dnsmasq's process, and the lines that it says."""

    def __init__(self, told: Callable[[str], None]) -> None:
        """:param told: gets each line; it must not raise."""
        self.ended: Deferred[str] = Deferred()
        self._told = told
        self._rest = b""

    def outReceived(self, data: bytes) -> None:
        self.errReceived(data)

    def errReceived(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LONGEST_LINE:]
        for line in lines:
            self._told(line.decode(errors="replace")[:LONGEST_LINE])

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback("it exited" if reason.check(ProcessDone) else reason.getErrorMessage())


def own_identity() -> Identity:
    """Give as whom this process runs, as dnsmasq looks that up.

    It changes neither of them, or the kernel would forget that dnsmasq is to end with us (PR_SET_PDEATHSIG, prctl(2)).

    :raises Unavailable: this system has no name for them.
    """
    try:
        return Identity(pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name)
    except KeyError as error:
        raise Unavailable(f"dnsmasq cannot be run as somebody who has no name here: {error}") from error


class Dnsmasq(Service):
    """Runs dnsmasq between :meth:`serve` and :meth:`rest`, for as long as this service runs."""

    log = Logger()

    def __init__(
        self, reactor: Any, program: str, lan: Lan, names: Names, offer: Offer, folders: Folders,
        given: Callable[[Given], None] = lambda _given: None,
    ) -> None:  # fmt: skip
        """:param given: hears of each address that is given; it must not raise."""
        self.starts = 0
        """How often it was started."""
        self.answers = False
        """Whether it has said that it is there, so that no question is lost."""
        self._reactor, self._program, self._folders, self._given = reactor, program, folders, given
        self._text = configuration(lan, names, offer, folders, own_identity())
        self._sparing = Sparing(reactor, self.log, "lines of dnsmasq")
        self._transport: IProcessTransport | None = None
        self._child: Child | None = None
        self._wanted = False
        self._supervising = False
        self._forget: set[IPAddress] = set()
        self._anew = False
        self._pause: Deferred[None] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, while it runs."""
        return None if self._transport is None else self._transport.pid

    def serve(self) -> None:
        """Answer from now on. Idempotent."""
        self._wanted = True
        if self.running and not self._supervising:
            self._supervising = True
            Deferred.fromCoroutine(self._supervise()).addErrback(self._broke)

    def rest(self) -> None:
        """Answer no more, from this moment on. Idempotent."""
        self._wanted = False
        self._kill()

    def forget(self, addresses: Collection[IPAddress]) -> None:
        """Have it know nothing any more of who had these: it is started anew, which takes some milliseconds."""
        self._forget |= set(addresses)
        self._anew = True
        self._kill()

    def startService(self) -> None:
        """Start, if it is to answer."""
        super().startService()
        make_private_directory(self._folders.addresses)
        make_private_directory(self._folders.names)
        if self._wanted:
            self.serve()

    async def stopService(self) -> None:
        """End the child."""
        super().stopService()
        child = self._child if self._transport is not None else None
        self.rest()
        if child is not None and not child.ended.called:
            await child.ended

    def _kill(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        if self._transport is not None:
            # It keeps nothing that an orderly end would save: its leases are written as they are given.
            with suppress(ProcessExitedAlready):
                self._transport.signalProcess("KILL")

    def _broke(self, failure: Failure) -> None:
        self._supervising = False
        self.log.failure("dnsmasq is no longer supervised", failure, event="router.server-broke")

    async def _supervise(self) -> None:
        waits: Iterator[float] = pauses(FIRST_PAUSE, LONGEST_PAUSE)
        while self.running and self._wanted:
            began, self._anew = self._reactor.seconds(), False
            reason = await self._run()
            if self._anew or not (self.running and self._wanted):
                continue
            if self._reactor.seconds() - began > LONGEST_PAUSE:
                waits = pauses(FIRST_PAUSE, LONGEST_PAUSE)
            self.log.warn("dnsmasq ended ({error}) and is started again", event="router.server-ended", error=reason)
            await self._wait(next(waits))
        self._supervising = False

    async def _wait(self, seconds: float) -> None:
        self._pause = sleep(self._reactor, seconds)
        # Nobody waits where somebody wants it otherwise.
        self._pause.addErrback(lambda _cancelled: None)
        await self._pause
        self._pause = None

    async def _run(self) -> str:
        try:
            self._prepare()
            child = self._child = Child(self._said)
            # The wrapper makes the kernel end dnsmasq with us, even if we are killed.
            arguments = (
                sys.executable, "-m", "webspaced.lib.bound_to_parent", self._program,
                f"--conf-file={self._folders.configuration}",
            )  # fmt: skip
            environment = {name: value for name, value in os.environ.items() if not name.startswith("WSR_")}
            self._transport = self._reactor.spawnProcess(child, sys.executable, arguments, env=environment)
        except OSError as error:
            return f"it could not be started: {error}"
        self.starts += 1
        try:
            return await child.ended
        finally:
            self._transport, self.answers = None, False

    def _prepare(self) -> None:
        replace_file(self._folders.configuration, self._text.encode())
        if self._forget and self._folders.leases.exists():
            kept = without_leases(self._folders.leases.read_text(encoding="utf-8", errors="replace"), self._forget)
            replace_file(self._folders.leases, kept.encode())
        self._forget = set()

    def _said(self, line: str) -> None:
        self.answers = self.answers or STARTED in line
        given = read_line(line)
        if given is not None:
            self._given(given)
        if not self._sparing.may(""):
            return
        if CHATTER in line:
            self.log.debug("{line}", event="router.server-asked", line=line)
        else:
            self.log.info("{line}", event="router.server-line", line=line)

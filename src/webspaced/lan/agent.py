"""What keeps the device, the guard and the announcements as the peers and settings want them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from webspaced.errors import WebspacedError
from webspaced.lan.announce import TIMES
from webspaced.lan.device import Applied
from webspaced.lan.overlay import IPAddress, IPInterface, Overlay, peers_of
from webspaced.lan.sources import Source
from webspaced.lib.measures import Counted


class Kernel(Protocol):
    """What is written; each call blocks, and is made in a thread."""

    def apply(self, overlay: Overlay, peers: Collection[IPAddress], *, only_adds: bool) -> Applied:
        """See :func:`webspaced.lan.device.apply`."""

    def guard(self, overlay: Overlay, peers: Collection[IPAddress]) -> None:
        """Let only these in."""

    def announce(self, interface: str, address: IPAddress) -> None:
        """See :func:`webspaced.lan.announce.announce`."""


class Hook(Protocol):
    """A program to run."""

    def up(self, interface: str) -> None:
        """The device is there."""

    def change(self, interface: str, source: str, addresses: Collection[IPAddress], *, gone: bool) -> None:
        """Peers have come or are gone."""


class Agent(Service):
    """Runs passes, one at a time; a change during one makes another one follow."""

    log = Logger()

    def __init__(
        self, reactor: Any, overlay: Overlay, sources: Sequence[Source], kernel: Kernel, hook: Hook, *,
        look: float, required: int = 0, guards: bool = True,
    ) -> None:  # fmt: skip
        """:param look: seconds between looks. ``required``: so many peers make it ready. ``guards``: whether strangers are
        kept out.
        """
        self._reactor = reactor
        self.overlay = overlay
        self.sources = sources
        self._kernel, self._hook = kernel, hook
        self._look, self._required, self._guards = look, required, guards
        self._running: Deferred[None] = succeed(None)
        self._is_running = self._again = False
        self._next: Any = None
        self._announcing: list[Any] = []
        self._guarded: frozenset[IPAddress] | None = None
        self._known: Mapping[str, frozenset[IPAddress]] = {}
        self._is_up = False
        self._problem: str | None = "the first pass is not over"
        self.applied: Applied | None = None
        self.passes, self.writes = Counted(), Counted()

    @property
    def peers(self) -> frozenset[IPAddress]:
        """Who is wanted as a peer now."""
        found = (each.found() or {} for each in self.sources)
        return peers_of({address for by in found for some in by.values() for address in some}, self.overlay.local)

    @property
    def is_up(self) -> bool:
        """Whether the device was there once, and all sources were asked: what the former ``/health`` says."""
        return self._is_up

    def trouble(self) -> str | None:
        """Say why it is not ready; ``None`` if it is."""
        if self._problem is not None:
            return self._problem
        if any(each.found() is None for each in self.sources):
            return "not all peers are known yet"
        # How old that is makes nobody unready: with a cluster whose API is away all pods would be, who do their work.
        have = 0 if self.applied is None else self.applied.peers
        return None if have >= self._required else f"{have} of {self._required} peers"

    def startService(self) -> None:
        """Begin to look."""
        super().startService()
        self._tick()

    def stopService(self) -> Deferred[None]:
        """End. The device stays as it is, with all that others have put on it."""
        super().stopService()
        for each in (self._next, *self._announcing):
            if each is not None and each.active():
                each.cancel()
        for source in self.sources:
            source.stop()
        return self._running

    def kick(self) -> None:
        """Make a pass soon: something has changed."""
        if not self.running:
            return
        if self._is_running:
            self._again = True
            return
        self._is_running = True
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._broke)

    def _tick(self) -> None:
        self._next = self._reactor.callLater(self._look, self._tick)
        for source in self.sources:
            Deferred.fromCoroutine(source.look()).addErrback(self._broke)
        self.kick()

    def _broke(self, failure: Any) -> None:
        self._problem = f"a mistake of webspaced's own: {failure.getErrorMessage()}"
        self.log.failure("the network is not looked after for the moment", failure, event="lan.broke")

    async def _run(self) -> None:
        try:
            self._again = True
            while self._again and self.running:
                self._again = False
                await self._pass()
        finally:
            self._is_running = False

    async def _pass(self) -> None:
        peers, whole = self.peers, all(each.found() is not None for each in self.sources)
        try:
            # Whom an earlier run knew is not taken off as long as a source has said nothing.
            if self._guards and whole and peers != self._guarded:
                await self._in_thread(lambda: self._kernel.guard(self.overlay, peers))
                self._guarded = peers
            applied = await self._in_thread(lambda: self._kernel.apply(self.overlay, peers, only_adds=not whole))
        except (WebspacedError, OSError) as error:
            self._failed(str(error))
            return
        self._done(applied)

    def _failed(self, error: str) -> None:
        self.passes.add("failed")
        if error != self._problem:
            self.log.warn("the network is not as it is wanted: {error}", event="lan.pass-failed", error=error)
        self._problem = error

    def _done(self, applied: Applied) -> None:
        self.passes.add("done")
        if applied.writes:
            self.writes.add(by=applied.writes)
            self.log.info(
                "{count} writes; {peers} peers", event="lan.written", count=applied.writes, peers=applied.peers
            )
        self.applied, self._problem = applied, None
        self._announce(applied.announce, applied.on)
        first, self._is_up = not self._is_up, True
        if first:
            self._hook.up(self.overlay.interface)
        self._tell_changes()

    def _announce(self, addresses: Sequence[IPInterface], on: str) -> None:
        self._announcing = [each for each in self._announcing if each.active()]
        for address in addresses:
            for seconds in TIMES:
                self._announcing.append(self._reactor.callLater(seconds, self._announce_one, on, address.ip))

    def _announce_one(self, on: str, address: IPAddress) -> None:
        try:
            self._kernel.announce(on, address)
        except OSError as error:
            self.log.warn(
                "{address} could not be announced: {error}", event="lan.announce-failed",
                address=str(address), error=str(error),
            )  # fmt: skip

    def _tell_changes(self) -> None:
        known: dict[str, frozenset[IPAddress]] = {}
        for source in self.sources:
            known |= source.found() or {}
        for name in known.keys() | self._known.keys():
            before, now = self._known.get(name, frozenset()), known.get(name, frozenset())
            for addresses, gone in ((before - now, True), (now - before, False)):
                if addresses:
                    self._hook.change(self.overlay.interface, name, addresses, gone=gone)
        self._known = known

    def _in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)

"""Lines of Twisted's own transports: copying, each direction on its own.

A direction that ends (FIN) is ended at the other side while the opposite one goes on; a reset is passed on as a reset, so
that a cut download does not look complete, but after all that was said before it: an early answer comes like that. A slow
reader pauses the other side's sender.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IListeningPort,
    IPullProducer,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.forward.hangup import IHangups
from webspaced.forward.lines import Crowd, Enough, ILine, ILineOwner, ILines
from webspaced.lib.acknowledged import acknowledged
from webspaced.webspaces.probe import client_endpoint

BACKLOG = 511
PIECE = 1 << 16
LAST_WORDS = 10.0
"""Seconds without taking anything after which one side need not have the rest of what the other said before its reset."""


@implementer(ILine, IHalfCloseableProtocol)
class StockLine(Protocol):
    """One side of a relay: a protocol whose transport is Twisted's. A visit's transport speaks to it through the visit."""

    peer: StockLine | None = None
    transport: Any
    moved = 0
    latest = False
    tap: Callable[[memoryview], None] | None = None
    stirred: Callable[[], None] | None = None
    _ended = _held = _awaiting = False
    _enough: Enough | None = None
    _early = b""
    """What came with the first byte, when that was waited for."""
    _answer: bytes | None = None

    def __init__(self, hangups: IHangups, owner: ILineOwner | None = None, clock: IReactorTime | None = None) -> None:
        """:param clock: bounds how long last words are waited for."""
        self._hangups = hangups
        self._owner = owner
        self._clock = clock

    def connectionMade(self) -> None:
        """Pass small pieces on at once, and notice a peer that vanished without a word."""
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        if hasattr(self.transport, "getHandle"):
            # Twisted closes a socket that was reset before it tells, with whatever was not read of it.
            self._close: Callable[[Failure], None] = self.transport.connectionLost
            self.transport.connectionLost = self._lost

    def _lost(self, reason: Failure) -> None:
        if self.peer is not None and not reason.check(ConnectionDone, ConnectionAborted):
            self._read_the_rest()
        self._close(reason)

    def _read_the_rest(self) -> None:
        try:
            while piece := self.transport.getHandle().recv(PIECE):
                self.dataReceived(piece)
        except OSError:
            # There is nothing left, or the error is told that was told already.
            return

    # --- what a visit asks

    def await_first(self, *, half: bool, enough: Enough | None = None) -> None:
        """See :meth:`ILine.await_first`."""
        self._awaiting, self._enough = True, enough
        if self._early:
            # More is asked for than before.
            self._look_at_first(0)
        if self._awaiting:
            self.transport.resumeProducing()

    def hold(self, *, half: bool, silent: bool = False) -> None:
        """See :meth:`ILine.hold`. What is unread here is not known, so nobody counts as silent."""
        if self._held:
            self._unwatch()
        self._held, self._awaiting = True, False
        self.transport.pauseProducing()
        self._hangups.watch(self.transport, self._gone, half=half)

    def ends(self) -> tuple[Endpoint, Endpoint] | None:
        """See :meth:`ILine.ends`."""
        far, near = self.transport.getPeer(), self.transport.getHost()
        return Endpoint(ip_address(far.host), far.port), Endpoint(ip_address(near.host), near.port)

    def relay_to(self, other: StockLine, first: bytes = b"") -> None:
        """See :meth:`ILine.relay_to`."""
        self.peer, other.peer = other, self
        self.transport.registerProducer(other.transport, True)
        other.transport.registerProducer(self.transport, True)
        early, self._early = self._early, b""
        if first:
            self._pass_on(first)
        if early:
            self.dataReceived(early)
        self._release()

    def answer(self, data: bytes) -> None:
        """See :meth:`ILine.answer`."""
        self._answer = data
        self._release()
        self.transport.resumeProducing()
        if self._early:
            self.dataReceived(self._early)

    def abort(self) -> None:
        """See :meth:`ILine.abort`."""
        self._unwatch()
        self.transport.abortConnection()

    def _release(self) -> None:
        if self._held:
            self._unwatch()
            self.transport.resumeProducing()

    def _unwatch(self) -> None:
        self._held = False
        self._hangups.unwatch(self.transport)

    def _gone(self) -> None:
        if self._owner is not None:
            self._owner.gone()

    # --- what the transport tells

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on; upon the first ones that are to be answered, answer."""
        if self.peer is not None:
            if self.stirred is not None:
                self.stirred()
            if self.tap is not None:
                self.tap(memoryview(data))
            self._pass_on(data)
        elif self._awaiting:
            seen, self._early = len(self._early), self._early + data
            self._look_at_first(seen)
        elif self._answer:
            answer, self._answer = self._answer, b""
            self.transport.write(answer)
            self.transport.loseWriteConnection()

    def _pass_on(self, data: bytes) -> None:
        peer = self.peer
        if peer is not None:
            self.moved += len(data)
            self.latest, peer.latest = True, False
            peer.transport.write(data)

    @property
    def ended(self) -> bool:
        """See :class:`webspaced.forward.lines.ILine`."""
        return self._ended

    def _look_at_first(self, seen: int) -> None:
        if self._enough is not None and not self._enough(self._early, seen):
            return
        self._awaiting = False
        self.transport.pauseProducing()
        if self._owner is not None:
            self._owner.began(self._early)

    def readConnectionLost(self) -> None:
        """Pass the end of this direction on; close both sides after the second."""
        self._ended = True
        peer = self.peer
        if peer is None:
            self._ended_alone()
            return
        # Twisted holds a half-close back for as long as a producer is registered.
        peer.transport.unregisterProducer()
        if peer._ended:  # noqa: SLF001
            self.transport.unregisterProducer()
            peer.transport.loseConnection()
            self.transport.loseConnection()
        else:
            peer.transport.loseWriteConnection()

    def _ended_alone(self) -> None:
        # A visitor has taken its answer, or asks nothing.
        if self._owner is not None:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Nothing to do: the other direction goes on."""

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """Close the other side in the way in which this one was closed."""
        self._unwatch()
        peer, self.peer = self.peer, None
        if peer is not None:
            peer.peer = None
            peer.transport.unregisterProducer()
            if reason.check(ConnectionDone):
                peer.transport.loseConnection()
            else:
                LastWords(peer.transport, self._clock).begin()
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.over()


@implementer(IPullProducer)
class LastWords:
    """Resets a connection once its system has taken what was written, or takes nothing for :data:`LAST_WORDS` seconds."""

    def __init__(self, transport: Any, clock: IReactorTime | None) -> None:
        self._transport = transport
        self._clock = clock
        self._asked = False
        self._call: IDelayedCall | None = None

    def begin(self) -> None:
        """Wait for it, where there can be anything to wait for."""
        if self._clock is None or not hasattr(self._transport, "startWriting"):
            self._transport.abortConnection()
            return
        self._wait(-1)
        self._transport.registerProducer(self, False)
        # It asks for more when it has nothing left, which it finds out only when it tries to write.
        self._transport.startWriting()

    def resumeProducing(self) -> None:
        """Be asked for more: once when this is registered, and then when all is written."""
        if self._asked:
            self._end()
        self._asked = True

    def stopProducing(self) -> None:
        """Be told that the connection is over."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _wait(self, before: int) -> None:
        taken = acknowledged(self._transport)
        if taken == before or self._clock is None:
            self._end()
        else:
            self._call = self._clock.callLater(LAST_WORDS, self._wait, taken)

    def _end(self) -> None:
        self.stopProducing()
        self._transport.unregisterProducer()
        self._transport.abortConnection()


class _Backends(Factory):
    """Builds the container's side of relays."""

    noisy = False

    def __init__(self, hangups: IHangups, clock: IReactorTime) -> None:
        self._hangups = hangups
        self._clock = clock

    def buildProtocol(self, addr: Any) -> StockLine:
        return StockLine(self._hangups, clock=self._clock)


@implementer(ILines)
class StockLines:
    """See :class:`webspaced.forward.lines.ILines`. ``everywhere`` is what ``listenTCP`` takes for every interface."""

    def __init__(self, reactor: Any, hangups: IHangups, everywhere: str = "") -> None:
        self._reactor = reactor
        self._hangups = hangups
        self._everywhere = everywhere
        self._backends = _Backends(hangups, reactor)

    def listen(self, port: int, factory: Factory, interface: str, *, crowd: Crowd = Crowd.FORWARDS) -> IListeningPort:
        """See :meth:`ILines.listen`."""
        bound: IListeningPort = self._reactor.listenTCP(port, factory, BACKLOG, interface or self._everywhere)
        return bound

    def line(self, transport: Any, owner: ILineOwner) -> ILine:
        """See :meth:`ILines.line`."""
        line = StockLine(self._hangups, owner, self._reactor)
        line.makeConnection(transport)
        given: ILine = line
        return given

    def dial(self, endpoint: Endpoint, timeout: float) -> Deferred[ILine]:
        """See :meth:`ILines.dial`; never done at once."""
        dialled: Any = client_endpoint(self._reactor, endpoint, timeout).connect(self._backends)
        return cast("Deferred[ILine]", dialled)

    def place(self) -> None:
        """At once: Twisted connects in turns of its own."""

    def freed(self) -> None:
        """Nothing to do: whoever finds no seat is turned away."""

    def close(self) -> None:
        """See :meth:`ILines.close`."""
        self._hangups.close()

"""Lines of Twisted's own transports: copying, each direction on its own.

A direction that ends (FIN) is ended at the other side while the opposite one goes on; a reset is passed on as a reset, so
that a cut download does not look complete; a slow reader pauses the other side's sender.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IListeningPort
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.forward.hangup import IHangups
from webspaced.forward.lines import ILine, ILineOwner, ILines
from webspaced.webspaces.probe import client_endpoint

BACKLOG = 511


@implementer(ILine, IHalfCloseableProtocol)
class StockLine(Protocol):
    """One side of a relay: a protocol whose transport is Twisted's. A visit's transport speaks to it through the visit."""

    peer: StockLine | None = None
    transport: Any
    moved = 0
    latest = False
    _ended = _held = False
    _answer: bytes | None = None

    def __init__(self, hangups: IHangups, owner: ILineOwner | None = None) -> None:
        self._hangups = hangups
        self._owner = owner

    def connectionMade(self) -> None:
        """Pass small pieces on at once, and notice a peer that vanished without a word."""
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)

    # --- what a visit asks

    def hold(self, *, half: bool) -> None:
        """See :meth:`ILine.hold`."""
        self._held = True
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
        if first:
            self.dataReceived(first)
        self._release()

    def answer(self, data: bytes) -> None:
        """See :meth:`ILine.answer`."""
        self._answer = data
        self._release()
        self.transport.resumeProducing()

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
            self.moved += len(data)
            self.latest, self.peer.latest = True, False
            self.peer.transport.write(data)
        elif self._answer:
            answer, self._answer = self._answer, b""
            self.transport.write(answer)
            self.transport.loseWriteConnection()

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
                peer.transport.abortConnection()
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.over()


class _Backends(Factory):
    """Builds the container's side of relays."""

    noisy = False

    def __init__(self, hangups: IHangups) -> None:
        self._hangups = hangups

    def buildProtocol(self, addr: Any) -> StockLine:
        return StockLine(self._hangups)


@implementer(ILines)
class StockLines:
    """See :class:`webspaced.forward.lines.ILines`. ``everywhere`` is what ``listenTCP`` takes for every interface."""

    def __init__(self, reactor: Any, hangups: IHangups, everywhere: str = "") -> None:
        self._reactor = reactor
        self._hangups = hangups
        self._everywhere = everywhere
        self._backends = _Backends(hangups)

    def listen(self, port: int, factory: Factory, interface: str, *, web: bool = False) -> IListeningPort:
        """See :meth:`ILines.listen`."""
        bound: IListeningPort = self._reactor.listenTCP(port, factory, BACKLOG, interface or self._everywhere)
        return bound

    def line(self, transport: Any, owner: ILineOwner) -> ILine:
        """See :meth:`ILines.line`."""
        line = StockLine(self._hangups, owner)
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

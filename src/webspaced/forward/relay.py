"""Copying bytes between a visitor and a container, each direction on its own.

A direction that ends (FIN) is ended at the other side while the opposite one goes on; a reset is passed on as a reset, so
that a cut download does not look complete; a slow reader pauses the other side's sender.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IHalfCloseableProtocol)
class Leg(Protocol):
    """One side of a relay."""

    peer: Leg | None = None
    transport: Any
    _ended = False

    def connectionMade(self) -> None:
        """Pass small pieces on at once, and notice a peer that vanished without a word."""
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)

    def join(self, peer: Leg) -> None:
        """Begin to copy in both directions. The other side must be connected already."""
        self.peer, peer.peer = peer, self
        self.transport.registerProducer(peer.transport, True)
        peer.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on."""
        if self.peer is not None:
            self.peer.transport.write(data)

    def readConnectionLost(self) -> None:
        """Pass the end of this direction on; close both sides after the second."""
        self._ended = True
        peer = self.peer
        if peer is None:
            return
        # Twisted holds a half-close back for as long as a producer is registered.
        peer.transport.unregisterProducer()
        if peer._ended:  # noqa: SLF001
            self.transport.unregisterProducer()
            peer.transport.loseConnection()
            self.transport.loseConnection()
        else:
            peer.transport.loseWriteConnection()

    def writeConnectionLost(self) -> None:
        """Nothing to do: the other direction goes on."""

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """Close the other side in the way in which this one was closed."""
        peer, self.peer = self.peer, None
        if peer is None:
            return
        peer.peer = None
        peer.transport.unregisterProducer()
        if reason.check(ConnectionDone):
            peer.transport.loseConnection()
        else:
            peer.transport.abortConnection()

"""Connections in memory that behave as Twisted's on sockets do: written bytes wait for the peer, ends can be halves, aborts
are resets, and a paused end learns of nothing.

The write side is Twisted's own :class:`~twisted.internet.abstract.FileDescriptor`, so buffering, producers and the order of
ends are those of the real transports; only the socket below it is a pair of byte queues. Sources of the behaviour:
``twisted/internet/tcp.py``, tcp(7) and what Linux was seen to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import main
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, ITCPTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

WINDOW = 1 << 18
"""Bytes that are under way to a peer that does not read, as socket buffers hold them."""
PIECE = 1 << 16
"""Most bytes that a protocol gets at once."""


@implementer(ITCPTransport)
class Wire(FileDescriptor):
    """One end of a connection: a transport. ``other`` is the peer's end.

    ``turns`` runs a function in the network's next turn (never in this one, as a reactor would).
    """

    log = Logger()

    def __init__(self, reactor: Any, turns: Callable[[Callable[[], None]], None], host: IAddress, peer: IAddress) -> None:
        super().__init__(reactor)
        self.other: Wire
        self.protocol: Any = None
        self.on_gone: list[Callable[[bool], None]] = []
        """Called with whether all is over when the peer ends its side (``False``) or everything (``True``)."""
        self._turns = turns
        self._host, self._peer = host, peer
        self._inbox = bytearray()
        self._ended = self._reset = self._aborting = False
        self._reading = self._writing = self._due = False
        self._after: Callable[[Failure], None] | None = None
        self.connected = True

    def begin(self, protocol: Any, after: Callable[[Failure], None] | None = None) -> None:
        """Give the transport to a protocol; ``after`` is told when the connection is over."""
        self.protocol, self._after = protocol, after
        self.startReading()
        protocol.makeConnection(self)

    def drop(self) -> None:
        """Close this end before it had a protocol."""
        self.disconnected = True
        self.connected = False
        self.other.be_reset()

    # --- what a reactor does with a descriptor

    def startReading(self) -> None:
        self._reading = True
        self._wake()

    def stopReading(self) -> None:
        self._reading = False

    def startWriting(self) -> None:
        self._writing = True
        self._wake()

    def stopWriting(self) -> None:
        self._writing = False

    def _wake(self) -> None:
        if not self._due and not self.disconnected:
            self._due = True
            self._turns(self._turn)

    def _turn(self) -> None:
        self._due = False
        try:
            if self._writing and not self.disconnected and not self._aborting:
                self._write_some()
            if self._reading and not self.disconnected and not self._aborting:
                self._read_some()
        except Exception:  # noqa: BLE001  (as a reactor does: log it, and drop the connection)
            failure = Failure()
            self.log.failure("a protocol failed", event="simulation.broke", failure=failure)
            self.connectionLost(failure)

    def _write_some(self) -> None:
        before = self.other.room
        over = self.doWrite()
        if over:
            self._disconnect(over)
        elif self._writing and before:
            # With a full window the peer wakes this end once it has read.
            self._wake()

    def _read_some(self) -> None:
        if self._reset:
            self.connectionLost(Failure(ConnectionLost()))
        elif self._inbox:
            piece = bytes(self._inbox[:PIECE])
            del self._inbox[:PIECE]
            self.other._drained()  # noqa: SLF001
            self._wake()
            self.protocol.dataReceived(piece)
        elif self._ended:
            self.stopReading()
            self._end_of_stream()

    def _end_of_stream(self) -> None:
        half = IHalfCloseableProtocol(self.protocol, None)
        if half is None:
            self.connectionLost(Failure(main.CONNECTION_DONE))
        else:
            half.readConnectionLost()

    def _disconnect(self, over: Exception) -> None:
        self.connectionLost(Failure(over))

    # --- the socket

    @property
    def room(self) -> int:
        """How many bytes this end still takes from its peer."""
        return WINDOW - len(self._inbox)

    def writeSomeData(self, data: bytes) -> int | Exception:
        """Hand bytes to the peer, as many as are taken."""
        if self._reset:
            return ConnectionLost()
        if self.other.disconnected:
            # The peer's system answers data for a closed socket with a reset.
            self.be_reset()
            return len(data)
        piece = bytes(data[: self.other.room])
        self.other._take(piece)  # noqa: SLF001
        return len(piece)

    def _take(self, data: bytes) -> None:
        self._inbox += data
        if self._reading:
            self._wake()

    def _drained(self) -> None:
        if self._writing:
            self._wake()

    def be_ended(self) -> None:
        """Get the peer's FIN."""
        if not self.disconnected and not self._ended:
            self._ended = True
            self._tell_gone(over=False)
            self._wake()

    def be_reset(self) -> None:
        """Get the peer's RST; what it sent and was not read is lost."""
        if not self.disconnected and not self._reset:
            self._reset = True
            self._inbox.clear()
            self._tell_gone(over=True)
            self._wake()

    def _tell_gone(self, *, over: bool) -> None:
        for tell in tuple(self.on_gone):
            self._turns(lambda tell=tell: tell(over))  # type: ignore[misc]

    def _closeWriteConnection(self) -> None:
        self.other.be_ended()
        half = IHalfCloseableProtocol(self.protocol, None)
        if half is not None:
            half.writeConnectionLost()

    def abortConnection(self) -> None:
        """Reset the connection, whatever is still unwritten."""
        if self.disconnected or self._aborting:
            return
        self._aborting = True
        self.stopReading()
        self.stopWriting()
        self._turns(lambda: self.connectionLost(Failure(ConnectionAborted())))

    def connectionLost(self, reason: Failure) -> None:
        """Close this end, and tell the protocol and the peer."""
        if self.disconnected:
            return
        super().connectionLost(reason)
        # Linux closes with a reset when bytes were not read.
        if self._aborting or self._inbox or not reason.check(ConnectionDone):
            self.other.be_reset()
        else:
            self.other.be_ended()
        protocol, self.protocol = self.protocol, None
        self.on_gone.clear()
        protocol.connectionLost(reason)
        if self._after is not None:
            self._after(reason)

    # --- the rest of a TCP transport

    def getHost(self) -> Any:
        return self._host

    def getPeer(self) -> Any:
        return self._peer

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def getTcpNoDelay(self) -> bool:
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        pass

    def getTcpKeepAlive(self) -> bool:
        return True

    def logPrefix(self) -> str:
        return "wire"


def pair(first: Wire, second: Wire) -> None:
    """Make two ends one connection."""
    first.other, second.other = second, first

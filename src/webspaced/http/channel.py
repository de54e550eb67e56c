"""Connections of clients, none of which may hold what it does not use: how slow one may be, and how many there may be.

Twisted closes a connection that is idle; but one byte now and then is not idle, and neither is an answer that nobody reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, ITCPTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from webspaced.core.client_address import IPNetwork, counted_as, is_in, parse_address
from webspaced.http.about import shown
from webspaced.http.access import SWITCHED
from webspaced.http.bodies import LARGEST, largest_of
from webspaced.lib.acknowledged import acknowledged
from webspaced.lib.measures import Counted
from webspaced.lib.places import Places
from webspaced.lib.sparing import Sparing

IDLE_TIMEOUT = 60.0
"""Seconds without a byte after which a client's connection is closed."""
RECEIVE_TIMEOUT = 60.0
"""Seconds for a whole request, from its first byte to the last of its body: of the largest that is 4 kB/s, less than any
network has that carries a terminal."""
UNREAD_TIMEOUT = 75.0
"""Seconds after which it is looked how much a client has read of what waits for it, and again as long as something does."""
SLOWEST_READER = 2000
"""Bytes a second that it must have read by then: a modem's speed. Without such a speed a byte now and then would hold an
answer in memory for ever."""
LINGER_TIME = 2.0
"""Seconds for which the rest of a refused body is thrown away: a connection that closes with unread bytes is reset, and the
client may never see why."""
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_DONE = Failure(ConnectionDone())
LONGEST_LENGTH = 40
"""Characters of a Content-Length header: Python refuses to read endless numbers."""


class BoundedRequest(Request):
    """Keeps no more of a body than shows that it is too large: a caller without a token must not fill the disk."""

    largest = LARGEST
    """Bytes that the body may have."""
    head = 0
    """Bytes that the headers had."""
    is_too_large = False
    """Whether the body is, or will be as the client said at the beginning: nothing more of it is read then."""

    def handleContentChunk(self, data: bytes) -> None:
        """Store a piece of the body, up to one byte more than is accepted; then the request is answered at once."""
        if self.is_too_large:
            return
        kept: Any = self.content
        room = self.largest + 1 - kept.tell()
        super().handleContentChunk(data[:room])
        if kept.tell() > self.largest:
            channel: Any = self.channel
            channel.refuse_body(self)
            channel.allContentReceived()

    def __repr__(self) -> str:
        """Leave out the query, as others log requests."""
        return f"<{shown(self.method)} {shown(self.path or b'')}>"


class _Bound:
    """A bound on waiting that can be set and lifted again."""

    def __init__(self) -> None:
        self._call: IDelayedCall | None = None

    @property
    def is_set(self) -> bool:
        return self._call is not None and bool(self._call.active())

    def set(self, clock: Any, seconds: float, over: Callable[[], None]) -> None:
        """Call ``over`` after so many seconds, unless the bound is set already."""
        if not self.is_set:
            self._call = clock(seconds, over)

    def lift(self) -> None:
        """Wait as long as it takes."""
        if self._call is not None and self._call.active():
            self._call.cancel()


class Channel(HTTPChannel):
    """One connection; ``site`` counts it."""

    log = Logger()
    site: BoundedSite
    transport: Any

    def __init__(self) -> None:
        super().__init__()
        self._receiving, self._unread = _Bound(), _Bound()
        self._refusing = self._lingering = self._is_upgraded = False
        self._is_full = False
        self._read_before = 0
        self._head = 0
        self._counted_as: str | None = None
        self._address = ""
        self._heard = 0.0
        self._successor: IProtocol | None = None

    def count_as(self, key: str, *, bounded: bool) -> None:
        """Be counted among a client's connections until the end; ``bounded``: it may have so many of them only."""
        self._address = key
        self._counted_as = key if bounded else None
        self._heard = self.site.seconds()

    # --- as a Holder of a place

    def idle(self) -> float:
        """See :class:`webspaced.lib.places.Holder`; less than nothing while a request is answered or a terminal is open."""
        if self._successor is not None or self._handlingRequest:
            return -1.0
        return max(0.0, self.site.seconds() - self._heard)

    def displaced(self, places: Places) -> None:
        """Make room for somebody else."""
        self.transport.abortConnection()

    # --- receiving

    def dataReceived(self, data: bytes) -> None:
        if self._successor is not None:
            self._successor.dataReceived(data)
            return
        if self._lingering:
            return
        self._heard = self.site.seconds()
        if not self._handlingRequest:
            self._receiving.set(self.callLater, RECEIVE_TIMEOUT, self._too_slow)
        super().dataReceived(data)

    def rawDataReceived(self, data: bytes) -> None:
        if self._successor is not None:
            # The rest of the packet whose beginning was the handshake.
            self._successor.dataReceived(data)
        else:
            super().rawDataReceived(data)

    def headerReceived(self, line: bytes) -> bool:
        if len(line) > LONGEST_LENGTH and line[:14].lower() == b"content-length":
            self._respondToBadRequestAndDisconnect()
            return False
        self._head += len(line)
        known: bool = super().headerReceived(line)
        return known

    def allHeadersReceived(self) -> None:
        request = self.requests[-1]
        request.head, self._head = self._head, 0
        request.largest = largest_of(self._command, self._path)
        is_too_large = (self.length or 0) > request.largest
        if is_too_large:
            # Taken as a request without a body, which nobody is told to send.
            self.length = 0
            request.requestHeaders.removeHeader(b"expect")
        super().allHeadersReceived()
        if is_too_large:
            self.refuse_body(request)

    def refuse_body(self, request: BoundedRequest) -> None:
        """Read nothing more of a body, nor anything after it."""
        request.is_too_large = self._refusing = True
        self.persistent = 0
        request.responseHeaders.setRawHeaders(b"connection", [b"close"])

    def _finishRequestBody(self, data: bytes) -> None:
        # The end of a body that was refused in its middle is none.
        if not self._refusing:
            super()._finishRequestBody(data)

    def _respondToBadRequestAndDisconnect(self) -> None:
        if not self._refusing:
            super()._respondToBadRequestAndDisconnect()

    def allContentReceived(self) -> None:
        self._receiving.lift()
        super().allContentReceived()

    def _too_slow(self) -> None:
        if self.site.slow.may(self._address):
            self.log.info(
                "{peer} took longer than {bound:g} s for its request",
                event="http.request-slow",
                peer=self._who(),
                bound=RECEIVE_TIMEOUT,
            )
        self.transport.write(TIMED_OUT)
        super().timeoutConnection()

    def timeoutConnection(self) -> None:
        if self._is_full:
            # Who still reads an answer is not idle, and has a bound of its own.
            self.setTimeout(IDLE_TIMEOUT)
        else:
            super().timeoutConnection()

    # --- answering

    def requestDone(self, request: Request) -> None:
        if not self.persistent:
            # Before it ends, as it may be over at once.
            self._wait_for_reader()
        super().requestDone(request)

    def pauseProducing(self) -> None:
        super().pauseProducing()
        self._is_full = True
        self._wait_for_reader()

    def resumeProducing(self) -> None:
        # All is with the kernel. (Once the answer is whole and the connection to end, this is not called any more.)
        self._is_full = False
        self._unread.lift()
        self.resetTimeout()
        super().resumeProducing()

    def loseConnection(self) -> None:
        if self._refusing and not self._lingering and ITCPTransport.providedBy(self.transport):
            self._linger()
        else:
            super().loseConnection()

    def _linger(self) -> None:
        self._lingering = True
        self._networkProducer.resumeProducing()
        self.transport.unregisterProducer()
        self.transport.loseWriteConnection()
        self._receiving.set(self.callLater, LINGER_TIME, self.transport.loseConnection)

    def _wait_for_reader(self) -> None:
        if not self._is_upgraded and not self._unread.is_set:
            self._read_before = acknowledged(self.transport)
            self._unread.set(self.callLater, UNREAD_TIMEOUT, self._look_at_reader)

    def _look_at_reader(self) -> None:
        read = acknowledged(self.transport) - self._read_before
        if read >= SLOWEST_READER * UNREAD_TIMEOUT:
            self._wait_for_reader()
            return
        if self.site.slow.may(self._address):
            said = "{peer} read {read} B of its answer in {bound:g} s"
            self.log.info(said, event="http.reader-slow", peer=self._who(), read=read, bound=UNREAD_TIMEOUT)
        self.transport.abortConnection()

    def _who(self) -> str:
        return str(getattr(self.getPeer(), "host", "a client"))

    # --- ends

    def hand_over(self, successor: IProtocol, answer: bytes) -> None:
        """Write the answer, and let everything that follows be the successor's: HTTP's bounds end, what is counted stays.

        (Twisted's own way is private, and bound to its own WebSockets.)
        """
        self._is_upgraded = True
        self._let_go()
        self.setTimeout(None)
        self.requests[-1].code = SWITCHED
        # The channel holds up its requests, and is held up by what they did not read yet.
        self.transport.unregisterProducer()
        self.transport.resumeProducing()
        self.transport.write(answer)
        self._successor = successor
        early, self._dataBuffer = b"".join(self._dataBuffer), []
        successor.makeConnection(self.transport)
        if early:
            # A client need not wait for the answer before it goes on.
            successor.dataReceived(early)

    def connectionLost(self, reason: Failure = _DONE) -> None:
        self._let_go()
        self._uncount()
        # Whoever watches the request is told of its end, too.
        super().connectionLost(reason)
        if self._successor is not None:
            self._successor.connectionLost(reason)

    def _let_go(self) -> None:
        self._receiving.lift()
        self._unread.lift()

    def _uncount(self) -> None:
        self.site.places.give_back(0, self, self._address)
        if self._counted_as is not None:
            self.site.gone(self._counted_as)
            self._counted_as = None


class BoundedSite(Site):
    """Makes channels. It writes no log of Twisted's form, which has queries in it."""

    protocol = Channel  # type: ignore[assignment]
    noisy = False

    def __init__(
        self, resource: IResource, reactor: Any, most: int, each: int = 0, trusted: Sequence[IPNetwork] = ()
    ) -> None:
        """Serve a resource on at most ``most`` connections, beyond which the one that is idle for longest is closed.

        :param each: how many one address may have (0: any number), unless it is a trusted one.
        """
        super().__init__(
            resource, requestFactory=BoundedRequest, timeout=IDLE_TIMEOUT, reactor=reactor, parsePOSTFormSubmission=False
        )
        # One that just came may lose its place, too: whoever asks at once is served, however many others come.
        self.places = Places(most, most, least_idle=0.0)
        # Busy ones are not closed: one address is to leave room for others.
        self.bound(each, trusted)
        self.slow = Sparing(reactor, Channel.log, "slow clients")
        self._connections: Counter[str] = Counter()
        self.hits = Counted()
        """Connections that were not taken, by the bound."""

    def bound(self, each: int, trusted: Sequence[IPNetwork]) -> None:
        """Go by other bounds; those who are connected stay."""
        self._each = min(each, max(1, self.places.most // 2))
        self._trusted = trusted

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Give a channel, or nothing, on which Twisted closes the connection."""
        address = parse_address(getattr(addr, "host", ""))
        bounded = bool(self._each) and address is not None and not is_in(address, self._trusted)
        key = "" if address is None else counted_as(address)
        if bounded and self._connections[key] >= self._each:
            self.hits.add("address_connections")
            return None
        channel: Any = super().buildProtocol(addr)
        if not self.places.take(0, channel, key):
            self.hits.add("connections")
            return None
        channel.count_as(key, bounded=bounded)
        if bounded:
            self._connections[key] += 1
        return channel

    def seconds(self) -> float:
        """Give the clock's time."""
        return self.reactor.seconds()

    def gone(self, key: str) -> None:
        """Count a connection no more."""
        self._connections[key] -= 1
        if not self._connections[key]:
            del self._connections[key]

    def startFactory(self) -> None:
        """Open no log, and keep no clock for one: see :mod:`webspaced.http.access`."""

    def stopFactory(self) -> None:
        """Close none."""

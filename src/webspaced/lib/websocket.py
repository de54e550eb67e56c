"""WebSockets (RFC 6455) under Twisted, at either end: the protocol is wsproto's, this gives it a transport.

Twisted's own has no bound on what it collects of a message, hangs up upon its closing frame without waiting for the
peer's (a reset may then overtake the frame), and raises at a malformed frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from twisted.internet import protocol
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IProducer,
    IPushProducer,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection, ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError
from zope.interface import implementer

NORMAL, GOING_AWAY, ABNORMAL, NOT_ALLOWED, TOO_LARGE, INTERNAL_ERROR = 1000, 1001, 1006, 1008, 1009, 1011
"""Closing codes (RFC 6455, section 7.4.1). 1006 is never sent: it says that the connection ended without a code."""
LONGEST_REASON = 123
"""Bytes: what a closing frame has room for (section 5.5)."""
CLOSE_TIMEOUT = 30.0
"""Seconds for the peer to take what is still on its way, and to close, too."""
LARGEST_TEXT = 64 * 1024
"""Characters."""
PING_INTERVAL = 20.0
"""Seconds: proxies end connections that were silent for 30 to 60."""
SLICE = 2048
"""Bytes of a client's that are read at a time: they may be hundreds of frames, and others wait meanwhile."""
FRAMES_PER_SECOND = 1000
"""Of one client. More wait: reading them is work, and nobody types so fast."""
PONG_INTERVAL = 1.0
"""Seconds between answers to pings; only the newest counts (section 5.5.3), and who reads none must not pile them up."""
SILENCE_LIMIT = 300.0
"""Seconds without a sign of life, pongs included. Long, as a laptop may sleep for a moment."""


class IHears(Protocol):
    """Who is told what comes in. ``closed`` is said once, and nothing after it."""

    def opened(self) -> None:
        """The handshake is done."""

    def text(self, message: str) -> None:
        """A text message, whole."""

    def data(self, piece: bytes) -> None:
        """A piece of a binary message, as it comes: where one message ends and the next begins is not told."""

    def closed(self, code: int, reason: str) -> None:
        """The connection is over, or the peer said that it wants it to be: ``ABNORMAL`` if it ended without a word."""


class Rejected(Exception):
    """The server did not agree to a WebSocket. ``status``: its HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the server answered {status} instead of opening a WebSocket")
        self.status = status


def shortened(reason: str) -> str:
    """Give as much of a reason as a closing frame has room for."""
    return reason.encode(errors="replace")[:LONGEST_REASON].decode(errors="ignore")


@implementer(IConsumer, IPushProducer)
class WebSocket(protocol.Protocol):
    """One WebSocket; as a consumer and a producer it is its transport, so that two can be joined."""

    transport: Any

    def __init__(
        self,
        clock: IReactorTime,
        hears: IHears,
        connection: Connection | WSConnection,
        *,
        largest_text: int = LARGEST_TEXT,
        ping_interval: float = PING_INTERVAL,
        silence_limit: float = SILENCE_LIMIT,
        trusting: bool = False,
    ) -> None:
        """:param largest_text: characters of a text message; a larger one ends the connection.

        :param silence_limit: seconds after which a peer that answers no ping is given up.
        :param trusting: read whatever comes as fast as it comes.
        """
        self._clock = clock
        self._hears = hears
        self._connection = connection
        self._largest_text = largest_text
        self._ping_interval = ping_interval
        self._silence_limit = silence_limit
        self._trusting = trusting
        self._unread = bytearray()
        self._reading: IDelayedCall | None = None
        self._frames = 0
        self._second = clock.seconds()
        self._ponging: IDelayedCall | None = None
        self._ping: Ping | None = None
        self._texts: list[str] = []
        self._text_size = 0
        self._heard = clock.seconds()
        self._paused = self._holds = False
        self._timer: IDelayedCall | None = None
        self._told = False
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            AcceptConnection: lambda _: self._open(),
            BytesMessage: self._bytes,
            CloseConnection: self._peer_closes,
            Ping: self._pinged,
            RejectConnection: self._rejected,
            TextMessage: self._text,
        }

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._connection.state is ConnectionState.OPEN and not self._told

    # --- sending

    def send_text(self, message: str) -> None:
        """Send a text message; nothing once the connection is closing."""
        self._send(TextMessage(message))

    def write(self, data: bytes) -> None:
        """Send a binary message; nothing once the connection is closing."""
        self._send(BytesMessage(data))

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Say goodbye, after all that was sent; the reason is cut where it is too long."""
        if self.is_open:
            self._send(CloseConnection(code, shortened(reason)))
            self._end_of_sending()
            self._set_timer(CLOSE_TIMEOUT, self.abort)

    def abort(self) -> None:
        """Hang up at once."""
        self.transport.abortConnection()

    def _send(self, event: Event) -> None:
        if self.is_open:
            self.transport.write(self._connection.send(event))

    def _end_of_sending(self) -> None:
        # A transport closes only when nobody produces for it any more, and tells nothing while it is paused.
        self.transport.unregisterProducer()
        self.resumeProducing()

    # --- as consumer and producer

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Pause who writes while the peer does not keep up."""
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Pause nobody any more."""
        self.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        """Read nothing for now."""
        self._paused = True
        self._hold()

    def resumeProducing(self) -> None:
        """Read on."""
        self._paused = False
        self._heard = self._clock.seconds()
        self._read_on()

    def stopProducing(self) -> None:
        """Whom this fed is gone. Who joined the two hears of it, and decides; what they say must not wait unread."""
        self.resumeProducing()

    # --- receiving

    def connectionMade(self) -> None:
        """See Twisted's Protocol."""
        if self.is_open:
            # A server's handshake was done before it had a transport of its own.
            self._open()

    def dataReceived(self, data: bytes) -> None:
        """See Twisted's Protocol."""
        self._heard = self._clock.seconds()
        self._unread += data
        if self._reading is None and not self._paused:
            self._read()

    def _read(self) -> None:
        self._reading = None
        size = len(self._unread) if self._trusting else SLICE
        piece = bytes(self._unread[:size])
        del self._unread[:size]
        self._receive(piece)
        self._read_on()

    def _read_on(self) -> None:
        """Read what is there already, in turns with everybody else, and then what comes."""
        if self._paused or self._reading is not None:
            return
        if self._unread:
            self._hold()
            self._reading = self._clock.callLater(self._rest(), self._read)
        elif self._holds:
            self._holds = False
            self.transport.resumeProducing()

    def _hold(self) -> None:
        if not self._holds:
            self._holds = True
            self.transport.pauseProducing()

    def _rest(self) -> float:
        """Give the seconds to wait before more frames are read."""
        passed = self._clock.seconds() - self._second
        if passed >= 1 or passed < 0:
            self._second, self._frames = self._clock.seconds(), 0
        return 0 if self._trusting or self._frames < FRAMES_PER_SECOND else 1 - passed

    def _receive(self, data: bytes) -> None:
        if self._told:
            # Nothing counts after a goodbye.
            return
        try:
            self._connection.receive_data(data)
            for event in self._connection.events():
                self._frames += getattr(event, "frame_finished", True)
                self._handlers.get(type(event), lambda _: None)(event)
        except RemoteProtocolError as error:
            self._tell(ABNORMAL, str(error))
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """See Twisted's Protocol."""
        self._set_timer(None)
        for call in (self._reading, self._ponging):
            if call is not None and call.active():
                call.cancel()
        self._unread.clear()
        self._tell(ABNORMAL, reason.getErrorMessage())

    def _open(self) -> None:
        self._set_timer(self._ping_interval, self._ask_for_life)
        self._hears.opened()

    def _bytes(self, event: BytesMessage) -> None:
        if event.data and self.is_open:
            self._hears.data(bytes(event.data))

    def _text(self, event: TextMessage) -> None:
        if not self.is_open:
            return
        # Fragments without any text are kept, too.
        self._text_size += max(1, len(event.data))
        if self._text_size > self._largest_text:
            self.close(TOO_LARGE, f"a text message may have {self._largest_text} characters")
            return
        self._texts.append(event.data)
        if event.message_finished:
            message = "".join(self._texts)
            self._texts.clear()
            self._text_size = 0
            self._hears.text(message)

    def _rejected(self, event: RejectConnection) -> None:
        self._tell(event.status_code, "")
        self.transport.abortConnection()

    def _peer_closes(self, event: CloseConnection) -> None:
        if self._connection.state is ConnectionState.OPEN:
            # No frame of the peer's: wsproto's own verdict on what cannot be read.
            self.close(event.code, event.reason or "")
        elif self._connection.state is ConnectionState.REMOTE_CLOSING:
            self.transport.write(self._connection.send(event.response()))
            self._end_of_sending()
            self._set_timer(CLOSE_TIMEOUT, self.abort)
        self._tell(event.code, event.reason or "")
        self.transport.loseConnection()

    def _tell(self, code: int, reason: str) -> None:
        if not self._told:
            self._told = True
            self._hears.closed(code, reason)

    # --- signs of life

    def _pinged(self, event: Ping) -> None:
        self._ping = event
        if self._ponging is None:
            self._pong()

    def _pong(self) -> None:
        self._ponging = None
        if self._ping is not None:
            self._send(self._ping.response())
            self._ping = None
            self._ponging = self._clock.callLater(PONG_INTERVAL, self._pong)

    def _ask_for_life(self) -> None:
        if not self._paused and self._clock.seconds() - self._heard >= self._silence_limit:
            self.abort()
            return
        self._send(Ping())
        self._set_timer(self._ping_interval, self._ask_for_life)

    def _set_timer(self, seconds: float | None, act: Callable[[], None] | None = None) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None if seconds is None or act is None else self._clock.callLater(seconds, act)


class _Opening:
    """Waits for the handshake in front of who hears."""

    def __init__(self, hears: IHears) -> None:
        self.done: Deferred[None] = Deferred()
        self._hears = hears

    def opened(self) -> None:
        self._hears.opened()
        self.done.callback(None)

    def text(self, message: str) -> None:
        self._hears.text(message)

    def data(self, piece: bytes) -> None:
        self._hears.data(piece)

    def closed(self, code: int, reason: str) -> None:
        if self.done.called:
            self._hears.closed(code, reason)
        else:
            self.done.errback(ConnectionError(reason) if code == ABNORMAL else Rejected(code))


async def connect(
    clock: IReactorTime,
    endpoint: IStreamClientEndpoint,
    host: str,
    target: str,
    hears: IHears,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    **options: Any,
) -> WebSocket:
    """Open a WebSocket as a client and give it once its handshake is done.

    Raises :class:`Rejected`, ``ConnectionError``, or what the endpoint does. Cancelling hangs up.

    :param target: path and query.
    :param options: as of :class:`WebSocket`.
    """
    opening = _Opening(hears)
    connection = WSConnection(ConnectionType.CLIENT)
    factory = protocol.Factory.forProtocol(lambda: WebSocket(clock, opening, connection, **options))
    socket = cast(WebSocket, await endpoint.connect(factory))
    socket.transport.write(connection.send(Request(host=host, target=target, extra_headers=list(headers))))
    try:
        await opening.done
    except BaseException:
        socket.abort()
        raise
    return socket

"""The subscription to LXD's lifecycle events (``/1.0/events?type=lifecycle``).

Subscribe, then list, then stream: :meth:`IEventListener.connected` is called when the stream is up, so that whoever lists
then misses nothing. LXD answers the handshake before it subscribes, and reads what comes afterwards: its answer to our
first ping says that the stream is up. The stream has no replay. One that stays silent is dead and is opened anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from twisted.web.websocket import WebSocketClientEndpoint, WebSocketTransport
from zope.interface import implementer

from webspaced.core.json_text import parse as parse_json
from webspaced.interfaces import IEventListener
from webspaced.lib.backoff import pauses
from webspaced.lib.deferreds import bounded, sleep

PING_INTERVAL = 10.0
SILENCE_LIMIT = 30.0
HANDSHAKE_TIMEOUT = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0


@implementer(IAgentEndpointFactory)
class _Aborting:
    """Hands out endpoints and remembers the transports, so that a stalled stream can be cut without waiting for it."""

    def __init__(self, inner: IAgentEndpointFactory) -> None:
        self._inner = inner
        self._transport: Any = None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        self._endpoint: Any = self._inner.endpointForURI(uri)
        return cast("IStreamClientEndpoint", self)

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        connecting: Deferred[Any] = self._endpoint.connect(factory)
        return connecting.addCallback(self._remember)

    def _remember(self, protocol: Any) -> Any:
        self._transport = protocol.transport
        return protocol

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abortConnection()


class _Stream:
    """One open subscription (a ``WebSocketProtocol`` of Twisted's).

    ``established`` fires with the first sign of life, ``ended`` with the reason.
    """

    def __init__(self, clock: IReactorTime, listener: IEventListener, alive: Callable[[], None] = lambda: None) -> None:
        """:param alive: called at each sign of life."""
        self._tell_alive = alive
        self.established: Deferred[None] = Deferred()
        self.ended: Deferred[str] = Deferred()
        self._clock = clock
        self._listener = listener
        self._heard = clock.seconds()
        self._pinging = LoopingCall(self._ping)
        self._pinging.clock = clock

    def buildProtocol(self, _url: str) -> _Stream:
        return self

    def negotiationStarted(self, transport: WebSocketTransport) -> None:
        self._transport = transport

    def negotiationFinished(self) -> None:
        self._pinging.start(PING_INTERVAL)

    def _ping(self) -> None:
        silence = self._clock.seconds() - self._heard
        if silence >= SILENCE_LIMIT:
            self.end(f"no sign of life for {silence:.0f} s")
        else:
            self._transport.ping()

    def _alive(self) -> None:
        self._heard = self._clock.seconds()
        self._tell_alive()
        if not self.established.called:
            self.established.callback(None)

    def pongReceived(self, _payload: bytes) -> None:
        self._alive()

    def textMessageReceived(self, message: str) -> None:
        self._alive()
        for name in read_event(message):
            self._listener.happened(name)

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        # LXD before 5.0 sent events as binary frames.
        self.textMessageReceived(bytes(data).decode(errors="replace"))

    def connectionLost(self, reason: Failure) -> None:
        self.end(reason.getErrorMessage())

    def end(self, reason: str) -> None:
        if self._pinging.running:
            self._pinging.stop()
        if not self.ended.called:
            self.ended.callback(reason)
        if not self.established.called:
            self.established.errback(ConnectionError(reason))


def read_event(message: str) -> tuple[str, ...]:
    """Give the names of the instances that a lifecycle event is about: none, one, or both names of a rename."""
    try:
        metadata = parse_json(message)["metadata"]
        parts = urlsplit(metadata["source"]).path.split("/")
        context = metadata.get("context") or {}
        # A rename tells its other name; LXD 4.0 tells it from the other side.
        others = [context.get(key) for key in ("old_name", "new_name")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    # /1.0/instances/<name>; LXD before 4.12 says containers.
    if len(parts) < 4 or parts[2] not in ("instances", "containers"):  # noqa: PLR2004
        return ()
    name = unquote(parts[3])
    return tuple(dict.fromkeys([name, *(other for other in others if isinstance(other, str))]))


def _cancelled(failure: Failure) -> None:
    failure.trap(CancelledError)


class EventSubscription(Service):
    """Keeps one subscription open for as long as it runs, with a pause that grows while LXD is away."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        endpoints: IAgentEndpointFactory,
        project: str,
        listener: IEventListener,
        lost: Callable[[], None] = lambda: None,
        found: Callable[[], None] = lambda: None,
    ) -> None:
        """:param lost: called when a stream ended: other connections to this LXD may be as dead.

        :param found: called when a new one stands.
        """
        self.heard = clock.seconds()
        """When the stream gave the last sign of life; when this was made, if there was none."""
        self.losses = 0
        """How often a stream could not be opened, or ended."""
        self._clock = clock
        self._endpoints = endpoints
        self._url = f"ws://lxd/1.0/events?type=lifecycle&project={quote(project)}"
        self._listener = listener
        self._lost = lost
        self._found = found
        self._running: Deferred[None] | None = None

    def startService(self) -> None:
        """Begin to subscribe."""
        super().startService()
        self._running = Deferred.fromCoroutine(self._keep_open())
        self._running.addErrback(_cancelled)

    def stopService(self) -> None:
        """Close the subscription and open no other."""
        super().stopService()
        if self._running is not None:
            self._running.cancel()

    async def _keep_open(self) -> None:
        waits = pauses(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            aborting = _Aborting(self._endpoints)
            try:
                reason = await self._stream(aborting)
                waits = pauses(FIRST_PAUSE, LONGEST_PAUSE)
            except CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  (whatever it is, the next try may work)
                reason = str(error)
            finally:
                aborting.abort()
            self.losses += 1
            self.log.warn("LXD's event stream ended: {error}", event="lxd.events-lost", error=reason)
            self._listener.disconnected(reason)
            self._lost()
            await sleep(self._clock, next(waits))

    async def _stream(self, endpoints: _Aborting) -> str:
        stream = _Stream(self._clock, self._listener, self._alive)
        await bounded(self._clock, HANDSHAKE_TIMEOUT, self._open(endpoints, stream), "LXD's event stream")
        self.log.info("subscribed to LXD's events", event="lxd.events-opened")
        self._found()
        listing = self._listener.connected()

        def give_up(reason: str) -> str:
            # What the listing waits for may never come.
            listing.cancel()
            return reason

        stream.ended.addCallback(give_up)
        try:
            await listing
        except CancelledError:
            if not stream.ended.called:
                raise
        return await stream.ended

    def _alive(self) -> None:
        self.heard = self._clock.seconds()

    async def _open(self, endpoints: _Aborting, stream: _Stream) -> None:
        # Twisted's connect() never fires if the connection is lost within the handshake; `established` does.
        opening = Deferred.fromCoroutine(WebSocketClientEndpoint(endpoints, self._url).connect(stream))
        opening.addErrback(lambda failure: stream.end(failure.getErrorMessage()))
        await stream.established

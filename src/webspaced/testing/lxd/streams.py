"""The event stream: a WebSocket that begins with a PING, and pings on."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.web.server import Request

from webspaced.testing.lxd.events import Events, Subscriber

KEEPALIVE = b"keepalive"


class Ready:
    """A factory of one protocol that exists already."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def buildProtocol(self, request: Request) -> Any:
        """Give the protocol."""
        return self._protocol


class EventStream:
    """One subscription (a ``WebSocketProtocol`` of Twisted's)."""

    transport: Any

    def __init__(self, clock: IReactorTime, events: Events, types: frozenset[str], project: str | None, ping: float) -> None:
        self.stalled = False
        self.open = True
        self._events = events
        self._subscriber = Subscriber(types, project, self._hear)
        self._interval = ping
        self._pinging = LoopingCall(self._ping)
        self._pinging.clock = clock

    def negotiationStarted(self, transport: Any) -> None:
        """See Twisted's WebSocketProtocol."""
        self.transport = transport

    def negotiationFinished(self) -> None:
        """See Twisted's WebSocketProtocol."""
        self._events.subscribers.append(self._subscriber)
        self._pinging.start(self._interval)

    def _ping(self) -> None:
        if not self.stalled:
            self.transport.ping(KEEPALIVE)

    def _hear(self, text: str) -> None:
        if not self.stalled:
            self.transport.sendTextMessage(text)

    def stall(self) -> None:
        """Fall silent: nothing is sent, and what comes is not read, so that pings stay unanswered."""
        self.stalled = True
        self.transport.transport.pauseProducing()

    def pongReceived(self, payload: bytes) -> None:
        """See Twisted's WebSocketProtocol."""

    def textMessageReceived(self, message: str) -> None:
        """See Twisted's WebSocketProtocol."""

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        """See Twisted's WebSocketProtocol."""

    def connectionLost(self, reason: Failure) -> None:
        """See Twisted's WebSocketProtocol."""
        self.open = False
        if self._pinging.running:
            self._pinging.stop()
        if self._subscriber in self._events.subscribers:
            self._events.subscribers.remove(self._subscriber)

"""From an HTTP request to a WebSocket (RFC 6455, section 4.2) on the same connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import AcceptConnection
from wsproto.handshake import H11Handshake
from wsproto.utilities import RemoteProtocolError

from webspaced.errors import Invalid
from webspaced.http.problems import problem_of

Accept = Callable[[Connection], IProtocol]
"""Gives the protocol that takes the connection over."""


class Channel(HTTPChannel):
    """A connection whose request can hand it over to another protocol.

    (Twisted's own way is private, and bound to its own WebSockets.)
    """

    _successor: IProtocol | None = None

    def hand_over(self, successor: IProtocol, answer: bytes) -> None:
        """Write the answer, and let everything that follows be the successor's."""
        transport: Any = self.transport
        self.setTimeout(None)
        # The channel pauses its requests, and is paused by what they did not read yet.
        transport.unregisterProducer()
        transport.resumeProducing()
        transport.write(answer)
        self._successor = successor
        successor.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        """See Twisted's HTTPChannel."""
        if self._successor is None:
            super().dataReceived(data)
        else:
            self._successor.dataReceived(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # Twisted's has a default
        """See Twisted's HTTPChannel."""
        # Whoever watches the request is told of its end, too.
        super().connectionLost(reason)
        if self._successor is not None:
            self._successor.connectionLost(reason)


class Upgrade(Resource):
    """Answers a WebSocket handshake; any other request is told that this path takes nothing else."""

    isLeaf = True

    def __init__(self, accept: Accept, subprotocol: str | None = None) -> None:
        """:param subprotocol: the one of the client's that is chosen."""
        super().__init__()
        self._accept = accept
        self._subprotocol = subprotocol

    def render(self, request: Any) -> Any:
        """See Twisted's Resource."""
        handshake = H11Handshake(ConnectionType.SERVER)
        headers = [(name, value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values]
        try:
            handshake.initiate_upgrade_connection(headers, request.path)
        except RemoteProtocolError as error:
            return problem_of(Invalid(f"this path takes a WebSocket handshake: {error}")).write(request)
        answer = handshake.send(AcceptConnection(subprotocol=self._subprotocol))
        connection = handshake.connection
        if connection is None:
            raise AssertionError  # it was accepted
        request.channel.hand_over(self._accept(connection), answer)
        return NOT_DONE_YET

"""From an HTTP request to a WebSocket (RFC 6455, section 4.2) on the same connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h11
from twisted.internet.interfaces import IProtocol
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import MethodNotAllowed
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import AcceptConnection
from wsproto.handshake import H11Handshake
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from webspaced.errors import Invalid
from webspaced.http.about import about_of
from webspaced.http.problems import problem_of
from webspaced.http.tickets import SUBPROTOCOL, offered, offers_ours

Accept = Callable[[Connection], IProtocol]
"""Gives the protocol that takes the connection over."""


class Upgrade(Resource):
    """Answers a WebSocket handshake; any other request is told that this path takes nothing else."""

    isLeaf = True

    def __init__(self, accept: Accept) -> None:
        super().__init__()
        self._accept = accept

    def render(self, request: Any) -> Any:
        """See Twisted's Resource."""
        if request.method != b"GET":
            return problem_of(MethodNotAllowed(["GET"])).write(request)
        try:
            connection, answer = _accepted(request)
        except Invalid as error:
            return problem_of(error).write(request)
        about = about_of(request)
        if about is not None:
            # It lasts, and has bounds of its own.
            about.end()
        request.channel.hand_over(self._accept(connection), answer)
        return NOT_DONE_YET


def _accepted(request: Any) -> tuple[Connection, bytes]:
    """Give the WebSocket that a request opens, and the answer; ``Invalid`` if it is no handshake."""
    handshake = H11Handshake(ConnectionType.SERVER)
    headers = [(name, value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values]
    try:
        handshake.initiate_upgrade_connection(headers, request.path)
        subprotocol = SUBPROTOCOL if offers_ours(offered(request)) else None
        answer = handshake.send(AcceptConnection(subprotocol=subprotocol, extra_headers=_told(request)))
    except (h11.ProtocolError, RemoteProtocolError, LocalProtocolError) as error:
        raise Invalid(f"this path takes a WebSocket handshake: {error}") from error
    except UnicodeError as error:
        raise Invalid("this path takes a WebSocket handshake: a header of it is no text, or Host no name") from error
    connection = handshake.connection
    if connection is None:
        raise AssertionError  # it was accepted
    return connection, answer


def _told(request: Any) -> list[tuple[bytes, bytes]]:
    """Give the id of the request, as every answer has it."""
    return [(b"X-Request-ID", value) for value in request.responseHeaders.getRawHeaders(b"x-request-id") or []]

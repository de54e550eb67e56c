"""What Twisted's HTTP client leaves to its users: how connections fail, and bodies that are bounded and can be given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (  # type: ignore[attr-defined]  # RequestNotSent is missing in its __all__
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IBodyProducer, IResponse
from zope.interface import implementer

UNREACHABLE: tuple[type[Exception], ...] = (
    ConnectError,
    ConnectionDone,
    ConnectionLost,
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
    OSError,
)
"""Every way in which a connection can end before the answer is whole."""


def reason(error: BaseException) -> str:
    """Say in one line why a connection failed; some errors keep that in a list of their own."""
    inner: list[Failure] = getattr(error, "reasons", None) or [Failure(error)]
    return "; ".join(f"{type(each.value).__name__} {each.getErrorMessage()}" for each in inner)


@implementer(IBodyProducer)
class BytesBody:
    """A request's body that is written at once: Twisted's own takes turns of the one global reactor."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing is left to pause."""

    resumeProducing = stopProducing = pauseProducing


class BodyTooLarge(Exception):
    """The body is longer than any that makes sense."""


class _Body(Protocol):
    """Hands on a body as it comes; its transport speaks for the connection that the response came on."""

    transport: Any

    def __init__(self, largest: int, feed: Callable[[bytes], object]) -> None:
        self.ended: Deferred[None] = Deferred(lambda _: self._give_up())
        self._left = largest
        self._largest = largest
        self._feed = feed

    def dataReceived(self, data: bytes) -> None:
        if self.ended.called:
            return
        self._left -= len(data)
        if self._left < 0:
            self._fail(Failure(BodyTooLarge(f"more than {self._largest} bytes")))
            return
        try:
            self._feed(data)
        except Exception:  # noqa: BLE001  (whatever it is, it is told to who waits)
            self._fail(Failure())

    def _fail(self, failure: Failure) -> None:
        self._give_up()
        self.ended.errback(failure)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.ended.called:
            return
        # Without a length the end of the connection is the end of the body (RFC 9112, section 6.3).
        if reason.check(ResponseDone, PotentialDataLoss):
            self.ended.callback(None)
        else:
            self.ended.errback(reason)

    def _give_up(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


def read_body(response: IResponse, largest: int) -> Deferred[bytes]:
    """Give a response's body; ``BodyTooLarge`` if it has more bytes. Cancelling closes the connection.

    (``treq.content`` knows no bound, and when cancelled leaves the connection open.)
    """
    received = bytearray()
    return feed_body(response, largest, received.extend).addCallback(lambda _: bytes(received))


def feed_body(response: IResponse, largest: int, feed: Callable[[bytes], object]) -> Deferred[None]:
    """Hand a response's body on piece by piece, and fire at its end; what ``feed`` raises ends it, and is told.

    ``BodyTooLarge`` if there are more bytes. Cancelling closes the connection.
    """
    body = _Body(largest, feed)
    response.deliverBody(body)
    return body.ended

"""What Twisted's HTTP client leaves to its users: how connections fail, and bodies that are bounded and can be given up."""

from __future__ import annotations

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
    """Collects a body; its transport speaks for the connection that the response came on."""

    transport: Any

    def __init__(self, largest: int) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _: self._give_up())
        self._largest = largest
        self._received = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > self._largest and not self.whole.called:
            self._give_up()
            self.whole.errback(BodyTooLarge(f"more than {self._largest} bytes"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        # Without a length the end of the connection is the end of the body (RFC 9112, section 6.3).
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(bytes(self._received))
        else:
            self.whole.errback(reason)

    def _give_up(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


def read_body(response: IResponse, largest: int) -> Deferred[bytes]:
    """Give a response's body; ``BodyTooLarge`` if it has more bytes. Cancelling closes the connection.

    (``treq.content`` knows no bound, and when cancelled leaves the connection open.)
    """
    body = _Body(largest)
    response.deliverBody(body)
    return body.whole

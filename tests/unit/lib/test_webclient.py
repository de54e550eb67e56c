"""Bodies of responses, and why there is none."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss

from tests.unit.timing import watch
from webspaced.lib.webclient import UNREACHABLE, BodyTooLarge, read_body, reason


class Response:
    """A response whose body the test delivers; its transport counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def deliverBody(self, protocol: Protocol) -> None:
        self.protocol = protocol
        protocol.makeConnection(self)

    def loseConnection(self) -> None:
        self.closed += 1

    def end(self, kind: type[Exception] = ResponseDone) -> None:
        self.protocol.connectionLost(Failure(kind("")))


class BodyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.response = Response()
        self.reading = watch(read_body(self.response, 10))

    def receive(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.response.protocol.dataReceived(piece)

    def test_whole_ones(self) -> None:
        for end in (ResponseDone, PotentialDataLoss):
            self.setUp()
            self.receive(b"12345", b"67890")
            self.assertFalse(self.reading.done)
            self.response.end(end)
            self.assertEqual(self.reading.value, b"1234567890")

    def test_an_empty_one(self) -> None:
        self.response.end()
        self.assertEqual((self.reading.value, self.response.closed), (b"", 0))

    def test_one_that_is_cut(self) -> None:
        self.receive(b"123")
        self.response.end(ConnectionLost)
        self.assertIsInstance(self.reading.error, ConnectionLost)

    def test_one_that_is_too_long_is_not_read_on(self) -> None:
        self.receive(b"12345", b"678901", b"more")
        self.assertIsInstance(self.reading.error, BodyTooLarge)
        self.assertEqual(self.response.closed, 1)
        self.response.end(ConnectionLost)

    def test_cancelling_closes_the_connection(self) -> None:
        self.reading.deferred.cancel()
        self.assertIsInstance(self.reading.error, CancelledError)
        self.assertEqual(self.response.closed, 1)
        self.receive(b"late")
        self.response.end(ConnectionLost)


class ReasonTests(SynchronousTestCase):
    def test_the_inner_ones_are_told(self) -> None:
        outer: Any = ResponseFailed([Failure(ConnectionLost("cut")), Failure(ValueError("no header"))])
        first, _, second = reason(outer).partition("; ")
        self.assertTrue(first.startswith("ConnectionLost Connection"))
        self.assertEqual(second, "ValueError no header")
        self.assertIn("ConnectError", reason(ConnectError()))
        self.assertIsInstance(outer, UNREACHABLE)

"""Both directions on their own; an end is an end, a reset is a reset, and a slow reader is not drowned."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.forward.wires import FakeHangups, Wire
from webspaced.forward.stock import StockLine


class RelayTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.visitor, self.container = StockLine(FakeHangups()), StockLine(FakeHangups())
        for leg in (self.visitor, self.container):
            leg.makeConnection(Wire())
        self.visitor.relay_to(self.container)

    def ends(self) -> tuple[list[str], list[str]]:
        return self.visitor.transport.ends, self.container.transport.ends

    def test_bytes_go_both_ways(self) -> None:
        self.visitor.dataReceived(b"to")
        self.container.dataReceived(b"fro")
        self.assertEqual((self.visitor.transport.value(), self.container.transport.value()), (b"fro", b"to"))

    def test_what_is_said_of_the_visitor_comes_first(self) -> None:
        visitor, container = StockLine(FakeHangups()), StockLine(FakeHangups())
        for leg in (visitor, container):
            leg.makeConnection(Wire())
        visitor.relay_to(container, b"PROXY ")
        visitor.dataReceived(b"to")
        self.assertEqual((container.transport.value(), visitor.moved), (b"PROXY to", 8))

    def test_both_ends_are_known(self) -> None:
        self.visitor.transport.peerAddr = IPv4Address("TCP", "203.0.113.7", 51000)
        self.visitor.transport.hostAddr = IPv4Address("TCP", "192.0.2.1", 60022)
        self.assertEqual([str(end) for end in self.visitor.ends() or ()], ["203.0.113.7:51000", "192.0.2.1:60022"])

    def test_a_slow_reader_pauses_the_others_sender(self) -> None:
        self.assertIs(self.visitor.transport.producer, self.container.transport)
        self.assertIs(self.container.transport.producer, self.visitor.transport)
        self.assertTrue(self.visitor.transport.streaming and self.container.transport.streaming)
        self.container.transport.producer.pauseProducing()
        self.assertEqual(self.visitor.transport.producerState, "paused")

    def test_a_visitor_that_ends_first_still_gets_the_answer(self) -> None:
        self.visitor.readConnectionLost()
        self.assertEqual(self.ends(), ([], ["half"]))
        self.container.dataReceived(b"answer")
        self.assertEqual(self.visitor.transport.value(), b"answer")
        self.container.readConnectionLost()
        self.assertEqual(self.ends(), (["close"], ["half", "close"]))

    def test_a_container_that_ends_first_still_gets_the_rest(self) -> None:
        self.container.readConnectionLost()
        self.assertEqual(self.ends(), (["half"], []))
        self.visitor.dataReceived(b"rest")
        self.assertEqual(self.container.transport.value(), b"rest")
        self.visitor.readConnectionLost()
        self.assertEqual(self.ends(), (["half", "close"], ["close"]))

    def test_a_reset_is_passed_on_as_a_reset(self) -> None:
        for one in ("visitor", "container"):
            self.setUp()
            leg = getattr(self, one)
            other = leg.peer
            leg.connectionLost(Failure(ConnectionLost()))
            self.assertEqual(other.transport.ends, ["reset"])

    def test_a_full_close_is_passed_on_as_a_close(self) -> None:
        self.container.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.ends(), (["close"], []))

    def test_a_reset_after_a_half_close_is_still_a_reset(self) -> None:
        self.visitor.readConnectionLost()
        self.container.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.ends(), (["reset"], ["half"]))

    def test_the_second_to_be_lost_ends_nothing_more(self) -> None:
        visitor, container = self.visitor, self.container
        container.connectionLost(Failure(ConnectionLost()))
        visitor.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.ends(), (["reset"], []))
        self.assertIsNone(visitor.peer)
        self.assertIsNone(container.peer)

    def test_half_closes_are_told_to_it(self) -> None:
        self.assertTrue(IHalfCloseableProtocol.providedBy(self.visitor))
        self.visitor.writeConnectionLost()
        self.assertEqual(self.ends(), ([], []))

    def test_before_it_is_joined_nothing_happens(self) -> None:
        alone = StockLine(FakeHangups())
        alone.makeConnection(Wire())
        alone.dataReceived(b"x")
        alone.readConnectionLost()
        alone.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(alone.transport.ends, [])

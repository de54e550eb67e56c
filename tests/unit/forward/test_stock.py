"""Both directions on their own; an end is an end, a reset is a reset, and a slow reader is not drowned."""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.tcp import Server
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.forward.wires import FakeHangups, Wire
from webspaced.forward.stock import LAST_WORDS, StockLine


class Turning(MemoryReactorClock):
    """Lets whoever wants to write do so, as a reactor does; what is due is done as well."""

    def turn(self) -> None:
        for writer in list(self.writers):
            why = writer.doWrite()
            if why:
                self.removeWriter(writer)
                writer.connectionLost(Failure(why))
        self.advance(0)


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


class LastWordsTests(SynchronousTestCase):
    """On Twisted's real transports over real sockets, and on a clock instead of its loop."""

    def setUp(self) -> None:
        self.reactor = Turning()
        self.lines, self.theirs = zip(*(self.side() for _ in range(2)), strict=True)
        self.visitor, self.container = self.lines
        self.visitor.relay_to(self.container)
        self.addCleanup(lambda: [line.transport.abortConnection() for line in self.lines if line.transport.connected])

    def side(self) -> tuple[StockLine, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            theirs = socket.create_connection(server.getsockname())
            ours, address = server.accept()
        self.addCleanup(theirs.close)
        ours.setblocking(False)
        theirs.settimeout(10)
        line = StockLine(FakeHangups(), clock=self.reactor)
        transport: Any = Server(ours, line, address, None, 0, self.reactor)
        line.makeConnection(transport)
        return line, theirs

    def reset(self, theirs: socket.socket) -> None:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()

    def heard(self, theirs: socket.socket) -> bytes:
        """Read to the reset that must come."""
        found = b""
        try:
            while piece := theirs.recv(1 << 20):
                found += piece
        except ConnectionResetError:
            return found
        return self.fail("it looks complete")  # type: ignore[no-any-return]

    def test_what_was_said_before_a_reset_is_passed_on_and_then_the_reset(self) -> None:
        visitor, container = self.theirs
        container.sendall(b"413 too large")
        self.reset(container)
        # A write that fails, or a hang-up, is what is told first.
        self.container.transport.connectionLost(Failure(ConnectionLost()))
        self.reactor.turn()
        self.assertEqual(self.heard(visitor), b"413 too large")
        self.reactor.turn()
        self.assertEqual((self.visitor.transport.connected, self.reactor.getDelayedCalls()), (0, []))

    def test_what_waits_to_be_written_comes_before_the_reset_too(self) -> None:
        visitor, container = self.theirs
        size = 8 << 20
        self.container.dataReceived(bytes(size))
        self.reset(container)
        self.container.transport.connectionLost(Failure(ConnectionLost()))
        received = 0
        while received < size:
            self.reactor.turn()
            received += len(visitor.recv(1 << 20))
        self.reactor.turn()
        self.assertEqual(self.heard(visitor), b"")

    def test_who_takes_nothing_is_not_waited_for_for_ever(self) -> None:
        _, container = self.theirs
        self.container.dataReceived(bytes(64 << 20))
        self.reset(container)
        self.container.transport.connectionLost(Failure(ConnectionLost()))
        for _ in range(4):
            self.reactor.turn()
            self.assertTrue(self.visitor.transport.connected)
            self.reactor.advance(LAST_WORDS / 2)
        self.reactor.advance(LAST_WORDS)
        self.reactor.turn()
        self.assertFalse(self.visitor.transport.connected)

    def test_who_leaves_meanwhile_is_waited_for_no_more(self) -> None:
        visitor, container = self.theirs
        self.container.dataReceived(bytes(64 << 20))
        self.reset(container)
        self.container.transport.connectionLost(Failure(ConnectionLost()))
        self.reset(visitor)
        self.visitor.transport.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

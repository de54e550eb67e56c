"""The network in memory behaves as Twisted's sockets do."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint
from twisted.internet.error import (
    CannotListenError,
    ConnectError,
    ConnectingCancelledError,
    ConnectionRefusedError,  # noqa: A004
    TimeoutError,  # noqa: A004
)
from twisted.internet.interfaces import IHalfCloseableProtocol, IReactorTCP, IReactorTime, IReactorUNIX
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.unit.timing import Time, watch
from webspaced.testing.hangups import WireHangups
from webspaced.testing.network import MemoryReactor
from webspaced.testing.wires import WINDOW


class End(Protocol):
    """Remembers what happened to it."""

    transport: Any

    def __init__(self) -> None:
        self.got = b""
        self.said: list[str] = []

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Any = None) -> None:
        self.said.append(type(reason.value).__name__)


@implementer(IHalfCloseableProtocol)
class HalfEnd(End):
    def readConnectionLost(self) -> None:
        self.said.append("read ended")

    def writeConnectionLost(self) -> None:
        self.said.append("write ended")


class NetworkCase(SynchronousTestCase):
    kind: type[End] = End

    def setUp(self) -> None:
        self.clock = Time()
        self.reactor = MemoryReactor(self.clock, [ip_network("10.7.0.0/16")])
        self.accepted: list[End] = []

    def factory(self) -> Factory:
        def build() -> End:
            self.accepted.append(self.kind())
            return self.accepted[-1]

        return Factory.forProtocol(build)

    def connect(self, host: str = "127.0.0.1", port: int = 80, timeout: float = 30) -> Any:
        return TCP4ClientEndpoint(self.reactor, host, port, timeout).connect(Factory.forProtocol(self.kind))

    def connected(self) -> tuple[End, End]:
        """Give our end and the other one."""
        self.port = self.reactor.listenTCP(80, self.factory())
        ours = self.clock.result_of(self.connect())
        self.clock.settle()
        return ours, self.accepted[-1]


class ConnectingTests(NetworkCase):
    def test_it_is_a_reactor(self) -> None:
        for interface in (IReactorTime, IReactorTCP, IReactorUNIX):
            verifyObject(interface, self.reactor)

    def test_nobody_there(self) -> None:
        self.assertRaises(ConnectionRefusedError, self.clock.result_of, self.connect())
        self.assertEqual(self.clock.seconds(), 0)

    def test_a_listener_on_one_address_is_not_on_another(self) -> None:
        self.reactor.listenTCP(80, self.factory(), interface="127.0.0.2")
        self.assertRaises(ConnectionRefusedError, self.clock.result_of, self.connect())
        self.clock.result_of(self.connect("127.0.0.2"))

    def test_an_address_that_nobody_has_swallows_what_is_sent_to_it(self) -> None:
        self.reactor.listenTCP(80, self.factory())
        self.assertRaises(TimeoutError, self.clock.result_of, self.connect("10.7.0.10", timeout=5))
        self.assertEqual(self.clock.seconds(), 5)

    def test_a_lost_syn_costs_a_second(self) -> None:
        connecting = watch(self.connect("10.7.0.10"))
        self.clock.run_for(0.1)
        self.reactor.up.add("10.7.0.10")
        self.reactor.listenTCP(80, self.factory(), interface="10.7.0.10")
        self.clock.run_for(0.8)
        self.assertFalse(connecting.done)
        self.clock.run_for(0.2)
        self.assertTrue(connecting.value)

    def test_a_closed_port_of_an_address_that_is_up_refuses(self) -> None:
        self.reactor.up.add("10.7.0.10")
        self.assertRaises(ConnectionRefusedError, self.clock.result_of, self.connect("10.7.0.10"))

    def test_giving_up(self) -> None:
        connecting = self.connect("10.7.0.10")
        outcome = watch(connecting)
        connecting.cancel()
        self.assertIsInstance(outcome.error, ConnectingCancelledError)
        self.clock.run_for(60)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_taken(self) -> None:
        port = self.reactor.listenTCP(80, self.factory(), interface="127.0.0.1")
        for host in ("127.0.0.1", "", "0.0.0.0"):
            self.assertRaises(CannotListenError, self.reactor.listenTCP, 80, self.factory(), interface=host)
        self.reactor.listenTCP(80, self.factory(), interface="127.0.0.2")
        port.stopListening()
        self.reactor.listenTCP(80, self.factory(), interface="127.0.0.1")

    def test_a_container_is_a_machine_of_its_own(self) -> None:
        self.reactor.listenTCP(80, self.factory())
        self.reactor.listenTCP(80, self.factory(), interface="10.7.0.10")
        self.assertRaises(CannotListenError, self.reactor.listenTCP, 80, self.factory(), interface="10.7.0.10")
        self.reactor.listenTCP(81, self.factory(), interface="10.7.0.10")
        self.reactor.listenTCP(81, self.factory())

    def test_any_port(self) -> None:
        first, second = (self.reactor.listenTCP(0, self.factory()).getHost().port for _ in range(2))
        self.assertNotEqual(first, second)
        self.clock.result_of(self.connect(port=second))

    def test_ipv6(self) -> None:
        self.reactor.listenTCP(80, self.factory(), interface="::1")
        end = self.clock.result_of(TCP6ClientEndpoint(self.reactor, "::1", 80).connect(Factory.forProtocol(End)))
        self.assertEqual((end.transport.getPeer().host, end.transport.getPeer().type), ("::1", "TCP"))

    def test_unix(self) -> None:
        def connecting() -> Any:
            return UNIXClientEndpoint(self.reactor, "/s").connect(Factory.forProtocol(End))

        error = self.assertRaises(ConnectError, self.clock.result_of, connecting())
        self.assertNotIsInstance(error, ConnectionRefusedError)
        port = self.reactor.listenUNIX("/s", self.factory())
        self.clock.result_of(connecting())
        port.stopListening()
        self.assertRaises(ConnectionRefusedError, self.clock.result_of, connecting())

    def test_a_listener_that_does_not_look_has_its_connections_wait(self) -> None:
        port = self.reactor.listenTCP(80, self.factory())
        port.stopReading()
        ours = self.clock.result_of(self.connect())
        ours.transport.write(b"early")
        self.clock.settle()
        self.assertEqual(self.accepted, [])
        port.startReading()
        self.clock.settle()
        self.assertEqual(self.accepted[0].got, b"early")

    def test_a_listener_that_closes_resets_who_waits(self) -> None:
        port = self.reactor.listenTCP(80, self.factory())
        port.stopReading()
        ours = self.clock.result_of(self.connect())
        port.stopListening()
        self.clock.settle()
        self.assertEqual(ours.said, ["ConnectionLost"])


class EndingTests(NetworkCase):
    def test_bytes_arrive_in_order_in_a_later_turn(self) -> None:
        ours, theirs = self.connected()
        ours.transport.write(b"a")
        ours.transport.writeSequence([b"b", b"c"])
        self.assertEqual(theirs.got, b"")
        self.clock.settle()
        self.assertEqual(theirs.got, b"abc")

    def test_a_clean_end_comes_after_the_bytes(self) -> None:
        ours, theirs = self.connected()
        ours.transport.write(b"x" * 1_000_000)
        ours.transport.loseConnection()
        self.clock.settle()
        self.assertEqual((len(theirs.got), theirs.said, ours.said), (1_000_000, ["ConnectionDone"], ["ConnectionDone"]))

    def test_an_abort_is_a_reset(self) -> None:
        ours, theirs = self.connected()
        ours.transport.write(b"x")
        ours.transport.abortConnection()
        self.clock.settle()
        self.assertEqual((theirs.got, theirs.said, ours.said), (b"", ["ConnectionLost"], ["ConnectionAborted"]))

    def test_closing_with_unread_bytes_is_a_reset(self) -> None:
        ours, theirs = self.connected()
        theirs.transport.pauseProducing()
        ours.transport.write(b"x")
        self.clock.settle()
        theirs.transport.loseConnection()
        self.clock.settle()
        self.assertEqual(ours.said, ["ConnectionLost"])

    def test_bytes_for_who_closed_are_answered_by_a_reset(self) -> None:
        ours, theirs = self.connected()
        ours.transport.pauseProducing()
        theirs.transport.loseConnection()
        self.clock.settle()
        ours.transport.write(b"x")
        self.clock.settle()
        ours.transport.write(b"y")
        self.clock.settle()
        self.assertEqual(ours.said, ["ConnectionLost"])

    def test_a_protocol_that_fails_is_logged_and_loses_its_connection(self) -> None:
        ours, theirs = self.connected()
        theirs.dataReceived = lambda _data: 1 // 0  # type: ignore[assignment,method-assign]
        ours.transport.write(b"x")
        self.clock.settle()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((theirs.said, ours.said), (["ZeroDivisionError"], ["ConnectionLost"]))

    def test_a_cut(self) -> None:
        ours, theirs = self.connected()
        self.reactor.cut(("127.0.0.1", 80))
        self.clock.settle()
        self.assertEqual((ours.said, theirs.said), (["ConnectionLost"], ["ConnectionAborted"]))


class HalfTests(NetworkCase):
    kind = HalfEnd

    def test_one_direction_ends_and_the_other_goes_on(self) -> None:
        ours, theirs = self.connected()
        ours.transport.write(b"question")
        ours.transport.loseWriteConnection()
        self.clock.settle()
        self.assertEqual((theirs.got, theirs.said, ours.said), (b"question", ["read ended"], ["write ended"]))
        theirs.transport.write(b"answer")
        theirs.transport.loseConnection()
        self.clock.settle()
        self.assertEqual((ours.got, ours.said), (b"answer", ["write ended", "read ended"]))

    def test_a_paused_end_learns_nothing_until_it_reads(self) -> None:
        for end in ("loseConnection", "abortConnection"):
            ours, theirs = self.connected()
            theirs.transport.pauseProducing()
            getattr(ours.transport, end)()
            self.clock.settle()
            self.assertEqual(theirs.said, [])
            theirs.transport.resumeProducing()
            self.clock.settle()
            self.assertEqual(theirs.said, ["read ended"] if end == "loseConnection" else ["ConnectionLost"])
            self.port.stopListening()

    def test_hangups_are_told_of_to_who_watches(self) -> None:
        for end, half, told in (
            ("loseConnection", True, 1), ("loseConnection", False, 0), ("abortConnection", True, 1),
            ("abortConnection", False, 1), ("loseWriteConnection", True, 1), ("loseWriteConnection", False, 0),
        ):  # fmt: skip
            ours, theirs = self.connected()
            theirs.transport.pauseProducing()
            hangups, gone = WireHangups(), []
            hangups.watch(theirs.transport, lambda gone=gone: gone.append(1), half=half)
            getattr(ours.transport, end)()
            self.clock.settle()
            self.assertEqual((len(gone), hangups.watched), (told, 1), (end, half))
            hangups.unwatch(theirs.transport)
            self.assertEqual(hangups.watched, 0)
            self.port.stopListening()


class PressureTests(NetworkCase):
    def test_a_reader_that_stops_stops_the_producer(self) -> None:
        ours, theirs = self.connected()
        theirs.transport.pauseProducing()
        told: list[str] = []

        class Producer:
            def pauseProducing(self) -> None:
                told.append("pause")

            def resumeProducing(self) -> None:
                told.append("resume")

            def stopProducing(self) -> None:
                told.append("stop")

        ours.transport.registerProducer(Producer(), True)
        ours.transport.write(b"x" * WINDOW)
        self.clock.settle()
        # The window took it all.
        self.assertEqual(told, ["pause", "resume"])
        ours.transport.write(b"y" * 100_000)
        self.clock.settle()
        self.assertEqual(told, ["pause", "resume", "pause"])
        theirs.transport.resumeProducing()
        self.clock.settle()
        self.assertEqual(told, ["pause", "resume", "pause", "resume"])
        self.assertEqual(len(theirs.got), WINDOW + 100_000)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ReactorTests(NetworkCase):
    def test_system_events(self) -> None:
        said: list[str] = []
        kept = self.reactor.addSystemEventTrigger("before", "shutdown", said.append, "kept")
        removed = self.reactor.addSystemEventTrigger("before", "shutdown", said.append, "removed")
        self.reactor.removeSystemEventTrigger(removed)
        self.reactor.fireSystemEvent("before")
        self.reactor.fireSystemEvent("after")
        self.assertEqual((said, kept is None), (["kept"], False))

    def test_from_threads_and_stop(self) -> None:
        said: list[str] = []
        self.reactor.callFromThread(said.append, "later")
        self.reactor.callWhenRunning(said.append, "now")
        self.assertEqual(said, ["now"])
        self.reactor.advance(0)
        self.assertEqual(said, ["now", "later"])
        self.reactor.stop()
        self.assertEqual((self.reactor.stopped, self.reactor.running), (True, False))

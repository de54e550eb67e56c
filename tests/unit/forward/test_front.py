"""Visitors of the embedded Traefik: led there once they have begun a request, and let go if they do not."""

from __future__ import annotations

import struct
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.core.test_opening import REQUEST, hello, record
from tests.unit.forward.kernel import Relay
from tests.unit.forward.wires import FakeGate, FakeHangups, Network, Wire
from webspaced.core.opening import HEAD_LIMIT, HELLO_LIMIT, is_whole_head
from webspaced.core.proxy_protocol import SIGNATURE
from webspaced.errors import Unavailable
from webspaced.forward.front import NOT_READY, UNANSWERED, Door, Front
from webspaced.forward.means import Means
from webspaced.forward.refusals import Refusals
from webspaced.forward.states import Stage
from webspaced.forward.stock import StockLines
from webspaced.lib.places import Places

BOUND = 60.0
DOORS = (Door(80, "", 8001, is_secure=False, setting="a"), Door(443, "", 8002, is_secure=True, setting="b"))
ASKED = hello(300) + record(20, 1) + record(23, 53) + record(23, 50)


class Visitor(Wire):
    """One end of a connection whose addresses are known."""

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.7", 40000)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", 443)


class FrontCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.gate, self.network = FakeGate(), Network()
        self.seats = Places(6, 6, 4)
        means = Means(
            clock=self.network,
            gate=self.gate,
            lines=StockLines(self.network, FakeHangups()),
            places=Places(6, 6),
            seats=self.seats,
            refusals=Refusals(self.network, "the way"),
            by_visitor=True,
        )
        self.front = Front(means, DOORS, BOUND)
        self.front.listen()

    def visitor(self, port: int = 443, address: str = "192.0.2.7") -> Any:
        factory = next(factory for number, factory, _, _ in self.network.tcpServers if number == port)
        visit = factory.buildProtocol(IPv4Address("TCP", address, 40000))
        visit.makeConnection(Visitor())
        return visit

    def led(self, port: int, said: bytes) -> tuple[Any, Any]:
        """A visitor who said something and was led to Traefik, and Traefik's end."""
        visit = self.visitor(port)
        visit.dataReceived(said)
        self.gate.open()
        return visit, self.network.accept()

    def after(self, seconds: float) -> None:
        """Look at who is there after so many seconds."""
        self.network.advance(seconds)
        self.front.look()
        self.network.advance(0)


class BeginningTests(FrontCase):
    def test_it_waits_for_the_whole_of_it(self) -> None:
        for port, inner, whole in ((80, 8001, REQUEST), (443, 8002, hello(300))):
            visit = self.visitor(port)
            for part in (whole[:3], whole[3:-1]):
                visit.dataReceived(part)
                self.assertEqual((visit.stage, len(self.gate.asked)), (Stage.ARRIVED, 0))
            visit.dataReceived(whole[-1:])
            self.assertEqual(self.gate.asked.pop()[0][1], inner)

    def test_traefik_is_told_who_it_is_and_all_that_was_said(self) -> None:
        visit, backend = self.led(443, hello(300))
        ends = bytes([192, 0, 2, 7, 192, 0, 2, 1]) + struct.pack("!HH", 40000, 443)
        header = SIGNATURE + b"\x21\x11" + struct.pack("!H", len(ends)) + ends
        self.assertEqual(backend.transport.value(), header + hello(300))
        visit.dataReceived(b"more")
        self.assertTrue(backend.transport.value().endswith(b"more"))

    def test_who_does_not_begin_is_let_go(self) -> None:
        silent, slow, secure = self.visitor(80), self.visitor(80), self.visitor()
        for _ in range(59):
            self.after(1)
            slow.dataReceived(b"x")
        self.assertEqual([each.transport.ends for each in (silent, slow, secure)], [[], [], []])
        self.after(1)
        self.assertEqual([each.transport.ends for each in (silent, slow, secure)], [["reset"]] * 3)
        self.assertEqual(self.front.counters().failed, {"left": 3})

    def test_a_head_that_does_not_end_is_answered_here(self) -> None:
        visit = self.visitor(80)
        visit.dataReceived(b"x" * (HEAD_LIMIT - 1))
        self.assertEqual(visit.stage, Stage.ARRIVED)
        visit.dataReceived(b"x")
        self.assertTrue(visit.transport.value().startswith(b"HTTP/1.1 431 "))
        self.assertEqual((self.gate.asked, self.front.counters().failed), ([], {"too_large": 1}))

    def test_a_body_may_be_as_long_as_it_likes(self) -> None:
        visit = self.visitor(80)
        visit.dataReceived(REQUEST + b"x" * HEAD_LIMIT)
        self.assertEqual(len(self.gate.asked), 1)

    def test_while_traefik_is_not_there_they_wait_and_are_told_at_last(self) -> None:
        visit = self.visitor(80)
        visit.dataReceived(REQUEST)
        self.after(BOUND - 1)
        self.assertEqual((visit.stage, visit.transport.value()), (Stage.HELD, b""))
        self.after(1)
        self.assertTrue(visit.transport.value().startswith(b"HTTP/1.1 503 "))
        self.assertIn(str(NOT_READY).encode(), visit.transport.value())


class HandshakeTests(FrontCase):
    def test_a_handshake_alone_is_no_request(self) -> None:
        for said in (hello(300), hello(300) + record(20, 1) + record(23, 53), hello(300) + record(22, 40)):
            visit, backend = self.led(443, said[:305])
            visit.dataReceived(said[305:])
            backend.dataReceived(record(22, 90) + record(20, 1) + record(23, 3000))
            self.after(BOUND - 1)
            self.assertEqual(visit.transport.ends, [], said)
            self.after(1)
            self.assertEqual(visit.transport.ends, ["reset"], said)

    def test_a_request_may_take_long_to_be_answered_but_not_for_ever(self) -> None:
        visit, backend = self.led(443, ASKED)
        backend.dataReceived(record(23, 200))
        self.after(UNANSWERED - 1)
        self.assertEqual(visit.transport.ends, [])
        self.after(1)
        self.assertEqual(visit.transport.ends, ["reset"])

    def test_who_goes_on_sending_may_take_longer(self) -> None:
        for each, ends in ((record(23, 1500), []), (record(23, 1), ["reset"])):
            visit, _ = self.led(443, ASKED)
            for _ in range(70):
                self.after(UNANSWERED / 20)
                visit.dataReceived(each)
            self.assertEqual(visit.transport.ends[:1], ends)

    def test_who_has_sent_much_and_stops_is_let_go(self) -> None:
        visit, _ = self.led(443, ASKED)
        visit.dataReceived(record(23, 16000) * 10)
        self.after(1)
        self.after(UNANSWERED)
        self.assertEqual(visit.transport.ends, ["reset"])

    def test_nor_does_a_long_hello_without_its_end_stay(self) -> None:
        visit, _ = self.led(443, b"\x16\x03\x01\x40\x00\x01\x00\xff\xff" + bytes(HELLO_LIMIT - 4))
        for _ in range(3):
            visit.dataReceived(b"\x16\x03\x01\x40\x00" + bytes(HELLO_LIMIT))
        self.after(BOUND)
        self.assertEqual(visit.transport.ends, ["reset"])

    def test_who_waited_for_traefik_has_its_time_from_then(self) -> None:
        visit = self.visitor()
        visit.dataReceived(hello(300))
        self.after(BOUND - 1)
        self.gate.open()
        self.network.accept()
        self.after(BOUND - 1)
        self.assertEqual(visit.transport.ends, [])
        self.after(1)
        self.assertEqual(visit.transport.ends, ["reset"])

    def test_where_traefik_hung_up_nobody_stays(self) -> None:
        for port, said in ((80, REQUEST), (443, ASKED)):
            visit, backend = self.led(port, said)
            backend.dataReceived(record(23, 2000))
            self.after(1)
            backend.readConnectionLost()
            self.assertEqual(visit.transport.ends, ["half"])
            self.after(BOUND - 1)
            self.assertEqual(visit.transport.ends, ["half"])
            self.after(BOUND)
            self.assertEqual(visit.transport.ends, ["half", "reset"])

    def test_who_was_answered_may_be_silent(self) -> None:
        visit, backend = self.led(443, ASKED)
        backend.dataReceived(record(23, 200) + record(23, 30))
        self.assertEqual((visit._line.tap, visit._backend.tap), (None, None))
        self.after(UNANSWERED * 100)
        self.assertEqual(visit.transport.ends, [])

    def test_so_may_who_asked_without_tls(self) -> None:
        visit, _ = self.led(80, REQUEST)
        self.after(UNANSWERED * 100)
        self.assertEqual(visit.transport.ends, [])


class PlacesTests(FrontCase):
    def test_nobody_takes_all_of_them(self) -> None:
        self.seats.spares_busy = True
        many = [self.visitor() for _ in range(4)]
        many.append(self.visitor())
        others = [self.visitor(address="198.51.100.1") for _ in range(2)]
        self.assertEqual([each.transport.ends for each in many], [["reset"], [], [], [], []])
        self.assertEqual([each.transport.ends for each in others], [[], []])

    def test_who_is_busy_does_not_make_room_for_a_newcomer_of_the_same_address(self) -> None:
        self.seats.spares_busy = True
        busy = [self.led(80, REQUEST)[0] for _ in range(4)]
        self.network.advance(2)
        for each in busy:
            each.dataReceived(b"x")
        self.assertEqual(self.visitor().transport.ends, ["reset"])
        self.assertEqual([each.transport.ends for each in busy], [[]] * 4)

    def test_who_has_said_nothing_makes_room(self) -> None:
        busy = [self.led(80, REQUEST)[0] for _ in range(3)]
        silent = [self.visitor(address=f"198.51.100.{n}") for n in range(3)]
        self.network.advance(2)
        for each in busy:
            each.dataReceived(b"x")
        self.assertEqual(self.visitor(address="203.0.113.1").transport.ends, [])
        self.assertEqual([each.transport.ends for each in busy], [[], [], []])
        self.assertEqual([each.transport.ends for each in silent].count(["reset"]), 1)


class EndTests(FrontCase):
    def test_a_port_that_is_taken_is_named_with_its_setting(self) -> None:
        def refuse(port: int, *_: object, **__: object) -> None:
            raise CannotListenError("", port, OSError(98, "Address already in use"))

        self.patch(self.network, "listenTCP", refuse)
        error = self.assertRaises(Unavailable, self.front.listen)
        self.assertIn(":80 (a)", str(error))
        self.assertIn("Address already in use", str(error))

    def test_closing_lets_nobody_stay(self) -> None:
        visit, _ = self.led(80, REQUEST)
        self.front.stop_listening()
        self.assertEqual(visit.transport.ends, [])
        self.front.close()
        self.assertEqual(visit.transport.ends, ["reset"])


class SocketTests(SynchronousTestCase):
    """The same of raw sockets."""

    def awaiting(self) -> Relay:
        relay = Relay()
        relay.engine.buffer = bytearray(HEAD_LIMIT)
        relay.engine.view = memoryview(relay.engine.buffer)
        relay.lines[0].await_first(half=False, enough=is_whole_head)
        relay.turn()
        return relay

    def test_more_is_waited_for(self) -> None:
        relay = self.awaiting()
        for part in (REQUEST[:5], REQUEST[5:-1]):
            relay.sockets[0].arrive(part)
            relay.turn()
            self.assertEqual(relay.owner.told, [])
        relay.sockets[0].arrive(REQUEST[-1:])
        relay.turn()
        self.assertEqual(len(relay.owner.told), 1)
        self.assertTrue(relay.owner.told[0].startswith("began"))

    def test_who_ends_the_own_side_before_is_gone_and_after_is_not(self) -> None:
        for said, told in ((REQUEST[:-1], "gone"), (REQUEST, f"began {REQUEST!r}")):
            relay = self.awaiting()
            relay.sockets[0].arrive(said)
            relay.sockets[0].end()
            relay.turn()
            self.assertEqual(relay.owner.told, [told])

    def test_both_directions_can_be_listened_to(self) -> None:
        relay, heard = Relay(), [b"", b""]
        for number, line in enumerate(relay.lines):
            line.tap = lambda piece, number=number: heard.__setitem__(number, heard[number] + bytes(piece))
        relay.sockets[0].open_window(100)
        relay.begin(b"who")
        for sock in relay.sockets:
            sock.arrive(b"said")
        relay.turn()
        relay.sockets[1].open_window(100)
        relay.turn()
        self.assertEqual((heard, relay.sockets[1].received), ([b"said", b"said"], b"whosaid"))

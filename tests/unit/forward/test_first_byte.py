"""Where TLS is passed through, the first byte of a visitor decides about the port: TLS, or plain HTTP for a challenge."""

from __future__ import annotations

from attrs import evolve
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.forward.kernel import Relay
from tests.unit.forward.test_visit import VisitCase
from tests.unit.forward.wires import ENDPOINT, FakeHangups, Wire
from webspaced.core.probing import Ask
from webspaced.errors import BootFailed, Refused
from webspaced.forward.means import Destination
from webspaced.forward.states import Stage
from webspaced.forward.stock import StockLine
from webspaced.forward.visit import SILENCE

HELLO, REQUEST = b"\x16\x03\x01\x00\xc8", b"GET /.well-known/acme-challenge/t HTTP/1.1\r\n\r\n"


class VisitTests(VisitCase):
    destination = Destination(1, 8443, plain=80)

    def asked(self) -> list[tuple[int, int, bool]]:
        return [what for what, _ in self.gate.asked]

    def test_nothing_is_woken_before_it(self) -> None:
        visit = self.visitor()
        self.assertEqual((self.asked(), visit.stage, visit.transport.producerState), ([], Stage.ARRIVED, "producing"))
        self.assertEqual((self.visits.held, self.seats.held), (set(), 1))

    def test_tls_goes_to_the_web_port_and_anything_else_to_the_plain_one(self) -> None:
        for said in (HELLO, REQUEST):
            self.visitor().dataReceived(said)
        self.assertEqual(self.asked(), [(1, 8443, Ask.CONNECTION), (1, 80, Ask.HTTP)])

    def test_nothing_of_what_was_said_is_lost(self) -> None:
        for said, port in ((HELLO, 8443), (REQUEST, 80)):
            visit = self.visitor()
            visit.dataReceived(said)
            self.assertEqual(visit.transport.producerState, "paused")
            self.gate.open()
            backend = self.network.accept()
            visit.dataReceived(b"more")
            self.assertEqual(backend.transport.value(), said + b"more")
            self.assertEqual(self.gate.asked[-1][0][1], port)
            self.assertEqual(visit.moved()[0], len(said) + 4)

    def test_a_boot_that_fails_is_told_over_plain_http_only(self) -> None:
        for said, answer, ends in ((HELLO, b"", ["reset"]), (REQUEST, b"HTTP/1.1 503", ["half"])):
            visit = self.visitor()
            visit.dataReceived(said)
            self.gate.asked[-1][1].errback(Failure(BootFailed("it is broken")))
            self.assertEqual((visit.transport.value()[:12], visit.transport.ends), (answer, ends))

    def test_who_stays_silent_is_not_waited_for(self) -> None:
        quiet, other = self.visitor(), self.visitor()
        other.dataReceived(HELLO)
        self.network.advance(SILENCE)
        self.assertEqual((quiet.transport.ends, other.transport.ends), (["reset"], []))
        self.assertEqual(self.visits.failed, {"left": 1})

    def test_who_leaves_before_it_leaves_nothing(self) -> None:
        visit = self.visitor()
        visit.connectionLost()
        self.assertEqual((self.asked(), self.seats.held, self.visits.present), ([], 0, set()))
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_an_unwanted_listener_waits_for_none(self) -> None:
        visit = self.visitor()
        self.visits.cut_unwanted()
        self.assertEqual(visit.transport.ends, ["reset"])


class SilentTests(VisitCase):
    """Visitors of a sleeping webspace who say nothing at first."""

    destination = Destination(1, 22)

    def setUp(self) -> None:
        super().setUp()
        self.visits.means = evolve(self.visits.means, first_word=0.05)

    def test_who_leaves_soon_without_a_word_wakes_nobody(self) -> None:
        visit = self.visitor()
        self.network.advance(0.04)
        visit.connectionLost()
        self.network.advance(1)
        self.assertEqual((self.gate.asked, self.network.getDelayedCalls()), ([], []))

    def test_who_speaks_and_stays_wakes_it_after_the_same_moment(self) -> None:
        visit = self.visitor()
        self.network.advance(0.02)
        visit.dataReceived(b"SSH-2.0-x")
        self.assertEqual((self.gate.asked, visit.stage, visit.transport.producerState), ([], Stage.ARRIVED, "paused"))
        self.network.advance(0.03)
        self.assertEqual((len(self.gate.asked), visit.stage, self.hangups.watched), (1, Stage.HELD, 1))
        self.network.advance(1)
        self.assertEqual(len(self.gate.asked), 1)
        self.gate.open()
        self.assertEqual(self.network.accept().transport.value(), b"SSH-2.0-x")

    def test_who_speaks_late_wakes_it_at_once(self) -> None:
        self.destination = evolve(self.destination, on_data=True)
        visit = self.visitor()
        self.network.advance(1000)
        self.assertEqual((self.gate.asked, visit.stage, self.visits.held, self.places.held), ([], Stage.ARRIVED, set(), 0))
        visit.dataReceived(b"x")
        self.assertEqual((len(self.gate.asked), visit.stage), (1, Stage.HELD))

    def test_who_speaks_and_resets_soon_wakes_nobody(self) -> None:
        for self.destination in (Destination(1, 22), Destination(1, 22, on_data=True)):
            visit = self.visitor()
            self.network.advance(0.01)
            visit.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
            self.hangups.by_transport[id(visit.transport)][0]()
            visit.connectionLost()
            self.network.advance(1)
            self.assertEqual((self.gate.asked, self.network.getDelayedCalls(), self.hangups.watched), ([], [], 0))

    def test_who_only_looks_whether_it_is_open_does_not_wake_what_waits_for_a_word(self) -> None:
        self.destination = evolve(self.destination, on_data=True)
        visit = self.visitor()
        self.network.advance(20)
        visit.connectionLost()
        self.assertEqual((self.gate.asked, self.seats.held, self.network.getDelayedCalls()), ([], 0, []))

    def test_who_never_says_the_word_is_refused_in_the_end(self) -> None:
        self.destination = evolve(self.destination, on_data=True)
        visit = self.visitor()
        self.network.advance(300)
        self.visits.turn_away(Refused("it did not start"), 0.0)
        self.assertEqual((visit.transport.ends, self.visits.failed), (["reset"], {"refused": 1}))

    def test_who_waits_for_the_server_to_speak_wakes_it_after_a_moment(self) -> None:
        visit = self.visitor()
        self.network.advance(0.04)
        self.assertEqual(self.gate.asked, [])
        self.network.advance(0.02)
        self.assertEqual((len(self.gate.asked), visit.stage), (1, Stage.HELD))
        self.assertEqual(visit.transport.producerState, "paused")
        self.gate.open()
        backend = self.network.accept()
        visit.dataReceived(b"later")
        self.assertEqual(backend.transport.value(), b"later")

    def test_who_is_turned_away_meanwhile_wakes_nobody(self) -> None:
        visit = self.visitor()
        self.visits.turn_away(Refused("webspaced is being restarted", retry_after=5.0))
        self.assertEqual((visit.transport.ends, self.visits.failed), (["reset"], {"refused": 1}))
        visit.connectionLost()
        self.network.advance(1)
        self.assertEqual((self.gate.asked, self.network.getDelayedCalls()), ([], []))

    def test_who_comes_to_one_that_runs_waits_for_nothing(self) -> None:
        self.gate.now = ENDPOINT
        self.visitor()
        self.assertEqual(len(self.network.tcpClients), 1)


class StockTests(SynchronousTestCase):
    def test_an_end_without_a_byte(self) -> None:
        line = StockLine(FakeHangups(), self)
        line.makeConnection(Wire())
        line.await_first(half=True)
        line.readConnectionLost()
        self.assertEqual(line.transport.ends, ["close"])

    def over(self) -> None:
        pass


class SpeakingTests(SynchronousTestCase):
    """What the kernel tells of somebody who speaks and leaves within the first moments."""

    def told(self, *, is_reset: bool) -> list[str]:
        relay = Relay()
        line, socket, owner = relay.lines[0], relay.sockets[0], relay.owner
        line.await_first(half=False)
        socket.arrive(b"x")
        relay.turn()
        line.hold(half=False, silent=True)
        (socket.die if is_reset else socket.end)()
        relay.turn()
        told: list[str] = owner.told
        return told

    def test_a_reset_is_told_and_an_end_is_kept(self) -> None:
        self.assertEqual(self.told(is_reset=True), ["began b'x'", "gone"])
        self.assertEqual(self.told(is_reset=False), ["began b'x'"])


class SocketTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.relay = Relay()
        self.line, self.socket, self.owner = self.relay.lines[0], self.relay.sockets[0], self.relay.owner

    def test_it_is_told_once_and_stays_in_the_kernel(self) -> None:
        self.line.await_first(half=True)
        self.relay.turn()
        self.assertEqual(self.owner.told, [])
        for piece in (b"\x16", b"\x03"):
            self.socket.arrive(piece)
            self.relay.turn()
        self.assertEqual((self.owner.told, self.socket.inbox), (["began b'\\x16'"], b"\x16\x03"))

    def test_who_was_asked_for_the_first_byte_can_be_asked_for_more(self) -> None:
        self.line.await_first(half=True)
        self.socket.arrive(b"GE")
        self.relay.turn()
        self.line.await_first(half=True, enough=lambda said, _seen: len(said) >= 4)
        self.socket.arrive(b"T ")
        self.relay.turn()
        self.assertEqual(self.owner.told, ["began b'G'", "began b'GET '"])

    def test_one_that_is_there_already_is_told_at_once(self) -> None:
        self.socket.arrive(HELLO)
        self.relay.turn()
        self.line.await_first(half=True)
        self.assertEqual(self.owner.told, ["began b'\\x16'"])

    def test_once_it_is_held_nobody_is_told_of_it(self) -> None:
        self.line.await_first(half=True)
        self.line.hold(half=False)
        self.socket.arrive(HELLO)
        self.relay.turn()
        self.assertEqual((self.owner.told, self.socket.inbox), ([], HELLO))

    def test_then_all_of_it_is_relayed(self) -> None:
        for each in self.relay.sockets:
            each.open_window(100)
        self.line.await_first(half=True)
        self.socket.arrive(HELLO)
        self.relay.turn()
        self.line.hold(half=False)
        self.relay.begin()
        self.relay.turn()
        self.assertEqual(self.relay.sockets[1].received, HELLO)

    def test_who_says_something_and_goes_away_with_it_is_gone(self) -> None:
        for is_reset in (False, True):
            self.setUp()
            self.line.await_first(half=True)
            self.socket.arrive(HELLO)
            (self.socket.die if is_reset else self.socket.end)()
            self.relay.turn()
            self.assertEqual(self.owner.told, ["gone"])

    def test_who_asks_and_closes_its_side_waits_for_the_answer_where_that_may_be(self) -> None:
        self.line.await_first(half=False)
        self.socket.arrive(HELLO)
        self.socket.end()
        self.relay.turn()
        self.assertEqual(self.owner.told, ["began b'\\x16'"])

    def test_who_goes_away_first_is_gone(self) -> None:
        for is_reset in (False, True):
            self.setUp()
            self.line.await_first(half=True)
            (self.socket.die if is_reset else self.socket.end)()
            self.relay.turn()
            self.assertEqual(self.owner.told, ["gone"])

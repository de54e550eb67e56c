"""A visitor's way: held, then relayed, or refused."""

from __future__ import annotations

from attrs import evolve
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.forward.wires import ENDPOINT, FakeGate, FakeHangups, Network, Wire, lose
from webspaced.core.probing import Ask
from webspaced.errors import BootFailed, Refused, Unavailable
from webspaced.forward.means import Destination, Means
from webspaced.forward.refusals import Refusals
from webspaced.forward.stock import StockLines
from webspaced.forward.visit import CONNECT_TIMEOUTS, FAREWELL, HELD_GRACE, Visit
from webspaced.forward.visits import Visits
from webspaced.lib.places import LEAST_IDLE, Places

PLAIN, WEB = Destination(1, 22), Destination(1, 80, Ask.HTTP)


class VisitCase(SynchronousTestCase):
    destination: Destination | None = PLAIN

    def setUp(self) -> None:
        self.gate, self.hangups, self.network = FakeGate(), FakeHangups(), Network()
        self.places = Places(4, 3)
        self.seats = Places(6, 5)
        means = Means(
            clock=self.network,
            gate=self.gate,
            lines=StockLines(self.network, self.hangups),
            places=self.places,
            seats=self.seats,
            refusals=Refusals(self.network),
        )
        self.visits = Visits(means, lambda: self.destination)

    def visitor(self, visits: Visits | None = None) -> Visit:
        visit = (visits or self.visits).buildProtocol(None)
        assert visit is not None
        visit.makeConnection(Wire())
        return visit

    def relayed(self) -> tuple[Visit, object]:
        visit = self.visitor()
        self.gate.open()
        return visit, self.network.accept()


class PlaceTests(VisitCase):
    def test_the_one_that_says_nothing_makes_room(self) -> None:
        self.seats.most = 3
        quiet, busy, other = (self.relayed()[0] for _ in range(3))
        for seconds in (5, 5):
            self.network.advance(seconds)
            busy.dataReceived(b"x")
            other.dataReceived(b"x")
        newcomer, _ = self.relayed()
        self.assertEqual(quiet.transport.ends, ["reset"])
        self.assertEqual((self.visits.relayed - {quiet}, self.seats.held), ({busy, other, newcomer}, 3))
        quiet.connectionLost(Failure(error.ConnectionAborted()))
        self.assertEqual(self.seats.held, 3)

    def test_who_waits_for_a_boot_is_left_alone_for_a_while(self) -> None:
        waiting = [self.visitor() for _ in range(3)]
        self.network.advance(HELD_GRACE)
        refused = self.visitor()
        self.assertEqual((refused.transport.ends, self.visits.held), (["reset"], set(waiting)))
        self.network.advance(LEAST_IDLE)
        served = self.visitor()
        self.assertEqual((waiting[0].transport.ends, self.visits.held), (["reset"], {*waiting[1:], served}))
        self.assertEqual((self.places.held, self.visits.failed), (3, {"no_room": 2}))

    def test_who_was_refused_and_takes_no_answer_makes_room(self) -> None:
        self.destination = WEB
        self.seats.most = 1
        refused = self.visitor()
        refused.turn_away(Refused("it is full"))
        self.network.advance(FAREWELL - LEAST_IDLE - 0.1)
        self.assertEqual(self.visitor().transport.ends, ["reset"])
        self.network.advance(LEAST_IDLE)
        self.assertEqual((self.visitor().transport.ends, refused.transport.ends), ([], ["reset"]))

    def test_each_address_has_its_share(self) -> None:
        self.visits.means = evolve(self.visits.means, by_visitor=True)
        self.seats.most_per_visitor = 2
        ends = []
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"):
            visit = self.visits.buildProtocol(IPv4Address("TCP", address, 40000))
            assert visit is not None
            visit.makeConnection(Wire())
            ends.append(visit.transport.ends)
        self.assertEqual(ends, [[], [], ["reset"], []])


class HeldTests(VisitCase):
    def test_is_paused_at_once_and_waits_for_its_webspace_and_port(self) -> None:
        visit = self.visitor()
        self.assertEqual(visit.transport.producerState, "paused")
        self.assertEqual([what for what, _ in self.gate.asked], [(1, 22, Ask.CONNECTION)])
        self.assertEqual((self.visits.held, self.places.held), ({visit}, 1))
        self.assertEqual(visit.transport.ends, [])

    def test_half_a_close_counts_on_web_ports_only(self) -> None:
        for self.destination, half in ((PLAIN, False), (WEB, True)):
            visit = self.visitor()
            self.assertEqual(self.hangups.by_transport[id(visit.transport)][1], half)

    def test_when_the_gate_opens_it_is_joined_and_then_resumed(self) -> None:
        visit = self.visitor()
        self.gate.open()
        self.assertEqual(visit.transport.producerState, "paused")
        host, port, _, timeout, _ = self.network.tcpClients[0]
        self.assertEqual((host, port, timeout), ("10.7.0.10", 22, CONNECT_TIMEOUTS[0]))
        backend = self.network.accept()
        self.assertEqual(visit.transport.producerState, "producing")
        self.assertIs(visit.transport.producer, backend.transport)
        self.assertEqual((self.visits.held, self.visits.relayed, self.places.held), (set(), {visit}, 0))
        self.assertEqual(self.hangups.watched, 0)
        visit.dataReceived(b"ping")
        backend.dataReceived(b"pong")
        self.assertEqual((backend.transport.value(), visit.transport.value()), (b"ping", b"pong"))

    def test_one_that_goes_away_is_forgotten_and_cancels_only_itself(self) -> None:
        leaving, staying = self.visitor(), self.visitor()
        self.hangups.by_transport[id(leaving.transport)][0]()
        self.assertEqual(leaving.transport.ends, ["reset"])
        lose(leaving)
        self.assertEqual(self.gate.cancelled, [0])
        self.assertEqual((self.visits.held, self.places.held, self.hangups.watched), ({staying}, 1, 1))
        self.gate.open(1)
        self.network.accept()
        self.assertEqual(self.visits.relayed, {staying})
        self.assertEqual(len(self.network.tcpClients), 1)

    def test_cutting_is_a_reset(self) -> None:
        held = self.visitor()
        relayed, backend = self.relayed()
        self.visits.cut_all()
        self.assertEqual((held.transport.ends, relayed.transport.ends), (["reset"], ["reset"]))
        lose(relayed)
        self.assertEqual(backend.transport.ends, ["reset"])
        self.assertEqual(self.visits.relayed, set())

    def test_cutting_what_is_relayed_leaves_who_waits(self) -> None:
        held = self.visitor()
        relayed, _ = self.relayed()
        self.visits.cut_relayed()
        self.assertEqual((held.transport.ends, relayed.transport.ends), ([], ["reset"]))

    def test_a_listener_that_leads_nowhere_turns_visitors_away(self) -> None:
        self.destination = None
        self.assertIsNone(self.visits.buildProtocol(None))


class ConnectTests(VisitCase):
    def test_a_refused_connect_is_told_and_tried_again_through_the_gate(self) -> None:
        visit = self.visitor()
        self.gate.open()
        self.network.refuse(error.ConnectionRefusedError())
        self.assertEqual(self.gate.suspected, [(ENDPOINT, True, Ask.CONNECTION)])
        self.assertEqual(len(self.gate.asked), 2)
        self.gate.open()
        self.network.accept()
        self.assertEqual(self.visits.relayed, {visit})

    def test_a_silent_one_is_told_as_silent(self) -> None:
        self.visitor()
        self.gate.open()
        self.network.refuse(error.TimeoutError())
        self.assertEqual(self.gate.suspected, [(ENDPOINT, False, Ask.CONNECTION)])

    def test_each_try_has_more_time_and_the_last_one_ends_it(self) -> None:
        visit = self.visitor()
        for _ in CONNECT_TIMEOUTS:
            self.gate.open()
            self.network.refuse(error.ConnectionRefusedError())
        self.assertEqual([client[3] for client in self.network.tcpClients], list(CONNECT_TIMEOUTS))
        self.assertEqual(visit.transport.ends, ["reset"])
        self.assertEqual(self.places.held, 0)

    def test_lxd_being_away_when_it_is_suspected_refuses(self) -> None:
        self.gate.suspect_error = Unavailable("LXD cannot be reached")
        visit = self.visitor()
        self.gate.open()
        self.network.refuse(error.ConnectionRefusedError())
        self.assertEqual(visit.transport.ends, ["reset"])


class RefusedTests(VisitCase):
    def test_other_protocols_are_reset(self) -> None:
        visit = self.visitor()
        self.gate.asked[0][1].errback(BootFailed("it crashed"))
        self.assertEqual((visit.transport.ends, visit.transport.value()), (["reset"], b""))
        self.assertEqual((self.visits.held, sum(self.visits.failed.values()), self.places.held), (set(), 1, 0))

    def test_a_web_visitor_is_told_and_its_request_is_read(self) -> None:
        self.destination = WEB
        visit = self.visitor()
        self.gate.asked[0][1].errback(Refused("the webspace is being stopped", retry_after=2))
        # An answer to nothing would be taken for a broken connection.
        self.assertEqual((visit.transport.value(), visit.transport.producerState), (b"", "producing"))
        visit.dataReceived(b"GET / HTTP/1.1\r\n")
        self.assertTrue(visit.transport.value().startswith(b"HTTP/1.1 503 "))
        self.assertIn(b"is being stopped", visit.transport.value())
        self.assertEqual(visit.transport.ends, ["half"])
        answered = visit.transport.value()
        visit.dataReceived(b"\r\n")
        self.assertEqual(visit.transport.value(), answered)
        visit.readConnectionLost()
        self.assertEqual(visit.transport.ends, ["half", "close"])

    def test_one_that_does_not_take_its_answer_is_cut(self) -> None:
        self.destination = WEB
        visit = self.visitor()
        self.gate.asked[0][1].errback(Refused("no"))
        visit.dataReceived(b"GET /")
        self.network.advance(FAREWELL)
        self.assertEqual(visit.transport.ends, ["half", "reset"])

    def test_one_that_asks_nothing_is_cut(self) -> None:
        self.destination = WEB
        visit = self.visitor()
        self.gate.asked[0][1].errback(Refused("no"))
        self.network.advance(FAREWELL)
        self.assertEqual((visit.transport.value(), visit.transport.ends), (b"", ["reset"]))

    def test_one_that_ends_without_asking(self) -> None:
        self.destination = WEB
        visit = self.visitor()
        self.gate.asked[0][1].errback(Refused("no"))
        visit.readConnectionLost()
        self.assertEqual((visit.transport.value(), visit.transport.ends), (b"", ["close"]))

    def test_one_that_took_it_leaves_no_timer(self) -> None:
        self.destination = WEB
        visit = self.visitor()
        self.gate.asked[0][1].errback(Refused("no"))
        lose(visit)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_our_own_mistake_is_logged_and_not_told(self) -> None:
        self.destination = WEB
        visit = self.visitor()
        self.gate.asked[0][1].errback(ValueError("secret"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        visit.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
        self.assertIn(b"503", visit.transport.value())
        self.assertNotIn(b"secret", visit.transport.value())

    def test_one_refused_at_once_by_the_gate(self) -> None:
        def refuse(*_: object, **__: object) -> object:
            raise Refused("no")

        self.gate.ready = refuse
        self.assertEqual(self.visitor().transport.ends, ["reset"])
        self.assertEqual((self.visits.held, self.places.held, self.hangups.watched), (set(), 0, 0))


class PlacesTests(VisitCase):
    def test_for_one_webspace(self) -> None:
        held = [self.visitor() for _ in range(3)]
        over = self.visitor()
        self.assertEqual(over.transport.ends, ["reset"])
        self.assertEqual(len(self.gate.asked), 3)
        self.assertEqual(self.visits.held, set(held))

    def test_for_one_webspace_on_all_of_its_ports_together(self) -> None:
        forward = Visits(self.visits.means, lambda: Destination(WEB.uid, 22))
        for visits in (self.visits, forward, forward):
            self.visitor(visits)
        self.assertEqual(self.visitor(forward).transport.ends, ["reset"])
        self.assertEqual(self.places.held, 3)

    def test_those_who_are_relayed_count_until_they_leave(self) -> None:
        relayed = []
        for number in range(5):
            relayed.append(self.visitor())
            self.gate.open(number)
            self.network.accept()
        self.assertEqual((self.places.held, self.seats.held), (0, 5))
        over = self.visitor()
        self.assertEqual(over.transport.ends, ["reset"])
        self.assertEqual(len(self.gate.asked), 5)
        lose(over)
        lose(relayed[0])
        self.assertEqual(self.seats.held, 4)
        self.assertEqual(self.visitor().transport.ends, [])

    def test_a_web_visitor_that_takes_no_place_among_all_is_not_even_answered(self) -> None:
        self.destination = WEB
        for number in range(5):
            self.visitor()
            self.gate.open(number)
            self.network.accept()
        # It would stay for two seconds, and nobody would count it.
        self.assertEqual(self.visitor().transport.ends, ["reset"])

    def test_in_all(self) -> None:
        other = Visits(self.visits.means, lambda: Destination(8, 80, Ask.HTTP))
        for visits in (self.visits, self.visits, self.visits, other):
            self.visitor(visits)
        over = self.visitor(other)
        over.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
        self.assertIn(b"too many visitors", over.transport.value())
        self.assertEqual(self.places.held, 4)

    def test_a_place_is_free_again_when_somebody_is_served_or_leaves(self) -> None:
        visits = [self.visitor() for _ in range(3)]
        self.gate.open(0)
        self.network.accept()
        lose(visits[1])
        self.assertEqual(self.places.held, 1)
        self.visitor()
        self.assertEqual(self.places.held, 2)

    def test_losing_one_that_was_refused_gives_nothing_back_twice(self) -> None:
        for _ in range(3):
            self.visitor()
        lose(self.visitor())
        self.assertEqual(self.places.held, 3)
        for visit in list(self.visits.held):
            lose(visit)
            lose(visit)
        self.assertEqual(self.places.held, 0)

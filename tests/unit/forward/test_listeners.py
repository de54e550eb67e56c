"""Listeners are what is wanted: what stays is not touched, what goes is cut, what cannot be bound is tried again."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.forward.wires import FakeGate, FakeHangups, Network, Wire
from webspaced.core.forward import Forward
from webspaced.core.probing import Ask
from webspaced.errors import Conflict
from webspaced.forward.listeners import Listeners, Where
from webspaced.forward.means import Destination, Means
from webspaced.forward.refusals import Refusals
from webspaced.forward.stock import StockLines
from webspaced.forward.visit import Visit
from webspaced.forward.web import WebVisit
from webspaced.lib.places import Places
from webspaced.webspaces.conditions import Conditions, Kind


class Port:
    def __init__(self, machine: Machine, number: int, factory: Any, interface: str) -> None:
        self.machine, self.number, self.factory, self.interface = machine, number, factory, interface

    def stopListening(self) -> None:
        # As in Twisted, the socket is closed in the next turn only.
        self.factory = None
        self.machine.callLater(0, self.machine.ports.pop, self.number)


class Machine(Network):
    """A machine on which each port can be bound once."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: dict[int, Port] = {}
        self.taken: set[int] = set()

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Port:
        if port in self.ports or port in self.taken:
            raise CannotListenError(interface, port, OSError(98, "Address already in use"))
        self.ports[port] = Port(self, port, factory, interface)
        return self.ports[port]


HEAD = b"GET / HTTP/1.1\r\nHost: alice.example.org\r\n\r\n"


class ListenersCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.machine, self.gate = Machine(), FakeGate()
        self.conditions = Conditions(self.machine)
        means = Means(
            clock=self.machine,
            gate=self.gate,
            lines=StockLines(self.machine, FakeHangups()),
            places=Places(100, 100),
            seats=Places(100, 100),
            refusals=Refusals(self.machine),
        )
        where = Where(forwards="192.0.2.1", boot="127.0.0.1")
        self.listeners = Listeners(means, self.conditions, where, self.web)

    def web(self, uid: int) -> Destination | None:
        return None if uid == 9 else Destination(uid, 80, Ask.HTTP)

    def turn(self) -> None:
        self.machine.advance(0)

    def bound(self) -> list[int]:
        self.turn()
        return sorted(number for number, port in self.machine.ports.items() if port.factory is not None)

    def visit(self, port: int) -> Visit | None:
        visit = self.machine.ports[port].factory.buildProtocol(None)
        if visit is not None:
            visit.makeConnection(Wire())
        if isinstance(visit, WebVisit):
            visit.dataReceived(HEAD)
        return visit

    def destinations(self) -> list[tuple[int, int, bool]]:
        return [what for what, _ in self.gate.asked]


class ForwardTests(ListenersCase):
    def test_are_bound_and_lead_to_their_ports(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22), 50001: Forward(25565)})
        self.assertEqual(self.bound(), [50000, 50001])
        self.assertEqual(self.machine.ports[50000].interface, "192.0.2.1")
        self.visit(50000)
        self.visit(50001)
        self.assertEqual(self.destinations(), [(1, 22, Ask.CONNECTION), (1, 25565, Ask.CONNECTION)])

    def test_what_stays_is_not_touched(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22)})
        port, visit = self.machine.ports[50000], self.visit(50000)
        self.listeners.want_forwards(1, {50000: Forward(22), 50001: Forward(23)})
        self.assertIs(self.machine.ports[50000], port)
        self.assertEqual(visit.transport.ends, [])

    def test_what_goes_is_closed_and_its_visitors_are_cut(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22), 50001: Forward(23)})
        going, staying = self.visit(50000), self.visit(50001)
        self.listeners.want_forwards(1, {50001: Forward(23)})
        self.assertEqual(self.bound(), [50001])
        self.assertEqual((going.transport.ends, staying.transport.ends), (["reset"], []))

    def test_webspaces_do_not_touch_each_other(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.listeners.want_forwards(2, {50001: Forward(22)})
        self.listeners.want_forwards(1, {})
        self.assertEqual(self.bound(), [50001])

    def test_one_that_belongs_to_another_is_a_condition_until_it_is_free(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.listeners.want_forwards(2, {50000: Forward(23)})
        self.assertIn("50000: webspace 1 has it still", self.conditions.of(2)[Kind.FORWARD_UNBOUND])
        self.visit(50000)
        self.assertEqual(self.destinations(), [(1, 22, Ask.CONNECTION)])
        self.listeners.want_forwards(1, {})
        self.turn()
        self.listeners.retry()
        self.assertEqual(dict(self.conditions.of(2)), {})
        self.visit(50000)
        self.assertEqual(self.destinations()[-1], (2, 23, Ask.CONNECTION))

    def test_giving_up_one_that_another_has_leaves_it_to_them(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.listeners.want_forwards(2, {50000: Forward(23)})
        visit = self.visit(50000)
        self.listeners.want_forwards(2, {})
        self.assertEqual((self.bound(), visit.transport.ends), ([50000], []))

    def test_one_that_this_machine_uses_is_a_condition_and_tried_again(self) -> None:
        self.machine.taken.add(50000)
        self.listeners.want_forwards(1, {50000: Forward(22), 50001: Forward(23)})
        self.assertEqual(self.bound(), [50001])
        self.assertIn("port 50000", self.conditions.of(1)[Kind.FORWARD_UNBOUND])
        self.listeners.retry()
        self.assertIn(Kind.FORWARD_UNBOUND, self.conditions.of(1))
        self.machine.taken.clear()
        self.listeners.retry()
        self.assertEqual((self.bound(), dict(self.conditions.of(1))), ([50000, 50001], {}))

    def test_it_is_tried_again_too_when_the_same_is_wanted_again(self) -> None:
        self.machine.taken.add(50000)
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.machine.taken.clear()
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.assertEqual((self.bound(), dict(self.conditions.of(1))), ([50000], {}))

    def test_what_is_no_longer_wanted_is_not_tried_again(self) -> None:
        self.machine.taken.add(50000)
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.listeners.want_forwards(1, {})
        self.machine.taken.clear()
        self.listeners.retry()
        self.assertEqual((self.bound(), dict(self.conditions.of(1))), ([], {}))


class ReserveTests(ListenersCase):
    def test_is_bound_at_once_and_turns_visitors_away(self) -> None:
        self.listeners.reserve(50000)
        self.assertEqual(self.bound(), [50000])
        self.assertIsNone(self.visit(50000))

    def test_is_taken_over_by_the_webspace_without_being_bound_again(self) -> None:
        self.listeners.reserve(50000)
        port = self.machine.ports[50000]
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.assertIs(self.machine.ports[50000], port)
        self.visit(50000)
        self.assertEqual(self.destinations(), [(1, 22, Ask.CONNECTION)])

    def test_what_somebody_has_is_a_conflict(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.listeners.reserve(50001)
        self.machine.taken.add(50002)
        for port in (50000, 50001, 50002):
            self.assertRaises(Conflict, self.listeners.reserve, port)

    def test_letting_go_closes_only_what_nobody_has(self) -> None:
        self.listeners.reserve(50000)
        self.listeners.unreserve(50000)
        self.assertEqual(self.bound(), [])
        self.listeners.want_forwards(1, {50001: Forward(22)})
        self.listeners.unreserve(50001)
        self.listeners.unreserve(59999)
        self.assertEqual(self.bound(), [50001])


class BootPortTests(ListenersCase):
    def test_leads_to_the_web_port_of_the_moment(self) -> None:
        self.listeners.want_boot_port(1, 20001)
        self.assertEqual(self.machine.ports[20001].interface, "127.0.0.1")
        self.visit(20001)
        self.web = lambda uid: Destination(uid, 8080)
        self.listeners._web = self.web
        self.visit(20001)
        self.assertEqual(self.destinations(), [(1, 80, Ask.HTTP), (1, 8080, Ask.CONNECTION)])

    def test_of_one_that_is_gone_turns_visitors_away(self) -> None:
        self.listeners.want_boot_port(9, 20009)
        self.assertIsNone(self.visit(20009))

    def test_the_same_again_touches_nothing(self) -> None:
        self.listeners.want_boot_port(1, 20001)
        visit = self.visit(20001)
        self.listeners.want_boot_port(1, 20001)
        self.assertEqual((self.bound(), visit.transport.ends), ([20001], []))

    def test_another_number_keeps_everybody(self) -> None:
        self.listeners.want_boot_port(1, 20001)
        relayed, held = self.visit(20001), self.visit(20001)
        self.gate.open(0)
        self.machine.accept()
        self.listeners.want_boot_port(1, 20002)
        self.assertEqual(self.bound(), [20002])
        self.assertEqual((relayed.transport.ends, held.transport.ends), ([], []))

    def test_one_that_cannot_be_bound_is_an_error_and_can_be_wanted_again(self) -> None:
        self.machine.taken.add(20001)
        self.assertRaises(CannotListenError, self.listeners.want_boot_port, 1, 20001)
        self.machine.taken.clear()
        self.listeners.want_boot_port(1, 20001)
        self.assertEqual(self.bound(), [20001])

    def test_none_closes_it(self) -> None:
        self.listeners.want_boot_port(1, 20001)
        self.listeners.want_boot_port(1, None)
        self.listeners.want_boot_port(1, None)
        self.assertEqual(self.bound(), [])


class CutTests(ListenersCase):
    def test_what_is_relayed_to_a_container_that_is_gone_is_reset_and_who_waits_stays(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.listeners.want_forwards(2, {50001: Forward(22)})
        self.listeners.want_boot_port(1, 20001)
        visits = [self.visit(port) for port in (50000, 20001, 50001)]
        for number in range(3):
            self.gate.open(number)
            self.machine.accept()
        held = self.visit(50000)
        self.listeners.cut_relayed(1)
        self.assertEqual([visit.transport.ends for visit in visits], [["reset"], ["reset"], []])
        self.assertEqual(held.transport.ends, [])

    def test_closing_resets_everybody_and_closes_every_port(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.listeners.want_boot_port(1, 20001)
        self.listeners.reserve(50005)
        visits = [self.visit(port) for port in (50000, 20001)]
        self.successResultOf(Deferred.fromCoroutine(self.listeners.close()))
        self.assertEqual([visit.transport.ends for visit in visits], [["reset"], ["reset"]])
        self.assertEqual(self.bound(), [])
        self.listeners.retry()
        self.assertEqual(self.bound(), [])

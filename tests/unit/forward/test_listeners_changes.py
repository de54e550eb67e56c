import errno
from unittest import mock

from twisted.internet.error import CannotListenError

from tests.unit.forward.test_listeners import HEAD
from tests.unit.forward.test_listeners import ListenersCase as _Case
from tests.unit.forward.wires import lose
from webspaced.core.forward import Forward
from webspaced.core.probing import Ask
from webspaced.core.proxy_protocol import SIGNATURE, ProxyProtocol
from webspaced.errors import Unavailable
from webspaced.forward.states import Stage
from webspaced.webspaces.conditions import Kind


class ChangeTests(_Case):
    def test_a_forward_that_leads_to_another_port_now_is_bound_all_the_time(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.listeners.want_forwards(1, {50000: Forward(23)})
        self.assertEqual(self.bound(), [50000])
        self.assertNotIn(Kind.FORWARD_UNBOUND, self.conditions.of(1))
        self.visit(50000)
        self.assertEqual(self.destinations(), [(1, 23, Ask.CONNECTION)])

    def test_whether_the_container_is_told_of_its_visitors_changes_for_later_ones_only(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22)})
        before = self.visit(50000)
        self.gate.open(0)
        self.machine.accept()
        self.listeners.want_forwards(1, {50000: Forward(22, ProxyProtocol.V1)})
        after = self.visit(50000)
        self.gate.open(1)
        backend = self.machine.accept()
        self.assertEqual((before.transport.ends, after.transport.ends), ([], []))
        self.assertTrue(backend.transport.value().startswith(b"PROXY TCP4 "), backend.transport.value())

    def test_one_that_is_bound_late_tells_of_its_visitors_too(self) -> None:
        self.machine.taken.add(50000)
        self.listeners.want_forwards(1, {50000: Forward(22, ProxyProtocol.V2)})
        self.machine.taken.clear()
        self.listeners.retry()
        self.visit(50000)
        self.gate.open(0)
        backend = self.machine.accept()
        self.assertTrue(backend.transport.value().startswith(SIGNATURE))

    def test_what_was_counted_of_ports_that_are_closed_stays_in_the_sum(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22), 50001: Forward(23)})
        self.listeners.want_boot_port(1, 20001)
        for number, port in enumerate((50000, 50001, 20001)):
            visit = self.visit(port)
            self.gate.open(number)
            self.machine.accept()
            visit.dataReceived(b"12345")
        self.listeners.want_forwards(1, {50001: Forward(23)})
        self.listeners.want_boot_port(1, None)
        for ended in (False, True):
            counters = self.listeners.counters()
            self.assertEqual((counters.opened, counters.to_container, counters.open), (3, 15 + len(HEAD), 1 if ended else 3))
            self.assertEqual(list(self.listeners.counters_by_port()), [50001])
            for visits in list(self.listeners._parting):
                for visit in list(visits.present):
                    lose(visit)
        self.assertEqual(self.listeners._parting, [])

    def test_ports_that_come_and_go_leave_nothing_behind(self) -> None:
        for _ in range(10):
            self.listeners.want_forwards(1, {50000: Forward(22)})
            self.listeners.want_forwards(1, {})
            self.turn()
        # Nobody asked for what was counted.
        self.assertLess(len(self.listeners._parting), 3)

    def test_who_waited_for_what_is_no_longer_wanted_is_counted(self) -> None:
        self.listeners.want_forwards(1, {50000: Forward(22), 50001: Forward(22)})
        for port in (50000, 50001):
            self.visit(port)
        self.listeners.want_forwards(1, {50001: Forward(23)})
        self.assertEqual(self.listeners.counters().failed, {"cut": 2})

    def test_what_could_not_be_bound_for_want_of_descriptors_is_no_conflict(self) -> None:
        full = CannotListenError("192.0.2.1", 50000, OSError(errno.EMFILE, "Too many open files"))
        self.patch(self.machine, "listenTCP", mock.Mock(side_effect=full))
        error = self.assertRaises(Unavailable, self.listeners.reserve, 50000)
        self.assertIn("Too many open files", str(error))

    def test_who_waits_for_too_long_is_refused(self) -> None:
        self.listeners.want_boot_port(1, 20001)
        first = self.visit(20001)
        self.machine.advance(6)
        second = self.visit(20001)
        self.machine.advance(4)
        self.listeners.refuse_late(10)
        self.assertEqual((first.stage, second.stage), (Stage.REFUSED, Stage.HELD))
        self.assertEqual(self.gate.cancelled, [0])

    def test_old_relayed_visitors_of_a_boot_port_that_changed_are_cut_when_the_container_is_gone(self) -> None:
        self.listeners.want_boot_port(1, 20001)
        visit = self.visit(20001)
        self.gate.open(0)
        self.machine.accept()
        self.listeners.want_boot_port(1, 20002)
        self.listeners.cut_relayed(1)
        self.assertEqual(visit.transport.ends, ["reset"])

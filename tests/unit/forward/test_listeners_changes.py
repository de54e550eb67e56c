from tests.unit.forward.test_listeners import ListenersCase as _Case
from webspaced.webspaces.conditions import Kind


class ChangeTests(_Case):
    def test_a_forward_that_leads_to_another_port_now_is_bound_all_the_time(self) -> None:
        self.listeners.want_forwards(1, {50000: 22})
        self.listeners.want_forwards(1, {50000: 23})
        self.assertEqual(self.bound(), [50000])
        self.assertNotIn(Kind.FORWARD_UNBOUND, self.conditions.of(1))
        self.visit(50000)
        self.assertEqual(self.destinations(), [(1, 23, False)])

    def test_old_relayed_visitors_of_a_boot_port_that_changed_are_cut_when_the_container_is_gone(self) -> None:
        self.listeners.want_boot_port(1, 20001)
        visit = self.visit(20001)
        self.gate.open(0)
        self.machine.accept()
        self.listeners.want_boot_port(1, 20002)
        self.listeners.cut_relayed(1)
        self.assertEqual(visit.transport.ends, ["reset"])

from tests.unit.forward.test_visit import WEB
from tests.unit.forward.test_visit import VisitCase as _Case
from tests.unit.forward.wires import lose


class LeavingTests(_Case):
    def test_one_that_is_lost_while_the_container_is_connected_to(self) -> None:
        visit = self.visitor()
        self.gate.open()
        lose(visit)
        self.assertTrue(self.network.connectors[0].stoppedConnecting)
        self.assertEqual((self.visits.held, self.visits.relayed, self.places.held), (set(), set(), 0))

    def test_a_web_visitor_that_is_lost_then_is_not_counted_as_refused(self) -> None:
        self.destination = WEB
        visit = self.visitor()
        self.gate.open()
        lose(visit)
        self.flushLoggedErrors()
        self.assertEqual((self.visits.failed, visit.transport.value(), self.network.getDelayedCalls()), ({}, b"", []))

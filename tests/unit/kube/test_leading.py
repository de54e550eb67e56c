"""Leading and exposing ports, on the emulator."""

from __future__ import annotations

from tests.contracts.exposure import NAME, OPERATORS, ExposureContract
from tests.contracts.kube_lease import KubeLeaseContract
from tests.unit.kube.emulated import EmulatedCase
from webspaced.kube.exposure import ServicePorts
from webspaced.kube.lease import PodLabel
from webspaced.kube.resources import SERVICE


class LeaseTests(EmulatedCase, KubeLeaseContract):
    def setUp(self) -> None:
        super().setUp()
        self.operator = self.client
        self.make_leases()

    def test_outside_of_a_pod_there_is_nothing_to_mark(self) -> None:
        self.clock.result_of(PodLabel(self.client, self.namespace, "none").show())


class ExposureTests(EmulatedCase, ExposureContract):
    def setUp(self) -> None:
        super().setUp()
        self.operator = self.client

    def test_suspended_it_writes_nothing(self) -> None:
        self.drive(self.service(*OPERATORS))
        leads = False
        exposure = ServicePorts(self.client, self.clock, self.namespace, NAME, lambda: leads)
        exposure.want(1, [50001])
        exposure.open()
        self.clock.run_for(60)
        self.assertEqual(sorted(self.clock.result_of(self.ports())), [53, 443])
        leads = True
        exposure.check()
        self.drive(self.until(53, 443, 50001))
        self.drive(exposure.close())

    def test_a_server_that_is_away_is_waited_for(self) -> None:
        self.drive(self.service(*OPERATORS))
        self.expose()
        self.port.stopListening()
        self.exposure.want(1, [50001])
        self.exposure.open()
        self.clock.run_for(20)
        self.port.startListening()
        self.drive(self.until(53, 443, 50001))
        self.drive(self.exposure.close())
        self.assertEqual(len(self.clock.result_of(self.client.list_all(SERVICE, self.namespace)).items), 1)

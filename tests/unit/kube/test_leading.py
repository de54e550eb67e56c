"""Leading and exposing ports, on the emulator."""

from __future__ import annotations

from types import SimpleNamespace

from tests.contracts.exposure import NAME, OPERATORS, ExposureContract
from tests.contracts.kube_lease import KubeLeaseContract
from tests.unit.kube.emulated import TOKEN, EmulatedCase
from webspaced.kube.exposure import ServicePorts
from webspaced.kube.lease import PodLabel
from webspaced.kube.resources import POD, SERVICE


class LeaseTests(EmulatedCase, KubeLeaseContract):
    def setUp(self) -> None:
        super().setUp()
        self.operator = self.client
        self.make_leases()

    def test_who_held_the_lease_before_is_marked_no_more(self) -> None:
        spec = {"containers": [{"name": "c", "image": "i"}]}
        for name in ("pod-1", "pod-2"):
            self.drive(self.client.create(POD, self.namespace, POD.document({"name": name}, spec=spec)))
        first, second = (PodLabel(self.client, self.namespace, name) for name in ("pod-1", "pod-2"))
        self.drive(first.show())
        self.drive(second.show("pod-1"))
        self.drive(second.show("none"))
        found = self.clock.result_of(self.client.list_all(POD, self.namespace, "webspaced/leader=true"))
        self.assertEqual([each["metadata"]["name"] for each in found.items], ["pod-2"])

    def test_outside_of_a_pod_there_is_nothing_to_mark(self) -> None:
        label, said = PodLabel(self.client, self.namespace, "none"), []
        self.patch(PodLabel, "log", SimpleNamespace(warn=lambda text, **_: said.append(text)))
        for _ in range(3):
            self.clock.result_of(label.show())
        self.clock.result_of(label.hide())
        self.assertEqual(len(said), 1)


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

    def test_what_the_next_leader_wrote_while_this_one_waited_stays(self) -> None:
        self.drive(self.service(*OPERATORS))
        leads = True
        old = ServicePorts(self.client, self.clock, self.namespace, NAME, lambda: leads)
        old.want(1, [50001])
        read = self.client.get

        async def slow(*args: object) -> object:
            nonlocal leads
            found = await read(*args)
            new = ServicePorts(self.client_with(TOKEN), self.clock, self.namespace, NAME)
            new.want(1, [50001, 50002])
            new.open()
            await self.sleep(5)
            await new.close()
            leads = False
            return found

        self.patch(self.client, "get", slow)
        old.open()
        self.clock.run_for(7)
        self.patch(self.client, "get", read)
        self.assertIn(50002, self.clock.result_of(self.ports()))
        self.drive(old.close())

    def test_a_write_over_what_was_not_read_is_redone(self) -> None:
        self.drive(self.service(*OPERATORS))
        self.expose()
        self.exposure.want(1, [50001])
        read = self.client.get

        async def slow(*args: object) -> object:
            found = await read(*args)
            self.patch(self.client, "get", read)
            await self.client.merge_patch(SERVICE, self.namespace, NAME, {"metadata": {"labels": {"a": "b"}}})
            return found

        self.patch(self.client, "get", slow)
        self.exposure.open()
        self.clock.run_for(5)
        self.drive(self.until(53, 443, 50001))
        self.drive(self.exposure.close())
        refused = [each for each in self.kube.asked if each[0] == "PATCH"]
        self.assertEqual(len(refused), 3)

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

"""The simulator, reached by the real client, keeps the contract that real servers keep."""

from __future__ import annotations

from tests.contracts.instances import InstancesContract
from tests.unit.testing.simulated import SimulatedCase
from webspaced.lxd.instances import LxdInstances
from webspaced.testing.lxd.flavour import INCUS


class LxdTests(SimulatedCase, InstancesContract):
    nic = "eth0"

    def setUp(self) -> None:
        super().setUp()
        self.instances = LxdInstances(self.client)
        image = self.lxd.machine.aliased("fast")
        assert image is not None
        self.fingerprint = image.fingerprint

    async def freeze(self, name: str) -> None:
        await self.client.operate("PUT", f"/instances/{name}/state", {"action": "freeze"})


class IncusTests(LxdTests):
    flavour = INCUS

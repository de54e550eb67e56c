"""The simulator, reached by the real client, keeps the contract that real servers keep."""

from __future__ import annotations

from tests.contracts.instances import InstancesContract
from tests.unit.testing.simulated import SimulatedCase
from webspaced.lxd.instances import LxdInstances
from webspaced.lxd.network import NetworkLeases
from webspaced.testing.lxd.flavour import INCUS
from webspaced.testing.lxd.machine import BRIDGE


class LxdTests(SimulatedCase, InstancesContract):
    nic = "eth0"

    def setUp(self) -> None:
        super().setUp()
        self.instances = LxdInstances(self.client)
        image = self.lxd.machine.aliased("fast")
        assert image is not None
        self.fingerprint = image.fingerprint
        self.leases, self.device = NetworkLeases(self.client, BRIDGE), {"type": "nic", "name": "eth0", "network": BRIDGE}

    async def free_address(self) -> str:
        return "10.7.0.200"


class IncusTests(LxdTests):
    flavour = INCUS

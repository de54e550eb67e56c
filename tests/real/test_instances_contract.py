"""The real LXD and the real Incus keep the contract that the fast tier's fakes keep."""

from __future__ import annotations

import secrets
from ipaddress import ip_network

from tests.contracts.instances import InstancesContract
from tests.real.servers import INCUS_VARIABLE, ServerCase
from webspaced.core.instance import Status
from webspaced.errors import RemoteError
from webspaced.lxd.instances import LxdInstances
from webspaced.lxd.network import NetworkLeases


class LxdContractTests(ServerCase, InstancesContract):
    nic = "eth0"

    def setUp(self) -> None:
        super().setUp()
        self.instances = LxdInstances(self.client)
        self.leases = NetworkLeases(self.client, self.server.bridge)
        self.device = {"type": "nic", "name": "eth0", "network": self.server.bridge}

    async def free_address(self) -> str:
        taken = {str(lease.address) for lease in await self.leases.leases()}
        # Other tests use the same network, and take the lowest.
        hosts = [str(address) for address in ip_network(self.server.subnet).hosts()]
        return secrets.choice([address for address in hosts[150:] if address not in taken])

    async def cleared(self) -> None:
        while listed := await self.instances.list_all():
            for instance in listed:
                try:
                    if instance.status is not Status.STOPPED:
                        await self.instances.stop(instance.name, 5, force=True)
                    await self.instances.delete(instance.name)
                except RemoteError:
                    # The server is not done with the last change.
                    await self.sleep(0.1)


class IncusContractTests(LxdContractTests):
    variable = INCUS_VARIABLE

"""The real LXD keeps the contract that the fast tier's fake keeps."""

from __future__ import annotations

import secrets
from collections.abc import Coroutine
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from harness import tiny_image
from harness.rest import Rest
from tests.contracts.instances import InstancesContract
from tests.stack import lxd_of_this_run
from webspaced.core.instance import Status
from webspaced.errors import RemoteError
from webspaced.lib.deferreds import sleep
from webspaced.lxd.agent import Connections, UnixEndpoints
from webspaced.lxd.client import LxdClient
from webspaced.lxd.instances import LxdInstances


class LxdContractTests(InstancesContract, TestCase):
    timeout = 120
    nic = "eth0"

    def setUp(self) -> None:
        lxd = lxd_of_this_run()
        self.project = f"t{secrets.token_hex(4)}"
        # Other tests use the same bridge, on which names are unique.
        self.name = f"c-{self.project}"
        body = {"name": self.project, "config": {"features.images": "false", "features.profiles": "false"}}
        lxd.rest.ask("POST", "/1.0/projects", body)
        self.addCleanup(lxd.rest.ask, "DELETE", f"/1.0/projects/{self.project}")
        self.fingerprint = tiny_image.import_image(lxd.rest, "fast", "fast")
        self.rest = Rest(lxd.socket, self.project)
        agent = Connections(reactor, UnixEndpoints(reactor, str(lxd.socket))).agent
        self.addCleanup(agent._pool.closeCachedConnections)
        self.instances = LxdInstances(LxdClient(agent, reactor, self.project))
        self.addCleanup(lambda: Deferred.fromCoroutine(self.remove_all()))

    async def remove_all(self) -> None:
        while listed := await self.instances.list_all():
            for instance in listed:
                try:
                    if instance.status is not Status.STOPPED:
                        await self.instances.stop(instance.name, 5, force=True)
                    await self.instances.delete(instance.name)
                except RemoteError:
                    # LXD is not done with the last change.
                    await sleep(reactor, 0.1)

    def drive(self, test: Coroutine[Any, Any, None]) -> Deferred[None]:
        return Deferred.fromCoroutine(test)

    def sleep(self, seconds: float) -> Deferred[None]:
        return sleep(reactor, seconds)

    async def freeze(self, name: str) -> None:
        body = {"action": "freeze", "timeout": 10}
        await deferToThread(self.rest.ask, "PUT", f"/1.0/instances/{name}/state", body)

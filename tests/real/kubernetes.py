"""A real Traefik that reads its routes from Kubernetes, real or emulated."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import SkipTest

from twisted.internet import reactor

from harness import network, packages
from tests.contracts.neighbours import PassthroughContract
from tests.contracts.route_store import PublishedRoutesContract, RestartedStoreContract
from tests.real.test_route_stores import ENTRY_POINTS, AskedTraefik, RealTraefik
from webspaced.core.address import Endpoint
from webspaced.kube.access import Access
from webspaced.kube.agent import Connections
from webspaced.kube.client import KubeClient
from webspaced.lib.deferreds import sleep
from webspaced.traefik import embedded
from webspaced.traefik.kube_cluster import Cluster
from webspaced.traefik.kubernetes import KubernetesStore
from webspaced.webspaces.probe import PortProbe

THROTTLE = "100ms"
CLUSTER = Cluster(instance="example.org", entry_points=ENTRY_POINTS, is_asked=True)


def address_of_this_test(test: Any) -> str:
    """Give this machine an address that slices may name, for one test: loopback is refused there."""
    if not packages.is_root():
        message = "needs root, for an address that is not loopback"
        raise SkipTest(message)
    address = str(ip_network(network.free_subnet())[1])
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    test.addCleanup(subprocess.run, ["ip", "address", "del", f"{address}/32", "dev", "lo"], check=True)
    return address


class OnKubernetes(RealTraefik):
    """A subclass says where the cluster is, for webspaced and for Traefik, and how it is ended and started."""

    namespace: str
    more_providers: Mapping[str, Any] = MappingProxyType({})
    """What else Traefik reads."""

    def access(self) -> Access:
        """Give webspaced's access."""
        raise NotImplementedError

    def traefik_access(self) -> dict[str, str]:
        """Give Traefik's options for it."""
        raise NotImplementedError

    async def setUp(self) -> None:
        self.machine = address_of_this_test(self)
        await super().setUp()

    def prepare(self) -> Path:
        static = embedded.static_configuration

        def by_kubernetes(embedding: Any) -> dict[str, Any]:
            provider = {
                **self.traefik_access(),
                "namespaces": [self.namespace],
                "allowEmptyServices": True,
                "safeNaming": True,
                "disableClusterScopeResources": True,
                "throttleDuration": THROTTLE,
            }
            found = static(embedding)
            own = {"providersThrottleDuration": THROTTLE, "kubernetesCRD": provider}
            return {**found, "providers": {**found["providers"], **own, **self.more_providers}}

        self.patch(embedded, "static_configuration", by_kubernetes)
        self.addCleanup(self.go_away)
        return self.directory / "dynamic" / "unused.yml"

    async def serving(self) -> None:
        probe = PortProbe(reactor)
        for address in (self.http, self.https):
            while not await probe.accepts(Endpoint(ip_address(address.host), address.port), 1.0):
                await sleep(reactor, 0.02)

    async def go_away(self) -> None:
        await self.store.stop()

    async def come_back(self) -> None:
        access = self.access()
        connections = Connections(reactor, access)
        client = KubeClient(connections.agent, reactor, access)
        self.store = KubernetesStore(client, reactor, self.namespace, CLUSTER, connections.close)
        await self.store.load()


class KubernetesTraefik(PassthroughContract, OnKubernetes, AskedTraefik, PublishedRoutesContract, RestartedStoreContract):
    """What the real Traefik makes of it."""

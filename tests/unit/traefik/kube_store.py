"""A store in Kubernetes on the emulator."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.unit.kube.emulated import EmulatedCase
from webspaced.core.routes import Route
from webspaced.kube.resources import Document, Resource, name_of
from webspaced.traefik.kube_cluster import Cluster
from webspaced.traefik.kube_objects import KINDS
from webspaced.traefik.kubernetes import KubernetesStore
from webspaced.traefik.render import EntryPoints

POINTS = EntryPoints(http="web", https="websecure", domain="example.org")
OWN = ("ws-u1.example.org", "www.example.net", "example.net")
MANAGED = {"app.kubernetes.io/managed-by": "webspaced"}


def cluster(**more: Any) -> Cluster:
    return Cluster(**{"instance": "example.org", "entry_points": POINTS, **more})


class StoreCase(EmulatedCase):
    """Sets ``store``, loaded."""

    cluster = cluster()

    def setUp(self) -> None:
        super().setUp()
        self.store = self.renew()
        self.clock.result_of(self.store.load())
        self.told: list[set[str]] = []
        self.store.watch(self.noticed)
        self.kube.asked.clear()

    def noticed(self, names: Collection[str]) -> None:
        self.told.append(set(names))

    def renew(self, **more: Any) -> KubernetesStore:
        async def close() -> None:
            pass

        if hasattr(self, "store"):
            self.clock.result_of(self.store.stop())
        return KubernetesStore(self.client, self.clock, self.namespace, more.get("cluster", self.cluster), close)

    def put(self, *routes: Route, remove: tuple[str, ...] = ()) -> None:
        self.clock.result_of(self.store.apply({each.name: each for each in routes}, remove))

    def writes(self) -> list[str]:
        """Give what was written since the last time, such as ``PUT endpointslices/ws-u1``."""
        prefix = f"/namespaces/{self.namespace}/"
        found = [f"{method} {url.partition(prefix)[2].partition('?')[0]}" for method, url in self.kube.writes()]
        self.kube.asked.clear()
        return found

    def objects(self, resource: Resource) -> dict[str, Document]:
        return {name_of(each): each for each in self.kube.objects.find(resource, self.namespace)}

    def names(self) -> list[str]:
        """Give all that is there, such as ``IngressRoute ws-u1``, but for what is shared."""
        found = [f"{kind.kind} {name}" for kind in KINDS.values() for name in self.objects(kind)]
        return sorted(each for each in found if "Transport" not in each and "Middleware" not in each)

    def do(self, work: Any) -> Any:
        return self.clock.result_of(work)

"""The objects that belong to no one webspace, with the route of webspaced's own that tells generations."""

from __future__ import annotations

from webspaced.kube.resources import Document
from webspaced.traefik.generations import Generations
from webspaced.traefik.kube_cluster import Cluster
from webspaced.traefik.kube_objects import Key, Objects, own_route_key, shared, told_by


class Shared:
    """What is wanted of them: ``objects``. ``key`` is the route of webspaced's own, which need not be."""

    def __init__(self, cluster: Cluster) -> None:
        self.objects: Objects = shared(cluster)
        self.key: Key = own_route_key(cluster)
        self._cluster = cluster
        self._generations = Generations()
        self._recent: list[int] = []

    def found(self, own_route: Document | None) -> None:
        """Say which route of webspaced's own is there: it tells what was last."""
        self._recent = told_by(own_route)
        self._generations.found(self._recent)
        self.objects = shared(self._cluster, self._recent)

    def tell(self) -> int:
        """Have another generation, and give it."""
        self._recent = self._generations.following(self._recent)
        self.objects = shared(self._cluster, self._recent)
        return self._recent[0]

"""Saying once which hosts are served with Traefik's own certificate, where nothing gets them another one."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.logger import Logger

from webspaced.core.routes import Route
from webspaced.traefik.kube_cluster import Cluster


class CertificateWarnings:
    """Warns of each host once."""

    log = Logger()

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._warned: set[str] = set()

    def consider(self, routes: Iterable[Route]) -> None:
        """Look at routes that are about to be written."""
        points = self._cluster.entry_points
        if self._cluster.cluster_issuer is not None or points.resolver is not None:
            return
        for route in routes:
            for host in route.automatic if not route.passthrough else ():
                if host in self._warned or host.endswith(f".{points.domain}"):
                    continue
                self._warned.add(host)
                self.log.warn(
                    "{host} of {instance} is served with Traefik's default certificate: neither"
                    " traefik.kubernetes.cluster_issuer nor traefik.cert_resolver is set",
                    event="kube.no-certificate",
                    host=host,
                    instance=route.name,
                )

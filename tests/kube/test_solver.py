"""cert-manager's objects for a challenge by HTTP-01, beside a webspace's, on a real API server and with a real Traefik.

Source: https://cert-manager.io/docs/configuration/acme/http01/ (the solver's Service and Ingress).
"""

from __future__ import annotations

from typing import Any

from tests.contracts.neighbours import CHALLENGE, SolverContract
from tests.contracts.route_store import PublishedRoutes
from tests.kube.served import ServedCase
from tests.kube.test_route_store import OnServer
from tests.real.kubernetes import THROTTLE, OnKubernetes
from webspaced.core.address import Endpoint
from webspaced.kube.resources import ENDPOINT_SLICE, SERVICE, Resource, name_of

INGRESS = Resource(group="networking.k8s.io", version="v1", plural="ingresses", kind="Ingress")


class SolverTests(OnServer, SolverContract, OnKubernetes, PublishedRoutes, ServedCase):
    """Traefik reads Ingress objects, too, as its chart has it."""

    async def setUp(self) -> None:
        self.solvers: set[str] = set()
        await super().setUp()

    @property
    def more_providers(self) -> dict[str, Any]:
        access = {**self.traefik_access(), "token": self.server.tokens["admin"]}
        options = {"disableClusterScopeResources": True, "disableIngressClassLookup": True, "throttleDuration": THROTTLE}
        return {"kubernetesIngress": {**access, **options, "namespaces": [self.namespace]}}

    async def add_solvers(self, hosts: list[str]) -> None:
        for host in hosts:
            if host not in self.solvers:
                self.solvers.add(host)
                for resource, document in solver(f"cm-acme-http-solver-{len(self.solvers)}", host, self.second):
                    await self.client.create(resource, self.namespace, document)


def solver(name: str, host: str, pod: Endpoint) -> list[tuple[Resource, dict[str, Any]]]:
    """Give what cert-manager makes for a challenge, with the slice that the cluster makes of its pod."""
    ports = [{"name": "http", "port": pod.port, "targetPort": pod.port, "protocol": "TCP"}]
    service = SERVICE.document({"name": name}, spec={"clusterIP": "None", "ports": ports})
    slices = ENDPOINT_SLICE.document(
        {"name": name, "labels": {"kubernetes.io/service-name": name}},
        addressType="IPv4",
        endpoints=[{"addresses": [str(pod.host)], "conditions": {"ready": True, "serving": True}}],
        ports=[{"name": "http", "port": pod.port, "protocol": "TCP"}],
    )
    backend = {"service": {"name": name_of(service), "port": {"number": pod.port}}}
    path = {"path": CHALLENGE, "pathType": "Exact", "backend": backend}
    ingress = INGRESS.document({"name": name}, spec={"rules": [{"host": host, "http": {"paths": [path]}}]})
    return [(SERVICE, service), (ENDPOINT_SLICE, slices), (INGRESS, ingress)]

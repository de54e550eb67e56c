"""Each setting of the provider kubernetes does what it says; see ``test_settings``."""

from __future__ import annotations

from typing import Any

from twisted.web.server import Site

from tests.unit.assembled import AssembledCase
from webspaced.assembly import cluster
from webspaced.errors import Invalid, Unavailable
from webspaced.kube.access import Access, fixed_token
from webspaced.kube.agent import Connections
from webspaced.kube.resources import CERTIFICATE, INGRESS_ROUTE, SERVICE, Resource
from webspaced.testing.kube import KubeEmulator
from webspaced.testing.network import MemoryReactor

ACCESS = Access(url="http://127.0.0.1:6443", namespace="webspaces", token=fixed_token(None))
BOOT = "192.0.2.1"


class KubernetesTests(AssembledCase):
    """A daemon beside an emulated cluster."""

    def connections(self, machine: Any, access: Access) -> Connections:
        network = MemoryReactor(machine)
        self.kube = KubeEmulator(machine)
        network.listenTCP(6443, Site(self.kube, reactor=network, timeout=None), interface="127.0.0.1")
        return Connections(network, access)

    def start_with(self, **kubernetes: str) -> None:
        self.patch(cluster, "find_access", lambda _reactor: ACCESS)
        self.patch(cluster, "Connections", self.connections)
        self.start(traefik={"provider": "kubernetes", "boot_address": BOOT, "kubernetes": kubernetes})
        self.create()
        domain = self.domains("own.example")
        self.assertEqual(self.ask("POST", f"self/domains/{domain}")[0], 201)
        self.machine.run_for(1)

    def found(self, resource: Resource, namespace: str = "webspaces") -> dict[str, Any]:
        return {each["metadata"]["name"]: each for each in self.kube.objects.find(resource, namespace)}

    def test_provider_kubernetes(self) -> None:
        self.start_with()
        self.assertEqual(set(self.found(SERVICE)), {"ws-u1"})
        self.assertEqual(self.found(SERVICE)["ws-u1"]["metadata"]["labels"]["app.kubernetes.io/instance"], "example.org")
        self.assertFalse(self.settings.traefik.file.path.exists())

    def test_namespace(self) -> None:
        self.start_with(namespace="default")
        self.assertEqual((set(self.found(SERVICE, "default")), self.found(SERVICE)), ({"ws-u1"}, {}))

    def test_default_secret_and_cluster_issuer(self) -> None:
        self.start_with(default_secret="wildcard", cluster_issuer="letsencrypt")
        routes = self.found(INGRESS_ROUTE)
        self.assertEqual(routes["ws-u1-https"]["spec"]["tls"], {"secretName": "wildcard"})
        self.assertEqual(routes["tls-ws-u1"]["spec"]["tls"], {"secretName": "tls-ws-u1"})
        spec = self.found(CERTIFICATE)["tls-ws-u1"]["spec"]
        self.assertEqual((spec["issuerRef"]["name"], spec["dnsNames"]), ("letsencrypt", ["own.example"]))

    def test_a_boot_address_that_no_pod_reaches(self) -> None:
        self.patch(cluster, "find_access", lambda _reactor: ACCESS)
        for address in ("127.0.0.1", "::1", "0.0.0.0", "169.254.1.1"):
            traefik = {"provider": "kubernetes", "boot_address": address}
            error = self.assertRaises(Invalid, self.build, traefik=traefik)
            self.assertIn("traefik.boot_address", str(error))

    def test_without_a_cluster_it_does_not_start(self) -> None:
        def nowhere(_reactor: Any) -> Access:
            message = "no Kubernetes found"
            raise Unavailable(message)

        self.patch(cluster, "find_access", nowhere)
        self.assertRaises(Unavailable, self.build, traefik={"provider": "kubernetes", "boot_address": BOOT})

"""Peers as a real API server tells of them: slices of Services in several namespaces, and pods by their labels."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor

from tests.kube.served import ServedCase
from tests.kube_server import RBAC
from webspaced.kube.resources import ENDPOINT_SLICE, POD
from webspaced.lan.sources import SERVICE_NAME, Watched, pods, slices

ROUNDS = 200


class SourceTests(ServedCase):
    def setUp(self) -> None:
        super().setUp()
        self.changes = 0

    def changed(self) -> None:
        self.changes += 1

    def slice(self, name: str, service: str, *addresses: str) -> dict[str, Any]:
        endpoints = [{"addresses": [address], "conditions": {"ready": False}} for address in addresses]
        about = {"name": name, "namespace": self.namespace, "labels": {SERVICE_NAME: service}}
        return ENDPOINT_SLICE.document(about, addressType="IPv4", endpoints=endpoints, ports=[])

    async def until(self, source: Watched, wanted: dict[str, set[str]]) -> None:
        for _ in range(ROUNDS):
            found = {name: {str(each) for each in peers} for name, peers in (source.found() or {}).items()}
            if found == wanted:
                return
            await self.sleep(0.05)
        self.fail(f"{source.found()} is not {wanted}")

    async def test_every_address_of_every_slice_of_a_service_counts_ready_or_not(self) -> None:
        source = slices(self.client, reactor, self.namespace, ["lxd", "other"], self.changed)
        self.addCleanup(source.stop)
        self.assertIsNone(source.found())
        await self.client.create(ENDPOINT_SLICE, self.namespace, self.slice("a", "lxd", "10.0.0.1", "10.0.0.2"))
        await self.client.create(ENDPOINT_SLICE, self.namespace, self.slice("x", "foreign", "10.0.0.9"))
        await source.look()
        name = f"{self.namespace}/lxd"
        await self.until(source, {name: {"10.0.0.1", "10.0.0.2"}})
        await self.client.create(ENDPOINT_SLICE, self.namespace, self.slice("b", "lxd", "10.0.0.2", "10.0.0.3"))
        await self.until(source, {name: {"10.0.0.1", "10.0.0.2", "10.0.0.3"}})
        await self.client.delete(ENDPOINT_SLICE, self.namespace, "a")
        await self.until(source, {name: {"10.0.0.2", "10.0.0.3"}})
        self.assertGreater(self.changes, 2)

    async def test_pods_with_the_label_count_once_they_have_an_address(self) -> None:
        source = pods(self.client, reactor, self.namespace, "lan=yes", self.changed)
        self.addCleanup(source.stop)
        await source.look()
        self.assertEqual(source.found(), {})
        spec = {"containers": [{"name": "c", "image": "none"}], "automountServiceAccountToken": False}
        for name, labels in (("one", {"lan": "yes"}), ("two", {"lan": "no"})):
            await self.client.create(POD, self.namespace, POD.document({"name": name, "labels": labels}, spec=spec))
            path = f"{POD.path(self.namespace, name)}/status"
            status = {"phase": "Running", "podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}, {"ip": "fd00::1"}]}
            self.patch_status(path, {"status": status})
        await self.until(source, {"lan=yes": {"10.1.0.1", "fd00::1"}})

    def patch_status(self, path: str, document: dict[str, Any]) -> None:
        current = self.server.ask("GET", path)
        self.server.ask("PUT", path, {**current, **document})

    async def test_it_needs_the_rights_of_its_role_and_no_others(self) -> None:
        await self.client.create(ENDPOINT_SLICE, self.namespace, self.slice("a", "lxd", "10.0.0.1"))
        client = self.client_with(self.server.tokens["traefik"])
        source = slices(client, reactor, self.namespace, ["lxd"], self.changed)
        labelled = pods(client, reactor, self.namespace, "lan=yes", self.changed)
        for each in (source, labelled):
            self.addCleanup(each.stop)
            await each.look()
            self.assertIsNone(each.found())
        self.server.allow("traefik", RBAC / "webspaced-lan.yaml", self.namespace)
        for each in (source, labelled):
            await each.look()
        await self.until(source, {f"{self.namespace}/lxd": {"10.0.0.1"}})
        self.assertEqual(labelled.found(), {})

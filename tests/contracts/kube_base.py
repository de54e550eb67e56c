"""What the contracts of Kubernetes' API have in common: objects, and who asks for them."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from webspaced.kube.client import APPLY_PATCH, Event, KubeClient
from webspaced.kube.resources import ENDPOINT_SLICE, INGRESS_ROUTE, LEASE, SERVICE, Document, Resource, name_of

OURS = {"app.kubernetes.io/managed-by": "webspaced"}
SELECTOR = "app.kubernetes.io/managed-by=webspaced"


def metadata(name: str = "one", **more: Any) -> dict[str, Any]:
    return {"name": name, "labels": OURS, **more}


def service(name: str = "one", **spec: Any) -> dict[str, Any]:
    ports = [{"name": "web", "port": 80, "protocol": "TCP"}]
    return SERVICE.document(metadata(name), spec={"clusterIP": "None", "ports": ports, **spec})


def balancer(*ports: tuple[str, int]) -> dict[str, Any]:
    listed = [{"name": name, "port": port, "protocol": "TCP"} for name, port in ports]
    return SERVICE.document(metadata("balancer"), spec={"type": "LoadBalancer", "ports": listed})


def slice_of(address: str = "10.7.0.10", port: int = 80, family: str = "IPv4", name: str = "one") -> dict[str, Any]:
    return ENDPOINT_SLICE.document(
        metadata(name),
        addressType=family,
        endpoints=[{"addresses": [address], "conditions": {"ready": True, "serving": True}}],
        ports=[{"name": "web", "port": port, "protocol": "TCP"}],
    )


def ingress(name: str = "one", host: str = "one.example.org") -> dict[str, Any]:
    rule = {"kind": "Rule", "match": f"Host(`{host}`)", "services": [{"name": "one", "port": "web"}]}
    return INGRESS_ROUTE.document(metadata(name), spec={"entryPoints": ["web"], "routes": [rule]})


def lease(holder: str) -> dict[str, Any]:
    return LEASE.document(metadata(), spec={"holderIdentity": holder, "leaseDurationSeconds": 15})


def node_ports(document: Document) -> dict[str, int]:
    return {port["name"]: port["nodePort"] for port in document["spec"]["ports"]}


class KubeApi:
    """Mixed into a trial test case that sets ``client``, ``stranger`` (whose token is unknown) and ``namespace``."""

    client: KubeClient
    stranger: KubeClient
    namespace: str
    assertEqual: Any
    assertIn: Any
    assertNotEqual: Any
    assertTrue: Any
    patch: Any
    fail: Any
    addCleanup: Any

    def drive(self, test: Coroutine[Any, Any, None]) -> Any:
        """Run a coroutine as a test."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> Any:
        """Let time go by."""
        raise NotImplementedError

    def forget_history(self) -> None:
        """Have the server forget what was."""
        raise NotImplementedError

    # --- helpers

    async def refused(self, kind: type[Exception], work: Coroutine[Any, Any, Any]) -> Any:
        try:
            await work
        except kind as error:
            return error
        return self.fail(f"no {kind.__name__}")

    async def until(self, true: Any) -> None:
        for _ in range(9000):
            if true():
                return
            await self.sleep(0.02)
        self.fail("it never came")

    async def create(self, resource: Resource, document: Document) -> Document:
        return await self.client.create(resource, self.namespace, document)

    async def put(self, resource: Resource, document: Document) -> Document:
        return await self.client.replace(resource, self.namespace, name_of(document), document)

    async def apply(self, resource: Resource, document: Document, *, force: bool = False) -> Document:
        return await self.client.apply(resource, self.namespace, name_of(document), document, force=force)

    async def apply_as_other(self, resource: Resource, document: Document) -> Document:
        query = {"fieldManager": "other", "force": "true"}
        path = resource.path(self.namespace, name_of(document))
        return await self.client._request("PATCH", path, query, document, kind=APPLY_PATCH)

    async def get(self, resource: Resource, name: str = "one") -> Document:
        return await self.client.get(resource, self.namespace, name)

    def watch(self, version: str, resource: Resource = SERVICE, selector: str = SELECTOR) -> list[Event]:
        events: list[Event] = []
        work = self.client.watch(resource, self.namespace, version, events.append, selector)
        self.watching = Deferred.fromCoroutine(work)
        self.watching.addErrback(lambda failure: failure.trap(CancelledError))
        self.addCleanup(self.watching.cancel)
        return events

    async def version(self, resource: Resource = SERVICE) -> str:
        return (await self.client.list_all(resource, self.namespace, SELECTOR)).version

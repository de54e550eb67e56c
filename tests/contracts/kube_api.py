"""What the API server of Kubernetes does, as far as webspaced relies on it: run on the emulator in the fast tier, and on a
real kube-apiserver.

Tests are coroutines; a subclass says how they are run, and gives each a namespace of its own.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from tests.contracts.instances import contract
from webspaced.errors import Changed, Conflict, Distrusted, NotFound, RemoteError
from webspaced.kube import client as client_module
from webspaced.kube.answers import AlreadyExists, Expired, FieldsTaken
from webspaced.kube.client import APPLY_PATCH, Event, KubeClient
from webspaced.kube.informer import Informer
from webspaced.kube.resources import (
    CERTIFICATE,
    ENDPOINT_SLICE,
    INGRESS_ROUTE,
    LEASE,
    SERVICE,
    Document,
    Resource,
    name_of,
    version_of,
)

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


class KubeApiContract:
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
        for _ in range(1500):
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

    # --- create, read, delete

    @contract
    async def test_created_once(self) -> None:
        created = await self.create(INGRESS_ROUTE, ingress())
        self.assertEqual(created, await self.get(INGRESS_ROUTE))
        self.assertEqual(created["spec"], ingress()["spec"])
        self.assertEqual(created["metadata"]["namespace"], self.namespace)
        self.assertTrue(created["metadata"]["uid"])
        error = await self.refused(AlreadyExists, self.create(INGRESS_ROUTE, ingress(host="two.example.org")))
        self.assertTrue(isinstance(error, Conflict))
        self.assertEqual(created, await self.get(INGRESS_ROUTE))

    @contract
    async def test_what_is_not_there(self) -> None:
        await self.refused(NotFound, self.get(SERVICE))
        await self.refused(NotFound, self.put(INGRESS_ROUTE, ingress() | {"metadata": metadata(resourceVersion="1")}))
        await self.refused(NotFound, self.client.merge_patch(SERVICE, self.namespace, "one", {"metadata": {}}))
        await self.refused(NotFound, self.client.delete(SERVICE, self.namespace, "one"))
        await self.refused(NotFound, self.client.create(SERVICE, "no-such-namespace", service()))
        nothing = Resource(group="example.org", version="v1", plural="nothings", kind="Nothing")
        await self.refused(NotFound, self.client.list_all(nothing, self.namespace))

    @contract
    async def test_deleted_if_it_is_the_one_that_is_meant(self) -> None:
        first = await self.create(SERVICE, service())
        second = await self.put(SERVICE, service(publishNotReadyAddresses=True))
        await self.refused(
            Changed, self.client.delete(SERVICE, self.namespace, "one", first["metadata"]["resourceVersion"])
        )
        await self.client.delete(SERVICE, self.namespace, "one", second["metadata"]["resourceVersion"])
        await self.refused(NotFound, self.get(SERVICE))

    @contract
    async def test_lists_by_label_and_in_pages(self) -> None:
        self.patch(client_module, "PAGE", 2)
        for name in ("one", "two", "three", "four", "five"):
            await self.create(SERVICE, service(name))
        other = service("other")
        await self.create(SERVICE, {**other, "metadata": {"name": "other"}})
        listing = await self.client.list_all(SERVICE, self.namespace, SELECTOR)
        self.assertEqual([name_of(each) for each in listing.items], ["five", "four", "one", "three", "two"])
        self.assertTrue(int(listing.version) >= max(map(version_of, listing.items)))
        everything = await self.client.list_all(SERVICE, self.namespace)
        self.assertIn("other", [name_of(each) for each in everything.items])
        none = await self.client.list_all(SERVICE, self.namespace, f"{SELECTOR},webspaced/webspace=ws-u1")
        self.assertEqual(none.items, ())

    @contract
    async def test_who_is_not_known_is_told_nothing(self) -> None:
        await self.refused(Distrusted, self.stranger.list_all(SERVICE, self.namespace))
        await self.refused(Distrusted, self.stranger.create(SERVICE, self.namespace, service()))
        await self.refused(NotFound, self.get(SERVICE))

    # --- changes

    @contract
    async def test_equal_ones_are_no_change(self) -> None:
        for resource, document in ((SERVICE, service()), (ENDPOINT_SLICE, slice_of()), (INGRESS_ROUTE, ingress())):
            first = await self.create(resource, document)
            version = {"metadata": metadata(resourceVersion=first["metadata"]["resourceVersion"])}
            self.assertEqual(version_of(await self.put(resource, document | version)), version_of(first))

    @contract
    async def test_an_apply_of_the_same_is_no_change(self) -> None:
        for resource, document in ((SERVICE, service()), (ENDPOINT_SLICE, slice_of()), (INGRESS_ROUTE, ingress())):
            first = await self.apply(resource, document)
            self.assertEqual(version_of(await self.apply(resource, document)), version_of(first))

    @contract
    async def test_a_replacement_needs_the_version_that_is_there(self) -> None:
        first = await self.create(INGRESS_ROUTE, ingress())
        named = {"metadata": metadata(resourceVersion=first["metadata"]["resourceVersion"])}
        second = await self.put(INGRESS_ROUTE, ingress(host="two.example.org") | named)
        self.assertTrue(version_of(second) > version_of(first))
        error = await self.refused(Changed, self.put(INGRESS_ROUTE, ingress(host="three.example.org") | named))
        self.assertEqual(error.code, 409)
        error = await self.refused(RemoteError, self.put(INGRESS_ROUTE, ingress()))
        self.assertEqual(error.code, 422)
        self.assertEqual(await self.get(INGRESS_ROUTE), second)

    @contract
    async def test_a_replacement_takes_away_what_others_added(self) -> None:
        await self.create(SERVICE, service())
        await self.client.merge_patch(SERVICE, self.namespace, "one", {"spec": {"publishNotReadyAddresses": True}})
        await self.put(SERVICE, service())
        self.assertEqual((await self.get(SERVICE))["spec"].get("publishNotReadyAddresses"), None)

    @contract
    async def test_a_merge_patch_changes_fields_and_whole_lists(self) -> None:
        await self.create(INGRESS_ROUTE, ingress())
        patch = {"metadata": {"labels": {"more": "1"}}, "spec": {"entryPoints": ["other"], "tls": {"secretName": "s"}}}
        patched = await self.client.merge_patch(INGRESS_ROUTE, self.namespace, "one", patch)
        self.assertEqual(patched["spec"], {**ingress()["spec"], "entryPoints": ["other"], "tls": {"secretName": "s"}})
        self.assertEqual(patched["metadata"]["labels"], {**OURS, "more": "1"})
        patch = {"spec": {"tls": None}}
        patched = await self.client.merge_patch(INGRESS_ROUTE, self.namespace, "one", patch)
        self.assertEqual(patched["spec"], {**ingress()["spec"], "entryPoints": ["other"]})
        stale = {"metadata": {"resourceVersion": "1"}, "spec": {"entryPoints": ["third"]}}
        await self.refused(Changed, self.client.merge_patch(INGRESS_ROUTE, self.namespace, "one", stale))

    @contract
    async def test_a_strategic_merge_patch_of_a_custom_resource_is_refused(self) -> None:
        await self.create(INGRESS_ROUTE, ingress())
        path, kind = INGRESS_ROUTE.path(self.namespace, "one"), "application/strategic-merge-patch+json"
        error = await self.refused(RemoteError, self.client._request("PATCH", path, {}, {"spec": {}}, kind=kind))
        self.assertEqual(error.code, 415)

    # --- server-side apply

    @contract
    async def test_an_apply_creates_and_takes_away_what_it_no_longer_says(self) -> None:
        tls = {"secretName": "s"}
        created = await self.apply(INGRESS_ROUTE, {**ingress(), "spec": {**ingress()["spec"], "tls": tls}})
        self.assertEqual(created["spec"]["tls"], tls)
        self.assertEqual((await self.apply(INGRESS_ROUTE, ingress()))["spec"], ingress()["spec"])

    @contract
    async def test_an_apply_leaves_what_others_own(self) -> None:
        await self.apply(INGRESS_ROUTE, ingress())
        other = INGRESS_ROUTE.document({"name": "one", "labels": {"other": "1"}}, spec={"tls": {"secretName": "s"}})
        await self.apply_as_other(INGRESS_ROUTE, other)
        after = await self.apply(INGRESS_ROUTE, ingress())
        self.assertEqual(after["spec"].get("tls"), {"secretName": "s"})
        self.assertEqual(after["metadata"]["labels"], {**OURS, "other": "1"})

    @contract
    async def test_what_two_own_stays_until_both_give_it_up(self) -> None:
        tls = {"tls": {"secretName": "s"}}
        await self.apply(INGRESS_ROUTE, {**ingress(), "spec": {**ingress()["spec"], **tls}})
        await self.apply_as_other(INGRESS_ROUTE, INGRESS_ROUTE.document({"name": "one"}, spec=tls))
        self.assertEqual((await self.apply(INGRESS_ROUTE, ingress()))["spec"]["tls"], {"secretName": "s"})
        await self.apply_as_other(INGRESS_ROUTE, INGRESS_ROUTE.document({"name": "one"}))
        self.assertEqual((await self.get(INGRESS_ROUTE))["spec"].get("tls"), None)

    @contract
    async def test_fields_that_others_took_are_taken_back_by_force(self) -> None:
        await self.apply(INGRESS_ROUTE, ingress())
        other = INGRESS_ROUTE.document({"name": "one"}, spec={"entryPoints": ["other"]})
        await self.apply_as_other(INGRESS_ROUTE, other)
        await self.refused(FieldsTaken, self.apply(INGRESS_ROUTE, ingress()))
        self.assertEqual((await self.get(INGRESS_ROUTE))["spec"]["entryPoints"], ["other"])
        self.assertEqual((await self.apply(INGRESS_ROUTE, ingress(), force=True))["spec"], ingress()["spec"])

    # --- what some kinds are given and refused

    @contract
    async def test_a_headless_service_gets_no_address(self) -> None:
        spec = (await self.create(SERVICE, service()))["spec"]
        self.assertEqual((spec["clusterIP"], spec["clusterIPs"], spec["type"]), ("None", ["None"], "ClusterIP"))
        self.assertEqual(spec["ports"], [{"name": "web", "port": 80, "protocol": "TCP", "targetPort": 80}])
        await self.put(SERVICE, service())

    @contract
    async def test_slices_take_no_loopback_and_keep_their_family(self) -> None:
        for address, family in (("127.0.0.1", "IPv4"), ("169.254.0.1", "IPv4"), ("::1", "IPv6"), ("10.7.0.1", "IPv6")):
            error = await self.refused(RemoteError, self.create(ENDPOINT_SLICE, slice_of(address, family=family)))
            self.assertEqual(error.code, 422)
        await self.create(ENDPOINT_SLICE, slice_of())
        error = await self.refused(RemoteError, self.put(ENDPOINT_SLICE, slice_of("fd00::10", family="IPv6")))
        self.assertEqual(error.code, 422)
        changed = await self.put(ENDPOINT_SLICE, slice_of("10.7.0.11", 8080))
        self.assertEqual(changed["endpoints"][0]["addresses"], ["10.7.0.11"])
        self.assertEqual(changed["ports"], [{"name": "web", "port": 8080, "protocol": "TCP"}])

    @contract
    async def test_node_ports_stay_when_single_ports_are_applied(self) -> None:
        first = await self.apply(SERVICE, balancer(("a", 50001), ("b", 50002)))
        second = await self.apply(SERVICE, balancer(("b", 50002), ("c", 50003)))
        self.assertEqual(set(node_ports(second)), {"b", "c"})
        self.assertEqual(node_ports(second)["b"], node_ports(first)["b"])
        self.assertEqual(second["spec"]["clusterIP"], first["spec"]["clusterIP"])

    @contract
    async def test_ports_of_others_survive_an_apply(self) -> None:
        await self.apply(SERVICE, balancer(("a", 50001)))
        await self.apply_as_other(SERVICE, balancer(("other", 50009)))
        after = await self.apply(SERVICE, balancer(("b", 50002)))
        self.assertEqual(set(node_ports(after)), {"b", "other"})

    @contract
    async def test_node_ports_follow_their_names_when_all_ports_are_written(self) -> None:
        first = await self.create(SERVICE, balancer(("a", 50001), ("b", 50002)))
        second = await self.put(SERVICE, balancer(("a", 50001), ("b", 50002)))
        self.assertEqual(node_ports(second), node_ports(first))
        patch = {"spec": {"ports": balancer(("b", 50002), ("c", 50003))["spec"]["ports"]}}
        third = await self.client.merge_patch(SERVICE, self.namespace, "balancer", patch)
        self.assertEqual(node_ports(third)["b"], node_ports(first)["b"])

    @contract
    async def test_ports_that_are_refused(self) -> None:
        for document in (balancer(), balancer(("", 50001), ("b", 50002)), balancer(("a", 50001), ("a", 50002))):
            error = await self.refused(RemoteError, self.create(SERVICE, document))
            self.assertEqual(error.code, 422)
        twice = balancer(("a", 50001), ("b", 50001))
        error = await self.refused(RemoteError, self.create(SERVICE, twice))
        self.assertEqual(error.code, 422)

    @contract
    async def test_a_lease_is_taken_by_whoever_comes_first(self) -> None:
        first = await self.create(LEASE, lease("one"))
        await self.refused(AlreadyExists, self.create(LEASE, lease("two")))
        named = {"metadata": metadata(resourceVersion=first["metadata"]["resourceVersion"])}
        await self.put(LEASE, lease("two") | named)
        await self.refused(Changed, self.put(LEASE, lease("three") | named))
        self.assertEqual((await self.get(LEASE))["spec"]["holderIdentity"], "two")

    @contract
    async def test_a_certificate_is_kept_as_it_is_written(self) -> None:
        spec = {
            "secretName": "one",
            "dnsNames": ["one.example.net"],
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "letsencrypt"},
        }
        created = await self.create(CERTIFICATE, CERTIFICATE.document(metadata(), spec=spec))
        self.assertEqual({name: created["spec"].get(name) for name in spec}, spec)

    # --- watches

    @contract
    async def test_a_watch_tells_what_changes(self) -> None:
        await self.create(SERVICE, service("before"))
        events = self.watch(await self.version())
        await self.create(SERVICE, service())
        await self.put(SERVICE, service(publishNotReadyAddresses=True))
        await self.client.delete(SERVICE, self.namespace, "one")
        await self.until(lambda: len(events) == 3)
        self.assertEqual([event.kind for event in events], ["ADDED", "MODIFIED", "DELETED"])
        self.assertEqual({name_of(event.document) for event in events}, {"one"})
        versions = [int(event.version) for event in events]
        self.assertEqual(versions, sorted(set(versions)))

    @contract
    async def test_a_watch_goes_on_from_a_version(self) -> None:
        version = await self.version()
        await self.create(SERVICE, service())
        await self.create(SERVICE, service("two"))
        events = self.watch(version)
        await self.until(lambda: len(events) == 2)
        later = self.watch(events[0].version)
        await self.until(lambda: later)
        self.assertEqual([name_of(event.document) for event in later], ["two"])

    @contract
    async def test_what_loses_its_label_is_gone_for_who_watches_the_label(self) -> None:
        await self.create(SERVICE, service())
        events = self.watch(await self.version())
        for value in (None, "webspaced"):
            patch = {"metadata": {"labels": {"app.kubernetes.io/managed-by": value}}}
            await self.client.merge_patch(SERVICE, self.namespace, "one", patch)
        await self.until(lambda: len(events) == 2)
        self.assertEqual([event.kind for event in events], ["DELETED", "ADDED"])

    @contract
    async def test_a_watch_from_too_long_ago(self) -> None:
        await self.create(SERVICE, service())
        self.forget_history()
        await self.refused(Expired, self.client.watch(SERVICE, self.namespace, "1", self.fail))

    @contract
    async def test_a_watch_ends_in_good_time(self) -> None:
        self.patch(client_module, "WATCH_SECONDS", 1)
        await self.client.watch(SERVICE, self.namespace, await self.version(), lambda _: None)

    @contract
    async def test_a_mirror_follows(self) -> None:
        await self.create(SERVICE, service())
        told: list[str] = []
        mirror = Informer(
            self.client, self.client.clock, SERVICE, self.namespace, SELECTOR, lambda _kind, name, _object: told.append(name)
        )
        await mirror.begin()
        self.addCleanup(mirror.stop)
        self.assertEqual(set(mirror.objects), {"one"})
        await self.create(SERVICE, service("two"))
        await self.client.delete(SERVICE, self.namespace, "one")
        await self.until(lambda: set(mirror.objects) == {"two"})
        await mirror.refresh()
        self.assertEqual((set(mirror.objects), told), ({"two"}, ["one", "two", "one"]))

"""What the API server makes of some kinds, and what its watches tell; see ``kube_api``."""

from __future__ import annotations

from tests.contracts.instances import contract
from tests.contracts.kube_base import SELECTOR, KubeApi, balancer, lease, metadata, node_ports, service, slice_of
from webspaced.errors import Changed, RemoteError
from webspaced.kube import client as client_module
from webspaced.kube.answers import AlreadyExists, Expired
from webspaced.kube.informer import Informer
from webspaced.kube.resources import CERTIFICATE, ENDPOINT_SLICE, LEASE, SERVICE, name_of


class KubeKindsContract(KubeApi):
    """What some kinds are given and refused, and what watches tell. Mixed into a trial test case."""

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

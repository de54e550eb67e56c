"""The store in Kubernetes keeps the stores' contract, on the emulator, and touches nothing that is not its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from twisted.logger import LogLevel, capturedLogs, formatEvent

from tests.contracts.route_store import BOOT, DIRECT, SIX, RouteStoreContract, route
from tests.unit.kube.emulated import EmulatedCase
from tests.unit.timing import watch
from webspaced.core.routes import Route
from webspaced.errors import Unavailable
from webspaced.kube.resources import (
    CERTIFICATE,
    ENDPOINT_SLICE,
    ENDPOINTS,
    INGRESS_ROUTE,
    INGRESS_ROUTE_TCP,
    SERVERS_TRANSPORT,
    SERVICE,
    Document,
    Resource,
    name_of,
)
from webspaced.traefik.kube_objects import KINDS, Cluster, read
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
        return sorted(each for each in found if "Transport" not in each)

    def do(self, work: Any) -> Any:
        return self.clock.result_of(work)


class ContractTests(StoreCase, RouteStoreContract):
    put = RouteStoreContract.put

    def has(self) -> Mapping[str, Route] | None:
        """Read as Traefik does: what is there and labelled."""
        if not self.objects(SERVERS_TRANSPORT):
            return None
        found: dict[str, dict[Any, Document]] = {}
        for kind in KINDS.values():
            for name, document in self.objects(kind).items():
                webspace = document["metadata"]["labels"].get("webspaced/webspace")
                if webspace:
                    found.setdefault(webspace, {})[kind, name] = document
        routes = {name: read(name, objects) for name, objects in found.items()}
        return {name: each for name, each in routes.items() if each is not None}


class WriteTests(StoreCase):
    def test_a_start_or_stop_is_one_write(self) -> None:
        self.put(route(), route("ws-u2"))
        self.writes()
        self.put(route(backend=DIRECT))
        self.assertEqual(self.writes(), ["PUT endpointslices/ws-u1"])
        self.put(route(backend=BOOT))
        self.assertEqual(self.writes(), ["PUT endpointslices/ws-u1"])

    def test_with_passthrough_too(self) -> None:
        self.put(route(passthrough=True))
        self.writes()
        self.put(route(backend=DIRECT, passthrough=True))
        self.assertEqual(self.writes(), ["PUT endpointslices/ws-u1-tls"])

    def test_nothing_new_is_no_write(self) -> None:
        self.put(route(), route("ws-u2", passthrough=True))
        self.writes()
        self.put(route(), route("ws-u2", passthrough=True))
        self.put()
        self.assertEqual(self.do(self.store.differs()), None)
        self.assertEqual(self.writes(), [])

    def test_nor_after_a_restart(self) -> None:
        self.put(route(), route("ws-u2", passthrough=True))
        self.store = self.renew()
        self.do(self.store.load())
        self.writes()
        self.put()
        self.put(route())
        self.assertEqual(self.writes(), [])

    def test_another_family_is_another_slice_and_the_new_one_comes_first(self) -> None:
        self.put(route(backend=DIRECT))
        self.writes()
        self.put(route(backend=SIX))
        self.assertEqual(self.writes(), ["POST endpointslices", "DELETE endpointslices/ws-u1"])
        self.assertEqual(set(self.objects(ENDPOINT_SLICE)), {"ws-u1-6"})
        self.put(route(backend=DIRECT))
        self.assertEqual(set(self.objects(ENDPOINT_SLICE)), {"ws-u1"})

    def test_to_passthrough_and_back_the_new_route_comes_first(self) -> None:
        self.put(route())
        self.writes()
        self.put(route(passthrough=True))
        self.assertEqual(self.writes(), [
            "POST endpointslices", "POST ingressroutetcps",
            "DELETE ingressroutes/ws-u1", "DELETE ingressroutes/ws-u1-https", "DELETE endpointslices/ws-u1",
        ])  # fmt: skip
        self.put(route())
        self.assertEqual(self.writes(), [
            "POST endpointslices", "POST ingressroutes", "POST ingressroutes",
            "DELETE ingressroutetcps/ws-u1", "DELETE endpointslices/ws-u1-tls",
        ])  # fmt: skip

    def test_a_removal_begins_with_the_routes(self) -> None:
        self.put(route())
        self.writes()
        self.put(remove=("ws-u1",))
        kinds = [each.partition("/")[0] for each in self.writes()]
        self.assertEqual(kinds[:2], ["DELETE ingressroutes"] * 2)
        self.assertEqual(set(kinds[2:]), {"DELETE endpointslices", "DELETE services"})
        self.assertEqual(self.names(), [])

    def test_many_are_written_side_by_side_within_a_bound(self) -> None:
        answering = self.kube._answer
        open_now, most = [], []

        def slow(request: Any, method: str, target: Any) -> Any:
            open_now.append(request)
            most.append(len(open_now))
            self.clock.callLater(0.1, lambda: (request.write(answering(request, method, target)), request.finish()))
            request.notifyFinish().addBoth(lambda _: open_now.remove(request))
            return 1

        self.kube._answer = slow
        self.put(*(route(f"ws-u{n}") for n in range(1, 101)))
        self.assertEqual(max(most), 16)


class RepairTests(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.put(route(), route("ws-u2"))
        self.clock.run_for(1)
        self.told.clear()
        self.writes()

    def repaired(self) -> list[str]:
        """Let what was noticed be written again; give the writes."""
        self.clock.run_for(1)
        self.assertEqual(self.told, [{"ws-u1"}])
        self.put(route())
        found = self.writes()
        self.clock.run_for(1)
        self.assertEqual((len(self.told), self.do(self.store.differs())), (1, None))
        return found

    def change(self, resource: Resource, patch: Document, name: str = "ws-u1") -> None:
        self.do(self.client.merge_patch(resource, self.namespace, name, patch))
        self.writes()

    def test_what_is_deleted(self) -> None:
        for resource in (SERVICE, ENDPOINT_SLICE, INGRESS_ROUTE):
            self.do(self.client.delete(resource, self.namespace, "ws-u1"))
            self.writes()
            self.assertEqual(self.repaired(), [f"POST {resource.plural}"])
            self.told.clear()

    def test_what_is_changed(self) -> None:
        self.change(INGRESS_ROUTE, {"spec": {"entryPoints": ["other"]}})
        self.assertEqual(self.repaired(), ["PUT ingressroutes/ws-u1"])
        self.assertEqual(self.objects(INGRESS_ROUTE)["ws-u1"]["spec"]["entryPoints"], ["web"])

    def test_what_is_added_to_an_object(self) -> None:
        self.change(SERVICE, {"spec": {"publishNotReadyAddresses": True}})
        self.assertEqual(self.repaired(), ["PUT services/ws-u1"])
        self.assertNotIn("publishNotReadyAddresses", self.objects(SERVICE)["ws-u1"]["spec"])

    def test_labels_and_annotations_of_others_are_theirs(self) -> None:
        self.change(SERVICE, {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}})
        self.clock.run_for(1)
        self.assertEqual((self.told, self.do(self.store.differs())), ([], None))
        self.change(SERVICE, {"spec": {"publishNotReadyAddresses": True}})
        self.repaired()
        metadata = self.objects(SERVICE)["ws-u1"]["metadata"]
        self.assertEqual((metadata["labels"]["a"], metadata["annotations"]), ("b", {"c": "d"}))

    def test_labels_that_are_taken_away(self) -> None:
        self.change(SERVICE, {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}})
        self.repaired()
        self.assertEqual(self.objects(SERVICE)["ws-u1"]["metadata"]["labels"]["app.kubernetes.io/managed-by"], "webspaced")

    def test_what_is_added_with_our_labels_is_removed(self) -> None:
        added = self.objects(INGRESS_ROUTE)["ws-u1"]
        metadata = {"name": "added", "labels": added["metadata"]["labels"]}
        self.do(self.client.create(INGRESS_ROUTE, self.namespace, INGRESS_ROUTE.document(metadata, spec=added["spec"])))
        self.writes()
        self.assertEqual(self.repaired(), ["DELETE ingressroutes/added"])

    def test_what_all_share(self) -> None:
        transport = self.store._cluster.transport
        self.do(self.client.delete(SERVERS_TRANSPORT, self.namespace, transport))
        self.clock.run_for(1)
        self.assertEqual(self.told, [set()])
        self.assertEqual(self.do(self.store.differs()), set())
        self.put()
        self.assertIn(transport, self.objects(SERVERS_TRANSPORT))

    def test_the_full_pass_sees_what_no_watch_told(self) -> None:
        self.kube.faults.stalled = True
        self.do(self.client.delete(SERVICE, self.namespace, "ws-u1"))
        self.writes()
        self.clock.run_for(1)
        self.assertEqual(self.told, [])
        self.assertEqual(self.do(self.store.differs()), {"ws-u1"})

    def test_our_own_writes_are_nobody_elses(self) -> None:
        for backend in (DIRECT, BOOT, SIX, DIRECT):
            self.put(route(backend=backend), route("ws-u2", backend, passthrough=backend == SIX))
        self.put(remove=("ws-u1",))
        self.clock.run_for(1)
        self.assertEqual(self.told, [])

    def test_a_start_over_leftovers(self) -> None:
        """A daemon that died between two writes, and a webspace that was deleted meanwhile."""
        for change in ((), (route("ws-u3"),)):
            self.put(route(), route("ws-u2"))
            self.do(self.client.delete(SERVICE, self.namespace, "ws-u1"))
            self.do(self.client.delete(ENDPOINT_SLICE, self.namespace, "ws-u2"))
            self.store = self.renew()
            self.assertEqual(self.do(self.store.load()), {"ws-u1": route()})
            self.put(*change)
            self.assertEqual([each for each in self.names() if "ws-u2" in each], [])
            self.assertIn("Service ws-u1", self.names())


class ForeignTests(StoreCase):
    def foreign(self, labels: Mapping[str, str], name: str = "ws-u1") -> Document:
        ports = [{"name": "other", "port": 1}]
        document = SERVICE.document({"name": name, "labels": labels}, spec={"ports": ports, "clusterIP": "None"})
        created = self.do(self.client.create(SERVICE, self.namespace, document))
        self.writes()
        return created

    def test_a_name_that_somebody_else_has_is_refused_and_others_go_on(self) -> None:
        for labels in ({}, {"app.kubernetes.io/managed-by": "Helm"}, {**MANAGED, "app.kubernetes.io/instance": "other"}):
            foreign = self.foreign(labels)
            self.put(route(), route("ws-u2"))
            self.assertEqual(self.objects(SERVICE)["ws-u1"], foreign)
            self.assertEqual([each for each in self.names() if "ws-u1" in each], ["Service ws-u1"])
            self.assertIn("IngressRoute ws-u2", self.names())
            self.assertEqual(self.do(self.store.differs()), {"ws-u1"})
            self.put(remove=("ws-u1",))
            self.assertEqual(self.objects(SERVICE)["ws-u1"], foreign)
            self.do(self.client.delete(SERVICE, self.namespace, "ws-u1"))
        self.put(route())
        self.assertIn("IngressRoute ws-u1", self.names())

    def test_two_services_in_one_namespace(self) -> None:
        other = self.renewed_beside(cluster(instance="example.com"))
        self.put(route())
        self.do(other.apply({"x-u1": route("x-u1")}, ()))
        self.assertEqual(self.do(other.load()), {"x-u1": route("x-u1")})
        self.put()
        self.do(other.apply({}, ("x-u1",)))
        self.assertEqual(self.do(self.renewed_beside(self.cluster).load()), {"ws-u1": route()})
        self.assertEqual([each for each in self.names() if "x-u1" in each], [])

    def renewed_beside(self, which: Cluster) -> KubernetesStore:
        async def close() -> None:
            pass

        store = KubernetesStore(self.client, self.clock, self.namespace, which, close)
        self.do(store.load())
        self.addCleanup(lambda: self.do(store.stop()))
        return store

    def test_what_the_predecessor_left_is_taken_over(self) -> None:
        self.foreign(MANAGED)
        for name in ("ws-u1", "ws-u9"):
            endpoints = ENDPOINTS.document({"name": name, "labels": MANAGED}, subsets=[])
            self.do(self.client.create(ENDPOINTS, self.namespace, endpoints))
        self.put(route())
        self.assertEqual(self.objects(SERVICE)["ws-u1"]["metadata"]["labels"]["app.kubernetes.io/instance"], "example.org")
        self.assertEqual(self.objects(SERVICE)["ws-u1"]["spec"]["ports"][0]["name"], "web")
        self.assertEqual(list(self.objects(ENDPOINTS)), ["ws-u9"])


class FailureTests(StoreCase):
    def test_one_that_is_not_taken_holds_up_nobody(self) -> None:
        self.kube.faults.refuse("POST", "/services", 422)
        self.put(*(route(f"ws-u{n}") for n in range(1, 4)))
        self.assertEqual(len(self.objects(SERVICE)), 2)
        (missing,) = self.do(self.store.differs())
        self.put(route(missing))
        self.assertEqual(len(self.objects(SERVICE)), 3)

    def test_one_that_fails_for_now_is_told_of_when_the_others_are_written(self) -> None:
        self.kube.faults.refuse("POST", "/services", 503)
        applying = watch(self.store.apply({f"ws-u{n}": route(f"ws-u{n}") for n in range(1, 4)}, ()))
        self.clock.run_for(1)
        self.assertIsInstance(applying.error, Unavailable)
        self.assertEqual(len(self.objects(SERVICE)), 2)
        # What the caller wants now may be what was there before: all of it is to be written again.
        self.assertEqual(self.told[-1], {"ws-u1", "ws-u2", "ws-u3"})

    def test_others_who_write_at_the_same_time(self) -> None:
        self.put(route())
        self.kube.faults.stalled = True
        for resource in (ENDPOINT_SLICE, INGRESS_ROUTE):
            self.do(self.client.merge_patch(resource, self.namespace, "ws-u1", {"metadata": {"annotations": {"a": "b"}}}))
        self.put(route(backend=DIRECT, hosts=("new.example.org",)))
        self.assertEqual(self.objects(ENDPOINT_SLICE)["ws-u1"]["endpoints"][0]["addresses"], [str(DIRECT.host)])
        self.assertEqual(self.objects(ENDPOINT_SLICE)["ws-u1"]["metadata"]["annotations"], {"a": "b"})

    def test_deleted_by_others_at_the_same_time(self) -> None:
        self.put(route())
        self.kube.faults.stalled = True
        for resource in (ENDPOINT_SLICE, SERVICE):
            self.do(self.client.delete(resource, self.namespace, "ws-u1"))
        self.put(route(backend=DIRECT))
        self.assertIn("EndpointSlice ws-u1", self.names())
        self.put(remove=("ws-u1",))
        self.assertEqual(self.names(), [])

    def test_others_who_undo_a_write_while_the_rest_is_written(self) -> None:
        self.put(route())
        self.clock.run_for(1)
        self.told.clear()
        putting = self.kube.objects.create

        def undone(resource: Resource, namespace: str, document: Any, manager: str) -> Document:
            made = putting(resource, namespace, document, manager)
            if resource == INGRESS_ROUTE_TCP:
                self.kube.objects.delete((SERVICE, namespace, "ws-u1"), {})
            return made

        self.patch(self.kube.objects, "create", undone)
        self.put(route(passthrough=True))
        self.clock.run_for(1)
        self.assertEqual(self.told, [{"ws-u1"}])

    def test_what_took_a_deleted_ones_name_is_not_deleted(self) -> None:
        self.put(route())
        self.kube.faults.stalled = True
        self.do(self.client.delete(SERVICE, self.namespace, "ws-u1"))
        foreign = SERVICE.document({"name": "ws-u1"}, spec={"ports": [{"name": "other", "port": 1}]})
        self.do(self.client.create(SERVICE, self.namespace, foreign))
        self.put(remove=("ws-u1",))
        self.assertEqual(self.names(), ["Service ws-u1"])

    def test_a_cluster_without_traefiks_definitions(self) -> None:
        self.kube.faults.refuse("GET", "/ingressroutes$", 404)
        loading = watch(self.renew().load())
        self.clock.run_for(1)
        self.assertIsInstance(loading.error, Unavailable)
        self.assertIn("ingressroutes.traefik.io", str(loading.error))

    def test_no_such_namespace(self) -> None:
        self.namespace = "nowhere"
        self.store = self.renew()
        self.do(self.store.load())
        applying = watch(self.store.apply({"ws-u1": route()}, ()))
        self.clock.run_for(1)
        self.assertIn("no namespace nowhere", str(applying.error))


class CertificateTests(StoreCase):
    cluster = cluster(default_secret="wildcard", cluster_issuer="letsencrypt")

    def certificates(self) -> dict[str, list[str]]:
        return {name: each["spec"]["dnsNames"] for name, each in self.objects(CERTIFICATE).items()}

    def secrets(self) -> dict[str, str]:
        """Give the Secret by host."""
        return {
            rule["match"]: each["spec"]["tls"]["secretName"]
            for each in self.objects(INGRESS_ROUTE).values()
            if "tls" in each["spec"]
            for rule in each["spec"]["routes"]
        }

    def test_each_domain_has_its_own_and_default_domains_the_operators(self) -> None:
        self.put(route(hosts=OWN))
        certificates = self.certificates()
        self.assertEqual(sorted(certificates.values()), [["example.net"], ["www.example.net"]])
        self.assertEqual(certificates["tls-ws-u1"], ["www.example.net"])
        self.assertEqual(self.secrets()["Host(`ws-u1.example.org`)"], "wildcard")
        self.assertEqual(self.secrets()["Host(`www.example.net`)"], "tls-ws-u1")
        spec = self.objects(CERTIFICATE)["tls-ws-u1"]["spec"]
        self.assertEqual((spec["issuerRef"]["name"], spec["secretName"]), ("letsencrypt", "tls-ws-u1"))

    def test_they_stay_as_long_as_the_domain_does(self) -> None:
        self.put(route(hosts=OWN))
        before = self.objects(CERTIFICATE)
        self.put(route(backend=DIRECT, hosts=OWN))
        self.put(route(backend=DIRECT, hosts=OWN, passthrough=True))
        self.put(route(hosts=tuple(reversed(OWN))))
        self.assertEqual(self.objects(CERTIFICATE), before)
        self.put(route(hosts=(OWN[0], OWN[2])))
        self.assertEqual(list(self.certificates().values()), [["example.net"]])
        self.put(remove=("ws-u1",))
        self.assertEqual(self.certificates(), {})

    def test_with_passthrough_there_are_no_new_ones(self) -> None:
        self.put(route(hosts=OWN, passthrough=True))
        self.assertEqual(self.certificates(), {})

    def test_the_predecessors_is_kept_for_the_domains_that_it_has(self) -> None:
        issuer = {"kind": "ClusterIssuer", "name": "letsencrypt"}
        old = {"secretName": "tls-ws-u1", "dnsNames": ["example.net", "gone.example.net"], "issuerRef": issuer}
        document = CERTIFICATE.document({"name": "tls-ws-u1", "labels": MANAGED}, spec={**old, "renewBefore": "240h"})
        kept = self.do(self.client.create(CERTIFICATE, self.namespace, document))
        self.put(route(hosts=OWN))
        self.assertEqual(sorted(self.certificates().values()), [["example.net"], ["www.example.net"]])
        now = self.objects(CERTIFICATE)["tls-ws-u1"]
        self.assertEqual((now["metadata"]["uid"], now["spec"]["renewBefore"]), (kept["metadata"]["uid"], "240h"))
        self.assertEqual(self.secrets()["Host(`example.net`)"], "tls-ws-u1")

    def test_what_an_operator_sets_beside_is_the_operators(self) -> None:
        self.put(route(hosts=OWN))
        patch = {"spec": {"renewBefore": "240h"}}
        self.do(self.client.merge_patch(CERTIFICATE, self.namespace, "tls-ws-u1", patch))
        self.clock.run_for(1)
        self.assertEqual((self.told, self.do(self.store.differs())), ([], None))

    def test_the_route_does_not_wait_for_it(self) -> None:
        self.kube.faults.refuse("POST", "/certificates", 500, times=None)
        self.put(route(hosts=OWN), route("ws-u2"))
        self.assertIn("IngressRoute tls-ws-u1", self.names())
        self.assertEqual(self.do(self.store.differs()), {"ws-u1"})
        self.kube.faults.clear()
        self.put(route(hosts=OWN))
        self.assertEqual(len(self.certificates()), 2)


class NoIssuerTests(StoreCase):
    cluster = cluster(default_secret="wildcard")

    def warnings(self, events: Any) -> list[str]:
        return [formatEvent(event) for event in events if event["log_level"] is LogLevel.warn]

    def test_an_own_domain_is_served_and_a_warning_says_with_which_certificate(self) -> None:
        with capturedLogs() as events:
            self.put(route(hosts=OWN))
            self.put(route(backend=DIRECT, hosts=OWN))
        warnings = self.warnings(events)
        self.assertEqual([each.partition(" ")[0] for each in warnings], ["www.example.net", "example.net"])
        self.assertIn("Traefik's default certificate", warnings[0])
        rules = [each["spec"]["routes"][0]["match"] for each in self.objects(INGRESS_ROUTE).values()]
        self.assertTrue(all("example.net" in rule for rule in rules))

    def test_nobody_is_warned_of_the_other_cases(self) -> None:
        with capturedLogs() as events:
            self.put(route())
            self.put(route(hosts=OWN, passthrough=True))
        self.assertEqual(self.warnings(events), [])

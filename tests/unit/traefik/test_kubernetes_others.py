"""The store in Kubernetes beside others: what they change is put right, what is theirs is not touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.contracts.route_store import BOOT, DIRECT, SIX, route
from tests.unit.timing import watch
from tests.unit.traefik.kube_store import MANAGED, StoreCase, cluster
from webspaced.errors import PartlyWritten, Unavailable
from webspaced.kube.resources import (
    ENDPOINT_SLICE,
    ENDPOINTS,
    INGRESS_ROUTE,
    INGRESS_ROUTE_TCP,
    SERVERS_TRANSPORT,
    SERVICE,
    Document,
    Resource,
)
from webspaced.reconcile.publisher import Publisher
from webspaced.traefik.kube_cluster import Cluster
from webspaced.traefik.kubernetes import KubernetesStore


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
    def refused(self, names: Mapping[str, str], *put: Any) -> None:
        told = watch(self.store.apply({each.name: each for each in put}, ()))
        self.clock.run_for(1)
        self.assertIsInstance(told.error, PartlyWritten)
        self.assertEqual(told.error.refused.keys(), names.keys())
        for name, says in names.items():
            self.assertIn(says, told.error.refused[name])

    def foreign(self, labels: Mapping[str, str], name: str = "ws-u1") -> Document:
        ports = [{"name": "other", "port": 1}]
        document = SERVICE.document({"name": name, "labels": labels}, spec={"ports": ports, "clusterIP": "None"})
        created = self.do(self.client.create(SERVICE, self.namespace, document))
        self.writes()
        return created

    def test_a_name_that_somebody_else_has_is_refused_and_others_go_on(self) -> None:
        for labels in ({}, {"app.kubernetes.io/managed-by": "Helm"}, {**MANAGED, "app.kubernetes.io/instance": "other"}):
            foreign = self.foreign(labels)
            self.refused({"ws-u1": "is not this service's"}, route(), route("ws-u2"))
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
        # Too large, a quota, a webhook's no, too many requests, broken.
        for code in (403, 409, 413, 422, 429, 503):
            times = 20 if code == 409 else 1
            fault = self.kube.faults.refuse("POST", "/services", code, times)
            self.put(remove=("ws-u1", "ws-u2", "ws-u3"))
            if code == 409:
                # Of one name only: others may be made.
                fault.path = "/services$"
            told = watch(self.store.apply({f"ws-u{n}": route(f"ws-u{n}") for n in range(1, 4)}, ()))
            self.clock.run_for(5)
            self.assertIsInstance(told.error, PartlyWritten, code)
            self.kube.faults.clear()
            (missing, *more) = told.error.refused
            self.assertEqual(len(self.objects(SERVICE)), 2 - len(more), code)
            self.assertIn("a fault that the test asked for", told.error.refused[missing])
            self.put(*(route(name) for name in told.error.refused))
            self.assertEqual(len(self.objects(SERVICE)), 3)

    def test_a_quota_that_one_meets_keeps_nobody_else_waiting(self) -> None:
        publisher = Publisher(self.clock, self.store, 0.5)
        self.clock.result_of(publisher.load())
        publisher.open()
        self.kube.faults.refuse("POST", "/services", 403, None)
        publisher.want("ws-u1", route())
        self.clock.run_for(60)
        self.assertIn("a fault that the test asked for", publisher.unwritten.of("ws-u1"))
        # It is one webspace's affair, and the service is well.
        self.assertEqual(publisher.unwritten.told(), "")
        self.kube.faults.clear()
        for name in ("ws-u2", "ws-u3"):
            publisher.want(name, route(name))
        self.clock.run_for(0.9)
        self.assertGreaterEqual(len(self.objects(SERVICE)), 2)
        self.clock.run_for(12)
        self.assertEqual(len(self.objects(SERVICE)), 3)
        self.assertEqual(publisher.unwritten.of("ws-u1"), "")
        publisher.close()

    def test_what_is_refused_for_long_is_tried_less_and_less_often(self) -> None:
        publisher = Publisher(self.clock, self.store, 0.5)
        self.clock.result_of(publisher.load())
        for _ in range(1000):
            self.kube.faults.refuse("POST", "/ingressroutes", 503)
        publisher.want("ws-u1", route())
        publisher.open()
        tried = len(self.kube.asked)
        self.clock.run_for(10)
        # 0.1, 0.2, 0.4 … 6.4 s apart, with a few requests each.
        self.assertLess(len(self.kube.asked) - tried, 100)
        publisher.close()

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

"""The store in Kubernetes keeps the stores' contract, on the emulator, and writes no more than it has to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.logger import LogLevel, capturedLogs, formatEvent

from tests.contracts.route_store import BOOT, DIRECT, SIX, RouteStoreContract, route
from tests.unit.timing import watch
from tests.unit.traefik.kube_store import MANAGED, OWN, StoreCase, cluster
from webspaced.core.protocol import Protocol
from webspaced.core.routes import Route
from webspaced.kube.resources import CERTIFICATE, ENDPOINT_SLICE, INGRESS_ROUTE, SERVERS_TRANSPORT, Document
from webspaced.traefik.kube_objects import KINDS, read
from webspaced.traefik.kubernetes import TAKING_UP


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

    def test_an_older_webspaceds_routes_are_written_once_more(self) -> None:
        self.put(route())
        for name, document in self.objects(INGRESS_ROUTE).items():
            (rule,) = document["spec"]["routes"]
            older = {**rule, "priority": None}
            self.do(self.client.merge_patch(INGRESS_ROUTE, self.namespace, name, {"spec": {"routes": [older]}}))
        for writes in (["PUT ingressroutes/ws-u1-https", "PUT ingressroutes/ws-u1"], []):
            self.store = self.renew()
            self.do(self.store.load())
            self.writes()
            self.put()
            self.assertEqual(self.writes(), writes)

    def test_another_protocol_is_another_route_and_the_same_slice(self) -> None:
        self.put(route(backend=DIRECT))
        self.writes()
        self.put(route(backend=DIRECT, protocol=Protocol.H2C))
        self.assertEqual(self.writes(), ["PUT ingressroutes/ws-u1-https", "PUT ingressroutes/ws-u1"])

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
            "POST endpointslices", "POST ingressroutetcps", "POST ingressroutes", "PUT ingressroutes/ws-u1",
            "DELETE ingressroutes/ws-u1-https", "DELETE endpointslices/ws-u1",
        ])  # fmt: skip
        self.put(route())
        self.assertEqual(self.writes(), [
            "POST endpointslices", "POST ingressroutes", "PUT ingressroutes/ws-u1",
            "DELETE ingressroutetcps/ws-u1", "DELETE ingressroutes/ws-u1-misdirected", "DELETE endpointslices/ws-u1-tls",
        ])  # fmt: skip

    def test_each_step_of_that_has_time_to_come_to_traefik(self) -> None:
        self.put(route())
        self.writes()
        moving = watch(self.store.apply({"ws-u1": route(passthrough=True)}, ()))
        steps = []
        while not moving.done:
            self.clock.run_for(TAKING_UP / 2)
            steps.append([each.partition("/")[0] for each in self.writes()])
        self.assertEqual([step for step in steps if step], [
            ["POST endpointslices"], ["POST ingressroutetcps", "POST ingressroutes", "PUT ingressroutes"],
            ["DELETE ingressroutes"], ["DELETE endpointslices"],
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


class AskedTests(StoreCase):
    """Where Traefik can be asked, a route of webspaced's own tells what was written."""

    cluster = cluster(is_asked=True)

    def own(self) -> Document | None:
        return self.objects(INGRESS_ROUTE).get(self.cluster.transport)

    def apply(self, *routes: Route, remove: tuple[str, ...] = ()) -> int | None:
        return self.clock.result_of(self.store.apply({each.name: each for each in routes}, remove))

    def test_each_change_is_told_after_it_was_written(self) -> None:
        self.apply(route())
        self.writes()
        generation = self.apply(route(backend=DIRECT))
        self.assertEqual(self.writes(), ["PUT endpointslices/ws-u1", f"PUT ingressroutes/{self.cluster.transport}"])
        rule = self.own()["spec"]["routes"][0]
        self.assertTrue(rule["match"].startswith(f"Host(`g{generation}.webspaced.invalid`) || "), rule)
        self.assertEqual(rule["services"], [{"kind": "TraefikService", "name": "noop@internal"}])
        self.assertEqual(rule["priority"], 10**9)

    def test_the_change_has_time_to_come_to_traefik_before_that(self) -> None:
        self.apply(route())
        self.writes()
        applying = watch(self.store.apply({"ws-u1": route(backend=DIRECT)}, ()))
        self.clock.run_for(TAKING_UP / 2)
        self.assertEqual(self.writes(), ["PUT endpointslices/ws-u1"])
        self.clock.run_for(TAKING_UP)
        self.assertEqual(self.writes(), [f"PUT ingressroutes/{self.cluster.transport}"])
        self.assertTrue(applying.done)

    def test_what_changes_nothing_is_not_told(self) -> None:
        self.apply(route())
        self.writes()
        self.assertIsNone(self.apply(route()))
        self.assertEqual(self.writes(), [])

    def test_a_restart_counts_on(self) -> None:
        first = self.apply(route())
        self.store = self.renew()
        self.clock.result_of(self.store.load())
        self.writes()
        self.assertIsNone(self.apply())
        self.assertEqual(self.writes(), [])
        self.assertEqual(self.apply(route(backend=DIRECT)), first + 1)

    def test_what_others_did_to_it_is_undone(self) -> None:
        self.apply(route())
        before = self.own()["spec"]
        self.clock.result_of(self.client.delete(INGRESS_ROUTE, self.namespace, self.cluster.transport))
        self.assertIsNotNone(self.clock.result_of(self.store.differs()))
        self.apply()
        self.assertIn(before["routes"][0]["match"].split(" ")[0], self.own()["spec"]["routes"][0]["match"])

    def test_it_goes_when_traefik_is_not_asked_any_more(self) -> None:
        self.apply(route())
        self.store = self.renew(cluster=cluster())
        self.clock.result_of(self.store.load())
        self.assertIsNone(self.apply())
        self.assertIsNone(self.own())
        self.assertIn("ws-u1", self.objects(INGRESS_ROUTE))

"""Every object that is written is one that the cluster knows, to the last field, and can be read back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jsonschema
import kubernetes_validate
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.route_store import BOOT, DIRECT, SIX, route
from tests.crds import strict_schema
from tests.unit.traefik.test_render import HOSTS, TABLES
from webspaced.core.names import is_domain
from webspaced.core.protocol import Protocol
from webspaced.core.routes import Route, ServedCertificate
from webspaced.kube.resources import CERTIFICATE, INGRESS_ROUTE, INGRESS_ROUTE_TCP, SECRET, Document, name_of
from webspaced.traefik.kube_cluster import Cluster, instance_of
from webspaced.traefik.kube_objects import (
    KINDS,
    certificates,
    covers,
    read,
    render,
    shared,
)
from webspaced.traefik.render import EntryPoints

BUILT_IN = ("v1", "discovery.k8s.io/v1")
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
OWN = ("ws-u1.example.org", "www.example.net", "example.net")
POINTS = (
    EntryPoints(http="web", https="websecure", domain="example.org"),
    EntryPoints(http="", https="websecure", domain="example.org", resolver="acme", default_sans=("*.example.org", "a.b")),
)
CLUSTERS = tuple(
    Cluster(instance="example.org", entry_points=points, default_secret=secret, cluster_issuer=issuer)
    for points in POINTS
    for secret in (None, "wildcard")
    for issuer in (None, "letsencrypt")
)
UPLOADED = ServedCertificate(hosts=("example.net", "www.example.net"), chain="CHAIN", key="SECRET")
ROUTES = (
    route(),
    route(backend=DIRECT, hosts=OWN),
    route(backend=SIX, hosts=OWN),
    route(backend=DIRECT, passthrough=True, hosts=OWN),
    route(backend=SIX, passthrough=True, challenges=BOOT),
    route(backend=DIRECT, protocol=Protocol.H2C, hosts=OWN),
    route(backend=DIRECT, protocol=Protocol.HTTPS),
    route(backend=DIRECT, hosts=OWN, certificates=(UPLOADED,)),
)


def every_object() -> Iterable[Document]:
    for cluster in CLUSTERS:
        yield from shared(cluster).values()
        for each in ROUTES:
            yield from render(each, cluster, {}).values()


class SchemaTests(SynchronousTestCase):
    def test_built_in_kinds(self) -> None:
        found = [each for each in every_object() if each["apiVersion"] in BUILT_IN]
        self.assertEqual({each["kind"] for each in found}, {"Service", "EndpointSlice", "Secret"})
        for document in found:
            for version in (OLDEST, NEWEST):
                kubernetes_validate.validate(document, version, strict=True)

    def test_custom_resources(self) -> None:
        found = [each for each in every_object() if each["apiVersion"] not in BUILT_IN]
        kinds = {(each["apiVersion"], each["kind"]) for each in found}
        self.assertEqual({kind for _, kind in kinds}, set(KINDS) - {"Service", "EndpointSlice", "Secret"})
        schemas = {each: jsonschema.Draft202012Validator(strict_schema(*each)) for each in kinds}
        for document in found:
            schemas[document["apiVersion"], document["kind"]].validate(document)

    def test_the_schemas_are_strict(self) -> None:
        document = next(each for each in every_object() if each["kind"] == "IngressRoute")
        validator = jsonschema.Draft202012Validator(strict_schema(document["apiVersion"], document["kind"]))
        for wrong in ({"entrypoints": ["web"]}, {"routes": [{"match": "Host(`a`)", "service": []}]}, {"routes": [{}]}):
            broken = {**document, "spec": {**document["spec"], **wrong}}
            self.assertRaises(jsonschema.ValidationError, validator.validate, broken)
        service = next(each for each in every_object() if each["kind"] == "Service")
        broken = {**service, "spec": {**service["spec"], "clusterIp": "None"}}
        self.assertRaises(
            kubernetes_validate.ValidationError, kubernetes_validate.validate, broken, NEWEST, strict=True
        )


class RenderTests(SynchronousTestCase):
    def test_only_the_slice_knows_the_backend(self) -> None:
        for cluster in CLUSTERS:
            one, other = (render(route(backend=each, hosts=OWN), cluster, {}) for each in (DIRECT, route().backend))
            self.assertEqual([str(key[0]) for key in one if one[key] != other[key]], ["endpointslices.discovery.k8s.io"])

    def rules(self, each: Route, cluster: Cluster) -> list[dict[str, Any]]:
        objects = render(each, cluster, {}).items()
        return [rule for (kind, _), found in objects if kind == INGRESS_ROUTE for rule in found["spec"]["routes"]]

    def test_http_or_passthrough_and_never_both(self) -> None:
        for cluster in CLUSTERS:
            for each in ROUTES:
                kinds = {key[0] for key in render(each, cluster, {})}
                self.assertEqual(INGRESS_ROUTE_TCP in kinds, each.passthrough)
                served = [rule for rule in self.rules(each, cluster) if rule["services"][0].get("port") == "web"]
                self.assertEqual(bool(served), not each.passthrough)

    def test_beside_passthrough(self) -> None:
        each = route(passthrough=True, challenges=BOOT)
        astray, redirect, challenges = self.rules(each, Cluster(instance="example.org", entry_points=POINTS[0]))
        host = "Host(`ws-u1.example.org`)"
        self.assertEqual(astray, {
            "kind": "Rule", "match": "HostRegexp(`^ws-u1[.]example[.]org$`)", "priority": 24,
            "services": [{"kind": "TraefikService", "name": "noop@internal"}],
            "middlewares": [{"name": "webspaced-bfabc374-misdirected"}],
        })  # fmt: skip
        self.assertEqual(redirect, {**astray, "match": host, "middlewares": [{"name": "webspaced-bfabc374-redirect"}]})
        self.assertEqual(challenges, {
            "kind": "Rule", "match": f"({host}) && PathPrefix(`/.well-known/acme-challenge/`)", "priority": 50,
            "services": [{"name": "ws-u1", "port": "challenges", "serversTransport": "webspaced-bfabc374"}],
        })  # fmt: skip

    def test_what_the_container_speaks(self) -> None:
        cluster = Cluster(instance="example.org", entry_points=POINTS[0])
        for protocol, more in (
            (Protocol.HTTP, {"scheme": "http", "serversTransport": "webspaced-bfabc374"}),
            (Protocol.H2C, {"scheme": "h2c", "serversTransport": "webspaced-bfabc374"}),
            (Protocol.HTTPS, {"scheme": "https", "serversTransport": "webspaced-bfabc374-unjudged"}),
        ):
            for rule in self.rules(route(protocol=protocol), cluster):
                self.assertEqual(rule["services"], [{"name": "ws-u1", "port": "web", **more}])

    def test_every_host_leads_in_by_every_entry_point(self) -> None:
        for cluster in CLUSTERS:
            points = cluster.entry_points
            led = {
                (host, point)
                for (kind, _), document in render(route(hosts=OWN), cluster, {}).items()
                if kind == INGRESS_ROUTE
                for host in OWN
                for point in document["spec"]["entryPoints"]
                if f"Host(`{host}`)" in document["spec"]["routes"][0]["match"]
            }
            self.assertEqual(led, {(host, point) for host in OWN for point in (points.http, points.https) if point})

    def test_traefiks_own_resolver(self) -> None:
        cluster = Cluster(instance="example.org", entry_points=POINTS[1])
        found = {name: each["spec"]["tls"] for (kind, name), each in render(route(hosts=OWN), cluster, {}).items()
                 if kind == INGRESS_ROUTE}  # fmt: skip
        own = [{"main": "www.example.net"}, {"main": "example.net"}]
        self.assertEqual(found, {
            "ws-u1-https": {"certResolver": "acme", "domains": [{"main": "*.example.org", "sans": ["a.b"]}]},
            "ws-u1-domains": {"certResolver": "acme", "domains": own},
        })  # fmt: skip

    def test_a_domain_with_its_members_own_certificate(self) -> None:
        one = ServedCertificate(hosts=("example.net",), chain="CHAIN", key="SECRET")
        for cluster in CLUSTERS:
            wanted = route(hosts=OWN, certificates=(one,))
            objects = render(wanted, cluster, {"tls-ws-u1": ("example.net",)})
            (secret,) = (each for (kind, _), each in objects.items() if kind == SECRET)
            self.assertEqual(secret["type"], "kubernetes.io/tls")
            self.assertEqual(secret["metadata"]["labels"]["webspaced/webspace"], "ws-u1")
            self.assertEqual(secret["data"], {"tls.crt": "Q0hBSU4=", "tls.key": "U0VDUkVU"})
            name = name_of(secret)
            self.assertEqual(objects[INGRESS_ROUTE, name]["spec"]["tls"], {"secretName": name})
            tls = [each["spec"]["tls"] for (kind, _), each in objects.items() if kind == INGRESS_ROUTE
                   and "tls" in each["spec"] and "Host(`example.net`)" in each["spec"]["routes"][0]["match"]]  # fmt: skip
            self.assertEqual(tls, [{"secretName": name}])
            # Nobody is to issue another one.
            issued = [each["spec"]["dnsNames"] for (kind, _), each in objects.items() if kind == CERTIFICATE]
            self.assertEqual(issued, [["www.example.net"]] if cluster.cluster_issuer else [])
            # What leads to it is written after it.
            keys = list(objects)
            self.assertLess(keys.index((SECRET, name)), keys.index((INGRESS_ROUTE, name)))
            self.assertNotIn("SECRET", repr(read("ws-u1", objects)))

    def test_certificates_are_read_back(self) -> None:
        one, other = (ServedCertificate(hosts=(host,), chain=f"CHAIN {host}", key="K") for host in sorted(OWN[1:]))
        for cluster in CLUSTERS:
            for certificates_ in ((one, other), (UPLOADED,)):
                wanted = route(hosts=OWN, certificates=certificates_)
                objects = render(wanted, cluster, {})
                found = read("ws-u1", objects)
                assert found is not None
                self.assertEqual((set(found.hosts), found.certificates), (set(OWN), certificates_))
                # One that somebody broke is written again.
                for key in objects:
                    if key[0] == SECRET:
                        objects[key] = {**objects[key], "data": {"tls.crt": "x"}}
                self.assertNotEqual(read("ws-u1", objects), wanted)

    @settings(max_examples=50)
    @given(TABLES, st.sampled_from(CLUSTERS))
    def test_what_is_written_can_be_read(self, table: Any, cluster: Cluster) -> None:
        for name, each in table.items():
            found = read(name, render(each, cluster, {}))
            assert found is not None
            self.assertEqual((found.backend, found.passthrough), (each.backend, each.passthrough))
            self.assertEqual(set(found.hosts), set(each.hosts))
            if cluster.entry_points.http or each.passthrough:
                self.assertEqual(found, each)

    def test_what_makes_no_route(self) -> None:
        objects = render(route(hosts=OWN), CLUSTERS[0], {})
        for left_out in objects:
            kinds = {key: each for key, each in objects.items() if key[0] != left_out[0]}
            expected = None if left_out[0].kind in ("EndpointSlice", "IngressRoute") else route(hosts=OWN)
            self.assertEqual(read("ws-u1", kinds), expected)
        broken = {key: {**each, "endpoints": [], "spec": {"routes": None}} for key, each in objects.items()}
        self.assertEqual(read("ws-u1", broken), None)


class CertificateTests(SynchronousTestCase):
    cluster = CLUSTERS[1]

    @settings(max_examples=100)
    @given(st.lists(HOSTS, min_size=1, max_size=6))
    def test_each_domain_is_on_one_and_stays_on_it(self, steps: list[list[str]]) -> None:
        existing: dict[str, tuple[str, ...]] = {}
        for hosts in steps:
            before = {domain: name for name, domains in existing.items() for domain in domains}
            existing = certificates(route(hosts=tuple(hosts)), self.cluster, existing)
            now = {domain: name for name, domains in existing.items() for domain in domains}
            self.assertEqual(sorted(domain for domains in existing.values() for domain in domains), sorted(hosts))
            for domain in before.keys() & now.keys():
                self.assertEqual(before[domain], now[domain])
            self.assertTrue(all(is_domain(name) for name in existing))


    def test_one_that_is_on_two_stays_on_the_first(self) -> None:
        existing = {"b": ("www.example.net", "example.net"), "a": ("www.example.net",)}
        found = certificates(route(hosts=OWN), self.cluster, existing)
        self.assertEqual(found, {"a": ("www.example.net",), "b": ("example.net",)})


class ValueTests(SynchronousTestCase):
    def test_labels_are_as_long_as_labels_may_be(self) -> None:
        for domain in ("example.org", f"{'a' * 39}.{'b' * 60}.example.org", f"{'a' * 60}.example.org"):
            self.assertLessEqual(len(instance_of(domain)), 63)
            self.assertTrue(is_domain(instance_of(domain)))
        self.assertNotEqual(instance_of(f"{'a' * 60}.b.org"), instance_of(f"{'a' * 60}.c.org"))

    def test_what_covers(self) -> None:
        wanted = {"a": [{"b": 1}], "c": {"d": "e"}}
        self.assertTrue(covers({"a": [{"b": 1, "more": 2}], "c": {"d": "e"}, "f": 3}, wanted))
        for found in ({}, None, {"a": [], "c": {"d": "e"}}, {"a": [{"b": 2}], "c": {"d": "e"}}, {"a": [{"b": 1}], "c": "d"}):
            self.assertFalse(covers(found, wanted))

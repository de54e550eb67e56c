"""Traefik's document: what is rendered can be read back, and no value can leave its place."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.address import Endpoint
from webspaced.core.names import is_domain
from webspaced.core.protocol import Protocol
from webspaced.core.routes import Route, ServedCertificate, difference
from webspaced.traefik.pieces import Pieces
from webspaced.traefik.render import EntryPoints, generations_in, read, render, render_named

BOTH, HTTPS = EntryPoints(http="web", https="websecure"), EntryPoints(http="", https="websecure")
HOST = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z0-9]{1,5}){0,2}", fullmatch=True)
HOSTS = st.lists(HOST, min_size=1, max_size=3, unique=True)
ENDPOINTS = st.builds(
    Endpoint, st.sampled_from(["10.7.0.5", "fd42::5", "127.0.0.1", "::1"]).map(ip_address), st.integers(1, 65535)
)
TABLES = st.dictionaries(
    st.integers(0, 30).map(lambda uid: f"ws-u{uid}"),
    st.tuples(HOSTS.map(tuple), ENDPOINTS, st.sampled_from(Protocol), st.none() | ENDPOINTS, st.booleans()),
    max_size=5,
).map(
    lambda table: {
        name: Route(name=name, hosts=hosts, backend=backend, passthrough=True, challenges=challenges)
        if passthrough
        else Route(name=name, hosts=hosts, backend=backend, protocol=protocol)
        for name, (hosts, backend, protocol, challenges, passthrough) in table.items()
    }
)
SHARED = {
    "http": {
        "middlewares": {
            "webspaced-redirect": {"redirectScheme": {"scheme": "https", "permanent": True}},
            "webspaced-misdirected": {
                "errors": {
                    "status": ["418"], "statusRewrites": {"418-418": 421}, "service": "noop@internal", "query": "/",
                },
            },
        },
        "serversTransports": {
            "webspaced": {"forwardingTimeouts": {"dialTimeout": "2s"}},
            "webspaced-unjudged": {"forwardingTimeouts": {"dialTimeout": "2s"}, "insecureSkipVerify": True},
        },
    },
    "tcp": {"serversTransports": {"webspaced": {"dialTimeout": "2s"}}},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def plain(content: str | bytes) -> object:
    """Give a document as it is without any generation."""
    found = json.loads(content)
    for router in found["http"]["routers"].values():
        router["rule"] = re.sub(r"Host\(`g[0-9]+\.webspaced\.invalid`\) \|\| ", "", router["rule"])
    return found


def route(**more: Any) -> Route:
    backend = Endpoint(ip_address("10.7.0.5"), 80)
    return Route(name="ws-u7", hosts=("alice.example.org", "alice.net"), backend=backend, **more)


class RenderTests(SynchronousTestCase):
    maxDiff = None

    def test_the_whole_document(self) -> None:
        rule = "Host(`alice.example.org`) || Host(`alice.net`)"
        self.assertEqual(render({"ws-u7": route()}, BOTH), {
            "http": {
                "routers": {
                    "ws-u7": {"rule": rule, "service": "ws-u7", "entryPoints": ["web"], "priority": 17},
                    "ws-u7-https": {
                        "rule": rule, "service": "ws-u7", "entryPoints": ["websecure"], "priority": 17, "tls": {},
                    },
                    "webspaced": {
                        "rule": "Host(`webspaced.invalid`)", "service": "noop@internal", "entryPoints": ["web"],
                        "priority": 1_000_000_000,
                    },
                },
                "services": {
                    "ws-u7": {
                        "loadBalancer": {"servers": [{"url": "http://10.7.0.5:80"}], "serversTransport": "webspaced"},
                    },
                },
                **SHARED["http"],
            },
            "tcp": SHARED["tcp"],
        })  # fmt: skip

    def test_generations_are_hosts_of_our_own_router_the_latest_first(self) -> None:
        rule = "Host(`g17.webspaced.invalid`) || Host(`g16.webspaced.invalid`) || Host(`webspaced.invalid`)"
        self.assertEqual(render({}, BOTH, [17, 16])["http"]["routers"]["webspaced"]["rule"], rule)
        self.assertEqual(generations_in(rule), [17, 16])
        self.assertEqual(plain(json.dumps(render({}, BOTH, [17, 16]))), render({}, BOTH))

    def test_traefik_is_asked_over_tls_where_there_is_nothing_else_or_it_is_wished(self) -> None:
        for points in (HTTPS, EntryPoints(http="web", https="websecure", asked_over_tls=True)):
            router = render({}, points)["http"]["routers"]["webspaced"]
            self.assertEqual((router["entryPoints"], router["tls"]), (["websecure"], {}))

    def test_no_members_router_comes_before_our_own(self) -> None:
        hosts = tuple(f"{n}.{'a' * 240}.org" for n in range(1000))
        long = Route(name="ws-u7", hosts=hosts, backend=route().backend)
        routers = render({"ws-u7": long}, BOTH)["http"]["routers"]
        ours = routers.pop("webspaced")["priority"]
        for router in routers.values():
            self.assertLess(router["priority"], ours)

    @given(TABLES, st.lists(st.integers(1, 99), max_size=3))
    def test_put_together_of_pieces_it_is_the_same(self, routes: dict[str, Route], generations: list[int]) -> None:
        for points in (BOTH, HTTPS):
            pieces = Pieces(points)
            pieces.change({"gone": route()}, ())
            pieces.change(routes, ("gone",))
            self.assertEqual(json.loads(pieces.document(generations)), render(routes, points, generations))
            self.assertEqual(read(json.loads(pieces.part("webspaced-part-1", generations))), routes)
            self.assertFalse(pieces.change(routes, ("gone",)))

    def routers(self, **more: object) -> dict[str, object]:
        entry_points = EntryPoints(http="web", https="tls", domain="example.org", **more)
        return render({"ws-u7": route()}, entry_points)["http"]["routers"]

    def test_a_resolver_gives_each_own_domain_a_certificate(self) -> None:
        routers = self.routers(resolver="acme")
        self.assertEqual(routers["ws-u7-domains"], {
            "rule": "Host(`alice.net`)", "service": "ws-u7", "entryPoints": ["tls"], "priority": 17,
            "tls": {"certResolver": "acme", "domains": [{"main": "alice.net"}]},
        })  # fmt: skip
        self.assertEqual(routers["ws-u7-https"]["rule"], "Host(`alice.example.org`)")
        self.assertEqual(routers["ws-u7-https"]["tls"], {})
        self.assertEqual(routers["ws-u7"]["rule"], "Host(`alice.example.org`) || Host(`alice.net`)")

    def test_the_default_domains_share_one_certificate_where_its_names_are_set(self) -> None:
        routers = self.routers(resolver="acme", default_sans=("*.example.org", "example.org"))
        shared = {"certResolver": "acme", "domains": [{"main": "*.example.org", "sans": ["example.org"]}]}
        self.assertEqual(routers["ws-u7-https"]["tls"], shared)
        self.assertEqual(routers["ws-u7-domains"]["tls"]["domains"], [{"main": "alice.net"}])

    def test_each_default_domain_can_have_a_certificate_of_its_own(self) -> None:
        self.assertEqual(self.routers(resolver="acme", each=True)["ws-u7-https"]["tls"], {"certResolver": "acme"})
        shared = self.routers(resolver="acme", each=True, default_sans=("*.example.org",))["ws-u7-https"]["tls"]
        self.assertEqual(shared["domains"], [{"main": "*.example.org", "sans": []}])
        self.assertEqual(self.routers(each=True)["ws-u7-https"]["tls"], {})

    def test_names_on_a_certificate_that_nobody_issues(self) -> None:
        self.assertEqual(self.routers(default_sans=("*.example.org",))["ws-u7-https"]["tls"], {})

    def test_only_own_domains(self) -> None:
        entry_points = EntryPoints(http="", https="tls", domain="example.com", resolver="acme")
        document = render({"ws-u7": route()}, entry_points)
        self.assertNotIn("ws-u7-https", document["http"]["routers"])
        self.assertEqual(read(document), {"ws-u7": route()})

    def test_passthrough(self) -> None:
        document = render({"ws-u7": route(passthrough=True)}, BOTH)
        self.assertEqual(document["tcp"], {
            "routers": {
                "ws-u7": {
                    "rule": "HostSNI(`alice.example.org`) || HostSNI(`alice.net`)",
                    "service": "ws-u7",
                    "entryPoints": ["websecure"],
                    "priority": 19,
                    "tls": {"passthrough": True},
                },
            },
            "services": {
                    "ws-u7": {
                        "loadBalancer": {"servers": [{"address": "10.7.0.5:80"}], "serversTransport": "webspaced"}
                    }
                },
                **SHARED["tcp"],
        })  # fmt: skip
        self.assertNotIn("services", document["http"])

    def test_beside_passthrough(self) -> None:
        boot = Endpoint(ip_address("127.0.0.1"), 20001)
        http = render({"ws-u7": route(passthrough=True, challenges=boot)}, BOTH)["http"]
        del http["routers"]["webspaced"]
        rule = "Host(`alice.example.org`) || Host(`alice.net`)"
        self.assertEqual(http["routers"], {
            # No `Host`: Traefik would end the TLS of that host then.
            "ws-u7-misdirected": {
                "rule": "HostRegexp(`^alice[.]example[.]org$`) || HostRegexp(`^alice[.]net$`)", "service": "noop@internal",
                "entryPoints": ["websecure"], "priority": 17, "middlewares": ["webspaced-misdirected"], "tls": {},
            },
            "ws-u7": {
                "rule": rule, "service": "noop@internal", "entryPoints": ["web"], "priority": 17,
                "middlewares": ["webspaced-redirect"],
            },
            "ws-u7-challenges": {
                "rule": f"({rule}) && PathPrefix(`/.well-known/acme-challenge/`)", "service": "ws-u7-challenges",
                "entryPoints": ["web"], "priority": 50,
            },
        })  # fmt: skip
        servers = {"servers": [{"url": "http://127.0.0.1:20001"}], "serversTransport": "webspaced"}
        self.assertEqual(http["services"], {"ws-u7-challenges": {"loadBalancer": servers}})

    def test_what_the_container_speaks(self) -> None:
        for protocol, scheme, transport in (
            (Protocol.HTTP, "http", "webspaced"),
            (Protocol.H2C, "h2c", "webspaced"),
            (Protocol.HTTPS, "https", "webspaced-unjudged"),
        ):
            http = render({"ws-u7": route(protocol=protocol)}, BOTH)["http"]
            servers = {"servers": [{"url": f"{scheme}://10.7.0.5:80"}], "serversTransport": transport}
            self.assertEqual(http["services"]["ws-u7"], {"loadBalancer": servers})
            self.assertEqual("insecureSkipVerify" in http["serversTransports"][transport], protocol is Protocol.HTTPS)

    def test_without_a_plain_entry_point_there_is_no_plain_router(self) -> None:
        routers = render({"ws-u7": route()}, HTTPS)["http"]["routers"]
        self.assertEqual(sorted(routers), ["webspaced", "ws-u7-https"])
        self.assertEqual({tuple(each["entryPoints"]) for each in routers.values()}, {("websecure",)})

    def test_no_section_is_there_and_empty(self) -> None:
        document = render({}, BOTH)
        self.assertEqual(
            (sorted(document), sorted(document["http"])), (["http", "tcp"], ["middlewares", "routers", "serversTransports"])
        )

    def test_order_does_not_matter(self) -> None:
        one, two = route(), Route(name="ws-u8", hosts=("b",), backend=route().backend)
        self.assertEqual(
            json.dumps(render({"ws-u7": one, "ws-u8": two}, BOTH)), json.dumps(render({"ws-u8": two, "ws-u7": one}, BOTH))
        )

    @settings(deadline=None, max_examples=60)
    @given(TABLES, st.sampled_from([BOTH, HTTPS]))
    def test_what_is_rendered_is_read_back(self, routes: dict[str, Route], entry_points: EntryPoints) -> None:
        self.assertEqual(read(json.loads(json.dumps(render(routes, entry_points)))), routes)

    @settings(deadline=None, max_examples=60)
    @given(HOSTS)
    def test_hosts_are_domains_so_no_rule_has_another_meaning(self, hosts: list[str]) -> None:
        self.assertTrue(all(is_domain(host) for host in hosts))
        shown = Route(name="ws-u7", hosts=tuple(hosts), backend=route().backend)
        rule = render({"ws-u7": shown}, BOTH)["http"]["routers"]["ws-u7"]["rule"]
        self.assertEqual(rule.count("`"), 2 * len(hosts))


class CertificateTests(SynchronousTestCase):
    """Members' own certificates."""

    resolving = EntryPoints(http="web", https="websecure", domain="example.org", resolver="acme")

    def setUp(self) -> None:
        one = ServedCertificate(hosts=("bücher.example", "b.net"), chain="CHAIN 1", key="SECRET 1")
        other = ServedCertificate(hosts=("d.net",), chain="CHAIN 2", key="SECRET 2")
        hosts = ("alice.example.org", "a.net", "b.net", "bücher.example", "c.net", "d.net")
        self.route = Route(name="ws-u7", hosts=hosts, backend=route().backend, certificates=(one, other))

    def test_each_kind_has_a_router_of_its_own(self) -> None:
        document = render({"ws-u7": self.route}, self.resolving)
        routers = document["http"]["routers"]
        tls = {name: (re.findall("`([^`]*)`", each["rule"]), each.get("tls")) for name, each in routers.items()}
        self.assertEqual(tls, {
            "webspaced": (["webspaced.invalid"], None),
            "ws-u7": (list(self.route.hosts), None),
            "ws-u7-https": (["alice.example.org"], {}),
            "ws-u7-domains": (
                ["a.net", "c.net"], {"certResolver": "acme", "domains": [{"main": "a.net"}, {"main": "c.net"}]},
            ),
            # Nobody is asked for another one.
            "ws-u7-uploaded": (["b.net", "bücher.example", "d.net"], {}),
        })  # fmt: skip
        self.assertEqual(document["tls"], {"certificates": [
            {"certFile": "ws-u7 bücher.example b.net\nCHAIN 1", "keyFile": "SECRET 1"},
            {"certFile": "ws-u7 d.net\nCHAIN 2", "keyFile": "SECRET 2"},
        ]})  # fmt: skip

    def test_they_are_read_back_wherever_they_stand(self) -> None:
        routes = {"ws-u7": self.route, "ws-u8": Route(name="ws-u8", hosts=("b",), backend=route().backend)}
        self.assertEqual(read(json.loads(json.dumps(render(routes, self.resolving)))), routes)
        self.assertEqual(read(render_named(routes, self.resolving)), routes)
        without_plain = evolve(self.resolving, http="")
        found = read(render(routes, without_plain))["ws-u7"]
        self.assertEqual((set(found.hosts), found.certificates), (set(self.route.hosts), self.route.certificates))

    def test_documents_of_pieces_mean_the_same(self) -> None:
        pieces = Pieces(self.resolving)
        other = evolve(self.route, name="ws-u8")
        pieces.change({"ws-u7": self.route, "ws-u8": other}, ())
        self.assertEqual(len(json.loads(pieces.document([]))["tls"]["certificates"]), 4)
        pieces.change({}, ("ws-u8",))
        self.assertEqual(json.loads(pieces.document([])), render({"ws-u7": self.route}, self.resolving))

    def test_what_others_put_there_is_not_read(self) -> None:
        document = render({"ws-u7": self.route}, self.resolving)
        entries = [1, {}, {"certFile": 1}, {"certFile": "ws-u7"}]
        for wrong in (None, "x", 7, {"certificates": "x"}, {"certificates": entries}):
            document["tls"] = wrong
            self.assertEqual(read(document)["ws-u7"].certificates, ())

    def test_no_key_is_in_what_is_shown_of_a_route(self) -> None:
        for shown in (repr(self.route), str(self.route), f"{difference({}, {'ws-u7': self.route})}"):
            self.assertNotIn("SECRET", shown)
            self.assertIn("d.net", shown)


class ReadTests(SynchronousTestCase):
    def test_what_is_not_of_our_making_is_left_out(self) -> None:
        document = render({"ws-u7": route()}, BOTH)
        document["http"]["services"]["other"] = {"weighted": {}}
        document["http"]["services"]["alone"] = {"loadBalancer": {"servers": [{"url": "http://10.7.0.9:80"}]}}
        document["http"]["services"]["named"] = {"loadBalancer": {"servers": [{"url": "http://example.org:80"}]}}
        self.assertEqual(list(read(document)), ["ws-u7"])

    @settings(deadline=None, max_examples=60)
    @given(st.dictionaries(st.sampled_from(["http", "tcp"]), st.none() | st.dictionaries(
        st.sampled_from(["services", "routers"]), st.none() | st.dictionaries(st.sampled_from(["a", "a-https"]), JSON),
    )))  # fmt: skip
    def test_any_document_of_this_shape_is_read(self, document: dict[str, object]) -> None:
        self.assertIsInstance(read(document), dict)

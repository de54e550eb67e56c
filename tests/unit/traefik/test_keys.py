"""Traefik's document as keys: what is rendered can be read back, is never empty, and nobody else's."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.traefik.test_render import BOTH, HTTPS, TABLES, route
from webspaced.core.routes import Route, ServedCertificate
from webspaced.traefik.keys import Keyspace, differing, flatten, least_change, unflatten
from webspaced.traefik.render import SENTINEL, EntryPoints

OURS = Keyspace("traefik", "ws-")
ACME = EntryPoints(http="web", https="tls", domain="example.org", resolver="acme", default_sans=("*.example.org", "a.org"))
OWNED = st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12")), max_size=3)
PATHS = st.lists(st.sampled_from(["a", "0", "1", "٣", ""]), max_size=4).map("/".join)


class FlattenTests(SynchronousTestCase):
    def test_values_of_every_kind(self) -> None:
        document = {"a": {"B": ["x", "y"], "tls": {}, "yes": True, "no": False}, "c": {"d": [{"url": "u"}]}, "none": []}
        self.assertEqual(dict(flatten(document, "root")), {
            "root/a/B/0": "x", "root/a/B/1": "y", "root/a/tls": "true", "root/a/yes": "true", "root/a/no": "false",
            "root/c/d/0/url": "u",
        })  # fmt: skip

    def test_lists_come_back_in_order(self) -> None:
        values = [str(n) for n in range(12)]
        self.assertEqual(unflatten(dict(flatten({"a": {"b": values}}, "r")), "r"), {"a": {"b": values}})

    def test_a_value_in_the_place_of_a_section_is_left_out(self) -> None:
        self.assertEqual(unflatten({"r/a": "1", "r/a/b": "2"}, "r"), {"a": {"b": "2"}})

    @settings(deadline=None, max_examples=60)
    @given(st.dictionaries(PATHS, st.text(max_size=3)))
    def test_any_keys_can_be_read(self, keys: dict[str, str]) -> None:
        self.assertIsInstance(unflatten({f"r/{key}": value for key, value in keys.items()}, "r"), dict)


class KeyspaceTests(SynchronousTestCase):
    maxDiff = None

    def test_the_keys_of_a_route(self) -> None:
        rule = "Host(`alice.example.org`) || Host(`alice.net`)"
        self.assertEqual(OURS.keys_of(route(), BOTH), {
            "traefik/http/routers/ws-u7/priority": "17",
            "traefik/http/routers/ws-u7-https/priority": "17",
            "traefik/http/routers/ws-u7/rule": rule,
            "traefik/http/routers/ws-u7/service": "ws-u7",
            "traefik/http/routers/ws-u7/entryPoints/0": "web",
            "traefik/http/routers/ws-u7-https/rule": rule,
            "traefik/http/routers/ws-u7-https/service": "ws-u7",
            "traefik/http/routers/ws-u7-https/entryPoints/0": "websecure",
            "traefik/http/routers/ws-u7-https/tls": "true",
            "traefik/http/services/ws-u7/loadBalancer/servers/0/url": "http://10.7.0.5:80",
            "traefik/http/services/ws-u7/loadBalancer/serversTransport": "webspaced",
        })  # fmt: skip

    def test_certificates(self) -> None:
        keys = OURS.keys_of(route(), ACME)
        tls = {key.partition("/tls/")[2]: value for key, value in keys.items() if "-https/tls/" in key}
        self.assertEqual(tls, {"certResolver": "acme", "domains/0/main": "*.example.org", "domains/0/sans/0": "a.org"})

    def test_certificates_of_a_members_own(self) -> None:
        own = ServedCertificate(hosts=("b.net",), chain="CHAIN", key="SECRET")
        one = Route(name="ws-u7", hosts=("alice.example.org", "b.net"), backend=route().backend, certificates=(own,))
        other = evolve(one, name="ws-u8", certificates=(evolve(own, chain="OTHER"),))
        owned = {each.name: OURS.keys_of(each, BOTH) for each in (one, other)}
        # Each has its own name, so that none moves when another one comes or goes.
        self.assertEqual(
            {key: value for key, value in owned["ws-u7"].items() if "/tls/certificates/" in key},
            {
                "traefik/tls/certificates/ws-u7-b.net/certFile": "ws-u7 b.net\nCHAIN",
                "traefik/tls/certificates/ws-u7-b.net/keyFile": "SECRET",
            },
        )
        self.assertEqual(OURS.routes(owned), {"ws-u7": one, "ws-u8": other})
        self.assertEqual(OURS.owned({**owned["ws-u7"], **owned["ws-u8"]}), owned)

    def test_what_serves_all_is_there_without_any_route(self) -> None:
        shared = OURS.shared(BOTH)
        self.assertEqual(shared[OURS.mark], "Host(`webspaced.invalid`)")
        self.assertEqual({OURS.owner(key) for key in shared}, {SENTINEL})
        # Only members of lists are called by numbers.
        numbered = {key.split("/")[-2] for key in shared if key.split("/")[-1].isdecimal()}
        self.assertEqual(numbered, {"entryPoints", "status"})
        self.assertEqual(shared["traefik/tcp/serversTransports/webspaced/dialTimeout"], "2s")

    @settings(deadline=None, max_examples=60)
    @given(TABLES, st.sampled_from([BOTH, HTTPS, ACME]))
    def test_what_is_rendered_is_read_back_and_never_empty(self, routes: dict[str, Route], points: EntryPoints) -> None:
        owned = {name: OURS.keys_of(each, points) for name, each in routes.items()}
        together = {key: value for keys in (*owned.values(), OURS.shared(points)) for key, value in keys.items()}
        self.assertEqual(OURS.owned(together), {**owned, SENTINEL: OURS.shared(points)})
        self.assertTrue(all(together.values()))
        found = OURS.routes(OURS.owned(together))
        self.assertEqual({name: (each.backend, sorted(each.hosts)) for name, each in found.items()},
                         {name: (each.backend, sorted(each.hosts)) for name, each in routes.items()})  # fmt: skip

    def test_whose_a_key_is(self) -> None:
        for key, owner in {
            "http/routers/ws-u7/rule": "ws-u7",
            "http/routers/ws-u7-https/tls/domains/0/main": "ws-u7",
            "http/routers/ws-u7-domains/rule": "ws-u7",
            "tcp/services/ws-u7": "ws-u7",
            "tcp/services/ws-u7/anything\nat all": "ws-u7",
            "http/middlewares/ws-u7-boot/webspaceBoot/url": "ws-u7",
            "tcp/middlewares/ws-u7-boot/webspaceBoot/userID": "ws-u7",
            "http/routers/ws-u7-challenges/rule": "ws-u7",
            "http/services/ws-u7-challenges/loadBalancer/servers/0/url": "ws-u7",
            "http/routers/ws-u7-misdirected/rule": "ws-u7",
            "http/routers/ws-u7-uploaded/rule": "ws-u7",
            "tls/certificates/ws-u7-www.example.net/certFile": "ws-u7",
            "tls/certificates/ws-u7/certFile": None,
            "tls/certificates/0/certFile": None,
            "http/middlewares/webspaced-redirect/redirectScheme/scheme": SENTINEL,
            "http/middlewares/webspaced-misdirected/errors/statusRewrites/418-418": SENTINEL,
            "http/serversTransports/webspaced-unjudged/insecureSkipVerify": SENTINEL,
            "http/routers/webspaced-blog/rule": None,
            "http/middlewares/ws-u7-https/compress": None,
            "http/middlewares/blog-boot/compress": None,
            "http/routers/webspaced/rule": SENTINEL,
            "http/serversTransports/webspaced/forwardingTimeouts/dialTimeout": SENTINEL,
            "http/routers/webspaced2/rule": None,
            "http/routers/ws-u7x/rule": None,
            "http/routers/ws-u/rule": None,
            "http/routers/ws-u٣/rule": None,
            "http/routers/xws-u7/rule": None,
            "http/routers/ws-u7-http/rule": None,
            "http/middlewares/ws-u7/compress": None,
            "udp/services/ws-u7/rule": None,
        }.items():
            self.assertEqual(OURS.owner(f"traefik/{key}"), owner, key)
        self.assertIsNone(OURS.owner("traefik2/http/routers/ws-u7/rule"))
        self.assertIsNone(Keyspace("a.b", "ws.").owner("a.b/http/routers/ws-u7/rule"))
        self.assertEqual(Keyspace("a/b", "WS").owner("a/b/http/routers/WSu7/rule"), "WSu7")

    def test_a_service_named_like_a_router_is_no_route(self) -> None:
        keys = OURS.keys_of(route(), BOTH)
        keys["traefik/http/services/ws-u7-https/loadBalancer/servers/0/url"] = "http://10.7.0.9:80"
        keys["traefik/http/routers/ws-u7-https-https/rule"] = "Host(`x`)"
        self.assertEqual(OURS.routes(OURS.owned(keys)), {"ws-u7": route()})


class ChangeTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=100)
    @given(OWNED, OWNED)
    def test_the_change_makes_what_is_wanted_and_no_more(self, found: dict, wanted: dict) -> None:
        found, wanted = ({f"{n}": {f"{n}/{k}": v for k, v in keys.items()} for n, keys in each.items() if keys}
                         for each in (found, wanted))  # fmt: skip
        put, remove = least_change(found, wanted, differing(found, wanted))
        before, after = ({k: v for keys in each.values() for k, v in keys.items()} for each in (found, wanted))
        self.assertEqual({k: v for k, v in {**before, **put}.items() if k not in remove}, after)
        self.assertTrue(all(before.get(key) != value for key, value in put.items()))
        self.assertLessEqual(set(remove), set(before))

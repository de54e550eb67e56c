"""A webspace's document: what is written can be read, foreign members survive, mistakes are named."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.claims import Grants
from webspaced.core.config import Choices, Config, parse_port
from webspaced.core.desired import AUTO, Desired, Wish
from webspaced.core.forward import Forward, WakeOn
from webspaced.core.probing import Ask, web_asks
from webspaced.core.protocol import Protocol
from webspaced.core.proxy_protocol import ProxyProtocol
from webspaced.core.schedule import parse_quiet_hours, parse_wake_at
from webspaced.core.sleep import Sleep
from webspaced.core.webspace import UNKNOWN_SINCE_KEY, Webspace, load_webspace, unknown_since_of
from webspaced.errors import Forbidden, Invalid

CHOICES = Choices(max_startup_delay=60.0, sleep=("doze", "sleepAfter", "wakeAt", "quietHours"))
GENEROUS = Choices(max_startup_delay=600)
DEFAULTS = Config(startup_delay=3.0, http_port=80, sni_passthrough=False)
PORT = st.integers(1, 65535)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CONFIGS = st.builds(
    Config, startup_delay=st.floats(0, 60), http_port=PORT, sni_passthrough=st.booleans(),
    protocol=st.sampled_from(Protocol),
    sleep=st.sampled_from(Sleep), sleep_after=st.none() | st.floats(1, 1e6),
    wake_at=st.sampled_from([(), parse_wake_at(["04:30", "*/30 * * * *"])]),
    quiet_hours=st.sampled_from([(), parse_quiet_hours(["23:00-07:00"])]),
)
DOMAINS = st.lists(st.sampled_from(["a.org", "b.example.com", "xn--4ca.net"]), unique=True, max_size=3).map(tuple)
OURS = ("user", "config", "domains", "ports", "proxyProtocol", "ready", "wakeOn", "awakeUntil")
FOREIGN = st.dictionaries(st.text(max_size=6).filter(lambda name: name not in OURS), JSON)
VERSIONS = st.sampled_from([None, *ProxyProtocol])
FORWARDS = st.dictionaries(
    PORT,
    st.builds(Forward, PORT, VERSIONS, st.sampled_from([Ask.CONNECTION, Ask.DATA]), st.sampled_from(WakeOn)),
    max_size=3,
)


def with_forwards(webspace: Webspace, forwards: dict[int, Forward]) -> Webspace:
    for external, forward in forwards.items():
        webspace = webspace.with_forward(external, forward, 1000.0 + external)
    return webspace


WEBSPACES = st.builds(
    Webspace,
    user=st.integers(0, 10**9),
    config=CONFIGS,
    domains=DOMAINS,
    extra=FOREIGN,
).flatmap(lambda webspace: FORWARDS.map(lambda forwards: with_forwards(webspace, forwards)))


def load(document: Any) -> Webspace:
    return load_webspace(json.dumps(document), DEFAULTS)


class RoundTripTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=40)
    @given(WEBSPACES)
    def test_what_is_dumped_is_read_back_with_foreign_members(self, webspace: Webspace) -> None:
        self.assertEqual(load_webspace(webspace.dump(), DEFAULTS), webspace)

    @settings(deadline=None, max_examples=25)
    @given(WEBSPACES, FORWARDS)
    def test_forwards_are_what_they_were_made(self, webspace: Webspace, forwards: dict[int, Forward]) -> None:
        changed = load_webspace(with_forwards(webspace, forwards).dump(), DEFAULTS)
        self.assertEqual(changed.forwards, {**webspace.forwards, **forwards})
        for external in forwards:
            changed = changed.without_forward(external)
            # Whoever gets the number next gets nothing of what was said of it.
            self.assertEqual(changed.options.forward(external, 22), Forward(22))

    def test_what_an_older_webspaced_left_of_a_forward_is_nothing(self) -> None:
        webspace = load({"user": 7, "config": {}, "ports": {"49152": 22}, "proxyProtocol": {"49152": 2, "49153": 1}})
        self.assertEqual(webspace.forwards, {49152: Forward(22, ProxyProtocol.V2)})
        self.assertEqual(json.loads(webspace.dump())["proxyProtocol"], {"49152": 2})
        self.assertNotIn("proxyProtocol", webspace.without_forward(49152).to_json())

    def test_what_a_newer_webspaced_wrote_of_a_forward_is_kept(self) -> None:
        for theirs in (3, "quic", True, {"tls": [1]}):
            webspace = load({"user": 7, "ports": {"1": 22, "2": 23}, "proxyProtocol": {"1": theirs, "2": 1, "x": 9}})
            self.assertEqual(webspace.forwards, {1: Forward(22), 2: Forward(23, ProxyProtocol.V1)})
            self.assertEqual(webspace.to_json()["proxyProtocol"], {"2": 1})
            changed = webspace.without_forward(2).with_config(DEFAULTS)
            self.assertEqual(json.loads(changed.dump())["proxyProtocol"], {"1": theirs})
            self.assertNotIn("proxyProtocol", json.loads(changed.without_forward(1).dump()))
        for odd in (None, 3, [], "x", {"x": 1}):
            self.assertEqual(load({"user": 7, "ports": {"1": 22}, "proxyProtocol": odd}).forwards, {1: Forward(22)})

    def test_so_is_what_it_wrote_of_when_one_is_ready(self) -> None:
        ready = {"1": "banner", "2": "data", "3": "connection"}
        webspace = load({"user": 7, "ports": {"1": 22, "2": 23, "3": 24}, "ready": ready})
        self.assertEqual(webspace.forwards, {1: Forward(22), 2: Forward(23, ready=Ask.DATA), 3: Forward(24)})
        self.assertEqual(webspace.to_json()["ready"], {"2": "data"})
        self.assertEqual(json.loads(webspace.dump())["ready"], {"1": "banner", "2": "data"})

    def test_so_is_what_it_wrote_of_what_wakes_it(self) -> None:
        wake_on = {"1": "knock", "2": "data", "3": "connection"}
        webspace = load({"user": 7, "ports": {"1": 22, "2": 23, "3": 24}, "wakeOn": wake_on})
        self.assertEqual(webspace.forwards, {1: Forward(22), 2: Forward(23, wake_on=WakeOn.DATA), 3: Forward(24)})
        self.assertEqual(webspace.to_json()["wakeOn"], {"2": "data"})
        self.assertEqual(json.loads(webspace.dump())["wakeOn"], {"1": "knock", "2": "data"})
        self.assertNotIn("wakeOn", webspace.without_forward(2).to_json())

    @settings(deadline=None, max_examples=25)
    @given(WEBSPACES, PORT, PORT)
    def test_a_change_keeps_everything_else(self, webspace: Webspace, external: int, internal: int) -> None:
        changed = load_webspace(webspace.with_forward(external, Forward(internal)).dump(), DEFAULTS)
        self.assertEqual(changed.ports[external], internal)
        self.assertEqual((changed.extra, changed.domains, changed.user), (webspace.extra, webspace.domains, webspace.user))
        self.assertNotIn(external, changed.without_forward(external).ports)

    def test_a_document_of_the_predecessor(self) -> None:
        webspace = load({
            "user": 7,
            "config": {"startupDelay": 1.5, "httpPort": 8080, "sniPassthrough": True},
            "domains": ["www.example.net"],
            "ports": {"49152": 22, "50000": 25565},
        })  # fmt: skip
        self.assertEqual(webspace.config, Config(startup_delay=1.5, http_port=8080, sni_passthrough=True))
        self.assertEqual(webspace.domains, ("www.example.net",))
        self.assertEqual(dict(webspace.ports), {49152: 22, 50000: 25565})

    def test_its_empty_members_may_be_null(self) -> None:
        webspace = load({"user": 7, "config": None, "domains": None, "ports": None})
        self.assertEqual(webspace, Webspace(user=7, config=DEFAULTS))

    def test_a_member_of_config_that_is_missing_has_the_default(self) -> None:
        self.assertEqual(load({"user": 7, "config": {"httpPort": 81}}).config, Config(
            startup_delay=3.0, http_port=81, sni_passthrough=False,
        ))  # fmt: skip

    def test_a_bound_that_was_lowered_since_does_not_make_it_unreadable(self) -> None:
        self.assertEqual(load({"user": 7, "config": {"startupDelay": 9999}}).config.startup_delay, 9999)

    def test_a_domain_that_is_none_never_gets_in(self) -> None:
        self.assertEqual(load({"user": 7, "domains": ["a`) || Host(`b", 7, "ok.org", None]}).domains, ("ok.org",))

    def test_a_predecessors_domains_are_served_as_dns_has_them_and_none_is_lost(self) -> None:
        webspace = load({"user": 7, "domains": ["Example.ORG", "b\u00fccher.de", "*.shop.org", "my_site.org"]})
        self.assertEqual(webspace.domains, ("example.org", "xn--bcher-kva.de"))
        self.assertEqual(webspace.to_json()["domains"], ["example.org", "xn--bcher-kva.de"])
        written = json.loads(webspace.with_forward(49152, Forward(22)).dump())["domains"]
        self.assertEqual(written, ["example.org", "xn--bcher-kva.de", "*.shop.org", "my_site.org"])
        self.assertEqual(webspace.without_domain("*.shop.org", "*.shop.org").unserved, ("my_site.org",))

    def test_what_cannot_be_served_is_named_and_kept_as_it_is(self) -> None:
        others = [5, "evil.invalid", None, ["x.example"], {"a": "b.example"}]
        webspace = load({"user": 7, "domains": ["a.example", *others]})
        self.assertEqual((webspace.domains, webspace.unserved), (("a.example",), tuple(others)))
        self.assertEqual(len(webspace.wrong), len(others))
        self.assertIn("domains: 'evil.invalid' cannot be served", webspace.wrong)
        written = json.loads(webspace.with_domain("b.example").dump())["domains"]
        self.assertEqual(written, ["a.example", "b.example", *others])

    def test_one_that_is_nested_too_deeply_is_none(self) -> None:
        for levels in (70, 100_000):
            text = f'{{"user":7,"x":{"[" * levels}{"]" * levels}}}'
            self.assertRaises(Invalid, load_webspace, text, DEFAULTS)

    def test_names_of_special_use_are_nobodys(self) -> None:
        names = ["webspaced.invalid", "a.localhost", "b.local", "c.onion", "d.test", "ok.example"]
        webspace = load({"user": 7, "domains": names})
        self.assertEqual((webspace.domains, webspace.unserved), (("ok.example",), tuple(names[:-1])))

    def test_what_is_wanted_and_when_things_were_granted_is_kept(self) -> None:
        desired = Desired(wish=Wish.SUSPENDED, reason="spam", public="a break", by="root")
        webspace = load({"user": 7}).with_desired(desired).with_domain("a.example", 5.0).with_name_granted(4.0)
        again = load_webspace(webspace.with_forward(49152, Forward(22), 6.0).dump(), DEFAULTS)
        self.assertEqual(again.desired, desired)
        self.assertEqual(again.grants, Grants(ports={49152: 6.0}, domains={"a.example": 5.0}, name=4.0))
        self.assertEqual(again.to_json()["desired"], "suspended")
        left = json.loads(again.without_forward(49152).without_domain("a.example", "").dump())
        self.assertEqual(left["granted"], {"name": 4.0})

    def test_what_another_users_document_claims_counts_for_nothing(self) -> None:
        theirs = load({"user": 7, "domains": ["a.example"], "ports": {"49152": 22}, "desired": "stopped", "x": 1})
        own = theirs.of(8)
        self.assertEqual((own.user, own.domains, dict(own.ports), own.desired), (8, (), {}, AUTO))
        self.assertEqual(own.extra, {"x": 1})
        self.assertIs(theirs.of(7), theirs)

    def test_what_an_instance_had_under_its_former_name_is_there_again_with_that_name(self) -> None:
        theirs = load({"user": 7, "domains": ["a.example"], "ports": {"49152": 22}, "desired": "stopped", "x": 1})
        kept = load_webspace(theirs.of(8).with_forward(49153, Forward(80)).dump(), DEFAULTS)
        self.assertEqual((kept.user, kept.domains, dict(kept.ports)), (8, (), {49153: 80}))
        self.assertNotIn("former", kept.to_json())
        back = load_webspace(kept.of(7).dump(), DEFAULTS)
        self.assertEqual(evolve(back, former=()), theirs)
        # Both ways, and each user's stands there once.
        self.assertEqual(dict(back.of(8).ports), {49153: 80})
        self.assertEqual([each["user"] for each in back.former], [8])
        self.assertNotIn("former", back.former[0])

    def test_so_it_is_after_several_names(self) -> None:
        webspace = load({"user": 7, "ports": {"49152": 22}})
        for uid in (8, 9, 8):
            webspace = load_webspace(webspace.of(uid).dump(), DEFAULTS)
            self.assertEqual(dict(webspace.ports), {})
        self.assertEqual([each["user"] for each in webspace.former], [9, 7])
        self.assertEqual(dict(webspace.of(7).ports), {49152: 22})
        for uid in range(100, 120):
            webspace = webspace.of(uid)
        self.assertEqual(len(webspace.former), 4)

    def test_one_of_an_earlier_webspaced_is_read(self) -> None:
        webspace = load({"user": 8, "former": {"user": 7, "ports": {"49152": 22}}})
        self.assertEqual(dict(webspace.of(7).ports), {49152: 22})

    def test_a_former_document_that_is_none_counts_for_nothing(self) -> None:
        for odd in (None, [], "x", {"user": True, "ports": {"49152": 22}}, {"ports": {"49152": 22}}, 7):
            own = load({"user": 7, "former": odd}).of(1)
            self.assertEqual((own.user, dict(own.ports)), (1, {}), odd)

    def test_whom_it_names_is_its_instances_user_where_that_cannot_be_read(self) -> None:
        for odd in ("7", None, True, 7.0, []):
            own = load({"user": odd, "domains": ["a.example"], "ports": {"49152": 22}}).of(8)
            self.assertEqual((own.user, own.domains, dict(own.ports)), (8, ("a.example",), {49152: 22}))

    def test_ports_are_in_order(self) -> None:
        self.assertEqual(list(load({"user": 7, "ports": {"50000": 1, "49152": 2}}).ports), [49152, 50000])


class UnreadableTests(SynchronousTestCase):
    def test_is_told_and_never_by_its_content(self) -> None:
        for text, said in (("{", "is not JSON"), ("[]", "is not a JSON object"), ('"secret"', "is not a JSON object")):
            error = self.assertRaises(Invalid, load_webspace, text, DEFAULTS)
            self.assertIn(said, str(error))
            self.assertNotIn("secret", str(error))

    def test_one_bad_field_has_its_default_and_the_others_count(self) -> None:
        good = {"user": 7, "config": {"httpPort": 81}, "domains": ["a.example"], "ports": {"49152": 22}}
        for bad, said in (
            ({"config": {"httpPort": 0}}, "port"),
            ({"config": {"httpPort": "80"}}, "httpPort"),
            ({"config": {"startupDelay": "long"}}, "startupDelay"),
            ({"config": {"startupDelay": float("nan")}}, "startupDelay"),
            ({"config": {"sniPassthrough": 1}}, "sniPassthrough"),
            ({"config": {"protocol": "spdy"}}, "protocol"),
            ({"config": []}, "config"),
            ({"config": {"wakeAt": ["04:30", "noon"]}}, "wakeAt"),
            ({"config": {"quietHours": "23:00-07:00"}}, "quietHours"),
            ({"domains": "a.example"}, "domains"),
            ({"ports": [22]}, "ports"),
            ({"desired": "perhaps"}, "desired"),
            ({"user": "seven"}, "user"),
        ):
            webspace = load({**good, **bad})
            self.assertEqual(len(webspace.wrong), 1, bad)
            self.assertIn(said, webspace.wrong[0])
            kept = [name for name in ("domains", "ports") if name not in bad]
            self.assertEqual({name: webspace.to_json()[name] for name in kept}, {name: good[name] for name in kept})
            if "config" in bad:
                self.assertEqual(webspace.config, DEFAULTS)
            self.assertEqual(load_webspace(webspace.of(7).dump(), DEFAULTS).wrong, ())

    def test_a_time_that_is_none_does_not_count(self) -> None:
        for odd in ("x", "inf", "-inf", "nan", ""):
            self.assertIsNone(unknown_since_of({UNKNOWN_SINCE_KEY: odd}))

    def test_one_bad_forward_is_left_out(self) -> None:
        for external, internal in (("0", 1), ("80", "x"), ("x", 80)):
            webspace = load({"user": 7, "ports": {external: internal, "49152": 22}})
            self.assertEqual(dict(webspace.ports), {49152: 22})
            self.assertEqual(len(webspace.wrong), 1)

    @settings(deadline=None, max_examples=60)
    @given(JSON | st.fixed_dictionaries({"user": st.integers()}, optional={"config": JSON, "domains": JSON, "ports": JSON}))
    def test_any_other_json_is_read_or_refused(self, document: Any) -> None:
        try:
            load(document)
        except Invalid:
            return


class PatchTests(SynchronousTestCase):
    def refusal(self, **patch: object) -> str:
        return str(self.assertRaises(Invalid, DEFAULTS.patched, patch, CHOICES))

    def test_changes_what_is_named_and_nothing_else(self) -> None:
        self.assertEqual(DEFAULTS.patched({"httpPort": 8080}, CHOICES), Config(
            startup_delay=3.0, http_port=8080, sni_passthrough=False,
        ))  # fmt: skip
        self.assertEqual(DEFAULTS.patched({"startupDelay": 0}, CHOICES).startup_delay, 0.0)
        self.assertTrue(DEFAULTS.patched({"sniPassthrough": True}, CHOICES).sni_passthrough)
        self.assertIs(DEFAULTS.patched({"protocol": "h2c"}, CHOICES).protocol, Protocol.H2C)

    def test_the_web_port_is_asked_in_its_own_protocol(self) -> None:
        for patch, asks in (
            ({}, Ask.HTTP), ({"protocol": "h2c"}, Ask.H2C), ({"protocol": "https"}, Ask.HTTPS),
            ({"sniPassthrough": True}, Ask.TLS), ({"sniPassthrough": True, "protocol": "h2c"}, Ask.TLS),
        ):  # fmt: skip
            self.assertIs(web_asks(DEFAULTS.patched(patch, CHOICES)), asks)

    def test_nothing_changes_nothing(self) -> None:
        self.assertEqual(DEFAULTS.patched({}, CHOICES), DEFAULTS)

    def test_an_unknown_field_is_named(self) -> None:
        self.assertIn("httpport, zzz", self.refusal(zzz=1, httpport=80))

    def test_a_wrong_field_is_named(self) -> None:
        for value in (-1, "3", True, float("nan"), float("inf"), []):
            self.assertIn("startupDelay", self.refusal(startupDelay=value))
        for value in ("80", 80.0, True, 0, 65536, -1, []):
            self.assertRegex(self.refusal(httpPort=value), "httpPort|is not a port")
        for value in (0, 1, "true"):
            self.assertIn("sniPassthrough", self.refusal(sniPassthrough=value))
        for value in ("HTTP", "grpc", "", 1, True, [], {}):
            self.assertEqual(self.refusal(protocol=value), "protocol must be one of http, h2c, https")

    def test_null_changes_nothing(self) -> None:
        nothing = {"httpPort": None, "startupDelay": None, "sniPassthrough": None, "protocol": None}
        self.assertEqual(DEFAULTS.patched(nothing, CHOICES), DEFAULTS)

    def test_what_is_above_the_bound_stays_until_it_is_changed(self) -> None:
        slow = DEFAULTS.patched({"startupDelay": 600}, GENEROUS)
        self.assertEqual(slow.patched({"httpPort": 81}, CHOICES).startup_delay, 600)
        self.assertEqual(slow.patched({"startupDelay": 600}, CHOICES).startup_delay, 600)
        self.assertRaises(Invalid, slow.patched, {"startupDelay": 599}, CHOICES)

    def test_schedules(self) -> None:
        changed = DEFAULTS.patched({"wakeAt": ["04:30"], "quietHours": ["23:00-07:00"]}, CHOICES)
        shown = {"wakeAt": ["04:30"], "quietHours": ["23:00-07:00"]}
        self.assertEqual(changed.to_json(), {**DEFAULTS.to_json(), **shown})
        self.assertEqual(changed.patched({"wakeAt": None, "quietHours": None}, CHOICES), changed)
        self.assertEqual(changed.patched({"wakeAt": [], "quietHours": []}, CHOICES), DEFAULTS)
        too_often = {"wakeAt": ["04 * * * *", "5 0 * * *"]}
        self.assertIn("00:04 and 00:05 are closer", str(self.assertRaises(Forbidden, DEFAULTS.patched, too_often, CHOICES)))
        for wrong in ("04:30", ["noon"], [430], {}):
            self.assertIn("wakeAt", self.refusal(wakeAt=wrong))
            self.assertIn("quietHours", self.refusal(quietHours=wrong))

    def test_schedules_that_the_operator_does_not_allow_any_more(self) -> None:
        for name, value in (("wakeAt", ["04:30"]), ("quietHours", ["23:00-07:00"])):
            changed = DEFAULTS.patched({name: value}, CHOICES)
            self.assertRaises(Forbidden, DEFAULTS.patched, {name: value}, GENEROUS)
            self.assertEqual(changed.patched({name: value}, GENEROUS), changed)
            self.assertEqual(changed.patched({name: []}, GENEROUS), DEFAULTS)
        often = DEFAULTS.patched({"wakeAt": ["*/5 * * * *"]}, CHOICES)
        strict = evolve(CHOICES, wake_every=600.0)
        self.assertEqual(often.patched({"httpPort": 81}, strict).wake_at, often.wake_at)
        self.assertRaises(Forbidden, DEFAULTS.patched, {"wakeAt": ["*/5 * * * *"]}, strict)

    def test_the_bound_of_startup_delay(self) -> None:
        self.assertEqual(DEFAULTS.patched({"startupDelay": 60}, CHOICES).startup_delay, 60)
        self.assertIn("at most 60 seconds", self.refusal(startupDelay=60.5))


class PortTests(SynchronousTestCase):
    def test_edges(self) -> None:
        self.assertEqual([parse_port(value) for value in (1, "1", 65535, "65535", "080")], [1, 1, 65535, 65535, 80])
        for value in (0, 65536, -1, "0", "65536", "", "+80", " 80", "80\n", "٣", "8e1", 80.0, True, None, "123456"):
            self.assertRaises(Invalid, parse_port, value)

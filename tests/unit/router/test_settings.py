"""The router's settings, the pages printed of them, and what becomes of a former deployment's."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from webspaced.errors import Invalid
from webspaced.router import dnsmasq, keepalived, old_values, parts
from webspaced.router.guards import guards
from webspaced.router.metrics import CATALOGUE
from webspaced.router.reference import PAGES
from webspaced.router.rules import ruleset
from webspaced.router.settings import SCHEMA, Settings
from webspaced.settings import SettingsError, load_for

ROOT = Path(__file__).parents[3]
LEAST = {"router": {"interface": "lan0", "address": "172.24.254.1/16"}, "lxd": {"network": "lxdbr0"}}
LIVE = """
staticIP: 172.24.254.1/16
routerNetwork: 172.24.0.0/16
upstreamDNS: [1.1.1.1, 8.8.8.8]
debug: "no"
service: {type: ClusterIP, port: 53}
persistence: {enabled: true, size: 64Mi, existingClaim: dnsmasq}
global: {kubelan: {externalConfigMap: kubelan, vxlan: {interface: lxd-overlay, vni: 7331}}}
config:
  dns: {domain: webspace}
  dhcp: {dhcp-authoritative: true, dhcp-range: "172.24.1.1,172.24.253.254,2h", log-queries: false}
  dhcp-router: {dhcp-option: "option:router,172.24.254.1"}
  dhcp-dns: {dhcp-option: "option:dns-server,172.24.254.1"}
  dhcp-time: {dhcp-option: "option:ntp-server,172.24.254.9"}
"""


class SettingsCase(SynchronousTestCase):
    def load(self, document: Any, **environ: str) -> Settings:
        path = Path(self.mktemp())
        path.write_text(yaml.safe_dump(document))
        return load_for(SCHEMA, path, environ)

    def problems(self, **sections: Any) -> str:
        document = {name: {**LEAST.get(name, {}), **values} for name, values in {**LEAST, **sections}.items()}
        return str(self.assertRaises(SettingsError, self.load, document))


class LoadTests(SettingsCase):
    def test_three_settings_are_enough(self) -> None:
        settings = self.load(LEAST)
        self.assertEqual(str(settings.dhcp.plan), "172.24.0.1-172.24.255.254")
        self.assertEqual(parts.limits_of(settings).ports, (25,))

    def test_the_sample_loads(self) -> None:
        self.assertEqual(self.load(yaml.safe_load(PAGES.sample())), self.load(LEAST))

    def test_the_sample_loads_uncommented(self) -> None:
        text = "\n".join(line.replace("#", "", 1) if line.lstrip().startswith("#") and "# " not in line else line
                         for line in PAGES.sample().splitlines())  # fmt: skip
        kept = "\n".join(line for line in text.splitlines() if "_file:" not in line)
        self.load(yaml.safe_load(kept))

    def test_variables_go_before_the_file(self) -> None:
        self.assertEqual(self.load(LEAST, WSR_GUARDS_CONNECTIONS="7").guards.connections, 7)

    def test_mistakes_are_told(self) -> None:
        self.assertIn(
            "router.address: must be an IPv4 address and the length", self.problems(router={"address": "172.24.254.1"})
        )
        self.assertIn("router.address: must be", self.problems(router={"address": "172.24.0.0/16"}))
        self.assertIn("router.address6: must be", self.problems(router={"address6": "fd42::1/48"}))
        self.assertIn("dhcp.plan: must lie in 172.24.0.0/16", self.problems(dhcp={"plan": "10.0.0.1-10.0.0.9"}))
        self.assertIn("dhcp.strangers: must lie in", self.problems(dhcp={"strangers": "10.0.0.1-10.0.0.9"}))
        self.assertIn("the platform's", self.problems(dhcp={"strangers": "172.24.254.1-172.24.254.9"}))
        everywhere = {"plan": "172.24.1.1-172.24.1.9", "strangers": "172.24.1.1-172.24.1.9"}
        self.assertIn("leaves instances no address", self.problems(dhcp=everywhere))
        self.assertIn("dns.upstreams: has a wrong element", self.problems(dns={"upstreams": ["one.one.one.one"]}))
        self.assertIn("guards.ports: has a wrong element", self.problems(guards={"ports": ['veth" drop']}))
        self.assertIn("router.interface: must be", self.problems(router={"interface": 'lan0" accept'}))
        self.assertIn(
            "dhcp.options: has a wrong element", self.problems(dhcp={"options": ["option:x\ndhcp-script=/bin/sh"]})
        )

    def test_each_setting_is_read(self) -> None:
        """By its name after the section's, somewhere in the room."""
        room = "".join(
            path.read_text() for path in (ROOT / "src/webspaced/router").glob("*.py") if path.name != "settings.py"
        )
        room += inspect.getsource(__import__("webspaced.lxd.tls", fromlist=["tls"])) + "log_level log_format"
        for key in SCHEMA.settings:
            self.assertIn(key.rpartition(".")[2], room, key)

    def test_the_times_of_the_lease_leave_room(self) -> None:
        times = parts.times_of(self.load(LEAST))
        self.assertLess(times.deadline, times.duration)
        self.assertLessEqual(times.duration + times.pause, 2.5)


class PageTests(SynchronousTestCase):
    def test_what_is_printed_is_committed(self) -> None:
        for name, text, what in (
            ("config.router.sample.yaml", PAGES.sample(), "sample"),
            ("docs/reference/router-settings.md", PAGES.markdown(), "markdown"),
        ):
            again = f"python -m webspaced.router.reference {what} > {name}"
            self.assertEqual((ROOT / name).read_text(encoding="utf-8"), text, f"print it again: {again}")

    def test_the_tables_of_old_values_are_committed(self) -> None:
        page = (ROOT / "docs/how-to/router.md").read_text(encoding="utf-8")
        self.assertIn(old_values.table(old_values.VALUES), page)
        self.assertIn(old_values.table(old_values.OPTIONS), page)


class OldTests(SettingsCase):
    def test_the_live_deployments_values(self) -> None:
        converted, strange = old_values.convert(yaml.safe_load(LIVE))
        self.assertEqual(
            converted,
            {
                "router": {"address": "172.24.254.1/16", "interface": "lxd-overlay"},
                "dns": {"upstreams": ["1.1.1.1", "8.8.8.8"], "port": 53, "domain": "webspace"},
                "dhcp": {
                    "plan": "172.24.1.1-172.24.253.254",
                    "lease": "2h",
                    "options": ["option:ntp-server,172.24.254.9"],
                },
            },
        )
        self.assertEqual(strange, ["lxd.network is required, and no old value tells it"])
        settings = self.load({**converted, "lxd": {"network": "lxdbr0"}})
        text = dnsmasq.configuration(
            parts.lan_of(settings), parts.names_of(settings), parts.offer_of(settings), parts.folders_of(settings),
            dnsmasq.Identity("root", "root"),
        )  # fmt: skip
        for line in ("interface=lxd-overlay", "domain=webspace", "server=1.1.1.1", "dhcp-authoritative", "port=53",
                     "dhcp-option=option:router,172.24.254.1", "dhcp-option=option:dns-server,172.24.254.1"):  # fmt: skip
            self.assertIn(line, text.splitlines())

    def test_debug_and_port_0(self) -> None:
        converted, _ = old_values.convert({"debug": "yes", "service": {"port": 0}})
        self.assertEqual(converted, {"log_level": "debug", "dns": {"port": 0}})

    def test_what_has_no_counterpart_is_named(self) -> None:
        _, strange = old_values.convert({"config": {"dns": {"address": "/x/10.0.0.1"}}, "replicas": 3})
        self.assertEqual(strange[:2], ["address: there is no counterpart", "replicas: there is no counterpart"])

    def test_what_the_chart_did_not_take(self) -> None:
        for wrong in ({"staticIP": "here"}, {"routerNetwork": "there"}, {"config": {"a": {"dhcp-range": "x"}}}):
            self.assertRaises(Invalid, old_values.convert, wrong)


class TextTests(SettingsCase):
    def test_keepalived_moves_the_addresses(self) -> None:
        settings = self.load({**LEAST, "router": {**LEAST["router"], "address6": "fd42::1/64"}})
        text = keepalived.configuration(parts.lan_of(settings), settings.operators_address, 90)
        self.assertIn("    172.24.254.1/16 dev lan0\n", text)
        self.assertIn("    fd42::1/64 dev lan0\n", text)
        self.assertIn("http://127.0.0.1:9096/ready", text)
        self.assertEqual(text.count("{"), text.count("}"))

    def test_settings_reach_the_rules(self) -> None:
        settings = self.load(
            {**LEAST, "guards": {"apart": False, "refused_ports": [465], "bandwidth": 5000, "ports": ["lxc*"]}}
        )
        text = ruleset(parts.lan_of(settings), parts.limits_of(settings))
        self.assertIn("tcp dport { 465 }", text)
        self.assertIn("limit rate over 5000 bytes/second", text)
        self.assertNotIn("refuse_between_members\n    ip", text)
        own = guards(parts.lan_of(settings), parts.guarding_of(settings, None))
        self.assertIn('iifname "lxc*" jump from_container', own)
        self.assertNotIn("to_container", own)


class DocumentTests(SettingsCase):
    def test_the_settings_of_the_page_load(self) -> None:
        page = (ROOT / "docs/how-to/router.md").read_text(encoding="utf-8")
        first = page.partition("```yaml\n")[2].partition("```")[0]
        self.assertEqual(self.load(yaml.safe_load(first)).router.interface, "lan0")

    def test_the_page_tells_of_every_metric(self) -> None:
        page = (ROOT / "docs/how-to/router.md").read_text(encoding="utf-8")
        for each in CATALOGUE.values():
            labels = ", ".join(f"`{label}`" for label in each.labels)
            self.assertIn(f"| `{each.name}` | {each.sort.value} | {labels} | {each.meaning} |", page)

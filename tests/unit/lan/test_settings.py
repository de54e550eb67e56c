"""The settings: those of kubelan with their names, and what is printed of all."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_interface
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from webspaced.lan import settings as module
from webspaced.lan.pages import former, pages
from webspaced.lan.reference import PAGES
from webspaced.lan.settings import SCHEMA, Settings, former_file
from webspaced.settings import SettingsError, load_for

ROOT = Path(__file__).parents[3]
FORMER = """\
log_level: debug
http_address: ":8181"
ip: 10.42.0.7
namespace: hosting
services: [lxd, other/traefik]
vxlan: {interface: lan, vni: 7331, port: 8472, mtu: 1400}
hooks:
  up: [sh, -c, ip addr add $IFACE_IP dev $IFACE]
  change: [logger, changed]
"""


class SettingsTests(SynchronousTestCase):
    def load(self, text: str = "", **environ: str) -> Settings:
        path = Path(self.mktemp())
        path.write_text(text)
        return load_for(SCHEMA, path, environ)

    def test_a_file_of_kubelan_is_read_as_it_stands(self) -> None:
        settings = self.load(FORMER)
        overlay = settings.overlay
        self.assertEqual((overlay.interface, overlay.vni, overlay.port, overlay.mtu), ("lan", 7331, 8472, 1400))
        self.assertEqual(settings.services, ("lxd", "other/traefik"))
        self.assertEqual(settings.hooks.up[2], "ip addr add $IFACE_IP dev $IFACE")

    def test_so_are_its_variables(self) -> None:
        settings = self.load(KL_IP="10.42.0.8", KL_VXLAN_VNI="7331", KL_SERVICES="a,b/c", KL_VXLAN_MTU="-1")
        self.assertEqual((settings.ip, settings.vxlan.vni, settings.overlay.mtu), (ip_address("10.42.0.8"), 7331, None))
        self.assertEqual(settings.services, ("a", "b/c"))

    def test_its_page_config_has_its_names(self) -> None:
        told = json.loads(json.dumps(former(self.load(FORMER))))
        self.assertEqual(told["VXLAN"], {"Interface": "lan", "VNI": 7331, "Port": 8472, "MTU": 1400})
        self.assertEqual((told["HTTPAddress"], told["Namespace"], told["IP"]), (":8181", "hosting", "10.42.0.7"))
        self.assertEqual(former(self.load("ip: 10.0.0.1"))["VXLAN"]["MTU"], -1)

    def test_the_file_of_kubelan_counts_where_there_is_none_of_ours(self) -> None:
        here = Path(self.mktemp())
        here.mkdir()
        self.patch(module, "SYSTEM_FOLDERS", ())
        self.assertIsNone(former_file(here))
        (here / "kubelan.yaml").touch()
        self.assertEqual(former_file(here), here / "kubelan.yaml")
        (here / "webspaced-lan.yaml").touch()
        self.assertIsNone(former_file(here))

    def test_what_cannot_be(self) -> None:
        for text in (
            "vxlan: {vni: 0}", "vxlan: {vni: 16777216}", "vxlan: {interface: 'a b'}", "addresses: [10.0.0.1]",
            "services: [a/b/c]", "peers: [name]", "unknown: 1",
        ):  # fmt: skip
            self.assertRaises(SettingsError, self.load, f"ip: 10.0.0.1\n{text}\n")

    def test_addresses_on_the_lan(self) -> None:
        settings = self.load("ip: 10.0.0.1\naddresses: [172.24.0.1/16, 'fd00::1/64']")
        self.assertEqual(settings.overlay.addresses, (ip_interface("172.24.0.1/16"), ip_interface("fd00::1/64")))

    def test_what_is_printed_is_as_they_are(self) -> None:
        again = "print it again: python -m webspaced.lan.reference"
        self.assertEqual((ROOT / "config.lan.sample.yaml").read_text(), PAGES.sample(), again)
        self.assertEqual((ROOT / "docs" / "reference" / "lan-settings.md").read_text(), PAGES.markdown(), again)
        self.assertTrue(self.load(PAGES.sample() + "\nip: 10.0.0.1\n"))


class PagesTests(SynchronousTestCase):
    def test_health_is_500_until_the_device_is_there(self) -> None:
        up: list[bool] = []
        path = Path(self.mktemp())
        path.write_text("ip: 10.0.0.1")
        root = pages(load_for(SCHEMA, path, {}), lambda: bool(up), lambda: None, lambda: b"")
        for status in (500, 204):
            request = DummyRequest([b"health"])
            root.getChildWithDefault(b"health", request).render(request)
            self.assertEqual(request.responseCode, status)
            up.append(True)

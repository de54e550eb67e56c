"""What dnsmasq, nftables and webspaced are told."""

from __future__ import annotations

import json
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from unittest import skipUnless

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.router.networks import LAN, mac, reservation
from webspaced.core.lease_file import read_lease_list
from webspaced.core.ownership import Lease
from webspaced.router.dnsmasq import Folders, Identity, Names, Offer, configuration, files, without_leases
from webspaced.router.guards import Guarding, guards
from webspaced.router.lan import Span
from webspaced.router.plan import Reservation
from webspaced.router.records import Given, changes, leases, read_line
from webspaced.router.rules import REASONS, Limits, ruleset

NAMES = Names(domain="webspace", upstreams=("1.1.1.1", "8.8.8.8"))
FOLDERS = Folders(root=Path("/run/router"))
TWO = (reservation(1, "172.24.1.7", "fd42::ac18:107"), reservation(2, "172.24.1.8"))
RESERVATIONS = st.lists(st.integers(1, 5000), unique=True, max_size=20).map(
    lambda numbers: [reservation(n, f"172.24.{1 + n // 250}.{1 + n % 250}", f"fd42::{n + 1000:x}") for n in numbers]
)


def lines(lan: object = LAN, names: Names = NAMES, offer: Offer | None = None) -> list[str]:
    return configuration(lan, names, offer or Offer(), FOLDERS, Identity("root", "root")).splitlines()  # type: ignore[arg-type]


class DnsmasqTests(SynchronousTestCase):
    def test_addresses_are_reserved_and_strangers_get_none(self) -> None:
        found = lines()
        self.assertIn("dhcp-range=172.24.0.0,static,255.255.0.0,7200", found)
        self.assertIn("dhcp-ignore=tag:!known", found)
        self.assertIn("dhcp-authoritative", found)
        self.assertIn("no-ping", found)

    def test_strangers_get_a_range_of_their_own(self) -> None:
        found = lines(evolve(LAN, strangers=Span.parse("172.24.250.1-172.24.250.9")))
        self.assertIn("dhcp-range=172.24.250.1,172.24.250.9,255.255.0.0,7200", found)
        self.assertNotIn("dhcp-ignore=tag:!known", found)

    def test_as_many_leases_as_addresses(self) -> None:
        self.assertIn("dhcp-lease-max=65536", lines())

    def test_ipv6_by_advertisements_and_reservations(self) -> None:
        self.assertIn("dhcp-range=fd42::,static,64,7200", lines())
        self.assertIn("enable-ra", lines())
        self.assertFalse([line for line in lines(evolve(LAN, router6=None)) if "ra" in line.split("-")[0].split("=")[0]])
        self.assertNotIn("enable-ra", lines(evolve(LAN, router6=None)))

    def test_port_0_switches_names_off(self) -> None:
        found = lines(names=evolve(NAMES, port=0))
        self.assertIn("port=0", found)
        self.assertFalse([line for line in found if line.startswith(("server=", "hostsdir=", "dhcp-option=option:dns"))])

    def test_the_local_zone_is_asked_of_nobody_else_and_rebinding_is_refused(self) -> None:
        self.assertIn("local=/webspace/", lines())
        self.assertIn("stop-dns-rebind", lines())
        self.assertNotIn("stop-dns-rebind", lines(names=evolve(NAMES, rebinding=True)))

    def test_each_instance_has_a_file_of_addresses_and_one_of_names(self) -> None:
        found = {str(path): text for path, text in files(TWO, NAMES, Offer(), FOLDERS).items()}
        self.assertEqual(
            found,
            {
                "/run/router/addresses/00-16-3e-00-00-01": "00:16:3e:00:00:01,172.24.1.7,[fd42::ac18:107],ws-u1,7200\n",
                "/run/router/addresses/00-16-3e-00-00-02": "00:16:3e:00:00:02,172.24.1.8,ws-u2,7200\n",
                "/run/router/names/00-16-3e-00-00-01": (
                    "172.24.1.7 ws-u1.webspace ws-u1\nfd42::ac18:107 ws-u1.webspace ws-u1\n"
                ),
                "/run/router/names/00-16-3e-00-00-02": "172.24.1.8 ws-u2.webspace ws-u2\n",
            },
        )

    def test_one_that_is_gone_is_answered_no_more(self) -> None:
        found = files(TWO[1:], NAMES, Offer(), FOLDERS, ["00-16-3e-00-00-01", "00-16-3e-00-00-02"])
        self.assertEqual(found[FOLDERS.addresses / "00-16-3e-00-00-01"], "00:16:3e:00:00:01,ignore\n")
        self.assertEqual(found[FOLDERS.names / "00-16-3e-00-00-01"], "")
        self.assertIn("172.24.1.8", found[FOLDERS.addresses / "00-16-3e-00-00-02"])

    def test_leases_of_the_gone_are_taken_out(self) -> None:
        text = "99 00:16:3e:00:00:01 172.24.1.7 ws-u1 *\n99 00:16:3e:00:00:02 172.24.1.70 * 01:00\nduid 00:01\n"
        text += "9 1 fd42::7 * 00:02\n"
        left = without_leases(text, [ip_address("172.24.1.7"), ip_address("fd42::7")])
        self.assertEqual(left, "99 00:16:3e:00:00:02 172.24.1.70 * 01:00\nduid 00:01\n")


class RecordTests(SynchronousTestCase):
    @given(RESERVATIONS)
    def test_webspaced_reads_what_is_served(self, reservations: list[Reservation]) -> None:
        read = read_lease_list(json.dumps(leases(reservations)), 1e12)
        wanted = {Lease(address=at, mac=each.mac) for each in reservations for at in (each.address, each.address6) if at}
        self.assertEqual(set(read), wanted)

    @given(RESERVATIONS, RESERVATIONS)
    def test_changes_lead_from_one_plan_to_the_other(self, before: list[Reservation], after: list[Reservation]) -> None:
        have = {tuple(sorted(each.items())) for each in leases(before)}
        for change in changes(before, after):
            item = tuple(sorted((key, value) for key, value in change.items() if key != "what"))
            (have.remove if change["what"] == "withdrawn" else have.add)(item)
        self.assertEqual(have, {tuple(sorted(each.items())) for each in leases(after)})

    def test_dnsmasqs_lines(self) -> None:
        given_ = read_line("dnsmasq-dhcp[7]: DHCPACK(lan0) 172.24.1.7 00:16:3e:00:00:01 ws-u1")
        self.assertEqual(given_, Given("given", ip_address("172.24.1.7"), "00:16:3e:00:00:01"))
        given_ = read_line("dnsmasq-dhcp: DHCPREPLY(lan0) fd42::7 00:01:00:01:aa ws-u1")
        self.assertEqual(given_, Given("given", ip_address("fd42::7"), "00:01:00:01:aa"))
        self.assertIsNone(read_line("dnsmasq-dhcp: DHCPDISCOVER(lan0) 00:16:3e:00:00:01"))
        self.assertIsNone(read_line("dnsmasq: started, version 2.90"))


class RuleTests(SynchronousTestCase):
    def test_each_reason_has_a_counter_that_a_rule_uses(self) -> None:
        text = ruleset(LAN, Limits(bandwidth=1000))
        for reason in REASONS:
            self.assertIn(f"counter {reason} {{", text)
            self.assertIn(f"counter name {reason} ", text)

    def test_nothing_of_others_is_flushed(self) -> None:
        for text in (ruleset(LAN, Limits()), guards(LAN, Guarding())):
            self.assertNotIn("flush", text)
            self.assertEqual(text.count("delete table"), 1)

    def test_a_prefix_of_the_internet_is_not_translated(self) -> None:
        routed = evolve(LAN, router6=ip_interface6("2a00:1450::1/64"))
        self.assertIn("ip6 saddr fd42::/64 masquerade", ruleset(LAN, Limits()))
        self.assertNotIn("ip6 saddr 2a00:1450::/64 masquerade", ruleset(routed, Limits()))

    @skipUnless(shutil.which("nft"), "nft is not installed")
    @given(
        st.sampled_from([LAN, evolve(LAN, router6=None), evolve(LAN, infrastructure=())]),
        st.builds(
            Limits,
            connections=st.sampled_from([0, 20]),
            bandwidth=st.sampled_from([0, 1000000]),
            ports=st.sampled_from([(), (25,), (25, 465)]),
            refused=st.sampled_from([(), (ip_network("203.0.113.0/24"), ip_network("2001:db8::/32"))]),
            allowed=st.sampled_from([(), (ip_network("10.1.0.0/16"),)]),
            apart=st.booleans(),
        ),
        st.sampled_from([None, (), TWO]),
    )
    def test_nft_takes_all_of_them(self, lan: object, limits: Limits, bound: object) -> None:
        texts = (ruleset(lan, limits), guards(lan, Guarding(apart=limits.apart, bound=bound)))  # type: ignore[arg-type]
        for text in texts:
            # In a network of its own, as checking needs the right to load.
            done = subprocess.run(
                ["unshare", "--user", "--map-root-user", "--net", "nft", "--check", "-f", "-"],
                input=text, text=True, capture_output=True, check=False,
            )  # fmt: skip
            self.assertEqual((done.returncode, done.stderr), (0, ""), text)


def ip_interface6(text: str) -> object:
    from ipaddress import IPv6Interface  # noqa: PLC0415

    return IPv6Interface(text)


class SpanTests(SynchronousTestCase):
    def test_text(self) -> None:
        self.assertEqual(str(Span.parse("10.0.0.2 - 10.0.0.9")), "10.0.0.2-10.0.0.9")
        for wrong in ("10.0.0.2", "10.0.0.9-10.0.0.2", "a-b", ""):
            self.assertRaises(ValueError, Span.parse, wrong)

    def test_hardware_addresses_of_the_tests_differ(self) -> None:
        self.assertEqual(len({mac(number) for number in range(5000)}), 5000)

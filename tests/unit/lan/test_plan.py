"""What is wanted of the device, and the difference to what there is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lan.announce import frame
from webspaced.lan.guard import removal, ruleset, table_of
from webspaced.lan.overlay import Overlay, hardware_address, mtu_above, peers_of
from webspaced.lan.plan import FLOOD, Entry, difference

ADDRESSES = st.integers(1, 30).map(lambda number: IPv4Address(f"10.0.0.{number}"))
MACS = st.sampled_from([FLOOD, "02:00:00:00:00:01", "02:00:00:00:00:02"])
TABLES = st.frozensets(st.builds(Entry, MACS, ADDRESSES), max_size=40)
LOCAL = IPv4Address("10.0.0.99")
OVERLAY = Overlay(interface="kubelan", vni=6969, port=4789, local=LOCAL)


class DifferenceTests(SynchronousTestCase):
    @given(st.frozensets(ADDRESSES), TABLES)
    def test_what_is_written_makes_it_as_it_is_wanted(self, wanted: frozenset[IPv4Address], table: frozenset[Entry]) -> None:
        changes = difference(wanted, table)
        after = (table - set(changes.remove)) | {Entry(FLOOD, peer) for peer in changes.append}
        self.assertEqual({each.peer for each in after if each.hardware_address == FLOOD}, wanted)
        self.assertLessEqual({each.peer for each in after}, wanted, "nothing is left behind who is no peer")
        self.assertFalse(difference(wanted, after))

    @given(st.frozensets(ADDRESSES), TABLES)
    def test_nothing_more_is_written(self, wanted: frozenset[IPv4Address], table: frozenset[Entry]) -> None:
        changes = difference(wanted, table)
        self.assertFalse({Entry(FLOOD, peer) for peer in changes.append} & table)
        self.assertFalse({each.peer for each in changes.remove} & wanted)

    def test_what_was_learnt_behind_a_peer_stays(self) -> None:
        peer = IPv4Address("10.0.0.1")
        self.assertFalse(difference([peer], [Entry(FLOOD, peer), Entry("02:00:00:00:00:01", peer)]))


class OverlayTests(SynchronousTestCase):
    def test_this_end_and_the_other_version_are_no_peers(self) -> None:
        found = [LOCAL, IPv4Address("10.0.0.1"), IPv6Address("fd00::1")]
        self.assertEqual(peers_of(found, LOCAL), {IPv4Address("10.0.0.1")})

    def test_the_mtu_is_less_by_what_vxlan_takes(self) -> None:
        self.assertEqual((mtu_above(1500, 4), mtu_above(1500, 6)), (1450, 1430))
        self.assertEqual((mtu_above(60, 4), mtu_above(1280, 6)), (68, 1280))

    @given(st.text())
    def test_a_hardware_address_is_local_and_of_one_device(self, text: str) -> None:
        first = int(hardware_address(text).split(":")[0], 16)
        self.assertEqual((first & 1, first & 2), (0, 2))
        self.assertEqual(len(hardware_address(text)), 17)

    def test_it_follows_from_the_address_on_the_lan(self) -> None:
        on_lan = evolve(OVERLAY, addresses=(ip_interface("10.99.0.1/24"),))
        moved = evolve(on_lan, local=IPv4Address("10.0.0.98"))
        self.assertEqual(on_lan.hardware_address, moved.hardware_address)
        self.assertNotEqual(on_lan.hardware_address, OVERLAY.hardware_address)


class GuardTests(SynchronousTestCase):
    def test_it_is_one_transaction_on_a_table_of_its_own(self) -> None:
        rules = ruleset(OVERLAY, [IPv4Address("10.0.0.2"), IPv4Address("10.0.0.10")])
        self.assertTrue(rules.startswith(f"table inet {table_of(OVERLAY)}\ndelete table inet {table_of(OVERLAY)}\n"))
        self.assertIn("elements = { 10.0.0.2, 10.0.0.10 }", rules)
        self.assertIn("udp dport 4789 ip saddr != @peers counter drop", rules)
        self.assertNotIn("flush", rules)
        self.assertEqual(removal(OVERLAY).count("\n"), 2)

    def test_without_peers_nobody_gets_in(self) -> None:
        self.assertNotIn("elements", ruleset(OVERLAY, []))

    def test_over_ipv6(self) -> None:
        rules = ruleset(evolve(OVERLAY, local=IPv6Address("fd00::1")), [IPv6Address("fd00::2")])
        self.assertIn("ip6 saddr != @peers", rules)
        self.assertIn("type ipv6_addr", rules)


class FrameTests(SynchronousTestCase):
    mac = bytes.fromhex("020000000001")

    def test_arp(self) -> None:
        sent = frame(ip_address("10.99.0.1"), self.mac)
        self.assertEqual(sent, bytes.fromhex(
            "ffffffffffff02000000000108060001080006040001"
            "0200000000010a6300010000000000000a630001"
        ))  # fmt: skip

    def test_the_checksum_of_an_advertisement_is_right(self) -> None:
        sent = frame(ip_address("fd00::1"), self.mac)
        self.assertEqual((sent[:6].hex(), sent[12:14].hex(), sent[21]), ("333300000001", "86dd", 255))
        head, body = sent[14:54], sent[54:]
        summed = head[8:40] + len(body).to_bytes(4, "big") + (58).to_bytes(4, "big") + body
        total = sum(int.from_bytes(summed[n : n + 2], "big") for n in range(0, len(summed), 2))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        self.assertEqual(total, 0xFFFF)
        self.assertEqual(body[-6:], self.mac)

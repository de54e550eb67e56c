"""How a LAN is told where an address is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from webspaced.router.announcing import announcement


class AnnouncementTests(SynchronousTestCase):
    MAC = bytes.fromhex("020000000001")

    def test_arp(self) -> None:
        frame = announcement(self.MAC, IPv4Address("172.24.254.1"))
        address = "ac18fe01"
        head = "ffffffffffff" + self.MAC.hex() + "0806"
        self.assertEqual(frame.hex(), f"{head}0001080006040001{self.MAC.hex()}{address}000000000000{address}")

    def test_ipv6(self) -> None:
        frame = announcement(self.MAC, IPv6Address("fd42::1"))
        self.assertEqual(frame[:14].hex(), "333300000001" + self.MAC.hex() + "86dd")
        packet = frame[14:]
        self.assertEqual((packet[6], packet[7], packet[40]), (58, 255, 136))
        # The sum over what the checksum covers, with it, is all ones (RFC 1071).
        covered = packet[8:40] + bytes([0, 0, 0, len(packet) - 40, 0, 0, 0, 58]) + packet[40:]
        total = sum(int.from_bytes(covered[at : at + 2], "big") for at in range(0, len(covered), 2))
        self.assertEqual((total & 0xFFFF) + (total >> 16), 0xFFFF)

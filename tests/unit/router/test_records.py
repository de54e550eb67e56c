"""The log of who had which address when, and how a LAN is told where an address is."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.router.networks import reservation
from webspaced.router.address_log import AddressLog, outdated, search
from webspaced.router.announcing import announcement
from webspaced.router.plan import Plan
from webspaced.router.records import Given

ONE, TWO = reservation(1, "172.24.1.7"), reservation(2, "172.24.1.8")
DAY = 86400.0


class AddressLogTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
        self.folder = Path(self.mktemp())
        self.log = AddressLog(self.folder, 2, lambda: self.now)

    def lines(self, day: str) -> list[tuple[str, str]]:
        text = (self.folder / f"{day}.jsonl").read_text()
        return [(each["what"], each.get("address", "")) for each in map(json.loads, text.splitlines())]

    def test_it_tells_who_had_what(self) -> None:
        self.log.begin(Plan(reservations=(ONE,)))
        self.log.changed(Plan(reservations=(ONE,)), Plan(reservations=(TWO,)))
        self.log.given(Given("given", ip_address("172.24.250.1"), "00:16:3e:00:00:99"))
        self.log.end()
        held = [("held", "172.24.1.7"), ("withdrawn", "172.24.1.7"), ("assigned", "172.24.1.8"), ("given", "172.24.250.1")]
        self.assertEqual(self.lines("2026-03-01"), [*held, ("ended", "")])
        (found,) = search(self.folder, ip_address("172.24.1.8"), date(2026, 3, 1))
        self.assertEqual((found["instance"], found["time"]), ("ws-u2", "2026-03-01T12:00:00.000000Z"))

    def test_each_day_begins_with_what_holds_and_old_ones_go(self) -> None:
        (self.folder).mkdir()
        (self.folder / "notes.txt").touch()
        self.log.begin(Plan(reservations=(ONE,)))
        for _ in range(4):
            self.now += DAY
            self.log.tick()
        self.assertEqual(self.lines("2026-03-05"), [("held", "172.24.1.7")])
        kept = ["2026-03-03.jsonl", "2026-03-04.jsonl", "2026-03-05.jsonl", "notes.txt"]
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), kept)

    def test_who_stands_by_writes_nothing(self) -> None:
        self.log.changed(Plan(), Plan(reservations=(ONE,)))
        self.log.tick()
        self.assertFalse(self.folder.exists())

    def test_no_days_write_nothing(self) -> None:
        AddressLog(self.folder, 0, lambda: self.now).begin(Plan(reservations=(ONE,)))
        self.assertFalse(self.folder.exists())

    def test_a_folder_that_cannot_be_written_ends_nothing(self) -> None:
        self.folder.write_text("in the way")
        self.log.begin(Plan(reservations=(ONE,)))

    def test_only_files_of_the_log_are_outdated(self) -> None:
        names = ["2026-01-01.jsonl", "2026-01-01.jsonl.bak", "2026-02-28.jsonl"]
        self.assertEqual(outdated(names, date(2026, 3, 1), 2), ["2026-01-01.jsonl"])


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

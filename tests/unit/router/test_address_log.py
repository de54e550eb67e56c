"""The log of who had which address when."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.router.networks import mac, reservation
from webspaced.router.address_log import AddressLog, outdated, search
from webspaced.router.plan import Plan
from webspaced.router.records import Given

DAY = 86400.0
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
ONE, TWO = reservation(1, "172.24.1.7"), reservation(2, "172.24.1.8")
STRANGER = ip_address("172.24.250.1")


class AddressLogTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.folder = Path(self.mktemp()).absolute()

    def log(self, days: int = 90) -> AddressLog:
        return AddressLog(self.clock, self.folder, days, lambda: NOON + self.clock.seconds())

    def begun(self, *held: Any, days: int = 90) -> AddressLog:
        log = self.log(days)
        log.begin(Plan(reservations=held))
        return log

    def lines(self, day: str = "2026-03-01") -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.folder / f"{day}.jsonl").read_text().splitlines()]

    def told(self, day: str = "2026-03-01") -> list[tuple[str, str | None]]:
        return [(each["what"], each.get("address")) for each in self.lines(day)]

    def test_it_begins_with_all_that_holds(self) -> None:
        self.begun(ONE, TWO)
        self.assertEqual(self.told(), [("held", "172.24.1.7"), ("held", "172.24.1.8")])
        self.assertEqual(self.lines()[0]["time"], "2026-03-01T12:00:00.000000Z")
        self.assertEqual((self.lines()[0]["hwaddr"], self.lines()[0]["instance"]), (mac(1), "ws-u1"))

    def test_what_changes_is_told(self) -> None:
        log = self.begun(ONE)
        log.changed(Plan(reservations=(ONE,)), Plan(reservations=(TWO,)))
        self.assertEqual(self.told()[1:], [("withdrawn", "172.24.1.7"), ("assigned", "172.24.1.8")])

    def test_each_day_has_a_file_that_can_be_read_alone(self) -> None:
        log = self.begun(ONE)
        log.changed(Plan(reservations=(ONE,)), Plan(reservations=(TWO,)))
        self.clock.advance(DAY)
        log.tick()
        self.assertEqual(self.told("2026-03-02"), [("held", "172.24.1.8")])

    def test_files_are_kept_for_so_many_days(self) -> None:
        log = self.begun(ONE, days=2)
        other = self.folder / "README"
        other.write_text("mine")
        for _ in range(4):
            self.clock.advance(DAY)
            log.tick()
        found = sorted(path.name for path in self.folder.iterdir())
        self.assertEqual(found, ["2026-03-03.jsonl", "2026-03-04.jsonl", "2026-03-05.jsonl", "README"])

    def test_none_is_written_for_0_days(self) -> None:
        self.begun(ONE, days=0)
        self.assertFalse(self.folder.exists())

    def test_none_is_written_by_who_stands_by(self) -> None:
        log = self.log()
        log.given(Given("given", STRANGER, mac(9)))
        log.changed(Plan(), Plan(reservations=(ONE,)))
        self.assertFalse(self.folder.exists())
        log.begin(Plan(reservations=(ONE,)))
        log.end()
        log.given(Given("given", STRANGER, mac(9)))
        self.assertEqual(self.told(), [("held", "172.24.1.7"), ("ended", None)])

    def test_a_renewal_is_no_news(self) -> None:
        log = self.begun()
        for client in (1, 1, 2, 2, 1):
            log.given(Given("given", STRANGER, mac(client)))
        self.assertEqual([each["client"] for each in self.lines()], [mac(1), mac(2), mac(1)])

    def test_a_renewal_on_another_day_is(self) -> None:
        log = self.begun()
        log.given(Given("given", STRANGER, mac(1)))
        self.clock.advance(DAY)
        log.tick()
        log.given(Given("given", STRANGER, mac(1)))
        self.assertEqual(self.told("2026-03-02"), [("given", str(STRANGER))])

    def test_nobody_fills_the_disk(self) -> None:
        log = self.begun()
        for number in range(10_000):
            log.given(Given(("given", "given back")[number % 2], STRANGER, mac(1)))
        self.assertLessEqual(len(self.lines()), 20)
        self.clock.advance(3600)
        log.given(Given("given", STRANGER, mac(2)))
        self.assertEqual(self.lines()[-1]["client"], mac(2))

    def test_one_that_cannot_be_written_is_told_of(self) -> None:
        self.folder.write_text("in its way")
        with capturedLogs() as logged:
            self.begun(ONE)
        self.assertEqual([each.get("event") for each in logged], ["router.log-failed"])

    def test_what_holds_is_written_once_it_can_be(self) -> None:
        self.folder.write_text("in its way")
        log = self.begun(ONE)
        log.given(Given("given", STRANGER, mac(9)))
        self.folder.unlink()
        log.given(Given("given", STRANGER, mac(9)))
        self.assertEqual(self.told(), [("held", "172.24.1.7"), ("given", str(STRANGER))])

    def test_it_is_nobody_elses_business(self) -> None:
        self.begun(ONE)
        self.assertEqual(self.folder.stat().st_mode & 0o777, 0o700)

    def test_search(self) -> None:
        log = self.begun(ONE, TWO)
        log.given(Given("given", ip_address("172.24.1.7"), mac(1)))
        found = list(search(self.folder, ip_address("172.24.1.7"), date(2026, 3, 1)))
        self.assertEqual([each["what"] for each in found], ["held", "given"])
        self.assertRaises(OSError, list, search(self.folder, ip_address("172.24.1.7"), date(2026, 3, 2)))

    def test_what_is_no_file_of_the_log_is_not_outdated(self) -> None:
        names = ["2026-01-01.jsonl", "2026-03-01.jsonl", "1999-01-01.txt", "x2020-01-01.jsonl"]
        self.assertEqual(outdated(names, date(2026, 3, 1), 30), ["2026-01-01.jsonl"])

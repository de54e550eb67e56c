"""What each setting of sleep does, in the whole daemon."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve

from tests.unit.assembled import AssembledCase
from tests.unit.world import FakeHost
from webspaced.assembly import build as assembly
from webspaced.core.instance import Status
from webspaced.lib import time_zones
from webspaced.settings import SettingsError


class SleepTests(AssembledCase):
    def start(self, max_running: int = 0, **sleep: Any) -> None:
        self.hosts: list[FakeHost] = []
        self.patch(assembly, "HostKernel", self._host)
        self.build(webspaces={"sleep": sleep, "max_running": max_running})
        self.daemon.privilegedStartService()
        self.daemon.startService()
        self.machine.run_for(2)
        self.create()
        self.assertEqual(self.ask("POST", "self/state")[0], 204)
        self.machine.run_for(2)

    def _host(self, **_: object) -> FakeHost:
        self.hosts.append(FakeHost(self.lxd))
        return self.hosts[-1]

    def status(self, uid: int = 1) -> Status:
        return self.lxd.containers[f"ws-u{uid}"].status

    def test_by_default_nothing_sleeps(self) -> None:
        self.start()
        self.machine.run_for(100_000)
        self.assertEqual(self.status(), Status.RUNNING)
        self.assertEqual([call for call in self.lxd.calls if call[0] in ("usages", "memory")], [])

    def test_doze_after_and_look(self) -> None:
        for look, at_last in (("30s", 62), ("2s", 40)):
            self.start(doze_after="30s", look=look)
            self.machine.run_for(28)
            self.assertEqual(self.status(), Status.RUNNING)
            self.machine.run_for(at_last - 28)
            self.assertEqual(self.status(), Status.FROZEN, look)

    def test_stop_after(self) -> None:
        self.start(stop_after="10m")
        self.machine.run_for(598)
        self.assertEqual(self.status(), Status.RUNNING)
        self.machine.run_for(40)
        self.assertEqual(self.status(), Status.STOPPED)

    def test_least(self) -> None:
        for least in ("0s", "200s"):
            self.start(1, least=least)
            self.create("bob")
            began = self.machine.seconds()
            self.assertEqual(self.ask("POST", "self/state", name="bob", limit=400)[0], 204)
            self.assertEqual(self.machine.seconds() - began > 150, least == "200s")

    def test_floors(self) -> None:
        for sent, received, cpu, status in (
            (0, 0, 0, Status.RUNNING), (1e6, 1e6, 100, Status.FROZEN), (1e6, 1e6, 0, Status.RUNNING),
            (1e6, 0, 100, Status.RUNNING), (0, 1e6, 100, Status.RUNNING),
        ):  # fmt: skip
            self.start(doze_after="1m", floors={"sent": sent, "received": received, "cpu": cpu})
            for _ in range(20):
                self.machine.run_for(10)
                if self.status() is Status.RUNNING:
                    self.lxd.use("ws-u1", sent=10, received=10, cpu=0.001)
            self.assertEqual(self.status(), status, (sent, received, cpu))

    def test_allow(self) -> None:
        everything = ["awake", "doze", "sleepAfter", "keepAwake", "wakeAt", "quietHours"]
        for allow, answers in (([], (403,) * 6), (everything, (200,) * 6)):
            self.start(allow=allow)
            asked = (
                ("PATCH", "self/config", {"sleep": "doze"}), ("PATCH", "self/config", {"sleep": "awake"}),
                ("PATCH", "self/config", {"sleepAfter": 100}), ("POST", "self/awake", {"seconds": 60}),
                ("PATCH", "self/config", {"wakeAt": ["04:30"]}), ("PATCH", "self/config", {"quietHours": ["23:00-07:00"]}),
            )  # fmt: skip
            self.assertEqual(tuple(self.ask(*each)[0] for each in asked), answers)

    def test_max_awake(self) -> None:
        self.start(max_awake="1h")
        self.assertEqual(self.ask("POST", "self/awake", {"seconds": 3601})[0], 403)
        self.assertEqual(self.ask("POST", "self/awake", {"seconds": 3600})[0], 200)

    def test_it_all_together(self) -> None:
        this_host = assembly.this_host
        # The machine's clock is the time of day, too.
        with_clock = lambda reactor, live: evolve(this_host(reactor, live), now=reactor.seconds)  # noqa: E731
        self.patch(assembly, "this_host", with_clock)
        self.start(stop_after="10m", least="1m", time_zone="Etc/UTC")
        self.assertEqual(self.ask("PATCH", "self/config", {"wakeAt": ["0 * * * *"]})[0], 200)
        self.machine.run_for(3585 - self.machine.seconds())
        self.assertEqual(self.status(), Status.STOPPED)
        self.machine.run_for(15)
        self.assertEqual(self.status(), Status.RUNNING)
        self.machine.run_for(180)
        self.assertEqual(self.status(), Status.STOPPED)
        self.assertEqual(self.ask("PATCH", "self/config", {"sleep": "doze", "quietHours": ["02:00-03:00"]})[0], 200)
        self.machine.run_for(3600)
        self.assertEqual(self.status(), Status.STOPPED)
        self.daemon.stopService()
        self.machine.run_for(7200)
        self.assertEqual(len([call for call in self.lxd.calls if call[0] == "start"]), 3)

    def test_wake_every(self) -> None:
        for wake_every, status in (("5m", 200), ("10m", 403)):
            self.start(wake_every=wake_every)
            self.assertEqual(self.ask("PATCH", "self/config", {"wakeAt": ["*/5 * * * *"]})[0], status)

    def test_time_zone(self) -> None:
        self.patch(time_zones, "get_localzone", lambda: ZoneInfo("America/New_York"))
        for zone, expected in (("Europe/Berlin", "Europe/Berlin"), ("Etc/UTC", "Etc/UTC"), ("", "America/New_York")):
            self.start(time_zone=zone)
            self.assertEqual(self.ask("PATCH", "self/config", {"wakeAt": ["00:00"]})[0], 200)
            at = datetime.fromisoformat(self.ask("GET", "self/state")[1]["wakesAt"])
            self.assertEqual(f"{at.astimezone(ZoneInfo(expected)):%H:%M}", "00:00")

    def test_a_time_zone_that_there_is_not(self) -> None:
        for zone in ("Europe/Atlantis", "Europe", "../UTC", "CET-1CEST ", "/etc/localtime", "x" * 300, "a\0b", 1):
            self.assertRaises(SettingsError, self.build, webspaces={"sleep": {"time_zone": zone}})

    def test_memory_low_and_high(self) -> None:
        self.start(10, least="0s", memory_low=50, memory_high=70, memory_pressure=0)
        self.create("bob")
        self.machine.run_for(61)
        for each, status in ((400, Status.RUNNING), (600, Status.STOPPED)):
            self.lxd.memory_of_each = each
            self.machine.run_for(20)
            self.assertEqual(self.status(), status)
        # What else takes memory decides now: a start waits until there is enough again.
        self.lxd.memory_taken, self.lxd.memory_of_each = 600, 10
        self.machine.run_for(10)
        self.machine.visit(self.boot_port())
        self.machine.run_for(20)
        self.assertEqual(self.status(), Status.STOPPED)
        self.lxd.memory_taken = 200
        self.machine.run_for(20)
        self.assertNotEqual(self.status(), Status.STOPPED)

    def test_memory_pressure(self) -> None:
        self.start(10, least="0s", memory_low=0, memory_pressure=40)
        self.machine.run_for(61)
        (host,) = self.hosts
        host.pressure = 39
        self.machine.run_for(20)
        self.assertEqual(self.status(), Status.RUNNING)
        host.pressure = 41
        self.machine.run_for(20)
        self.assertEqual(self.status(), Status.STOPPED)

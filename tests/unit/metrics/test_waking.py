"""Boots, wakes, sleeps and visitors: each figure moves by what it counts."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.client import Exchange
from tests.simulation.deployment import default_host
from tests.unit.metrics.case import FiguresCase
from tests.unit.metrics.lived import Lived
from tests.unit.world import FakeHost
from webspaced.assembly import build as assembly
from webspaced.errors import RemoteError


class BootTests(FiguresCase):
    def test_a_boot_by_a_visit(self) -> None:
        self.start()
        self.create()
        self.assertEqual(self.value("boots_total"), 0)
        self.visit()
        samples = self.samples()
        said = {name: [(each.labels, each.value) for each in samples[f"webspaced_{name}"]] for name in (
            "boots_total", "wakes_total", "port_waits_total"
        )}  # fmt: skip
        self.assertEqual(said, {
            "boots_total": [({"outcome": "ok", "phase": "address"}, 1.0)],
            "wakes_total": [({"depth": "asleep"}, 1.0)],
            "port_waits_total": [({"outcome": "ok"}, 1.0)],
        })  # fmt: skip
        self.assertEqual(self.value("boot_seconds_count", outcome="ok"), 1)
        whole = self.value("boot_seconds_sum")
        parts = [self.value("boot_phase_seconds_sum", phase=phase) for phase in ("queue", "start", "address")]
        self.assertTrue(all(part > 0 for part in parts[1:]), parts)
        self.assertAlmostEqual(sum(parts), whole)

    def test_boots_that_fail_say_where(self) -> None:
        self.start(webspaces={"ip_timeout": "2s"})
        self.create()
        self.lxd.containers["ws-u1"].has_network = False
        self.visit()
        self.assertEqual(self.value("boots_total", outcome="failed", phase="address"), 1)
        self.assertEqual(self.value("wakes_total"), 0)
        self.visit()
        self.assertEqual(self.value("boots_total", outcome="refused"), 1)
        self.assertEqual(self.value("visits_refused_total", reason="boot_failed"), 1)
        self.assertEqual(self.value("visits_refused_total", reason="refused"), 1)

    def test_a_start_that_lxd_refuses(self) -> None:
        self.start()
        self.create()
        self.lxd.fail_next("start", *[RemoteError("no", 500)] * 50)
        self.assertEqual(self.ask("POST", "self/state")[0], 502)
        self.assertEqual(self.value("boots_total", outcome="failed", phase="start"), 1)

    def test_one_that_runs_already_is_no_wake_from_sleep(self) -> None:
        self.start()
        self.create()
        self.lxd.power_on("ws-u1")
        self.machine.run_for(3)
        self.visit()
        self.assertEqual(self.value("wakes_total", depth="asleep") + self.value("wakes_total", depth="doze"), 0)

    def test_a_port_that_is_silent(self) -> None:
        self.start(webspaces={"ready_timeout": "1s"})
        self.create()
        self.lxd.containers["ws-u1"].opens[80] = None
        self.visit()
        self.machine.run_for(3)
        self.assertEqual(self.value("port_waits_total", outcome="port_silent"), 1)
        self.assertEqual(self.value("boot_phase_seconds_count", phase="port"), 1)
        self.assertEqual(self.value("visits_refused_total", reason="port_silent"), 1)


class RoomTests(FiguresCase):
    def test_boots_that_wait_for_room(self) -> None:
        self.start(webspaces={"max_running": 1, "sleep": {"least": "1h"}})
        for name in ("alice", "bob"):
            self.create(name)
        self.visit()
        self.machine.visit(self.boot_port("ws-u2"))
        self.machine.run_for(1)
        self.assertEqual(self.value("boots_waiting_for_room"), 1)

    def test_memory_that_is_short(self) -> None:
        self.patch(assembly, "HostKernel", lambda **_: FakeHost(self.lxd))
        self.start(webspaces={"max_running": 9, "sleep": {"memory_low": 10, "memory_high": 20}})
        self.create()
        self.machine.run_for(10)
        self.assertEqual(self.value("hosts_short_of_memory"), 0)
        self.lxd.memory_taken = 950
        self.machine.run_for(10)
        self.assertEqual(self.value("hosts_short_of_memory"), 1)


class SleepTests(FiguresCase):
    def start(self, *args: Any, **settings: Any) -> None:
        self.patch(assembly, "HostKernel", lambda **_: FakeHost(self.lxd))
        super().start(*args, **settings)

    def test_idle_ones(self) -> None:
        self.start(webspaces={"sleep": {"doze_after": "30s", "stop_after": "300s"}})
        self.create()
        self.assertEqual(self.ask("POST", "self/state")[0], 204)
        self.machine.run_for(100)
        self.assertEqual(self.value("sleeps_total", depth="doze", reason="idle"), 1)
        self.assertEqual(self.value("webspaces", status="dozing", desired="auto"), 1)
        self.visit()
        self.assertEqual(self.value("wakes_total", depth="doze"), 1)
        self.assertEqual(self.value("boot_phase_seconds_count", phase="resume"), 1)
        self.machine.run_for(1000)
        self.assertEqual(self.value("sleeps_total", depth="asleep", reason="idle"), 1)

    def test_for_room(self) -> None:
        self.start(webspaces={"max_running": 1, "sleep": {"least": "0s"}})
        for name in ("alice", "bob"):
            self.create(name)
            self.assertEqual(self.ask("POST", "self/state", name=name, limit=400)[0], 204)
        self.assertEqual(self.value("sleeps_total", depth="asleep", reason="room"), 1)

    def test_by_members_and_admins(self) -> None:
        self.start()
        self.create()
        for _ in range(2):
            self.assertEqual(self.ask("POST", "self/state")[0], 204)
            self.assertEqual(self.ask("DELETE", "self/state")[0], 204)
        self.assertEqual(self.value("sleeps_total", reason="asked"), 2)
        self.assertEqual(self.ask("POST", "self/state")[0], 204)
        self.assertEqual(self.ask("PUT", "self/desired", {"desired": "stopped"})[0], 200)
        self.assertEqual(self.value("sleeps_total", reason="unwanted"), 1)
        self.assertEqual(self.value("webspaces", desired="stopped"), 1)
        # Somebody starts it all the same.
        self.lxd.power_on("ws-u1")
        self.machine.run_for(2)
        self.machine.result_of(self.daemon._parts.reconciler.full_pass())
        self.machine.run_for(30)
        self.assertEqual(self.value("sleeps_total", reason="unwanted"), 2)


class VisitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lived = Lived()
        self.addCleanup(self.lived.close)
        self.assertEqual(self.lived.ask("POST", "", {"image": "fast"}), 201)

    def visit(self) -> Exchange:
        visitor = self.lived.d.visit(default_host(1), self.lived.d.views()[0])
        assert visitor is not None
        self.lived.d.pass_time(0.05)
        return visitor

    def test_who_waits(self) -> None:
        self.assertEqual(self.lived.value("webspaced_held_visitors"), 0)
        visitor = self.visit()
        self.assertEqual(self.lived.value("webspaced_held_visitors"), 1)
        self.assertEqual(self.lived.finish(visitor).status, 200)
        self.assertEqual(self.lived.value("webspaced_held_visitors"), 0)
        waited = self.lived.value("webspaced_held_seconds_total")
        self.assertTrue(0.1 < waited < 2, waited)

    def test_who_leaves(self) -> None:
        self.visit().leave()
        self.lived.d.pass_time(1)
        self.assertEqual(self.lived.value("webspaced_visits_refused_total", reason="left"), 1)

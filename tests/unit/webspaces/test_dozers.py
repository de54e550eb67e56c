"""Noticing that somebody speaks on a connection into a frozen container."""

from __future__ import annotations

from attrs import evolve

from tests.unit.webspaces.test_sleeper import SleepCase
from webspaced.core.instance import Status
from webspaced.errors import NotFound
from webspaced.webspaces.dozers import FEW, _to_look_at

NIC_KEY = "volatile.eth0.host_name"


class OnThisMachineTests(SleepCase):
    def setUp(self) -> None:
        super().setUp()
        self.w.lxd.set_keys("ws-u1", **{NIC_KEY: "veth1"})
        self.w.host.packets = {"veth1": 100}
        self.w.clock.run_for(1)
        self.dozing()
        self.look_at_dozers()
        self.w.lxd.calls.clear()

    def look_at_dozers(self, times: int = 1) -> None:
        for _ in range(times):
            self.w.clock.result_of(self.w.dozers.look())
            self.w.clock.run_for(1)

    def test_while_nothing_comes_nobody_is_asked(self) -> None:
        self.look_at_dozers(20)
        self.assertEqual((self.container.status, self.w.lxd.calls), (Status.FROZEN, []))

    def test_packets_that_its_processes_have_read_or_that_are_for_nobody_wake_it_not(self) -> None:
        self.w.host.packets["veth1"] += 5
        self.look_at_dozers(3)
        self.assertEqual(self.container.status, Status.FROZEN)

    def test_what_it_has_not_read_wakes_it(self) -> None:
        self.w.host.packets["veth1"] += 1
        self.container.unread = True
        self.look_at_dozers()
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_what_came_before_the_first_look_is_seen_as_well(self) -> None:
        self.w.clock.result_of(self.w.booter.boot(1))
        self.look_at_dozers()
        self.w.activity.note(1)
        self.dozing()
        self.container.unread = True
        self.look_at_dozers()
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_one_that_is_not_to_run_stays(self) -> None:
        self.w.host.packets["veth1"] += 1
        self.container.unread = True
        self.w.lxd.containers["ws-u1"].config["user._webspaced"] = (
            '{"user": 1, "desired": {"desired": "suspended", "reason": "abuse", "by": "root"}}'
        )
        self.w.clock.result_of(self.w.registry.look(1))
        self.look_at_dozers()
        self.assertNotIn(("resume", "ws-u1"), [call for call in self.w.lxd.calls if call[0] == "start"])


class ManyTests(SleepCase):
    """What all of them hear is no reason to look at all of them: that takes time."""

    def setUp(self) -> None:
        super().setUp()
        self.observed = [self.w.seen(1)] * 100

    def looked_at(self, growths: list[int | None], turn: int = 0) -> int:
        return len(list(_to_look_at(list(zip(self.observed, growths, strict=False)), turn)))

    def test_who_got_more_than_the_others_is_looked_at_and_of_the_others_a_few(self) -> None:
        self.assertEqual(self.looked_at([2] * 99 + [3]), FEW + 1)
        self.assertEqual(self.looked_at([0] * 99 + [1]), 1)

    def test_who_fell_asleep_just_now_is(self) -> None:
        self.assertEqual(self.looked_at([None] * 5 + [0] * 95), 5)

    def test_each_has_its_turn(self) -> None:
        grown = [(evolve(self.observed[0], uid=uid), 2) for uid in range(10)]
        seen = {each.uid for turn in range(4) for each in _to_look_at(grown, turn)}
        self.assertEqual(seen, set(range(10)))


class ElsewhereTests(SleepCase):
    """Where LXD is on another machine its metrics tell it, which are up to 8 seconds old."""

    def setUp(self) -> None:
        super().setUp()
        self.dozing()

    def look_at_dozers(self, seconds: int) -> None:
        for _ in range(seconds):
            self.w.clock.result_of(self.w.dozers.look())
            self.w.clock.run_for(1)

    def test_who_is_spoken_to_is_woken(self) -> None:
        self.look_at_dozers(20)
        self.assertEqual(self.container.status, Status.FROZEN)
        self.w.lxd.use("ws-u1", received=60)
        self.look_at_dozers(20)
        self.assertEqual(self.container.status, Status.FROZEN)
        self.w.lxd.use("ws-u1", received=120)
        self.look_at_dozers(18)
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_lxd_is_asked_every_eight_seconds_and_need_not_know(self) -> None:
        self.w.lxd.calls.clear()
        self.w.lxd.fail_next("usages", *[NotFound("not found")] * 100)
        self.look_at_dozers(80)
        self.assertEqual(len(self.w.calls("usages")), 10)
        self.assertEqual(self.container.status, Status.FROZEN)

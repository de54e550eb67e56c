"""Waking: how many at once, who waits for a place, and who for room."""

from __future__ import annotations

from tests.contracts.fake_instances import Timings
from tests.unit.webspaces.booting import BooterCase
from tests.unit.world import MAX_WAIT
from webspaced.core.boot import Hold
from webspaced.core.instance import Status
from webspaced.core.sleep import DOZING_KEY
from webspaced.errors import Refused, Unavailable
from webspaced.webspaces import booter


class BoundTests(BooterCase):
    def test_so_many_start_at_once_and_the_others_in_the_order_of_coming(self) -> None:
        self.world(1, 2, 3, 4, max_concurrent=2)
        order: list[int] = []
        for uid in (3, 1, 4, 2):
            self.w.booter.boot(uid).addCallback(lambda observed: order.append(observed.uid))
        self.w.clock.run_for(0.01)
        self.assertEqual([name for _, name in self.w.calls("start")], ["ws-u3", "ws-u1"])
        self.w.clock.run_for(0.29)
        self.assertEqual([name for _, name in self.w.calls("start")][2:], ["ws-u4", "ws-u2"])
        self.w.clock.run_for(10)
        self.assertEqual(order, [3, 1, 4, 2])

    def test_a_place_is_held_for_the_start_only_not_for_the_address(self) -> None:
        self.world(1, 2, max_concurrent=1)
        self.w.lxd.timings = Timings(address=5)
        self.boot(1)
        self.boot(2)
        self.w.clock.run_for(0.6)
        self.assertEqual(self.starts(), 2)

    def test_a_failed_start_gives_its_place_back(self) -> None:
        self.world(1, 2, max_concurrent=1)
        self.w.lxd.fail_next("start", Unavailable("gone"))
        first, second = self.boot(1), self.boot(2)
        self.w.clock.run_for(10)
        self.assertIsInstance(first.error, Unavailable)
        self.assertTrue(second.value)

    def test_a_stop_that_begins_while_it_waits_for_its_place_wins(self) -> None:
        self.world(1, 2, max_concurrent=1)
        self.boot(1)
        waiting = self.boot(2)
        self.w.clock.run_for(0.1)
        self.w.booter.hold(2, Hold.DELETING)
        self.w.clock.run_for(10)
        self.assertIsInstance(waiting.error, Refused)
        self.assertEqual([name for _, name in self.w.calls("start")], ["ws-u1"])

    def test_no_more_than_so_many_run(self) -> None:
        self.world(1, 2, 3, max_running=2)
        self.booted(1)
        self.booted(2)
        waiting = self.boot(3)
        self.w.clock.run_for(10)
        self.assertFalse(waiting.done)
        self.w.lxd.crash("ws-u1")
        self.w.clock.run_for(3)
        self.assertTrue(waiting.value)

    def test_who_finds_no_room_for_long_is_refused_and_the_next_one_is_not_told_that_it_failed(self) -> None:
        self.world(1, 2, max_running=1)
        self.booted(1)
        waiting = self.boot(2)
        with self.w.activity.used(1):
            self.w.clock.run_for(MAX_WAIT + 1)
        self.assertIsInstance(waiting.error, Refused)
        self.assertIn("too many webspaces", str(waiting.error))
        self.w.lxd.crash("ws-u1")
        self.w.clock.run_for(1)
        self.assertTrue(self.booted(2))

    def test_those_that_are_about_to_run_count(self) -> None:
        self.world(1, 2, max_running=1)
        first, second = self.boot(1), self.boot(2)
        self.w.clock.run_for(5)
        self.assertEqual((first.done, second.done), (True, False))
        self.assertEqual([name for _, name in self.w.calls("start")], ["ws-u1"])

    def test_one_that_runs_already_is_served_however_many_run(self) -> None:
        self.world(1, 2, max_running=1)
        self.booted(1)
        self.w.lxd.power_on("ws-u2")
        self.w.clock.run_for(0.1)
        self.assertTrue(self.booted(1))
        self.assertTrue(self.booted(2))


class ResumeTests(BooterCase):
    def crowd(self, *busy: int) -> None:
        """Have four doze, of which two are woken at once, and all of them visited."""
        self.patch(booter, "RESUMES_AT_ONCE", 2)
        uids = range(1, 5)
        self.world(*uids)
        for uid in uids:
            self.booted(uid)
            self.w.lxd.set_keys(f"ws-u{uid}", **{DOZING_KEY: self.w.seen(uid).instance.incarnation})
            self.w.lxd.pause(f"ws-u{uid}")
        self.w.clock.run_for(1)
        self.assertTrue(all(self.w.seen(uid).dozes for uid in uids))
        self.w.lxd.calls.clear()
        self.w.lxd.busy.update(f"ws-u{uid}" for uid in busy)
        self.w.lxd.timings = Timings(freeze=10)
        self.waiting = [self.boot(uid) for uid in uids]
        self.w.clock.run_for(5)

    def test_of_a_crowd_so_many_are_resumed_at_once(self) -> None:
        self.crowd()
        self.assertEqual(len(self.w.calls("resume")), 2)
        self.w.clock.run_for(20)
        self.assertTrue(all(each.value for each in self.waiting))

    def test_one_that_is_switched_off_while_it_waits_for_its_place_sleeps_on(self) -> None:
        self.crowd()
        self.w.booter.hold(3, Hold.DELETING)
        self.w.clock.run_for(20)
        self.assertIsInstance(self.waiting[2].error, Refused)
        self.assertEqual(self.w.lxd.containers["ws-u3"].status, Status.FROZEN)

    def test_those_that_lxd_works_on_keep_nobody_waiting(self) -> None:
        self.crowd(1, 2)
        self.w.clock.run_for(6)
        self.assertEqual([each.done for each in self.waiting], [False, False, True, True])

"""Making room for one more, and what stands in the way of that."""

from __future__ import annotations

from tests.unit.webspaces.sleeping import LOOK, SleepCase
from webspaced.core.instance import Status
from webspaced.core.sleep import SleepRules
from webspaced.errors import RemoteError
from webspaced.webspaces import sleeper


class FullHouseTests(SleepCase):
    rules = SleepRules(least=60)

    def test_the_one_that_was_idle_longest_makes_room(self) -> None:
        self.set_up(1, 2, max_running=2)
        self.w.webspace(3)
        self.w.clock.run_for(1)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.let(40)
        self.w.lxd.use("ws-u1", sent=5000)
        self.let(60)
        visit = self.visit(3)
        self.let(10)
        self.assertTrue(visit.value)
        self.assertEqual([name for _, name in self.w.calls("stop")], ["ws-u2"])

    def test_nobody_who_was_used_directly_since_the_last_look(self) -> None:
        self.set_up(1, max_running=1)
        self.w.webspace(2)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.let(90)
        self.w.clock.run_for(15)
        self.w.lxd.use("ws-u1", sent=5000)
        self.w.clock.run_for(5)
        self.visit(2)
        self.w.clock.run_for(10)
        self.assertEqual((self.container.status, self.calls()), (Status.RUNNING, []))

    def test_where_one_cannot_be_stopped_the_next_one_makes_room(self) -> None:
        self.set_up(1, 2, max_running=2)
        self.w.webspace(3)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.let(40)
        self.w.lxd.use("ws-u2", sent=5000)
        self.let(90)
        self.w.lxd.busy.add("ws-u1")
        visit = self.visit(3)
        self.w.clock.run_for(8)
        self.assertTrue(visit.value)
        self.assertEqual([name for _, name in self.w.calls("stop")], ["ws-u2"])

    def test_lxd_is_not_asked_without_end_while_nobody_can_be_stopped(self) -> None:
        self.set_up(1, max_running=1)
        self.w.webspace(2)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.let(90)
        self.w.lxd.fail_next("state", *[RemoteError("no", 500)] * 1000)
        self.w.lxd.calls.clear()
        self.visit(2)
        self.w.clock.run_for(10)
        self.assertEqual(len(self.w.calls("state")), 1)

    def test_a_crowd_that_waits_in_vain_has_everybody_looked_at_once(self) -> None:
        self.set_up(1, max_running=1)
        for uid in (2, 3, 4):
            self.w.webspace(uid)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        looked_at: list[int] = []
        stoppable = self.w.sleeper._is_stoppable
        self.patch(self.w.sleeper, "_is_stoppable", lambda each: looked_at.append(each.uid) or stoppable(each))
        for uid in (2, 3, 4):
            self.visit(uid)
        self.w.clock.run_for(0.1)
        self.assertEqual(looked_at, [1])

    def test_nobody_who_was_active_of_late_and_the_visitor_waits(self) -> None:
        self.set_up(1, max_running=1)
        self.w.webspace(2)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        visit = self.visit(2)
        self.let(30)
        self.assertEqual((visit.done, self.calls()), (False, []))
        self.let(60)
        self.assertTrue(visit.value)
        self.assertEqual(self.w.lxd.containers["ws-u1"].status, Status.STOPPED)

    def test_the_first_who_waits_is_the_first_who_is_let_in(self) -> None:
        self.set_up(1, max_running=1)
        for uid in (2, 3):
            self.w.webspace(uid)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        second, third = self.visit(2), self.visit(3)
        self.let(90)
        self.assertEqual((second.done, third.done), (True, False))
        second_left = self.visit(3)
        second_left.deferred.cancel()
        self.let(90)
        self.assertTrue(third.value)

    def test_where_memory_is_short_nobody_is_started_and_somebody_is_stopped(self) -> None:
        self.set_up(1, 2, max_running=10)
        self.w.webspace(3)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.let(90)
        self.w.room.short = {"none": 1}
        visit = self.visit(3)
        self.w.room.wanted()
        self.w.clock.run_for(5)
        self.assertFalse(visit.done)
        self.assertEqual(len(self.w.calls("stop")), 1)
        self.w.room.short = {}
        self.w.room.look()
        self.w.clock.run_for(3)
        self.assertTrue(visit.value)


class CrowdedTests(SleepCase):
    """Many who fall asleep at the same time, as after a start of webspaced."""

    def setUp(self) -> None:
        self.patch(sleeper, "AT_ONCE", 1)
        self.set_up(1, 2, 3, max_running=3)
        self.w.webspace(4)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.w.clock.run_for(LOOK)
        self.look()
        self.w.clock.run_for(LOOK)

    def test_they_do_so_one_after_the_other_and_all_in_the_end(self) -> None:
        self.look()
        self.w.clock.run_for(1.5)
        self.assertEqual(self.calls().count("freeze"), 1)
        self.w.clock.run_for(5)
        self.assertEqual(self.calls().count("freeze"), 3)

    def test_who_waits_for_room_does_not_wait_for_them(self) -> None:
        self.look()
        visit = self.visit(4)
        self.w.clock.run_for(3)
        self.assertTrue(visit.value)

    def test_one_that_is_used_before_its_turn_is_left_where_it_is(self) -> None:
        self.look()
        for uid in (2, 3):
            self.visited(uid)
        writes = len(self.w.store.writes)
        self.w.clock.run_for(5)
        self.assertEqual(self.calls().count("freeze"), 1)
        self.assertTrue(len(self.w.store.writes) - writes <= 1)


class RebootTests(SleepCase):
    rules = SleepRules(least=60)

    def test_one_that_is_rebooted_keeps_its_place(self) -> None:
        self.set_up(1, max_running=1)
        self.w.webspace(2)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        visit = self.visit(2)
        self.w.clock.result_of(self.w.power.reboot(1))
        self.assertEqual((self.container.status, visit.done), (Status.RUNNING, False))
        self.let(120)
        self.assertTrue(visit.value)

"""Waking: one boot for all, bounds, memory, and an LXD that is busy, away, or changed behind our back."""

from __future__ import annotations

from attrs import evolve

from tests.unit.webspaces.booting import BooterCase
from webspaced.core.boot import Hold
from webspaced.core.instance import Status
from webspaced.errors import BootFailed, NotFound, Refused, RemoteError, Unavailable
from webspaced.webspaces.conditions import Kind


class OneBootTests(BooterCase):
    def test_a_sleeping_one_is_started_and_its_address_given(self) -> None:
        self.world()
        self.assertEqual(self.booted(), "10.7.0.10")
        self.assertEqual(self.starts(), 1)

    def test_a_thousand_who_wait_share_one_start(self) -> None:
        self.world()
        waiting = [self.boot() for _ in range(1000)]
        self.w.clock.run_for(5)
        self.assertEqual({str(each.value.address) for each in waiting}, {"10.7.0.10"})
        self.assertEqual(self.starts(), 1)

    def test_one_who_leaves_stops_nothing_for_the_others(self) -> None:
        self.world()
        first, second = self.boot(), self.boot()
        self.w.clock.run_for(0.1)
        first.deferred.cancel()
        self.w.clock.run_for(5)
        self.assertEqual(str(second.value.address), "10.7.0.10")

    def test_one_that_runs_is_given_at_once_and_lxd_is_not_asked(self) -> None:
        self.world()
        self.booted()
        self.w.clock.run_for(60)
        self.w.lxd.calls.clear()
        self.assertTrue(self.boot().done)
        self.assertEqual(self.w.lxd.calls, [])

    def test_what_is_not_there(self) -> None:
        self.world()
        self.assertIn("no such webspace", str(self.refusal(NotFound, uid=4)))

    def test_one_that_was_created_since_the_last_look(self) -> None:
        self.world()
        self.w.lxd.listeners.clear()
        self.w.webspace(2)
        self.assertEqual(self.booted(2), "10.7.0.11")

    def test_one_that_was_deleted_since_the_last_look(self) -> None:
        self.world()
        self.w.lxd.listeners.clear()
        self.w.lxd.remove("ws-u1")
        self.refusal(NotFound)

    def test_one_that_somebody_froze_is_left_frozen(self) -> None:
        self.world()
        self.booted()
        self.w.lxd.pause("ws-u1")
        self.w.clock.run_for(1)
        for by_api in (False, True):
            self.assertIn("paused", str(self.refusal(Refused, by_api=by_api)))
        self.assertIn(Kind.PAUSED, self.w.conditions.of(1))
        self.assertEqual((self.starts(), self.w.calls("resume")), (1, []))
        self.w.clock.result_of(self.w.lxd.resume("ws-u1"))
        self.assertEqual(self.booted(), "10.7.0.10")
        self.assertNotIn(Kind.PAUSED, self.w.conditions.of(1))

    def test_so_is_one_in_which_somebody_has_a_shell(self) -> None:
        self.world()
        self.booted()
        self.w.lxd.shells.add("ws-u1")
        self.w.lxd.pause("ws-u1")
        self.w.clock.run_for(1)
        refused = self.boot()
        self.w.clock.run_for(1)
        self.assertIn("paused", str(refused.error))
        self.assertIn(Kind.PAUSED, self.w.conditions.of(1))

    def test_who_comes_while_lxd_takes_a_snapshot_waits_for_its_end(self) -> None:
        self.world()
        self.booted()
        self.w.lxd.pause("ws-u1")
        self.w.lxd.busy.add("ws-u1")
        self.w.clock.run_for(1)
        waiting = self.boot()
        self.w.clock.run_for(20)
        self.assertFalse(waiting.done)
        self.w.clock.result_of(self.w.lxd.resume("ws-u1"))
        self.w.clock.run_for(5)
        self.assertEqual(str(waiting.value.address), "10.7.0.10")
        self.assertEqual(self.starts(), 1)

    def test_everybody_leaving_before_lxd_is_asked_starts_nothing(self) -> None:
        self.world()
        first, second = self.boot(), self.boot()
        first.deferred.cancel()
        second.deferred.cancel()
        self.w.clock.run_for(5)
        self.assertEqual(self.starts(), 0)
        self.assertTrue(self.booted())

    def test_everybody_leaving_while_it_waits_for_its_place_starts_nothing(self) -> None:
        self.world(1, 2, max_concurrent=1)
        self.boot(1)
        second = self.boot(2)
        self.w.clock.run_for(0.1)
        second.deferred.cancel()
        self.w.clock.run_for(5)
        self.assertEqual(self.w.calls("start"), [("start", "ws-u1")])

    def test_what_lxd_cannot_tell_is_waited_for_and_not_started(self) -> None:
        self.world()
        self.w.lxd.containers["ws-u1"].status = Status.ERROR
        self.w.clock.result_of(self.w.reconciler.periodic_pass())
        waiting = self.boot()
        self.w.clock.run_for(5)
        self.assertFalse(waiting.done)
        self.assertIn(Kind.UNTOLD, self.w.conditions.of(1))
        self.w.lxd.containers["ws-u1"].status = Status.STOPPED
        self.w.clock.run_for(5)
        self.assertEqual((str(waiting.value.address), self.starts()), ("10.7.0.10", 1))
        self.assertNotIn(Kind.UNTOLD, self.w.conditions.of(1))

    def test_an_lxd_that_never_can_tell_is_not_waited_for_for_ever(self) -> None:
        self.world()
        self.w.lxd.containers["ws-u1"].status = Status.ERROR
        self.w.clock.result_of(self.w.reconciler.periodic_pass())
        self.assertIn("cannot tell", str(self.refusal(Refused)))
        self.assertEqual(self.starts(), 0)

    def test_one_that_somebody_else_starts_meanwhile(self) -> None:
        self.world()
        self.w.lxd.listeners.clear()
        self.w.lxd.power_on("ws-u1")
        self.assertEqual(self.booted(), "10.7.0.10")


class FailureTests(BooterCase):
    def test_one_that_crashes_at_once(self) -> None:
        self.world()
        self.w.lxd.containers["ws-u1"].crashes = True
        self.assertIn("stopped again", str(self.refusal(BootFailed)))
        self.assertEqual(self.starts(), 1)

    def test_one_that_somebody_else_restarts_within_its_start_is_waited_for(self) -> None:
        self.world()
        waiting = self.boot()
        self.w.clock.run_for(0.3)
        self.w.lxd.crash("ws-u1")
        self.w.clock.run_for(0.5)
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(2)
        self.assertEqual(str(waiting.value.address), "10.7.0.10")
        self.assertEqual((self.starts(), self.w.booter.memory(1).failures), (1, 0))

    def test_one_that_crashes_while_its_address_is_waited_for(self) -> None:
        self.world()
        waiting = self.boot()
        self.w.clock.run_for(0.3)
        self.w.lxd.crash("ws-u1")
        self.w.clock.run_for(5)
        self.assertIn("stopped again", str(waiting.error))

    def test_one_that_gets_no_address(self) -> None:
        self.world()
        self.w.lxd.containers["ws-u1"].has_network = False
        began = self.w.clock.seconds()
        self.assertIn("no usable address within 10 s", str(self.refusal(BootFailed)))
        self.assertLess(self.w.clock.seconds() - began, 11)
        self.assertIn(Kind.NO_ADDRESS, self.w.conditions.of(1))

    def test_who_asks_for_it_is_not_told_what_a_visitor_is_who_waits_already(self) -> None:
        self.world()
        container = self.w.lxd.containers["ws-u1"]
        container.has_network = False
        self.refusal(BootFailed)
        # It runs, has no address, and who comes now is told so after one look.
        visitor = self.boot()
        self.assertFalse(visitor.done)
        member = self.boot(by_api=True)
        self.w.clock.run_for(0.5)
        self.assertFalse(member.done)
        container.has_network = True
        self.w.clock.run_for(2)
        self.assertEqual({str(each.value.address) for each in (member, visitor)}, {"10.7.0.10"})

    def test_the_condition_ends_with_the_address(self) -> None:
        self.world()
        self.w.lxd.containers["ws-u1"].has_network = False
        self.refusal(BootFailed)
        self.w.lxd.containers["ws-u1"].has_network = True
        self.booted(by_api=True)
        self.assertNotIn(Kind.NO_ADDRESS, self.w.conditions.of(1))

    def test_visitors_after_a_failure_are_told_the_reason_at_once(self) -> None:
        self.world()
        self.w.lxd.containers["ws-u1"].crashes = True
        self.refusal(BootFailed)
        self.w.lxd.calls.clear()
        now = self.boot()
        self.assertTrue(now.done)
        self.assertIsInstance(now.error, Refused)
        self.assertIn("stopped again", str(now.error))
        self.assertEqual(self.w.lxd.calls, [])

    def test_the_rests_grow_to_a_minute_and_a_success_ends_them(self) -> None:
        self.world()
        self.w.lxd.containers["ws-u1"].crashes = True
        rests = []
        for _ in range(8):
            self.refusal(BootFailed)
            rests.append(round(self.refusal(Refused).retry_after, 3))
            self.w.clock.run_for(rests[-1])
        self.assertEqual(rests, [1, 2, 4, 8, 16, 32, 60, 60])
        self.w.lxd.containers["ws-u1"].crashes = False
        self.booted()
        self.assertEqual(self.w.booter.memory(1).failures, 0)

    def test_a_boot_by_api_bypasses_the_rest(self) -> None:
        self.world()
        self.w.lxd.containers["ws-u1"].crashes = True
        self.refusal(BootFailed)
        self.w.lxd.containers["ws-u1"].crashes = False
        self.assertTrue(self.booted(by_api=True))

    def test_the_memory_of_one_that_is_gone_is_dropped(self) -> None:
        self.world()
        self.w.lxd.containers["ws-u1"].crashes = True
        self.refusal(BootFailed)
        self.w.lxd.remove("ws-u1")
        self.w.clock.run_for(0.1)
        self.w.webspace(1)
        self.assertTrue(self.booted())

    def test_lxd_away_before_the_start(self) -> None:
        self.world()
        self.w.lose_lxd()
        self.refusal(Unavailable)
        self.w.regain_lxd()
        self.assertTrue(self.booted())

    def test_lxd_away_in_the_middle_is_no_failure_of_the_webspace(self) -> None:
        self.world()
        waiting = self.boot()
        self.w.clock.run_for(0.1)
        self.w.lose_lxd(finish=True)
        self.assertIsInstance(waiting.error, Unavailable)
        self.assertEqual(self.w.booter.memory(1).failures, 0)
        self.w.clock.run_for(1)
        self.w.regain_lxd()
        self.assertTrue(self.booted())
        self.assertEqual(self.starts(), 1)


class BusyTests(BooterCase):
    def test_a_start_within_the_stop_window_is_tried_until_it_works(self) -> None:
        self.world()
        self.booted()
        self.w.lxd.crash("ws-u1")
        self.w.clock.run_for(0.05)
        began = self.w.clock.seconds()
        self.assertTrue(self.booted())
        self.assertLess(self.w.clock.seconds() - began, 1.2)
        self.assertGreater(self.starts(), 2)

    def test_a_start_that_is_refused_for_longer_has_failed_with_lxds_reason(self) -> None:
        self.world()
        self.w.lxd.fail_next("start", *[RemoteError("no init", 400)] * 1000)
        began = self.w.clock.seconds()
        refusal = self.refusal(BootFailed)
        # Everybody who visits is told the text; what LXD said is for the member and the log.
        self.assertEqual((str(refusal), refusal.detail), ("LXD could not start it", "no init"))
        self.assertLess(self.w.clock.seconds() - began, 3)

    def test_a_stop_in_lxd_is_waited_for(self) -> None:
        self.world()
        container = self.w.lxd.containers["ws-u1"]
        self.w.lxd._change(container, Status.STOPPING)
        self.w.clock.run_for(0.1)
        waiting = self.boot()
        self.w.clock.run_for(1)
        self.assertFalse(waiting.done)
        self.assertEqual(self.starts(), 0)
        self.w.lxd._change(container, Status.STOPPED)
        self.w.clock.run_for(5)
        self.assertTrue(waiting.value)

    def test_a_long_stop_leaves_the_stop_window_after_it_its_own_patience(self) -> None:
        self.world()
        container = self.w.lxd.containers["ws-u1"]
        self.w.lxd._change(container, Status.STOPPING)
        self.w.clock.run_for(0.1)
        waiting = self.boot()
        self.w.clock.run_for(10)
        self.w.lxd.crash("ws-u1")
        self.w.clock.run_for(5)
        self.assertTrue(waiting.value)

    def test_one_that_is_stuck_in_freezing_is_stopped_by_force(self) -> None:
        self.world()
        self.w.lxd._change(self.w.lxd.containers["ws-u1"], Status.FREEZING)
        self.w.clock.run_for(0.1)
        self.assertTrue(self.booted())
        self.assertEqual(len(self.w.calls("force")), 1)

    def test_one_that_lxd_is_freezing_for_a_snapshot_is_not(self) -> None:
        self.world()
        self.w.lxd.busy.add("ws-u1")
        self.w.lxd._change(self.w.lxd.containers["ws-u1"], Status.FREEZING)
        self.w.clock.run_for(0.1)
        waiting = self.boot()
        self.w.clock.run_for(20)
        self.assertFalse(waiting.done)
        self.w.lxd.busy.clear()
        self.w.lxd._change(self.w.lxd.containers["ws-u1"], Status.RUNNING)
        self.w.clock.run_for(5)
        self.assertTrue(waiting.value)
        self.assertEqual(self.w.calls("force"), [])

    def test_but_not_for_ever(self) -> None:
        self.world()
        self.w.lxd._change(self.w.lxd.containers["ws-u1"], Status.STOPPING)
        self.assertIn("busy with the webspace", str(self.refusal(BootFailed)))


class HoldTests(BooterCase):
    def setUp(self) -> None:
        self.world()

    def test_one_that_is_being_deleted_is_not_woken(self) -> None:
        self.w.booter.hold(1, Hold.DELETING)
        for by_api in (False, True):
            error = self.refusal(Refused, by_api=by_api)
            self.assertEqual(str(error), "the webspace is being deleted")
        self.assertEqual(self.starts(), 0)

    def test_who_comes_while_it_is_stopped_is_served_by_the_next_boot(self) -> None:
        for hold in (Hold.DRAINING, Hold.STOPPING):
            self.w.booter.hold(1, hold)
            waiting = self.boot()
            self.w.clock.run_for(20)
            self.assertEqual((waiting.done, self.starts()), (False, 0))
            self.w.booter.hold(1, Hold.NONE)
            self.w.clock.run_for(5)
            self.assertTrue(waiting.value)
            self.w.lxd.crash("ws-u1")
            self.w.clock.run_for(1)
            self.w.lxd.calls.clear()

    def test_waiting_for_our_own_stop_asks_lxd_nothing(self) -> None:
        self.w.booter.hold(1, Hold.STOPPING)
        self.boot()
        self.w.lxd.calls.clear()
        self.w.clock.run_for(30)
        self.assertEqual(self.w.lxd.calls, [])

    def test_one_that_drains_is_served_while_it_runs(self) -> None:
        self.booted()
        self.w.booter.hold(1, Hold.DRAINING)
        self.assertTrue(self.booted())

    def test_who_comes_during_a_restart_waits_until_it_is_back(self) -> None:
        self.w.booter.hold(1, Hold.RESTARTING)
        waiting = self.boot()
        self.w.clock.run_for(1)
        self.assertFalse(waiting.done)
        self.w.booter.hold(1, Hold.NONE)
        self.w.clock.run_for(5)
        self.assertTrue(waiting.value)

    def test_who_waits_for_the_end_of_a_stop_is_told_when_it_is_deleted_behind_our_back(self) -> None:
        self.world()
        self.w.booter.hold(1, Hold.STOPPING)
        late = self.boot()
        self.w.clock.run_for(0.1)
        self.w.lxd.remove("ws-u1")
        self.w.clock.run_for(1)
        self.assertIsInstance(late.error, NotFound)
        self.w.booter.hold(1, Hold.NONE)

    def test_listeners_hear_of_holds_and_of_nothing_else(self) -> None:
        heard: list[int] = []
        self.w.booter.subscribe(heard.append)
        self.w.booter.hold(1, Hold.STOPPING)
        self.w.booter.hold(1, Hold.STOPPING)
        self.assertEqual(heard, [1])
        self.w.booter.hold(1, Hold.NONE)
        self.assertEqual(heard, [1, 1])
        self.w.booter._remember(1, evolve(self.w.booter.memory(1), failures=3))
        self.assertEqual(heard, [1, 1])

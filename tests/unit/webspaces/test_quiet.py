"""Falling asleep again after a schedule's wake, and quiet hours, on a clock that is no time of day."""

from __future__ import annotations

from attrs import evolve

from tests.unit.timing import watch
from tests.unit.webspaces.sleeping import RULES
from tests.unit.webspaces.test_schedule import NOON, ScheduleCase, config
from tests.unit.world import World
from webspaced.core.boot import Hold
from webspaced.core.instance import Status
from webspaced.core.sleep import Depth, Sleep


class SleepAgainTests(ScheduleCase):
    """Who is idle is looked for all the time."""

    rules = evolve(RULES, doze_after=0, stop_after=600, least=60)

    def test_it_runs_for_the_least_time_and_sleeps_again(self) -> None:
        self.let_until(12, 30, 59)
        self.assertIs(self.container.status, Status.RUNNING)
        self.let_until(12, 31, 25)
        self.assertIs(self.container.status, Status.STOPPED)

    def test_a_job_is_not_interrupted(self) -> None:
        self.let_until(12, 30)
        while self.w.now() < NOON + 50 * 60:
            self.w.lxd.use("ws-u1", cpu=1.0)
            self.w.clock.run_for(10)
            self.look()
            self.assertIs(self.container.status, Status.RUNNING)
        self.let_until(12, 51, 30)
        self.assertIs(self.container.status, Status.STOPPED)

    def test_whoever_uses_it_keeps_it_awake_for_the_usual_time(self) -> None:
        for use in (self.visited, lambda: self.w.activity.stir(1), lambda: self.w.activity.note(1)):
            self.setUp()
            self.let_until(12, 30, 20)
            use()
            self.let_until(12, 39)
            self.assertIs(self.container.status, Status.RUNNING)
            self.let_until(12, 42)
            self.assertIs(self.container.status, Status.STOPPED)

    def test_also_one_who_came_just_before(self) -> None:
        self.until(12, 29, 49)
        visit = self.visit()
        self.let_until(12, 39)
        self.assertTrue(visit.value)
        self.assertIs(self.container.status, Status.RUNNING)

    def test_who_wakes_it_later_has_it_for_the_usual_time(self) -> None:
        self.let_until(12, 32)
        self.assertIs(self.container.status, Status.STOPPED)
        # By LXD's own means: only the start is seen.
        self.w.clock.result_of(self.w.lxd.start("ws-u1"))
        self.w.lxd.calls.clear()
        self.let_until(12, 39)
        self.assertIs(self.container.status, Status.RUNNING)

    def test_one_that_its_member_wants_awake_stays_so(self) -> None:
        self.w.sleeper.rules = evolve(self.rules, allow=self.rules.allow | {"awake"})
        self.set(config(*self.times, sleep=Sleep.AWAKE))
        self.let_until(12, 45)
        self.assertIs(self.container.status, Status.RUNNING)

    def test_it_is_awake_for_the_least_time_also_where_webspaces_sleep_earlier(self) -> None:
        self.patch(self, "rules", evolve(self.rules, doze_after=20, least=120))
        for running in (False, True):
            self.set_up_at(NOON + 1740 - 5, running=running)
            self.let_until(12, 31, 55)
            self.assertIs(self.container.status, Status.RUNNING, running)
            self.let_until(12, 33)
            self.assertIs(self.container.status, Status.FROZEN, running)

    def test_one_that_is_late_has_the_least_time_too(self) -> None:
        self.patch(self, "rules", evolve(self.rules, doze_after=20, least=120))
        self.set_up_at(self.at)
        self.w.lxd.timings = evolve(self.w.lxd.timings, start=100.0)
        self.let_until(12, 33, 25)
        self.assertIs(self.container.status, Status.RUNNING)
        self.let_until(12, 34)
        self.assertIs(self.container.status, Status.FROZEN)

    def test_one_that_runs_is_not_put_to_sleep_while_others_are_woken_before_it(self) -> None:
        self.w = World(sleep=evolve(self.rules, doze_after=60))
        self.w.ahead = NOON + 29 * 60 + 20
        for uid in (1, 2, 3, 4):
            self.w.webspace(uid, running=uid == 4, config=config(*self.times))
        self.w.start()
        self.w.lxd.timings = evolve(self.w.lxd.timings, start=200.0)
        self.let_until(12, 30, 55)
        self.assertEqual((self.starts(), self.w.lxd.containers["ws-u4"].status), (3, Status.RUNNING))
        self.let_until(12, 31, 20)
        self.assertIs(self.w.lxd.containers["ws-u4"].status, Status.FROZEN)
        # Nor is it woken afterwards, when its turn would come.
        self.let_until(12, 36)
        self.assertNotIn(("resume", "ws-u4"), self.w.lxd.calls)

    def test_one_that_is_being_frozen_in_that_moment(self) -> None:
        self.set_up_at(NOON + 28 * 60 + 40, running=True)
        self.w.lxd.timings = evolve(self.w.lxd.timings, freeze=3.0)
        self.patch(self.w.sleeper, "rules", evolve(self.rules, doze_after=60))
        self.until(12, 29, 10)
        self.look()
        self.until(12, 29, 30)
        self.look()
        self.until(12, 29, 47)
        falling_asleep = watch(self.w.sleeper.look())
        self.until(12, 29, 50)
        self.assertEqual((self.w.booter.memory(1).hold, self.container.status), (Hold.DOZING, Status.RUNNING))
        self.until(12, 30)
        self.assertEqual((self.container.status, falling_asleep.done), (Status.RUNNING, True))
        self.assertIn(("resume", "ws-u1"), self.w.lxd.calls)

    def test_what_is_told(self) -> None:
        self.let_until(12, 30, 20)
        rest = self.w.sleeper.rest(self.w.seen(1))
        self.assertEqual((rest.depth, rest.sleeps_at), (Depth.AWAKE, NOON + 31 * 60))


class QuietTests(ScheduleCase):
    """Quiet from 12:30 to 13:30, on a webspace that else never sleeps."""

    rules = evolve(RULES, allow=RULES.allow | {"awake"})

    def setUp(self) -> None:
        self.set_up_at(self.at, running=True)
        self.set(config(quiet=("12:30-13:30",), sleep=Sleep.AWAKE))

    def test_it_sleeps_in_them_as_soon_as_nobody_uses_it(self) -> None:
        self.let_until(12, 29, 55)
        self.assertIs(self.container.status, Status.RUNNING)
        self.let_until(12, 30, 30)
        # As deep as after all the time for which nobody had used it.
        self.assertIs(self.container.status, Status.STOPPED)

    def test_visitors_and_its_schedule_wake_it(self) -> None:
        self.let_until(12, 31)
        self.assertEqual(str(self.visited()), "10.7.0.10:80")
        self.let_until(12, 32, 30)
        self.assertIs(self.container.status, Status.FROZEN)
        self.set(config("13:00", quiet=("12:30-13:30",), sleep=Sleep.AWAKE))
        self.let_until(13, 0, 50)
        self.assertIs(self.container.status, Status.RUNNING)
        self.let_until(13, 2)
        self.assertIs(self.container.status, Status.FROZEN)

    def test_after_them_it_is_as_before(self) -> None:
        self.let_until(13, 31)
        self.visited()
        self.let_until(13, 50)
        self.assertIs(self.container.status, Status.RUNNING)

    def test_who_keeps_it_awake_now_means_now(self) -> None:
        self.let_until(12, 29)
        self.w.clock.result_of(self.w.sleeper.keep_awake(1, 900))
        self.let_until(12, 43)
        self.assertIs(self.container.status, Status.RUNNING)
        self.let_until(12, 46)
        self.assertIs(self.container.status, Status.STOPPED)

    def test_what_is_told(self) -> None:
        self.assertEqual(self.w.sleeper.rest(self.w.seen(1)).sleeps_at, NOON + 1800)
        self.until(12, 29, 50)
        self.visited()
        self.assertEqual(self.w.sleeper.rest(self.w.seen(1)).sleeps_at, self.w.now() + 60)
        self.let_until(12, 30, 20)
        rest = self.w.sleeper.rest(self.w.seen(1))
        self.assertEqual(rest.sleeps_at, rest.last_active + 60)

    def test_where_they_are_not_allowed_they_are_none(self) -> None:
        self.w.sleeper.rules = evolve(self.rules, allow=frozenset({"awake"}))
        self.let_until(12, 40)
        self.assertIs(self.container.status, Status.RUNNING)
        self.assertIsNone(self.w.sleeper.rest(self.w.seen(1)).sleeps_at)

"""Being awake at the times that a member has set, on a clock that is no time of day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest import mock

from attrs import evolve

from tests.unit.timing import watch
from tests.unit.webspaces.sleeping import RULES, SleepCase
from tests.unit.world import DEFAULTS, World
from webspaced.core.boot import Hold
from webspaced.core.config import Config
from webspaced.core.desired import Desired, Wish
from webspaced.core.instance import Status
from webspaced.core.schedule import parse_quiet_hours, parse_wake_at
from webspaced.errors import RemoteError
from webspaced.webspaces import schedule as module
from webspaced.webspaces.schedule import BATCH, LATE

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()


def config(*times: str, quiet: tuple[str, ...] = (), **more: Any) -> Config:
    return evolve(DEFAULTS, wake_at=parse_wake_at(list(times)), quiet_hours=parse_quiet_hours(list(quiet)), **more)


class ScheduleCase(SleepCase):
    """It is ten past noon. Webspace 1 sleeps, and has times to wake: every half hour, if not said."""

    times: tuple[str, ...] = ("*/30 * * * *",)
    at = NOON + 600

    def setUp(self) -> None:
        self.set_up_at(self.at)

    def set_up_at(self, at: float, *times: str, running: bool = False, **more: Any) -> None:
        self.w = World(sleep=self.rules, **more)
        self.w.ahead = at
        self.w.webspace(1, running=running, config=config(*(times or self.times)))
        self.w.start()
        self.w.clock.run_for(2)
        self.container = self.w.lxd.containers["ws-u1"]

    def set(self, changed: Config, uid: int = 1) -> None:
        self.w.clock.result_of(self.w.documents.change(uid, lambda each: each.with_config(changed)))

    def until(self, *time: int) -> None:
        """Let time go by until so late today, without anything that looks who is idle."""
        at = datetime(2026, 11, 30, *time, tzinfo=UTC).timestamp()
        self.w.clock.run_for(at - self.w.now())

    def let_until(self, hour: int, minute: int, second: int = 0) -> None:
        """Let time go by with everything that looks who is idle."""
        at = datetime(2026, 11, 30, hour, minute, second, tzinfo=UTC).timestamp()
        while (left := at - self.w.now()) > 0:
            self.w.clock.run_for(min(10, left))
            self.look()

    def starts(self) -> int:
        return len(self.w.calls("start"))

    def stop(self) -> None:
        self.w.clock.result_of(self.w.power.shut_down(1))

    def wakes_at(self) -> str | None:
        at = self.w.sleeper.rest(self.w.seen(1)).wakes_at
        return None if at is None else f"{datetime.fromtimestamp(at, UTC):%d %H:%M}"


class WakeTests(ScheduleCase):
    def test_it_runs_before_its_minute_begins_and_not_earlier_than_needed(self) -> None:
        self.until(12, 29, 49)
        self.assertIs(self.container.status, Status.STOPPED)
        self.until(12, 29, 55)
        self.assertIs(self.container.status, Status.RUNNING)
        self.assertEqual((self.starts(), self.w.schedule.wakes), (1, 1))

    def test_again_and_again_and_each_time_once(self) -> None:
        for hour, minute in ((12, 31), (13, 1), (13, 31)):
            self.until(hour, minute)
            self.stop()
        self.assertEqual(self.starts(), 3)
        self.until(13, 59)
        self.assertEqual(self.starts(), 3)

    def test_one_that_dozes_is_thawed(self) -> None:
        self.set_up_at(self.at, running=True)
        self.dozing()
        self.until(12, 29, 55)
        self.assertEqual((self.container.status, self.calls()[0]), (Status.RUNNING, "resume"))
        self.assertEqual(self.starts(), 0)

    def test_one_that_runs_is_left_alone_and_stays_awake(self) -> None:
        self.set_up_at(NOON + 28 * 60 + 40, running=True)
        self.until(12, 29, 10)
        self.look()
        self.until(12, 29, 30)
        self.look()
        self.until(12, 29, 48, 900_000)
        falling_asleep = watch(self.w.sleeper.look())
        self.until(12, 29, 49, 900_000)
        # Its time comes in the last moment.
        self.assertEqual(self.w.booter.memory(1).hold, Hold.DRAINING)
        self.let_until(12, 30, 55)
        self.assertEqual((self.container.status, self.calls(), falling_asleep.done), (Status.RUNNING, [], True))

    def test_how_long_the_last_boot_took_is_added(self) -> None:
        self.w.lxd.timings = evolve(self.w.lxd.timings, start=20.0)
        self.until(12, 31)
        self.stop()
        self.until(12, 59, 25)
        self.assertEqual(self.starts(), 1)
        self.until(12, 59, 40)
        self.assertEqual(self.starts(), 2)
        self.until(13, 0)
        self.assertIs(self.container.status, Status.RUNNING)

    def test_nobody_is_woken_who_is_not_to_run(self) -> None:
        for wish in (Wish.STOPPED, Wish.SUSPENDED):
            self.setUp()
            self.w.clock.result_of(self.w.power.want(1, Desired(wish=wish, reason="abuse", by="root"), by_admin=True))
            self.assertIsNone(self.wakes_at())
            self.until(13, 1)
            self.assertEqual((self.container.status, self.starts()), (Status.STOPPED, 0), wish)
        self.w.clock.result_of(self.w.power.want(1, Desired(), by_admin=True))
        self.until(13, 31)
        self.assertEqual(self.starts(), 1)

    def test_nor_one_whose_member_is_gone(self) -> None:
        self.w.departures.has_departed = lambda _observed: True  # type: ignore[method-assign]
        self.w.booter.limits = evolve(self.w.booter.limits, departed=lambda _observed: True)
        self.until(12, 31)
        self.assertEqual(self.starts(), 0)

    def test_nor_one_that_others_froze(self) -> None:
        self.set_up_at(self.at, running=True)
        self.w.lxd.pause("ws-u1")
        self.until(12, 35)
        self.assertIs(self.container.status, Status.FROZEN)
        self.assertNotIn("resume", self.calls())

    def test_what_the_operator_does_not_allow_counts_for_nothing(self) -> None:
        self.patch(self, "rules", evolve(RULES, allow=frozenset()))
        self.set_up_at(self.at)
        self.until(13, 1)
        self.assertEqual((self.starts(), self.wakes_at()), (0, None))

    def test_visitors_and_its_schedule_share_a_boot(self) -> None:
        self.until(12, 29, 50)
        visit = self.visit()
        self.until(12, 31)
        self.assertTrue(visit.value)
        self.assertEqual(self.starts(), 1)

    def test_what_a_member_changes_counts_at_once(self) -> None:
        self.assertEqual(self.wakes_at(), "30 12:30")
        self.set(config("12:20"))
        self.assertEqual(self.wakes_at(), "30 12:20")
        self.until(12, 20)
        self.assertEqual((self.starts(), self.wakes_at()), (1, "01 12:20"))
        self.stop()
        self.set(config())
        self.assertIsNone(self.wakes_at())
        self.w.clock.run_for(2 * 86400)
        self.assertEqual(self.starts(), 1)

    def test_one_that_is_gone(self) -> None:
        self.w.clock.result_of(self.w.service.delete(1))
        self.until(12, 31)
        self.assertEqual((self.starts(), self.w.schedule._entries), (0, {}))


class TroubleTests(ScheduleCase):
    def test_a_wake_that_fails_is_tried_again(self) -> None:
        self.w.lxd.fail_next("start", *[RemoteError("no", 500)] * 2)
        self.until(12, 30, 45)
        self.assertIs(self.container.status, Status.RUNNING)

    def test_but_not_for_ever(self) -> None:
        self.container.crashes = True
        self.until(12, 32)
        tried = self.starts()
        self.assertTrue(2 <= tried <= 8, tried)
        self.until(12, 59)
        self.assertEqual(self.starts(), tried)
        self.container.crashes = False
        self.until(13, 0)
        self.assertIs(self.container.status, Status.RUNNING)

    def test_who_switches_it_off_meanwhile_is_heard(self) -> None:
        self.container.crashes = True
        self.until(12, 29, 52)
        self.w.clock.result_of(self.w.power.want(1, Desired(wish=Wish.STOPPED)))
        tried = self.starts()
        self.until(12, 30, 5)
        # Nothing is tried any more, nor does anybody hear that it failed.
        self.assertEqual((self.starts(), self.w.schedule._at_work), (tried, set()))

    def test_a_full_house_makes_room_for_it(self) -> None:
        self.set_up_at(NOON + 25 * 60, max_running=1)
        self.w.webspace(2, running=True)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.let_until(12, 29, 45)
        self.assertIs(self.w.lxd.containers["ws-u2"].status, Status.FROZEN)
        self.let_until(12, 31)
        self.assertEqual((self.container.status, self.w.lxd.containers["ws-u2"].status), (Status.RUNNING, Status.STOPPED))

    def test_a_mistake_of_ours_stops_nothing_but_this_wake(self) -> None:
        with mock.patch.object(self.w.booter, "boot", side_effect=ZeroDivisionError):
            self.until(12, 31)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.until(13, 1)
        self.assertEqual(self.starts(), 1)

    def test_many_at_once_leave_a_place_for_visitors(self) -> None:
        self.w = World(sleep=self.rules, max_concurrent=4)
        self.w.ahead = self.at
        for uid in (1, 2, 3, 4):
            self.w.webspace(uid, config=config(*self.times))
        self.w.start()
        self.w.lxd.timings = evolve(self.w.lxd.timings, start=3.0)
        self.until(12, 29, 51)
        self.assertEqual(self.starts(), 3)
        self.until(12, 30)
        self.assertEqual(self.starts(), 4)


class WhoLeadsTests(ScheduleCase):
    def again(self, at: float, started: str = "2026-11-29T12:00:00Z") -> None:
        """Have webspaced start again."""
        self.container.last_used_at = started
        again = World(sleep=self.rules)
        again.lxd.containers, again.ahead = self.w.lxd.containers, at
        self.w = again.start()
        self.w.clock.run_for(5)

    def test_what_came_while_webspaced_was_started_again_is_made_good(self) -> None:
        self.again(NOON + 1800 + LATE - 10)
        self.assertEqual(self.starts(), 1)

    def test_but_not_what_was_long_ago(self) -> None:
        self.again(NOON + 1800 + LATE + 10)
        self.assertEqual(self.starts(), 0)

    def test_nor_what_was_done_already(self) -> None:
        self.again(NOON + 1800 + 100, started="2026-11-30T12:29:50.123456789Z")
        self.assertEqual((self.starts(), self.wakes_at()), (0, "30 13:00"))

    def test_a_start_that_cannot_be_read_was_none(self) -> None:
        self.again(NOON + 1800 + 100, started="")
        self.assertEqual(self.starts(), 1)

    def test_nothing_happens_before_the_first_full_pass(self) -> None:
        w = World(sleep=self.rules)
        w.ahead = self.at
        w.webspace(1, config=config("*/30 * * * *"))
        w.registry.prepare("eth0", mock.Mock(), w.ownership)
        w.clock.result_of(w.registry.sync())
        w.clock.run_for(4000)
        self.assertEqual(w.calls("start"), [])

    def test_who_does_not_lead_wakes_nobody_until_it_does(self) -> None:
        self.w.leads = False
        self.until(12, 30, 20)
        self.assertEqual(self.starts(), 0)
        self.w.leads = True
        self.until(12, 30, 30)
        self.assertEqual(self.starts(), 1)
        self.stop()
        self.w.leads = False
        self.until(13, 10)
        self.w.leads = True
        self.until(13, 20)
        self.assertEqual((self.starts(), self.wakes_at()), (1, "30 13:30"))

    def test_nothing_is_left_behind_when_it_ends(self) -> None:
        self.w.clock.run_for(100)
        self.w.schedule.startService()
        before = len(self.w.clock.getDelayedCalls())
        self.w.schedule.stopService()
        self.assertEqual(len(self.w.clock.getDelayedCalls()), before - 1)
        self.until(12, 31)
        self.assertEqual(self.starts(), 0)


class CostTests(ScheduleCase):
    def fill(self, number: int, times: str) -> None:
        """Have many webspaces with times, which nobody will find in LXD."""
        for uid in range(1000, 1000 + number):
            self.w.schedule._entries[uid] = module._Entry(parse_wake_at([times]))
            self.w.schedule._plan(uid, self.w.now())

    def test_while_nothing_is_due_nobody_is_looked_at(self) -> None:
        self.fill(500, "04:30")
        timers = len(self.w.clock.getDelayedCalls())
        asked: list[int] = []
        self.patch(self.w.registry, "get", asked.append)
        next_wake = module.next_wake
        self.patch(module, "next_wake", lambda *given: asked.append(1) or next_wake(*given))
        self.until(12, 29)
        self.assertEqual((asked, len(self.w.clock.getDelayedCalls())), ([], timers))

    def test_many_that_are_due_at_once_are_taken_in_batches(self) -> None:
        self.fill(200, "12:30")
        sizes: list[int] = []
        take = self.w.schedule._take_due

        def taking() -> None:
            before = len([each for each in self.w.schedule._entries.values() if each.last < NOON])
            take()
            sizes.append(before - len([each for each in self.w.schedule._entries.values() if each.last < NOON]))

        self.patch(self.w.schedule, "_take_due", taking)
        self.until(12, 30)
        self.assertEqual((max(sizes), sum(sizes)), (BATCH, 201))

    def test_who_changes_times_all_the_time_fills_no_memory(self) -> None:
        for minute in range(1000):
            self.w.schedule._entries[1].times = parse_wake_at([f"{minute % 60} 4 * * *"])
            self.w.schedule._plan(1, self.w.now())
        self.assertTrue(len(self.w.schedule._heap) <= BATCH + 4, len(self.w.schedule._heap))

    def test_times_that_come_too_close_are_one(self) -> None:
        # They were accepted when the operator allowed more.
        self.set(config("*/5 * * * *"))
        self.w.schedule._rules = evolve(self.rules, wake_every=900)
        self.set(config("*/5 * * * *", "13:00"))
        found = []
        for minute in (14, 16, 31):
            self.until(12, minute)
            found.append(self.wakes_at())
        self.assertEqual(found, ["30 12:15", "30 12:30", "30 12:45"])

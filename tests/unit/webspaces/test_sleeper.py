"""Falling asleep and waking, between LXD and the routes, on a clock."""

from __future__ import annotations

from tests.contracts.fake_instances import Timings
from tests.unit.timing import watch
from tests.unit.webspaces.running import DIRECT
from tests.unit.webspaces.sleeping import LOOK, SleepCase
from tests.unit.world import World
from webspaced.core.boot import Hold
from webspaced.core.desired import Desired, Wish
from webspaced.core.instance import Status
from webspaced.core.sleep import DOZING_KEY, Depth, is_doze_mark
from webspaced.errors import NotFound, Refused, RemoteError, RoutesUnwritable
from webspaced.lib.deferreds import sleep

BOOT = "127.0.0.1:20001"


class DozeTests(SleepCase):
    def test_an_idle_one_is_led_through_us_marked_and_frozen_in_this_order(self) -> None:
        self.assertEqual(self.w.store.backend("ws-u1"), DIRECT)
        self.w.lxd.calls.clear()
        self.let(90)
        self.assertEqual(self.calls(), ["configure", "freeze"])
        self.assertTrue(is_doze_mark(self.container.config[DOZING_KEY], self.w.seen(1).instance.incarnation))
        self.assertEqual(self.w.store.backend("ws-u1"), BOOT)
        self.assertEqual(self.w.booter.memory(1).hold, Hold.NONE)
        self.assertNotIn("paused", [kind.value for kind in self.w.conditions.of(1)])
        self.assertEqual(self.w.sleeper.dozes, 1)

    def test_the_route_has_left_before_it_is_frozen(self) -> None:
        times: list[tuple[str, float]] = []
        freeze = self.w.lxd.freeze

        async def freezing(name: str) -> None:
            times.append((self.w.store.backend(name) or "", self.w.clock.seconds() - self.w.store.times[-1]))
            await freeze(name)

        self.patch(self.w.lxd, "freeze", freezing)
        self.let(90)
        ((backend, since),) = times
        self.assertEqual(backend, BOOT)
        self.assertTrue(since >= 1.3, since)

    def test_a_visitor_wakes_it_at_once_and_its_mark_goes(self) -> None:
        self.dozing()
        began = self.w.clock.seconds()
        self.assertEqual(self.visited(), DIRECT)
        self.assertTrue(self.w.clock.seconds() - began < 0.02, self.w.clock.seconds() - began)
        # The port is not asked again whether it is ready, and nobody waits for the mark.
        self.assertEqual(self.calls(), ["resume"])
        self.w.clock.run_for(3)
        self.assertNotIn(DOZING_KEY, self.container.config)
        self.assertEqual(self.w.store.backend("ws-u1"), DIRECT)

    def test_a_visit_would_wake_it_and_boot_nothing(self) -> None:
        self.assertFalse(self.w.gate.wakes(1))
        self.dozing()
        self.assertEqual((self.w.gate.wakes(1), self.w.gate.boots(1)), (True, False))
        self.visit()
        self.assertFalse(self.w.gate.wakes(1))

    def test_a_hundred_who_come_at_once_share_one_wake(self) -> None:
        self.dozing()
        visits = [self.visit() for _ in range(100)]
        self.w.clock.run_for(1)
        self.assertEqual({str(each.value) for each in visits}, {DIRECT})
        self.assertEqual(self.calls(), ["resume", "configure"])

    def test_one_who_hangs_up_at_once_wakes_nobody(self) -> None:
        self.dozing()
        visit = self.visit()
        visit.deferred.cancel()
        self.w.clock.run_for(5)
        self.assertEqual(self.calls(), [])

    def test_what_is_active_stays_awake_and_dozes_later(self) -> None:
        for what in ({"sent": 500}, {"received": 5000, "sent": 10}, {"cpu": 1.0}):
            for _ in range(4):
                self.w.lxd.use("ws-u1", **what)
                self.let(LOOK)
            self.assertEqual(self.container.status, Status.RUNNING, what)
        self.dozing()

    def test_what_it_does_at_rest_is_no_activity(self) -> None:
        for _ in range(3):
            self.w.lxd.use("ws-u1", sent=100, received=1000, cpu=0.1)
            self.let(LOOK)
        self.assertEqual(self.container.status, Status.FROZEN)

    def test_who_visits_through_us_keeps_it_awake(self) -> None:
        for _ in range(6):
            self.visited()
            self.let(LOOK)
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_a_relayed_connection_that_moved_keeps_it_awake_and_one_that_is_silent_does_not(self) -> None:
        self.w.listeners.quiet_for[1] = 10
        self.let(120)
        self.assertEqual(self.container.status, Status.RUNNING)
        self.w.listeners.quiet_for[1] = 70
        self.let(LOOK)
        self.assertEqual(self.container.status, Status.FROZEN)

    def test_who_speaks_again_on_a_silent_connection_wakes_it(self) -> None:
        self.w.listeners.quiet_for[1] = 1000
        self.dozing()
        self.w.listeners.watched[1]()
        self.w.clock.run_for(1)
        self.assertEqual(self.container.status, Status.RUNNING)
        self.assertEqual(self.w.listeners.watched, {})
        self.assertEqual(self.w.activity.idle(1, frozen=True), 1)

    def test_a_command_keeps_it_awake(self) -> None:
        with self.w.activity.used(1):
            self.let(300)
            self.assertEqual(self.container.status, Status.RUNNING)
        self.dozing()

    def test_it_does_not_doze_while_lxd_works_on_it(self) -> None:
        self.w.lxd.busy.add("ws-u1")
        self.let(120)
        self.assertEqual(self.container.status, Status.RUNNING)
        self.w.lxd.busy.clear()
        self.let(LOOK)
        self.assertEqual(self.container.status, Status.FROZEN)

    def test_nor_while_somebody_has_a_shell_by_lxds_own_tools(self) -> None:
        self.w.lxd.shells.add("ws-u1")
        self.let(700)
        self.assertEqual(self.container.status, Status.RUNNING)
        self.w.clock.result_of(self.w.power.shut_down(1))

    def test_nor_when_that_begins_as_its_visitors_are_led_away(self) -> None:
        self.w.clock.run_for(LOOK)
        self.look()
        self.w.clock.run_for(LOOK)
        self.look()
        self.w.clock.run_for(0.8)
        self.w.lxd.busy.add("ws-u1")
        self.w.clock.run_for(5)
        self.assertEqual((self.container.status, self.w.booter.memory(1).hold), (Status.RUNNING, Hold.NONE))

    def test_nor_where_its_visitors_cannot_be_led_away(self) -> None:
        self.w.store.errors = [RuntimeError("no space left")] * 1000
        self.let(120)
        self.assertEqual(self.container.status, Status.RUNNING)
        self.assertEqual(self.w.booter.memory(1).hold, Hold.NONE)

    def test_what_cannot_be_measured_does_not_sleep(self) -> None:
        for call in ("usages", "state"):
            self.w.lxd.fail_next(call, *[RemoteError("not implemented", 501)] * 1000)
        self.let(300)
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_where_lxd_has_no_metrics_each_one_is_asked(self) -> None:
        self.w.lxd.fail_next("usages", *[NotFound("not found")] * 1000)
        self.let(120)
        self.assertEqual(self.container.status, Status.FROZEN)

    def test_one_look_is_one_request_however_many_run(self) -> None:
        self.set_up(1, 2, 3, 4)
        self.w.lxd.calls.clear()
        self.look()
        self.assertEqual(self.w.lxd.calls, [("usages", "")])


class RaceTests(SleepCase):
    """Whoever comes in the moment of falling asleep."""

    def test_who_comes_before_it_is_frozen_keeps_it_awake(self) -> None:
        self.w.clock.run_for(70)
        self.look()
        for _ in range(13):
            self.w.clock.run_for(0.1)
            self.assertEqual(self.visited(), DIRECT)
        self.w.clock.run_for(5)
        self.assertEqual((self.container.status, self.calls().count("freeze")), (Status.RUNNING, 0))

    def test_whenever_somebody_comes_he_is_served(self) -> None:
        for step in range(60):
            self.set_up()
            self.let(LOOK)
            self.w.clock.run_for(LOOK)
            looking = watch(self.w.sleeper.look())
            self.w.clock.run_for(1.2 + 0.01 * step)
            visit = self.visit()
            self.w.clock.run_for(2)
            self.assertEqual((str(visit.value), looking.done), (DIRECT, True), step)
            self.assertEqual(self.container.status, Status.RUNNING, step)

    def test_activity_that_only_the_last_look_shows(self) -> None:
        self.w.clock.run_for(LOOK)
        self.look()
        self.w.clock.run_for(LOOK)
        self.look()
        self.w.clock.run_for(0.5)
        self.w.lxd.use("ws-u1", sent=5000)
        self.w.clock.run_for(5)
        self.assertEqual(self.container.status, Status.RUNNING)
        self.assertEqual(self.w.store.backend("ws-u1"), DIRECT)

    def test_a_reboot_from_inside_as_it_is_frozen(self) -> None:
        freeze = self.w.lxd.freeze

        async def freezing(name: str) -> None:
            self.w.lxd.reboot(name)
            await freeze(name)

        self.patch(self.w.lxd, "freeze", freezing)
        self.let(70)
        self.assertEqual(self.container.status, Status.RUNNING)
        self.assertEqual(self.visited(), DIRECT)

    def test_a_freeze_that_always_fails_is_tried_ever_less_often(self) -> None:
        self.w.lxd.fail_next("freeze", *[RemoteError("freezing the container failed", 500)] * 1000)
        self.let(590)
        self.assertTrue(self.calls().count("freeze") < 7, self.calls())

    def test_a_freeze_that_fails_leaves_no_mark(self) -> None:
        self.w.lxd.fail_next("freeze", RemoteError("freezing the container failed", 500))
        self.let(60)
        self.w.lxd.fail_no_more()
        self.assertEqual(self.container.status, Status.RUNNING)
        self.visited()
        self.let(LOOK)
        self.assertNotIn(DOZING_KEY, self.container.config)


class WhoseFreezeTests(SleepCase):
    def test_one_that_others_froze_is_left_alone(self) -> None:
        self.w.lxd.pause("ws-u1")
        self.let(700)
        self.assertIsInstance(self.visit_error(), Refused)
        self.assertEqual(self.container.status, Status.FROZEN)
        self.assertNotIn("resume", self.calls())

    def visit_error(self) -> BaseException:
        visit = self.visit()
        self.w.clock.run_for(5)
        return visit.error

    def test_a_mark_of_another_incarnation_is_no_mark(self) -> None:
        self.w.lxd.set_keys("ws-u1", **{DOZING_KEY: "some other start"})
        self.w.lxd.pause("ws-u1")
        self.w.clock.run_for(5)
        self.assertIsInstance(self.visit_error(), Refused)

    def test_after_a_restart_of_webspaced_its_own_freeze_is_known(self) -> None:
        container = self.dozing()
        again = World(sleep=self.rules)
        again.lxd.containers = self.w.lxd.containers
        again.start()
        self.assertIs(again.seen(1).depth, Depth.DOZING)
        self.assertEqual(str(again.clock.result_of(again.ready(1))), DIRECT)
        self.assertEqual(container.status, Status.RUNNING)

    def test_a_mark_that_a_crash_left_is_taken_away(self) -> None:
        self.w.lxd.set_keys("ws-u1", **{DOZING_KEY: self.w.seen(1).instance.incarnation})
        self.w.clock.run_for(5)
        self.assertNotIn(DOZING_KEY, self.container.config)

    def test_a_snapshot_of_one_that_dozes_is_not_torn(self) -> None:
        self.dozing()
        self.w.lxd.busy.add("ws-u1")
        visit = self.visit()
        self.w.clock.run_for(3)
        self.assertEqual((self.container.status, visit.done), (Status.FROZEN, False))
        self.w.lxd.busy.clear()
        self.w.clock.run_for(1)
        self.assertEqual(str(visit.value), DIRECT)


class AddressTests(SleepCase):
    def test_it_keeps_its_address_while_it_dozes(self) -> None:
        self.dozing()
        self.assertEqual([str(each) for each in self.w.seen(1).addresses], ["10.7.0.10"])

    def test_a_lease_that_ran_out_is_waited_for(self) -> None:
        container = self.dozing()
        container.leased = False
        visit = self.visit()
        self.w.clock.run_for(2)
        self.assertFalse(visit.done)
        container.leased = True
        self.w.clock.run_for(5)
        self.assertEqual(str(visit.value), DIRECT)

    def test_an_address_that_somebody_else_got_meanwhile_is_not_its_own(self) -> None:
        container = self.dozing()
        container.leased = False
        other = self.w.lxd.put("stranger", running=True)
        other.address = container.address
        visit = self.visit()
        self.w.clock.run_for(5)
        self.assertFalse(visit.done)

    def test_nobody_else_who_comes_is_led_there_before_that_is_known(self) -> None:
        container = self.dozing()
        container.leased = False
        self.w.lxd.put("stranger", running=True).address = container.address
        leases = self.w.lxd.leases

        async def slow() -> object:
            await sleep(self.w.clock, 0.5)
            return await leases()

        self.patch(self.w.lxd, "leases", slow)
        visits = [self.visit()]
        for _ in range(10):
            self.w.clock.run_for(0.1)
            visits.append(self.visit())
            self.assertEqual(self.w.store.backend("ws-u1"), BOOT)
        self.w.clock.run_for(5)
        self.assertEqual({visit.done for visit in visits}, {False})


class StopTests(SleepCase):
    def test_one_that_dozes_for_long_is_thawed_and_stopped_in_order(self) -> None:
        self.dozing()
        self.let(600)
        self.assertEqual(self.container.status, Status.STOPPED)
        self.assertEqual(self.calls()[:2], ["resume", "stop"])
        self.assertEqual((self.w.sleeper.stops, self.w.seen(1).webspace.desired.wish), (1, Wish.AUTO))
        self.assertEqual(self.visited(), DIRECT)

    def test_a_visitor_who_comes_as_it_is_about_to_be_stopped_is_served_and_it_stays(self) -> None:
        self.dozing()
        self.w.clock.run_for(600)
        watch(self.w.sleeper.look())
        self.w.clock.run_for(0.9)
        self.assertEqual(self.visited(), DIRECT)
        self.w.clock.run_for(10)
        self.assertEqual(self.container.status, Status.RUNNING)
        self.assertNotIn("stop", self.calls())

    def test_its_member_shuts_down_boots_and_deletes_one_that_dozes(self) -> None:
        self.dozing()
        self.w.clock.result_of(self.w.power.boot(1))
        self.assertEqual(self.container.status, Status.RUNNING)
        self.dozing()
        self.w.clock.result_of(self.w.power.reboot(1))
        self.assertEqual(self.container.status, Status.RUNNING)
        self.dozing()
        self.w.clock.result_of(self.w.power.shut_down(1))
        self.assertEqual(self.container.status, Status.STOPPED)
        self.visited()
        self.dozing()
        self.w.clock.result_of(self.w.service.delete(1))
        self.assertEqual(self.w.lxd.containers, {})

    def test_one_that_is_suspended_while_it_dozes_is_stopped(self) -> None:
        self.dozing()
        desired = Desired(wish=Wish.SUSPENDED, reason="abuse", by="root")
        self.w.clock.result_of(self.w.power.want(1, desired, by_admin=True))
        self.assertEqual(self.container.status, Status.STOPPED)


class UnwritableTests(SleepCase):
    def test_it_is_told_why(self) -> None:
        self.w.store.errors = [RuntimeError("no space left")] * 1000
        dozing = watch(self.w.power.doze(1, lambda: self.fail("asked")))
        self.w.clock.run_for(15)
        self.assertIsInstance(dozing.error, RoutesUnwritable)


class SlowLxdTests(SleepCase):
    def test_who_comes_while_it_is_being_frozen_waits_for_that(self) -> None:
        self.w.lxd.timings = Timings(freeze=1.0)
        self.w.clock.run_for(LOOK)
        self.look()
        self.w.clock.run_for(LOOK)
        self.look()
        self.w.clock.run_for(1.8)
        self.assertEqual(self.w.booter.memory(1).hold, Hold.DOZING)
        visit = self.visit()
        self.w.clock.run_for(5)
        self.assertEqual(str(visit.value), DIRECT)

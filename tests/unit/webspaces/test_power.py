"""Stops in order: route, settle, drain, container. Whatever goes wrong, nothing stays closed."""

from __future__ import annotations

from itertools import groupby

from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.fake_instances import Timings
from tests.unit.timing import Watched, watch
from tests.unit.world import DRAIN, SETTLE, World
from webspaced.core.boot import Hold
from webspaced.core.desired import AUTO, Desired, Wish
from webspaced.core.forward import Forward
from webspaced.core.instance import Status
from webspaced.errors import Conflict, Forbidden, NotFound, NotRunning, Refused, RemoteError, Unavailable
from webspaced.webspaces.conditions import Kind

OFF = Desired(wish=Wish.STOPPED)
SUSPENDED = Desired(wish=Wish.SUSPENDED, reason="sends spam", public="for a break", by="root")


class PowerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        self.container = self.w.webspace(1, running=True)
        self.w.start()
        self.w.clock.run_for(10)
        self.assertEqual(self.w.store.backend("ws-u1"), "10.7.0.10:80")
        self.w.lxd.calls.clear()

    def tearDown(self) -> None:
        # Whatever a test did, the webspace is open afterwards.
        self.w.clock.run_for(100)
        self.assertIs(self.w.booter.memory(1).hold, Hold.NONE)
        power = self.w.power
        self.assertEqual((len(power._turn), len(power._line), len(power._wishes)), (0, 0, 0))

    def begin(self, work: object) -> Watched:
        return watch(work)

    def acts(self) -> list[str]:
        looks = ("get", "state", "list_all", "leases", "others_work")
        return [call for call, _ in self.w.lxd.calls if call not in looks]


class StopTests(PowerCase):
    def test_the_order_and_its_times(self) -> None:
        began = self.w.clock.seconds()
        stop = self.begin(self.w.power.shut_down(1))
        self.w.clock.run_for(0.01)
        # The route leads to us at once, and the container runs on until Traefik knows and requests are done.
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20001")
        self.assertIs(self.w.booter.memory(1).hold, Hold.DRAINING)
        self.w.clock.run_for(SETTLE + DRAIN - 0.02)
        self.assertEqual(self.acts(), [])
        self.w.clock.run_for(0.02)
        self.assertEqual(self.acts(), ["stop"])
        self.assertIs(self.w.booter.memory(1).hold, Hold.STOPPING)
        self.w.clock.run_until(lambda: stop.done)
        self.assertIsNone(stop.value)
        self.assertIs(self.container.status, Status.STOPPED)
        self.assertLess(self.w.clock.seconds() - began, SETTLE + DRAIN + 0.5)

    def test_visitors_are_served_while_it_drains_and_by_the_next_boot_afterwards(self) -> None:
        stop = self.begin(self.w.power.shut_down(1))
        self.w.clock.run_for(SETTLE + DRAIN - 0.1)
        self.assertTrue(watch(self.w.ready(1)).value)
        self.w.clock.run_for(0.2)
        late = watch(self.w.ready(1))
        self.w.clock.run_until(lambda: stop.done)
        self.assertFalse(late.done)
        self.w.clock.run_for(2)
        self.assertEqual(str(late.value), "10.7.0.10:80")
        self.assertEqual((self.acts().count("stop"), "start" in self.acts()), (1, True))

    def test_one_that_does_not_stop_by_itself_is_stopped_by_force(self) -> None:
        self.w.lxd.timings = Timings(stop=60)
        self.w.clock.result_of(self.w.power.shut_down(1))
        self.assertEqual(self.acts(), ["stop", "force"])
        self.assertIs(self.container.status, Status.STOPPED)

    def test_one_that_ends_by_itself_meanwhile_is_no_error(self) -> None:
        stop = self.begin(self.w.power.shut_down(1))
        self.w.clock.run_for(SETTLE + DRAIN + 0.004)
        self.w.lxd.crash("ws-u1")
        self.w.clock.run_until(lambda: stop.done)
        self.assertIsNone(stop.value)

    def test_one_that_cannot_be_stopped_at_all_is_an_error_and_open_again(self) -> None:
        self.w.lxd.fail_next("stop", RemoteError("no", 400))
        self.w.lxd.fail_next("force", *[RemoteError("no", 400)] * 100)
        self.assertRaises(RemoteError, self.w.clock.result_of, self.w.power.shut_down(1))
        self.w.clock.run_for(5)
        self.assertEqual(self.w.store.backend("ws-u1"), "10.7.0.10:80")
        self.assertTrue(watch(self.w.ready(1)).value)

    def test_lxd_away_in_the_middle(self) -> None:
        stop = self.begin(self.w.power.shut_down(1))
        self.w.clock.run_for(SETTLE + DRAIN + 0.05)
        self.w.lose_lxd()
        self.w.clock.run_for(0.1)
        self.assertIsInstance(stop.error, Unavailable)
        self.w.regain_lxd()

    def test_one_that_does_not_run(self) -> None:
        self.w.clock.result_of(self.w.power.shut_down(1))
        for work in (self.w.power.shut_down, self.w.power.reboot):
            self.assertRaises(NotRunning, self.w.clock.result_of, work(1))
        self.assertRaises(NotFound, self.w.clock.result_of, self.w.power.shut_down(4))

    def test_one_that_somebody_froze_is_left_frozen(self) -> None:
        self.w.lxd.pause("ws-u1")
        self.w.clock.run_for(1)
        for work in (self.w.power.shut_down, self.w.power.reboot):
            self.assertIn("paused", str(self.assertRaises(Conflict, self.w.clock.result_of, work(1))))
        self.assertIs(self.container.status, Status.FROZEN)
        self.assertEqual(self.acts(), [])

    def test_a_store_that_fails_delays_the_stop_until_it_works(self) -> None:
        self.w.store.errors = [OSError("disk full")] * 3
        stop = self.begin(self.w.power.shut_down(1))
        self.w.clock.run_for(0.5)
        self.assertEqual(self.acts(), [])
        self.w.clock.run_for(5)
        self.assertIsNone(stop.value)

    def test_whoever_asks_meanwhile_shares_it(self) -> None:
        stops = [self.begin(self.w.power.shut_down(1)) for _ in range(3)]
        self.w.clock.run_for(0.1)
        # One of them goes away; the others and the stop do not.
        stops[0].deferred.cancel()
        self.w.clock.run_for(20)
        self.assertEqual([stop.value for stop in stops[1:]], [None, None])
        self.assertEqual(self.acts(), ["stop"])
        again = self.begin(self.w.power.shut_down(1))
        self.w.clock.run_for(1)
        self.assertIsInstance(again.error, NotRunning)

    def test_one_more_waits_and_others_are_refused(self) -> None:
        reboots = [self.begin(self.w.power.reboot(1)) for _ in range(10)]
        stops = [self.begin(self.w.power.shut_down(1)) for _ in range(10)]
        self.assertIsInstance(self.begin(self.w.power.reboot(1)).error, Conflict)
        self.assertIsInstance(self.begin(self.w.power.boot(1)).error, Conflict)
        self.w.clock.run_for(30)
        self.assertEqual({each.value for each in reboots + stops}, {None})
        # (LXD refuses a start until it is done with the stop, and is asked again.)
        self.assertEqual([act for act, _ in groupby(self.acts())], ["stop", "start", "stop"])
        self.assertIs(self.container.status, Status.STOPPED)

    def test_what_waits_is_done_though_what_is_before_it_fails(self) -> None:
        boot, stop = self.begin(self.w.power.boot(1)), self.begin(self.w.power.shut_down(1))
        self.w.clock.run_for(30)
        self.assertIsInstance(boot.error, Conflict)
        self.assertIsNone(stop.value)


class RebootTests(PowerCase):
    def test_visitors_wait_until_it_is_back(self) -> None:
        before = self.w.seen(1).instance.incarnation
        reboot = self.begin(self.w.power.reboot(1))
        self.w.clock.run_for(SETTLE + DRAIN + 0.1)
        visitor = watch(self.w.ready(1))
        self.assertFalse(visitor.done)
        self.w.clock.run_for(5)
        self.assertIsNone(reboot.value)
        self.assertEqual(str(visitor.value), "10.7.0.10:80")
        self.assertNotEqual(self.w.seen(1).instance.incarnation, before)
        self.assertEqual(self.w.store.backend("ws-u1"), "10.7.0.10:80")

    def test_a_reboot_after_failures_does_not_rest(self) -> None:
        memory = self.w.booter.memory(1).failed(self.w.clock.seconds() + 1000, "no")
        self.w.booter._remember(1, memory)
        self.w.clock.result_of(self.w.power.reboot(1))
        self.assertTrue(self.w.seen(1).runs)

    def test_one_that_is_stopped_before_its_address_is_there_is_booted_again_for_who_waits(self) -> None:
        for work in (self.w.power.reboot, self.w.power.shut_down):
            for address in (1.5, 2.0, 3.0):
                for begun in (0.3, 0.9):
                    self.w.lxd.timings = Timings()
                    if self.w.seen(1).runs:
                        self.w.clock.result_of(self.w.power.shut_down(1))
                    self.w.clock.run_for(3)
                    self.w.lxd.timings = Timings(address=address, port=address)
                    early = watch(self.w.ready(1))
                    self.w.clock.run_for(begun)
                    stop = self.begin(work(1))
                    self.w.clock.run_for(0.5)
                    late = watch(self.w.ready(1))
                    self.w.clock.run_for(30)
                    self.assertIsNone(stop.value)
                    self.assertEqual({str(each.value) for each in (early, late)}, {"10.7.0.10:80"})
                    self.assertEqual(self.w.booter.memory(1).failures, 0)

    def test_a_long_stop_within_a_reboot_harms_no_visitor(self) -> None:
        self.w.lxd.timings = Timings(stop=4.5)
        reboot = self.begin(self.w.power.reboot(1))
        self.w.clock.run_for(2)
        visitor = watch(self.w.ready(1))
        self.w.clock.run_for(20)
        self.assertIsNone(reboot.value)
        self.assertTrue(visitor.value)


class BootTests(PowerCase):
    def test_one_that_runs_is_a_conflict(self) -> None:
        self.assertRaises(Conflict, self.w.clock.result_of, self.w.power.boot(1))

    def test_one_that_sleeps(self) -> None:
        self.w.clock.result_of(self.w.power.shut_down(1))
        self.w.clock.result_of(self.w.power.boot(1))
        self.assertTrue(self.w.seen(1).runs)

    def test_one_that_somebody_froze_is_left_frozen(self) -> None:
        self.w.lxd.pause("ws-u1")
        self.assertRaises(Refused, self.w.clock.result_of, self.w.power.boot(1))
        self.assertIs(self.container.status, Status.FROZEN)


class WishTests(PowerCase):
    def want(self, desired: Desired, *, by_admin: bool = False) -> None:
        self.w.clock.result_of(self.w.power.want(1, desired, by_admin=by_admin))

    def visitor(self) -> str:
        return str(self.assertRaises(Refused, self.w.clock.result_of, self.w.ready(1)))

    def test_what_its_member_switches_off_stays_off_for_visitors(self) -> None:
        self.want(OFF)
        self.assertIs(self.container.status, Status.STOPPED)
        self.assertIn("switched it off", self.visitor())
        self.assertNotIn("start", self.acts())
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20001")
        self.want(AUTO)
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))

    def test_a_member_who_boots_it_switches_it_on(self) -> None:
        self.want(OFF)
        self.w.clock.result_of(self.w.power.boot(1))
        self.assertEqual(self.w.seen(1).webspace.desired, AUTO)
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))

    def test_what_an_admin_suspends_only_an_admin_gives_back(self) -> None:
        self.want(SUSPENDED, by_admin=True)
        self.assertIs(self.container.status, Status.STOPPED)
        self.assertEqual(self.visitor(), "it is suspended: for a break")
        for work in (self.w.power.boot(1), self.w.power.want(1, AUTO), self.w.interior.exists(1)):
            error = self.assertRaises(Forbidden, self.w.clock.result_of, work)
            self.assertIn("suspended by root: sends spam", str(error))
        self.assertNotIn("start", self.acts())
        self.assertEqual(self.w.conditions.of(1)[Kind.SUSPENDED], "sends spam")
        self.want(AUTO, by_admin=True)
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))
        self.assertEqual(dict(self.w.conditions.of(1)), {})

    def test_a_member_who_clicks_all_the_time_has_one_wish_waiting_and_an_admin_waits_for_none(self) -> None:
        wishes = [self.begin(self.w.power.want(1, AUTO if n % 2 else OFF)) for n in range(20)]
        suspending = self.begin(self.w.power.want(1, SUSPENDED, by_admin=True))
        self.w.clock.run_for(60)
        # Those who ask for what waits already share it.
        self.assertEqual([isinstance(each.error, Conflict) for each in wishes], [False, False, *[True, False] * 9])
        self.assertLess(len(self.w.calls("configure")), 5)
        self.assertIsNone(suspending.value)
        self.assertEqual(self.w.seen(1).webspace.desired, SUSPENDED)

    def test_an_admins_word_in_the_same_moment_as_its_members_boot_counts(self) -> None:
        self.want(OFF)
        for half_milliseconds in range(12):
            self.want(AUTO, by_admin=True)
            self.want(OFF)
            self.begin(self.w.power.boot(1))
            self.w.clock.run_for(half_milliseconds / 2000)
            suspended = self.begin(self.w.power.want(1, SUSPENDED, by_admin=True))
            self.w.clock.run_for(30)
            self.assertIsNone(suspended.value)
            self.assertEqual(self.w.seen(1).webspace.desired, SUSPENDED)
            self.assertIs(self.container.status, Status.STOPPED)

    def test_one_that_is_just_being_started_is_stopped_again(self) -> None:
        for hundredths in range(0, 40, 3):
            self.want(AUTO, by_admin=True)
            if self.w.seen(1).runs:
                self.w.clock.result_of(self.w.power.shut_down(1))
            self.w.clock.run_for(2)
            visitor = watch(self.w.ready(1))
            self.w.clock.run_for(hundredths / 100 + 0.004)
            self.want(SUSPENDED, by_admin=True)
            self.w.clock.run_for(30)
            self.assertTrue(visitor.done)
            self.assertIs(self.container.status, Status.STOPPED, hundredths)

    def test_its_member_does_not_get_rid_of_a_suspension_with_the_webspace(self) -> None:
        self.want(SUSPENDED, by_admin=True)
        error = self.assertRaises(Forbidden, self.w.clock.result_of, self.w.service.delete(1))
        self.assertIn("suspended by root: sends spam", str(error))
        self.assertIn("ws-u1", self.w.lxd.containers)
        self.w.clock.result_of(self.w.service.delete(1, by_admin=True))
        self.assertNotIn("ws-u1", self.w.lxd.containers)

    def test_a_suspended_ones_ports_are_closed(self) -> None:
        self.w.clock.result_of(self.w.ports.add(1, 49152, Forward(22)))
        self.want(SUSPENDED, by_admin=True)
        self.assertEqual(self.w.listeners.forwards[1], {})
        self.want(AUTO, by_admin=True)
        self.assertEqual(self.w.listeners.forwards[1], {49152: 22})

    def test_somebody_who_starts_it_on_lxd_opens_it_to_nobody_and_it_is_shut_down_again(self) -> None:
        self.want(SUSPENDED, by_admin=True)
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(1)
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20001")
        self.assertIn("suspended", self.visitor())
        self.w.clock.run_for(10)
        self.assertIs(self.container.status, Status.STOPPED)
        self.assertEqual(self.acts()[-1], "stop")

    def test_what_came_between_the_wish_and_the_stop_keeps_it_running_for_a_moment_only(self) -> None:
        wanting = self.begin(self.w.power.want(1, SUSPENDED, by_admin=True))
        self.w.clock.run_for(SETTLE + DRAIN + 0.05)
        self.w.lose_lxd()
        self.w.clock.run_for(1)
        self.assertIsInstance(wanting.error, Unavailable)
        self.w.regain_lxd()
        self.assertIs(self.container.status, Status.RUNNING)
        self.w.lxd.fail_next("stop", RemoteError("no", 400))
        self.w.lxd.fail_next("force", *[RemoteError("no", 400)] * 100)
        self.w.clock.run_for(30)
        self.w.lxd.fail_no_more()
        self.w.connect()
        self.w.clock.run_for(30)
        self.assertIs(self.container.status, Status.STOPPED)

    def test_one_whose_state_could_not_be_told_is_shut_down_when_it_can(self) -> None:
        self.w = World()
        self.container = self.w.webspace(1, running=True)
        self.container.status = Status.ERROR
        self.w.start()
        self.want(SUSPENDED, by_admin=True)
        self.w.lxd._change(self.container, Status.RUNNING)
        self.w.clock.run_for(10)
        self.assertIs(self.container.status, Status.STOPPED)

    def test_what_was_given_back_meanwhile_runs_on(self) -> None:
        self.want(OFF)
        self.w.clock.run_for(10)
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(1)
        self.want(AUTO)
        self.w.clock.run_for(10)
        self.assertIs(self.container.status, Status.RUNNING)

    def test_one_that_is_frozen_is_suspended_as_it_is(self) -> None:
        self.w.lxd.pause("ws-u1")
        self.w.clock.run_for(1)
        self.want(SUSPENDED, by_admin=True)
        self.w.clock.run_for(30)
        self.assertIs(self.container.status, Status.FROZEN)
        self.assertIn("suspended", self.visitor())
        self.w.lxd._change(self.container, Status.RUNNING)
        self.w.clock.run_for(10)
        self.assertIs(self.container.status, Status.STOPPED)


class DeletionTests(PowerCase):
    def test_visitors_first_then_by_force(self) -> None:
        async def delete() -> None:
            async with self.w.power.for_deletion(1):
                seen.append((self.container.status, self.w.store.backend("ws-u1"), self.w.listeners.forwards[1]))

        seen: list[object] = []
        deleting = self.begin(delete())
        self.w.clock.run_for(0.05)
        self.assertIsNone(self.w.store.backend("ws-u1"))
        self.assertIsInstance(watch(self.w.ready(1)).error, Refused)
        self.assertIs(self.container.status, Status.RUNNING)
        self.w.clock.run_until(lambda: deleting.done)
        self.assertEqual(seen, [(Status.STOPPED, None, {})])
        self.assertEqual(self.acts(), ["force"])

    def test_an_error_inside_opens_it_again(self) -> None:
        async def delete() -> None:
            async with self.w.power.for_deletion(1):
                raise RemoteError("no", 400)

        self.assertRaises(RemoteError, self.w.clock.result_of, delete())
        self.w.clock.run_for(1)
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20001")

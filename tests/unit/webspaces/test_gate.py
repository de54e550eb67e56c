"""The waist: who waits, for how long, and what they are told."""

from __future__ import annotations

from ipaddress import ip_address
from unittest import mock

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Watched, watch
from tests.unit.world import DEFAULTS, DOMAIN, World
from webspaced.core.address import Endpoint
from webspaced.core.boot import Hold
from webspaced.core.desired import AUTO, Desired, Wish
from webspaced.core.instance import Status
from webspaced.core.probing import Ask
from webspaced.core.routes import Readiness
from webspaced.core.waiting import Phase
from webspaced.core.webspace import USERNAME_KEY
from webspaced.errors import BootFailed, NotFound, PortSilent, Refused, Unavailable
from webspaced.webspaces.readiness import Probe


class GateCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        self.container = self.w.webspace(1)
        self.w.start()

    def ready(self, port: int = 22, *, http: bool = False) -> Watched:
        return watch(self.w.ready(1, port, http=http))

    def reached(self, port: int = 22, *, http: bool = False) -> str:
        return str(self.w.clock.result_of(self.w.ready(1, port, http=http)))

    def refusal(self, kind: type[Exception], port: int = 22, *, http: bool = False) -> Exception:
        return self.assertRaises(kind, self.w.clock.result_of, self.w.ready(1, port, http=http))

    def known(self, port: int = 22, *, http: bool = False) -> Readiness:
        return self.w.readiness.get(self.w.seen(1), Probe(port, Ask.HTTP if http else Ask.CONNECTION))


class ReadyTests(GateCase):
    def test_wakes_and_gives_the_endpoint_once_the_port_answers(self) -> None:
        self.container.opens[22] = 3.0
        waiting = self.ready()
        self.w.clock.run_for(3.2)
        self.assertFalse(waiting.done)
        self.w.clock.run_for(0.4)
        self.assertEqual(str(waiting.value), "10.7.0.10:22")
        self.assertIs(self.known(), Readiness.READY)

    def test_the_warm_path_is_synchronous_and_asks_nobody(self) -> None:
        self.reached()
        self.w.lxd.calls.clear()
        self.w.probe.tried.clear()
        warm = self.ready()
        self.assertEqual(str(warm.value), "10.7.0.10:22")
        self.assertEqual((self.w.lxd.calls, self.w.probe.tried), ([], []))

    def test_who_would_wake_it(self) -> None:
        self.assertEqual((self.w.gate.wakes(1), self.w.gate.wakes(7)), (True, False))
        waiting = self.ready()
        self.assertFalse(self.w.gate.wakes(1), "a boot is under way")
        self.w.clock.run_for(5)
        self.assertTrue(waiting.value)
        self.assertFalse(self.w.gate.wakes(1), "it runs")

    def test_how_far_it_is(self) -> None:
        self.container.opens[22] = 3.0
        self.ready()
        phases = [self.w.gate.phase(1)]
        for _ in range(40):
            self.w.clock.run_for(0.1)
            phases.append(self.w.gate.phase(1))
        self.assertEqual(list(dict.fromkeys(phases)), list(Phase))
        self.assertEqual(phases, sorted(phases, key=list(Phase).index), "it never goes back")

    def test_a_visit_during_a_stop_would_wake_it_and_one_during_a_reboot_would_not(self) -> None:
        for hold, wakes in ((Hold.STOPPING, True), (Hold.RESTARTING, False), (Hold.DELETING, False), (Hold.NONE, True)):
            self.w.booter.hold(1, hold)
            self.assertIs(self.w.gate.wakes(1), wakes, hold)

    def test_who_is_refused_wakes_nothing(self) -> None:
        for desired in (Desired(wish=Wish.STOPPED), Desired(wish=Wish.SUSPENDED)):
            observed = self.w.seen(1)
            unwanted = evolve(observed, webspace=evolve(observed.webspace, desired=desired))
            self.assertFalse(self.w.booter.would_start(unwanted))
        self.container.has_network = False
        self.refusal(BootFailed)
        self.container.status = Status.STOPPED
        self.w.clock.result_of(self.w.registry.look(1))
        self.assertFalse(self.w.gate.wakes(1), "it rests after a failure")
        self.w.clock.run_for(2)
        self.assertTrue(self.w.gate.wakes(1))

    def test_each_port_is_probed_for_itself(self) -> None:
        self.container.opens[23] = None
        self.reached(22)
        self.refusal(PortSilent, 23)
        self.assertEqual((self.known(22), self.known(23)), (Readiness.READY, Readiness.NEVER))

    def test_all_who_wait_for_a_port_share_its_probe(self) -> None:
        self.reached(22)
        self.container.opens[23] = 5.0
        self.w.probe.tried.clear()
        with mock.patch.object(self.w.probe, "accepts", wraps=self.w.probe.accepts) as accepts:
            waiting = [self.ready(23) for _ in range(500)]
            self.w.clock.run_for(0.0005)
            self.assertEqual(accepts.call_count, 1)
            self.w.clock.run_for(10)
        self.assertEqual({str(each.value) for each in waiting}, {"10.7.0.10:23"})

    def test_one_who_leaves_stops_nothing_for_the_others_at_any_moment(self) -> None:
        for moment in (0.0, 0.1, 0.3, 0.39, 0.5):
            self.setUp()
            self.container.opens[22] = 0.6
            leaving, staying = self.ready(), self.ready()
            self.w.clock.run_for(moment)
            leaving.deferred.cancel()
            self.assertIsInstance(leaving.error, CancelledError)
            self.w.clock.run_for(5)
            self.assertEqual(str(staying.value), "10.7.0.10:22")

    def test_everybody_leaving_before_the_start_wakes_nothing(self) -> None:
        self.ready().deferred.cancel()
        self.w.clock.run_for(5)
        self.assertEqual(self.w.calls("start"), [])

    def test_everybody_leaving_after_it_still_wakes_it(self) -> None:
        visitor = self.ready()
        self.w.clock.run_until(lambda: bool(self.w.calls("start")))
        visitor.deferred.cancel()
        self.w.clock.run_for(5)
        self.assertEqual(str(self.w.seen(1).address), "10.7.0.10")

    def test_a_look_wakes_nobody(self) -> None:
        self.w.clock.result_of(self.w.gate.look_at(1, 22))
        self.w.clock.run_for(5)
        self.assertEqual(self.w.calls("start"), [])

    def test_errors_of_the_boot_come_through(self) -> None:
        self.assertRaises(NotFound, self.w.clock.result_of, self.w.ready(4))
        self.container.crashes = True
        self.refusal(BootFailed)
        self.refusal(Refused)
        self.w.clock.run_for(2)
        self.w.lose_lxd()
        self.refusal(Unavailable)

    def test_the_first_tries_are_short_so_that_a_lost_syn_costs_little(self) -> None:
        bounds: list[float] = []

        async def silent(_endpoint: Endpoint, timeout: float) -> bool:
            bounds.append(timeout)
            await Deferred() if len(bounds) > 20 else None
            return False

        with mock.patch.object(self.w.probe, "accepts", silent):
            self.ready()
            self.w.clock.run_for(2)
        self.assertLessEqual(bounds[0], 0.05)
        self.assertEqual(bounds, sorted(bounds))

    def test_a_stop_by_us_closes_the_warm_path_and_draining_does_not(self) -> None:
        self.reached()
        self.w.booter.hold(1, Hold.DRAINING)
        self.assertTrue(self.ready().value)
        self.w.booter.hold(1, Hold.DELETING)
        self.assertIsInstance(self.ready().error, Refused)
        for hold in (Hold.STOPPING, Hold.RESTARTING):
            self.w.booter.hold(1, hold)
            self.assertFalse(self.ready().done)

    def test_one_that_is_wanted_off_is_for_nobody_even_while_it_runs(self) -> None:
        self.reached()
        self.w.clock.result_of(self.w.documents.change(1, lambda w: w.with_desired(Desired(wish=Wish.STOPPED))))
        self.assertIn("switched it off", str(self.ready().error))
        self.w.clock.result_of(self.w.documents.change(1, lambda w: w.with_desired(AUTO)))
        self.assertTrue(self.ready().value)

    def test_a_new_incarnation_is_probed_anew(self) -> None:
        self.reached()
        self.w.lxd.reboot("ws-u1")
        self.w.clock.run_for(0.05)
        self.assertIs(self.known(), Readiness.UNKNOWN)
        self.assertFalse(self.ready().done)
        self.assertEqual(self.reached(), "10.7.0.10:22")

    def test_one_that_stops_while_its_port_is_probed_is_woken_again(self) -> None:
        self.container.opens[22] = None
        waiting = self.ready()
        self.w.clock.run_for(1)
        self.container.opens[22] = 0.0
        self.w.lxd.crash("ws-u1")
        self.w.clock.run_for(5)
        self.assertEqual(str(waiting.value), "10.7.0.10:22")

    def test_but_not_for_ever(self) -> None:
        self.container.opens[22] = None
        waiting = self.ready()
        for _ in range(10):
            self.w.clock.run_for(4)
            if self.w.seen(1).runs and not waiting.done:
                self.w.lxd.crash("ws-u1")
        self.assertIn("stopped again", str(waiting.error))
        self.assertIs(self.known(), Readiness.UNKNOWN)


class SlowApplicationTests(GateCase):
    """Ports that open later than the operator waits for one, and their member knows it."""

    def setUp(self) -> None:
        super().setUp()
        webspace = self.w.seen(1).webspace.with_config(evolve(DEFAULTS, startup_delay=60.0))
        self.w.lxd.set_keys("ws-u1", **{"user._webspaced": webspace.dump()})
        self.container.opens[22] = 45.0

    def test_whoever_comes_meanwhile_waits(self) -> None:
        first = self.ready()
        self.w.clock.run_for(40)
        second = self.ready()
        self.assertFalse(first.done or second.done)
        self.w.clock.run_for(6)
        self.assertEqual({str(each.value) for each in (first, second)}, {"10.7.0.10:22"})

    def test_no_longer_than_the_operator_allows_now(self) -> None:
        webspace = self.w.seen(1).webspace.with_config(evolve(DEFAULTS, startup_delay=3600.0))
        self.w.lxd.set_keys("ws-u1", **{"user._webspaced": webspace.dump()})
        self.container.opens[22] = None
        began = self.w.clock.seconds()
        self.refusal(PortSilent)
        self.assertTrue(60 <= self.w.clock.seconds() - began < 62)

    def test_it_is_given_up_after_that_time_and_remembered_only_then(self) -> None:
        self.container.opens[22] = None
        waiting = self.ready()
        self.w.clock.run_for(59)
        self.assertEqual((waiting.done, self.known()), (False, Readiness.UNKNOWN))
        self.w.clock.run_for(3)
        self.assertIsInstance(waiting.error, PortSilent)
        self.assertIs(self.known(), Readiness.NEVER)


class FamiliesTests(GateCase):
    """Containers with addresses of both families."""

    SIX = "[fd00:7::10]:22"

    def setUp(self) -> None:
        super().setUp()
        self.container.six = ip_address("fd00:7::10")

    def test_the_one_that_answers_is_taken(self) -> None:
        self.container.deaf = 4
        self.assertEqual(self.reached(), self.SIX)
        self.assertEqual(str(self.ready().value), self.SIX)

    def test_and_it_is_remembered_for_each_port(self) -> None:
        self.container.deaf = 4
        self.assertEqual(self.reached(23), self.SIX.replace("22", "23"))
        self.container.deaf = 6
        self.assertEqual(self.reached(), "10.7.0.10:22")
        self.assertEqual(self.reached(23), self.SIX.replace("22", "23"))

    def test_one_that_comes_up_later_is_tried(self) -> None:
        self.container.deaf, self.container.six_after = 4, 5.0
        waiting = self.ready()
        self.w.clock.run_for(4)
        self.assertFalse(waiting.done)
        self.w.clock.run_for(4)
        self.assertEqual(str(waiting.value), self.SIX)

    def test_when_it_answers_no_more_the_other_one_is(self) -> None:
        self.container.deaf = 4
        self.reached()
        self.container.deaf = 6
        self.w.clock.result_of(self.w.gate.suspect(1, Endpoint(ip_address("fd00:7::10"), 22), refused=True))
        self.assertEqual(self.reached(), "10.7.0.10:22")

    def test_one_that_hangs_up_is_not_preferred_to_one_that_answers(self) -> None:
        self.container.hangs_up_at = 4
        self.w.clock.result_of(self.w.booter.boot(1))
        self.w.clock.run_for(1)
        self.w.clock.result_of(self.w.registry.read_address(1))
        began = self.w.clock.seconds()
        self.assertEqual(self.reached(80, http=True), self.SIX.replace("22", "80"))
        self.assertLess(self.w.clock.seconds() - began, 0.2)

    def test_one_that_has_fallen_silent_is_not_given_for_ever(self) -> None:
        self.reached()
        (six,) = {each for each in self.w.seen(1).addresses if each.version == 6}
        self.container.deaf = 6
        self.w.clock.result_of(self.w.registry.read_address(1))
        self.w.readiness.put(self.w.seen(1), Probe(22), Readiness.READY, six)
        self.w.clock.result_of(self.w.gate.suspect(1, Endpoint(six, 22), refused=False))
        self.assertEqual(self.reached(), "10.7.0.10:22")

    def test_an_lxd_that_is_away_keeps_nobody_from_a_port_that_opens(self) -> None:
        self.container.six = None
        self.reached(23)
        self.container.opens[22] = self.w.clock.seconds() - self.container.up_at + 3.0
        waiting = self.ready()
        self.w.clock.run_for(0.01)
        self.w.lose_lxd()
        self.w.clock.run_for(5)
        self.assertEqual(str(waiting.value), "10.7.0.10:22")

    def test_a_new_address_beside_it_changes_nothing(self) -> None:
        self.container.six_after = 5.0
        self.reached()
        self.w.clock.run_for(10)
        self.w.clock.result_of(self.w.registry.read_address(1))
        self.assertEqual(len(self.w.seen(1).addresses), 2)
        self.assertEqual(str(self.ready().value), "10.7.0.10:22")


class SilentTests(GateCase):
    def setUp(self) -> None:
        super().setUp()
        self.container.opens[22] = None

    def test_a_port_that_never_answers_is_given_up_after_the_bound(self) -> None:
        began = self.w.clock.seconds()
        error = self.refusal(PortSilent)
        self.assertIn("port 22", str(error))
        self.assertTrue(30 <= self.w.clock.seconds() - began < 32)
        self.assertIs(self.known(), Readiness.NEVER)

    def test_afterwards_each_visitor_has_one_try(self) -> None:
        self.refusal(PortSilent)
        self.w.probe.tried.clear()
        began = self.w.clock.seconds()
        self.refusal(PortSilent)
        self.assertEqual(len(self.w.probe.tried), 1)
        self.assertLess(self.w.clock.seconds() - began, 0.1)

    def test_a_server_that_was_started_late_is_found(self) -> None:
        self.refusal(PortSilent)
        self.container.opens[22] = 0.0
        self.assertEqual(self.reached(), "10.7.0.10:22")
        self.assertIs(self.known(), Readiness.READY)

    def test_a_silent_port_is_no_failed_boot(self) -> None:
        self.refusal(PortSilent)
        self.assertEqual(self.w.booter.memory(1).failures, 0)
        self.assertEqual(self.reached(23), "10.7.0.10:23")


class WarmUpTests(GateCase):
    def test_http_asks_once_per_incarnation_with_the_default_domain(self) -> None:
        self.reached(80, http=True)
        self.reached(80, http=True)
        self.assertEqual([host for _, host in self.w.probe.heads], [f"alice.{DOMAIN}"])

    def test_others_are_never_asked(self) -> None:
        self.reached(22)
        self.assertEqual([endpoint for endpoint, _ in self.w.probe.heads if endpoint.port == 22], [])

    def test_502_to_504_mean_wait_and_anything_else_is_an_answer(self) -> None:
        for status, waits in ((502, True), (503, True), (504, True), (500, False), (404, False), (None, False)):
            self.setUp()
            self.container.head = status
            waiting = self.ready(80, http=True)
            self.w.clock.run_for(1.5)
            self.assertEqual(waiting.done, not waits, status)

    def test_hanging_up_without_a_byte_means_wait(self) -> None:
        self.container.hangs_up = True
        waiting = self.ready(80, http=True)
        self.w.clock.run_for(2)
        self.assertFalse(waiting.done)
        self.container.hangs_up = False
        self.w.clock.run_for(0.2)
        self.assertEqual(str(waiting.value), "10.7.0.10:80")

    def test_that_is_over_after_the_startup_delay_too(self) -> None:
        self.container.hangs_up = True
        began = self.w.clock.seconds()
        self.reached(80, http=True)
        self.assertTrue(3.3 < self.w.clock.seconds() - began < 3.7)

    def test_one_that_takes_no_connection_in_the_end_is_not_ready(self) -> None:
        self.container.hangs_up = True
        waiting = self.ready(80, http=True)
        self.w.clock.run_for(2)
        self.container.opens[80] = None
        self.w.clock.run_for(3)
        self.assertIsInstance(waiting.error, PortSilent)
        self.assertIs(self.known(80, http=True), Readiness.NEVER)

    def test_all_the_waiting_together_has_one_bound(self) -> None:
        webspace = self.w.seen(1).webspace.with_config(evolve(DEFAULTS, startup_delay=60.0))
        self.w.lxd.set_keys("ws-u1", **{"user._webspaced": webspace.dump()})
        self.container.opens[80], self.container.head = 45.0, 503
        began = self.w.clock.seconds()
        self.reached(80, http=True)
        self.assertTrue(60 <= self.w.clock.seconds() - began < 62)

    def test_forwards_wait_for_it_where_the_member_says_so(self) -> None:
        self.container.hangs_up = True
        plain, careful = self.ready(), watch(self.w.gate.ready(1, 22, Ask.DATA))
        self.w.clock.run_for(2)
        self.assertEqual((plain.done, careful.done), (True, False))
        self.container.hangs_up, self.container.head = False, 220
        self.w.clock.run_for(0.2)
        self.assertTrue(careful.value)

    def test_one_that_refuses_meanwhile_is_not_asked_without_a_pause(self) -> None:
        self.container.hangs_up = True
        waiting = watch(self.w.gate.ready(1, 22, Ask.DATA))
        self.w.clock.run_for(1)
        self.container.opens[22] = None
        before = len(self.w.probe.asked)
        self.w.clock.run_for(1)
        # Ten a second, and as many of the web port, which hangs up, too.
        self.assertLess(len(self.w.probe.asked) - before, 30)
        self.w.clock.run_for(3)
        self.assertIsInstance(waiting.error, PortSilent)

    def test_they_wait_for_its_first_word_then(self) -> None:
        self.container.head = None
        began = self.w.clock.seconds()
        self.assertEqual(str(self.w.clock.result_of(self.w.gate.ready(1, 22, Ask.DATA))), "10.7.0.10:22")
        self.assertTrue(3.3 < self.w.clock.seconds() - began < 3.7)

    def test_it_is_over_when_the_server_says_so(self) -> None:
        self.container.head = 503
        waiting = self.ready(80, http=True)
        self.w.clock.run_for(2)
        self.container.head = 200
        self.w.clock.run_for(0.2)
        self.assertEqual(str(waiting.value), "10.7.0.10:80")

    def test_at_most_the_webspaces_startup_delay(self) -> None:
        self.container.head = 503
        began = self.w.clock.seconds()
        self.assertEqual(self.reached(80, http=True), "10.7.0.10:80")
        self.assertTrue(3.3 < self.w.clock.seconds() - began < 3.7)
        self.assertTrue(self.ready(80, http=True).done)

    def test_a_startup_delay_of_nothing_never_waits(self) -> None:
        observed = self.w.seen(1)
        webspace = observed.webspace.with_config(evolve(DEFAULTS, startup_delay=0.0))
        self.w.lxd.set_keys("ws-u1", **{"user._webspaced": webspace.dump()})
        self.container.head = 503
        began = self.w.clock.seconds()
        self.reached(80, http=True)
        self.assertLess(self.w.clock.seconds() - began, 0.6)

    def test_one_that_stops_while_it_warms_up_is_woken_again(self) -> None:
        self.container.head = 503
        waiting = self.ready(80, http=True)
        self.w.clock.run_for(1)
        self.container.head = 200
        self.w.lxd.crash("ws-u1")
        self.w.clock.run_for(0.2)
        self.assertFalse(waiting.done)
        self.w.clock.run_for(3)
        self.assertEqual(str(waiting.value), "10.7.0.10:80")

    def test_silence_after_it_has_said_that_it_is_not_ready_means_wait(self) -> None:
        self.container.head = 503
        waiting = self.ready(80, http=True)
        self.w.clock.run_for(1)
        self.container.head = None
        self.w.clock.run_for(1)
        self.assertFalse(waiting.done)
        self.container.head = 200
        self.w.clock.run_for(0.2)
        self.assertTrue(waiting.value)

    def test_a_nameless_one_is_asked_by_its_instances_name(self) -> None:
        del self.w.identity.members[1]
        self.w.lxd.set_keys("ws-u1", **{USERNAME_KEY: ""})
        self.w.clock.run_for(1)
        self.reached(80, http=True)
        self.assertEqual(self.w.probe.heads[0][1], f"ws-u1.{DOMAIN}")


class SuspectTests(GateCase):
    def setUp(self) -> None:
        super().setUp()
        self.endpoint = self.w.clock.result_of(self.w.ready(1, 22, http=False))

    def suspect(self, *, refused: bool) -> None:
        self.w.clock.result_of(self.w.gate.suspect(1, self.endpoint, refused=refused))

    def test_a_refused_port_of_the_same_incarnation_loses_its_readiness(self) -> None:
        self.suspect(refused=True)
        self.assertIs(self.known(), Readiness.NEVER)
        self.assertEqual(self.reached(), "10.7.0.10:22")

    def test_a_busy_one_keeps_it(self) -> None:
        self.suspect(refused=False)
        self.assertIs(self.known(), Readiness.READY)

    def test_one_that_stopped_unnoticed_is_noticed_and_woken(self) -> None:
        self.w.lxd.listeners.clear()
        self.w.lxd.crash("ws-u1")
        self.assertTrue(self.ready().done)
        self.suspect(refused=False)
        self.assertFalse(self.w.seen(1).runs)
        self.assertEqual(self.reached(), "10.7.0.10:22")
        self.assertTrue(self.w.seen(1).runs)

    def test_one_that_started_anew_unnoticed_is_probed_anew(self) -> None:
        self.w.lxd.listeners.clear()
        self.w.lxd.reboot("ws-u1")
        self.suspect(refused=True)
        self.assertIs(self.known(), Readiness.UNKNOWN)

    def test_an_address_that_root_changed_is_read_anew(self) -> None:
        self.container.address = self.w.lxd._free_address()
        self.suspect(refused=False)
        self.assertEqual(str(self.w.seen(1).address), "10.7.0.11")
        self.assertEqual(self.reached(), "10.7.0.11:22")

    def test_one_that_is_gone(self) -> None:
        self.w.lxd.listeners.clear()
        self.w.lxd.remove("ws-u1")
        self.suspect(refused=True)
        self.refusal(NotFound)


class ReadinessTests(GateCase):
    def test_listeners_hear_of_changes_only(self) -> None:
        heard: list[int] = []
        self.w.readiness.subscribe(heard.append)
        observed, probe = self.w.seen(1), Probe(22)
        self.w.readiness.put(observed, probe, Readiness.READY)
        self.w.readiness.put(observed, probe, Readiness.READY)
        self.assertEqual(heard, [1])
        self.w.readiness.forget(1)
        self.assertIs(self.known(), Readiness.UNKNOWN)

    def test_http_and_plain_are_told_apart(self) -> None:
        self.w.readiness.put(self.w.seen(1), Probe(80), Readiness.READY)
        self.assertIs(self.known(80, http=True), Readiness.UNKNOWN)

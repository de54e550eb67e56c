"""Noticing that somebody speaks on a connection into a frozen container."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.contracts.fake_instances import Timings
from tests.unit.timing import watch
from tests.unit.webspaces.sleeping import LOOK, SleepCase
from webspaced.core.instance import Status
from webspaced.errors import NotFound, RemoteError

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

    def test_only_for_tcp_its_connections_are_gone_through(self) -> None:
        self.w.host.of_tcp[1] = 7
        self.w.host.packets["veth1"] += 1
        self.look_at_dozers()
        self.w.host.read.clear()
        self.container.unread = True
        self.w.host.packets["veth1"] += 5
        self.look_at_dozers()
        self.assertEqual((self.w.host.read, self.container.status), ([], Status.FROZEN))
        self.w.host.packets["veth1"] += 1
        self.w.host.of_tcp[1] += 1
        self.look_at_dozers()
        self.assertEqual((self.w.host.read, self.container.status), ([1], Status.RUNNING))

    def test_what_goes_to_containers_within_wakes_it(self) -> None:
        self.w.host.passed_on[1] = 40
        self.w.host.packets["veth1"] += 1
        self.look_at_dozers()
        self.assertEqual(self.container.status, Status.FROZEN)
        self.w.host.packets["veth1"] += 1
        self.w.host.passed_on[1] += 1
        self.look_at_dozers()
        self.assertEqual((self.container.status, self.container.unread), (Status.RUNNING, False))

    def test_also_when_that_came_before_the_first_look(self) -> None:
        self.w.host.passed_on[1] = 40
        self.w.clock.result_of(self.w.booter.boot(1))
        self.w.activity.note(1)
        self.dozing()
        self.w.host.passed_on[1] += 1
        self.look_at_dozers()
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_who_is_spoken_to_stays_awake_as_after_a_visit(self) -> None:
        self.w.host.packets["veth1"] += 1
        self.container.unread = True
        self.look_at_dozers()
        self.let(LOOK)
        self.assertEqual((self.container.status, self.calls().count("freeze")), (Status.RUNNING, 0))

    def test_finding_out_takes_a_moment_in_which_nobody_looks_again(self) -> None:
        answers: list[Deferred[bool]] = []

        def asked(_pid: int) -> Deferred[bool]:
            answers.append(Deferred())
            return answers[-1]

        self.patch(self.w.host, "has_unread", asked)
        for _ in range(3):
            self.w.host.packets["veth1"] += 1
            self.look_at_dozers()
        self.assertEqual(len(answers), 1)
        answers.pop().callback(True)
        self.w.clock.run_for(1)
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_one_that_started_anew_while_that_was_found_out_is_not_woken(self) -> None:
        answer: Deferred[bool] = Deferred()
        self.patch(self.w.host, "has_unread", lambda _pid: answer)
        self.w.host.packets["veth1"] += 1
        self.look_at_dozers()
        self.w.clock.result_of(self.w.booter.boot(1))
        self.w.lxd.reboot("ws-u1")
        self.w.clock.run_for(2)
        self.dozing()
        answer.callback(True)
        self.w.clock.run_for(2)
        self.assertEqual(self.container.status, Status.FROZEN)

    def test_one_that_is_not_to_run_stays(self) -> None:
        self.w.host.packets["veth1"] += 1
        self.container.unread = True
        self.w.lxd.containers["ws-u1"].config["user._webspaced"] = (
            '{"user": 1, "desired": {"desired": "suspended", "reason": "abuse", "by": "root"}}'
        )
        self.w.clock.result_of(self.w.registry.look(1))
        self.look_at_dozers()
        self.assertNotIn(("resume", "ws-u1"), [call for call in self.w.lxd.calls if call[0] == "start"])


class SlowTests(SleepCase):
    """Where LXD takes long to tell of which process a container is."""

    def setUp(self) -> None:
        super().setUp()
        self.w.lxd.set_keys("ws-u1", **{NIC_KEY: "veth1"})
        self.w.host.packets = {"veth1": 100}
        self.w.clock.run_for(1)
        self.dozing()
        # As after a restart of webspaced: which process it is was known right before it dozed.
        self.w.dozers._known[1].pid = 0

    def look_for(self, seconds: int) -> None:
        for _ in range(seconds):
            watch(self.w.dozers.look())
            self.w.host.packets["veth1"] += 1
            self.w.clock.run_for(1)

    def test_it_is_asked_once_at_a_time(self) -> None:
        self.w.lxd.timings = Timings(request=4)
        self.container.unread = True
        self.look_for(3)
        self.assertEqual(self.w.calls("state"), [("state", "ws-u1")])
        self.w.clock.run_for(20)
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_what_could_not_be_looked_at_is_looked_at_again(self) -> None:
        self.w.lxd.fail_next("state", RemoteError("busy", 500))
        self.container.unread = True
        self.w.clock.result_of(self.w.dozers.look())
        self.w.clock.run_for(1)
        self.assertEqual(self.container.status, Status.FROZEN)
        self.w.clock.result_of(self.w.dozers.look())
        self.w.clock.run_for(1)
        self.assertEqual(self.container.status, Status.RUNNING)


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

    def test_what_came_before_it_was_asked_first_is_seen_as_well(self) -> None:
        self.w.lxd.use("ws-u1", received=1000)
        self.look_at_dozers(9)
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_also_where_lxd_was_away_right_after_the_freeze_and_its_route_led_there(self) -> None:
        self.w.clock.result_of(self.w.booter.boot(1))
        self.w.activity.note(1)
        freeze = self.w.lxd.freeze

        async def freezing(name: str) -> None:
            await freeze(name)
            self.w.lose_lxd(finish=True)

        self.patch(self.w.lxd, "freeze", freezing)
        for _ in range(3):
            self.w.clock.run_for(LOOK)
            watch(self.w.sleeper.look())
        self.w.clock.run_for(5)
        self.assertEqual(self.container.status, Status.FROZEN)
        self.w.lxd.use("ws-u1", received=1000)
        self.w.regain_lxd()
        self.look_at_dozers(9)
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_lxd_is_asked_every_eight_seconds_and_of_each_where_it_does_not_tell_of_all(self) -> None:
        self.w.lxd.calls.clear()
        self.w.lxd.fail_next("usages", *[NotFound("not found")] * 100)
        self.look_at_dozers(80)
        self.assertEqual((len(self.w.calls("usages")), len(self.w.calls("state"))), (10, 10))
        self.assertEqual(self.container.status, Status.FROZEN)
        self.w.lxd.use("ws-u1", received=120)
        self.look_at_dozers(9)
        self.assertEqual(self.container.status, Status.RUNNING)

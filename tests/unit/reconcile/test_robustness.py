"""The parts together, when others do what they should not: thieves of addresses, broken states, missing files."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import watch
from tests.unit.world import NIC, RULE, World
from webspaced.core.desired import Desired, Wish
from webspaced.core.forward import Forward
from webspaced.core.instance import Status
from webspaced.core.user import User
from webspaced.core.webspace import USERNAME_KEY
from webspaced.errors import BootFailed, Refused, RemoteError, Unavailable
from webspaced.iam.static import UsersFile
from webspaced.webspaces.conditions import Kind
from webspaced.webspaces.ownership import Ownership


class RobustnessCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()

    def running(self, *uids: int) -> None:
        for uid in uids:
            self.w.webspace(uid, running=True)
        self.w.clock.advance(1)
        self.w.start()
        self.w.clock.run_for(5)

    def full_pass(self) -> None:
        self.w.connect()
        self.w.clock.result_of(self.w.reconciler.look_at_addresses())
        self.w.clock.run_for(30)


class AddressTests(RobustnessCase):
    def test_a_theft_after_the_start_is_seen_by_the_next_pass(self) -> None:
        self.running(1, 2)
        self.w.lxd.containers["ws-u2"].extra.append((self.w.lxd.containers["ws-u1"].address, "global"))
        self.full_pass()
        self.assertIn(Kind.ADDRESS_CLASH, self.w.conditions.of(2))
        self.assertEqual(dict(self.w.conditions.of(1)), {})
        self.assertEqual(self.w.store.backend("ws-u1"), "10.7.0.10:80")
        self.assertEqual(self.w.store.backend("ws-u2"), "10.7.0.11:80")

    def test_where_nobody_knows_which_members_bridge_is_reached_no_address_counts(self) -> None:
        self.w.ownership = Ownership(NIC, self.w.lxd, local=True, here=None)
        self.running(1, 2)
        for uid in (1, 2):
            self.assertIn(Kind.OUT_OF_REACH, self.w.conditions.of(uid))
            self.assertEqual(self.w.store.backend(f"ws-u{uid}"), f"127.0.0.1:{20000 + uid}")

    def test_an_address_that_changed_is_followed(self) -> None:
        self.running(1)
        self.w.lxd.containers["ws-u1"].address = ip_address("10.7.0.99")
        watch(self.w.reconciler.resync(1))
        self.w.clock.run_for(10)
        self.assertEqual(self.w.store.backend("ws-u1"), "10.7.0.99:80")

    def test_without_an_address_those_who_come_at_once_are_told_at_once(self) -> None:
        self.w.webspace(1)
        self.w.lxd.containers["ws-u1"].has_network = False
        self.w.start()
        first = watch(self.w.ready(1))
        self.w.clock.run_until(lambda: first.done)
        self.assertIsInstance(first.error, BootFailed)
        began = self.w.clock.seconds()
        second = watch(self.w.ready(1))
        self.w.clock.run_until(lambda: second.done)
        self.assertIsInstance(second.error, Refused)
        self.assertLess(self.w.clock.seconds() - began, 1)


class FirstPassTests(RobustnessCase):
    def another_daemon(self) -> World:
        """Two webspaces are running and published; give the same world before the first pass of a new daemon."""
        self.running(1, 2)
        after = World()
        after.store.routes = dict(self.w.store.routes)
        for uid in (1, 2):
            after.webspace(uid, running=True)
        after.clock.advance(1)
        return after

    def test_a_state_that_cannot_be_read_costs_nobody_the_route(self) -> None:
        after = self.another_daemon()
        after.lxd.fail_next("state", RemoteError("broken", 500))
        after.start()
        after.clock.run_for(5)
        self.assertEqual(sorted(after.store.routes), ["ws-u1", "ws-u2"])

    def test_lxd_going_away_within_it_costs_nobody_the_route(self) -> None:
        after = self.another_daemon()
        after.registry.prepare(NIC, RULE, after.ownership)
        after.clock.result_of(after.publisher.load())
        after.lxd.fail_next("list_all", Unavailable("LXD cannot be reached"))
        self.assertRaises(Unavailable, after.clock.result_of, after.reconciler.connected())
        after.clock.run_for(5)
        self.assertEqual(sorted(after.store.routes), ["ws-u1", "ws-u2"])
        after.clock.result_of(after.reconciler.connected())
        after.clock.run_for(5)
        self.assertEqual(sorted(after.store.routes), ["ws-u1", "ws-u2"])

    def test_a_state_that_cannot_be_told_changes_and_starts_nothing(self) -> None:
        self.w.webspace(1, running=True, ports={49152: 22})
        self.running()
        before = self.w.store.backend("ws-u1")
        self.w.lxd.containers["ws-u1"].status = Status.ERROR
        self.w.lxd.calls.clear()
        self.full_pass()
        self.assertEqual((self.w.store.backend("ws-u1"), self.w.listeners.cut), (before, []))
        self.assertEqual(self.w.calls("start"), [])
        self.assertIn(Kind.UNTOLD, self.w.conditions.of(1))

    def test_one_whose_state_was_never_told_keeps_what_is_published(self) -> None:
        after = self.another_daemon()
        before = dict(after.store.routes)
        after.lxd.containers["ws-u1"].status = Status.ERROR
        after.start()
        after.clock.run_for(60)
        self.assertEqual(after.store.routes, before)

    def test_but_not_what_is_not_its_own_any_more_and_not_while_it_is_to_stay_off(self) -> None:
        after = self.another_daemon()
        after.lxd.containers["ws-u1"].status = Status.ERROR
        after.start()
        direct = after.store.backend("ws-u1")
        after.identity.members = {1: "carol", 2: "alice"}
        after.connect()
        after.clock.run_for(5)
        self.assertEqual(after.store.routes["ws-u2"].hosts, ("alice.example.org",))
        self.assertNotIn("ws-u1", after.store.routes)
        after.identity.members = {1: "alice", 2: "bob"}
        after.connect()
        after.clock.run_for(5)
        self.assertEqual(after.store.routes["ws-u2"].hosts, ("bob.example.org",))
        suspended = Desired(wish=Wish.SUSPENDED, reason="sends spam")
        after.clock.result_of(after.power.want(1, suspended, by_admin=True))
        after.clock.run_for(5)
        self.assertNotEqual(after.store.backend("ws-u1"), direct)

    def test_nothing_is_given_away_before_everything_was_seen(self) -> None:
        self.w.webspace(1, ports={49152: 22})
        self.w.webspace(2)
        self.w.registry.prepare(NIC, RULE, self.w.ownership)
        adding = watch(self.w.service.add_port(2, 49152, Forward(22)))
        creating = watch(self.w.service.create(User(id=3, username="carol"), "fast"))
        self.w.clock.run_for(5)
        self.assertIsInstance(adding.error, Unavailable)
        self.assertIsInstance(creating.error, Unavailable)

    def test_a_missing_users_file_takes_nobodys_name(self) -> None:
        self.w.webspace(1)
        self.w.adoption._identity = UsersFile(Path("nowhere.yaml"))
        self.w.start()
        self.assertEqual(self.w.lxd.containers["ws-u1"].config[USERNAME_KEY], "alice")
        self.assertIn("ws-u1", self.w.store.routes)

    def test_a_name_in_lxd_that_is_none_reaches_no_rule(self) -> None:
        self.w.webspace(1)
        self.w.lxd.set_keys("ws-u1", **{USERNAME_KEY: "x`) || Host(`bank.example.com"})
        self.w.identity.away = True
        self.w.start()
        self.w.clock.run_for(5)
        self.assertNotIn("ws-u1", self.w.store.routes)


class CreationTests(RobustnessCase):
    def test_what_a_failed_creation_left_is_removed_when_lxd_shows_it(self) -> None:
        self.w.start()
        creating = watch(self.w.service.create(User(id=1, username="alice"), "fast"))
        self.w.clock.run_until(lambda: ("create", "ws-u1") in self.w.lxd.calls)
        self.w.clock.run_for(0.01)
        self.w.lxd.go_away(finish=True)
        self.w.clock.run_for(30)
        self.assertIsInstance(creating.error, Unavailable)
        self.w.lxd.come_back()
        self.full_pass()
        self.assertNotIn("ws-u1", self.w.lxd.containers)
        self.assertNotIn("ws-u1", self.w.store.routes)

    def test_a_boot_by_api_is_not_refused_because_a_visitor_was(self) -> None:
        self.w.webspace(1)
        self.w.start()
        memory = self.w.booter.memory(1)
        self.w.booter._memories[1] = memory.failed(self.w.clock.seconds(), "it failed")
        visitor = watch(self.w.ready(1))
        member = watch(self.w.power.boot(1))
        self.w.clock.run_for(20)
        self.assertIsInstance(visitor.error, Refused)
        self.assertIsNone(member.value)

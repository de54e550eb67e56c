"""The mirror of LXD: what is looked at last counts, and one that cannot be read harms no other."""

from __future__ import annotations

from ipaddress import ip_address
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.fake_instances import NIC, FakeInstances, Timings
from tests.unit.timing import Time, watch
from tests.unit.world import DEFAULTS, RULE, keys_of
from webspaced.core.instance import InstanceState, Status
from webspaced.core.ownership import ADDRESS_KEY
from webspaced.core.probing import Ask
from webspaced.core.webspace import BOOT_PORT_KEY, KEY, Webspace
from webspaced.errors import DeadlineExceeded, NotFound, RemoteError, Unavailable
from webspaced.lib.deferreds import sleep
from webspaced.webspaces.addressing import ADDRESS_BUDGET, FIRST_BUDGET
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.ownership import Ownership
from webspaced.webspaces.registry import Registry
from webspaced.webspaces.words import Words


class RegistryCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.lxd = FakeInstances(self.clock)
        self.conditions = Conditions(self.clock)
        self.registry = Registry(self.clock, self.lxd, "ws-", DEFAULTS, self.conditions, Words(self.lxd))
        self.registry.prepare(NIC, RULE, Ownership(NIC, self.lxd))
        self.heard: list[int] = []
        self.registry.subscribe(self.heard.append)

    def put(self, uid: int, *, running: bool = False, **more: object) -> None:
        self.lxd.put(f"ws-u{uid}", running=running, **keys_of(uid, **more))
        # Its address is there when it is looked at.
        self.clock.advance(1)

    def sync(self) -> None:
        self.clock.result_of(self.registry.sync())

    def look(self, uid: int) -> object:
        """Look, and read the address of a running one as the booter does."""
        observed = self.clock.result_of(self.registry.look(uid))
        if observed is not None and observed.runs and observed.address is None:
            observed = self.clock.result_of(self.registry.read_address(uid))
        return observed

    def address(self, uid: int) -> str | None:
        observed = self.registry.get(uid)
        return str(observed.address) if observed and observed.address else None


class SyncTests(RegistryCase):
    def test_everything_is_seen_and_told_once(self) -> None:
        self.put(1)
        self.put(2, running=True)
        self.sync()
        self.assertEqual(sorted(self.heard), [1, 2])
        self.assertEqual([self.address(1), self.address(2)], [None, "10.7.0.11"])
        self.assertEqual(len(list(self.registry)), 2)

    def test_a_second_pass_asks_for_the_list_alone_and_a_look_for_addresses(self) -> None:
        self.put(1)
        self.put(2, running=True)
        self.sync()
        self.clock.result_of(self.registry.read_addresses())
        self.lxd.calls.clear()
        self.heard.clear()
        self.sync()
        self.assertEqual(self.lxd.calls, [("leases", ""), ("list_all", "")])
        self.clock.result_of(self.registry.read_addresses())
        self.assertIn(("state", "ws-u2"), self.lxd.calls)
        self.assertNotIn(("state", "ws-u1"), self.lxd.calls)
        self.assertEqual(self.heard, [])

    def test_what_is_gone_is_forgotten_and_told(self) -> None:
        self.put(1)
        self.sync()
        self.lxd.remove("ws-u1")
        self.heard.clear()
        self.sync()
        self.assertEqual((self.registry.get(1), self.heard), (None, [1]))

    def test_other_instances_are_no_webspaces(self) -> None:
        self.lxd.put("builder", running=True)
        self.lxd.put("ws-u01")
        self.sync()
        self.assertEqual(list(self.registry), [])

    def test_before_lxd_told_the_network_nothing_is_read(self) -> None:
        registry = Registry(self.clock, self.lxd, "ws-", DEFAULTS, self.conditions, Words(self.lxd))
        for work in (registry.sync(), registry.look(1)):
            self.assertRaises(Unavailable, self.clock.result_of, work)

    def test_an_address_that_comes_later_is_found_by_the_next_pass(self) -> None:
        self.put(1)
        self.lxd.containers["ws-u1"].has_network = False
        self.lxd.power_on("ws-u1")
        self.sync()
        self.lxd.containers["ws-u1"].has_network = True
        self.clock.advance(1)
        self.sync()
        self.assertEqual(self.address(1), "10.7.0.10")

    def test_one_whose_state_cannot_be_read_leaves_the_others_alone(self) -> None:
        for uid in (1, 2, 3):
            self.put(uid, running=True)
        self.sync()
        self.lxd.containers["ws-u3"].address = ip_address("10.7.0.99")
        for error in (RemoteError("no", 500), DeadlineExceeded("too long")):
            self.lxd.fail_next("state", error)
            self.clock.result_of(self.registry.read_addresses())
        self.assertEqual(self.address(3), "10.7.0.99")

    def test_one_whose_state_hangs_has_a_budget_of_its_own(self) -> None:
        for uid in (1, 2):
            self.put(uid, running=True)
        self.sync()
        slow = self.lxd._pass

        async def passing(seconds: float) -> None:
            await slow(10_000.0 if self.lxd.calls[-1] == ("state", "ws-u1") else seconds)

        self.lxd._pass = passing
        self.lxd.containers["ws-u2"].address = ip_address("10.7.0.99")
        self.clock.result_of(self.registry.read_addresses(), 60)
        self.assertEqual(self.address(2), "10.7.0.99")

    def test_a_pass_asks_no_container(self) -> None:
        for uid in (1, 2):
            self.put(uid, running=True)
        self.sync()
        self.assertEqual([self.address(1), self.address(2)], ["10.7.0.10", "10.7.0.11"])
        self.assertEqual({call for call, _ in self.lxd.calls}, {"leases", "list_all"})

    def test_what_is_looked_at_meanwhile_wins_over_the_list(self) -> None:
        self.put(1)
        self.put(2)
        self.sync()
        # The list is on its way when the webspace starts and is looked at.
        listed = self.clock.result_of(self.lxd.list_all())

        async def slow_list() -> object:
            await sleep(self.clock, 1)
            return listed

        self.lxd.set_keys("ws-u2", **{"user.a": "b"})
        with mock.patch.object(self.lxd, "list_all", slow_list):
            syncing = watch(self.registry.sync())
            self.clock.run_for(0.5)
            self.lxd.power_on("ws-u1")
            self.look(1)
            self.lxd.remove("ws-u2")
            self.look(2)
            self.clock.run_for(5)
        self.assertTrue(syncing.done)
        observed = self.registry.get(1)
        self.assertTrue(observed is not None and observed.runs)
        self.assertIsNone(self.registry.get(2))


class LookTests(RegistryCase):
    def test_gives_what_is_there_now(self) -> None:
        self.put(1, running=True)
        observed = self.look(1)
        self.assertEqual((observed.uid, observed.name, observed.username, observed.boot_port), (1, "ws-u1", "alice", 20001))
        self.assertEqual((str(observed.address), observed.runs, observed.web_asks), ("10.7.0.10", True, Ask.HTTP))
        self.assertNotEqual(observed.instance.etag, "")

    def test_what_is_not_there_is_none(self) -> None:
        self.assertIsNone(self.look(1))
        self.assertEqual(self.heard, [])

    def test_the_same_again_is_not_told(self) -> None:
        self.put(1)
        self.look(1)
        self.look(1)
        self.assertEqual(self.heard, [1])

    def test_a_look_keeps_the_address_of_the_incarnation_and_reads_none(self) -> None:
        self.put(1, running=True)
        self.look(1)
        self.lxd.calls.clear()
        self.clock.result_of(self.registry.look(1))
        self.assertEqual(self.address(1), "10.7.0.10")
        self.lxd.reboot("ws-u1")
        self.clock.advance(1)
        self.clock.result_of(self.registry.look(1))
        self.assertIsNone(self.address(1))
        self.assertEqual({call[0] for call in self.lxd.calls}, {"get"})

    def test_a_stopped_one_has_no_address(self) -> None:
        self.put(1, running=True)
        self.look(1)
        self.lxd.crash("ws-u1")
        self.look(1)
        self.assertEqual((self.address(1), self.registry.get(1).claims), (None, None))

    def test_lxd_away_changes_nothing_that_is_known(self) -> None:
        self.put(1, running=True)
        self.look(1)
        self.lxd.go_away()
        self.assertRaises(Unavailable, self.look, 1)
        self.assertEqual(self.address(1), "10.7.0.10")

    def test_renamed_ones_are_gone_under_the_old_and_there_under_the_new_name(self) -> None:
        self.put(1)
        self.sync()
        self.lxd.rename("ws-u1", "ws-u2")
        self.assertIsNone(self.look(1))
        renamed = self.look(2)
        # It carries the other one's identity: none of that is its own.
        self.assertEqual((renamed.webspace.user, renamed.username, renamed.boot_port), (2, None, None))

    def test_a_copy_has_neither_name_nor_boot_port_of_its_original(self) -> None:
        self.put(1)
        self.lxd.copy("ws-u1", "ws-u2")
        copied, original = self.look(2), self.look(1)
        self.assertEqual((copied.username, copied.boot_port), (None, None))
        self.assertEqual((original.username, original.boot_port), ("alice", 20001))


class UnreadableTests(RegistryCase):
    def test_is_told_as_a_condition_and_leaves_the_others_alone(self) -> None:
        self.put(1)
        self.put(2)
        for broken in ("{", "[]", '"x"', '{"user":1,"x":' + "[" * 100_000 + "]" * 100_000 + "}"):
            self.lxd.set_keys("ws-u1", **{KEY: broken})
            self.sync()
            self.assertIsNone(self.registry.get(1))
            self.assertIsNotNone(self.registry.get(2))
            self.assertIn(Kind.UNREADABLE, self.conditions.of(1))

    def test_one_that_webspaced_did_not_create(self) -> None:
        self.lxd.put("ws-u1")
        self.assertIsNone(self.look(1))
        self.assertIn("not created by webspaced", self.conditions.of(1)[Kind.UNREADABLE])

    def test_mended_it_is_there_again_and_the_condition_is_over(self) -> None:
        self.put(1)
        self.lxd.set_keys("ws-u1", **{KEY: "{"})
        self.sync()
        self.lxd.set_keys("ws-u1", **keys_of(1))
        self.sync()
        self.assertIsNotNone(self.registry.get(1))
        self.assertEqual(dict(self.conditions.of(1)), {})

    def test_no_boot_port_is_no_mistake(self) -> None:
        self.put(1)
        self.lxd.set_keys("ws-u1", **{BOOT_PORT_KEY: ""})
        self.assertIsNone(self.look(1).boot_port)


class OwnershipTests(RegistryCase):
    def setUp(self) -> None:
        super().setUp()
        self.put(1, running=True)
        self.put(2, running=True)
        self.theft = (self.lxd.containers["ws-u1"].address, "global")

    def test_a_thief_harms_itself_alone(self) -> None:
        self.look(1)
        thief = self.lxd.containers["ws-u2"]
        thief.extra.append(self.theft)
        self.look(2)
        self.assertEqual([self.address(1), self.address(2)], ["10.7.0.10", "10.7.0.11"])
        self.clock.result_of(self.registry.read_addresses())
        self.assertIn("10.7.0.10", self.conditions.of(2)[Kind.ADDRESS_CLASH])
        self.assertNotIn(Kind.ADDRESS_CLASH, self.conditions.of(1))
        # It gives its own up for the other one's.
        thief.has_network = False
        self.clock.result_of(self.registry.read_addresses())
        self.assertEqual([self.address(1), self.address(2)], ["10.7.0.10", None])

    def test_the_address_of_another_projects_instance_is_nobodys_here(self) -> None:
        self.look(1)
        self.lxd.containers["ws-u1"].has_network = False
        self.lxd.containers["ws-u1"].extra = [(ip_address("10.7.0.200"), "global")]
        self.clock.result_of(self.registry.read_addresses())
        self.assertIsNone(self.address(1))
        self.assertIn("10.7.0.200", self.conditions.of(1)[Kind.ADDRESS_CLASH])

    def test_an_address_that_was_leased_to_another_one_moves(self) -> None:
        self.sync()
        one, two = self.lxd.containers["ws-u1"], self.lxd.containers["ws-u2"]
        # Its lease ran out, and somebody else got the address; root goes on using it.
        one.extra = [(one.address, "global")]
        two.address, one.address = one.address, ip_address("10.7.0.50")
        one.has_network = False
        self.clock.result_of(self.registry.read_address(2))
        self.assertEqual([self.address(1), self.address(2)], ["10.7.0.50", "10.7.0.10"])
        self.clock.result_of(self.registry.read_address(1))
        self.assertEqual([self.address(1), self.address(2)], [None, "10.7.0.10"])

    def test_a_lease_that_ends_takes_the_address_from_nobody_who_runs_with_it(self) -> None:
        self.sync()
        one, two = self.lxd.containers["ws-u1"], self.lxd.containers["ws-u2"]
        # Somebody sent a release in its name.
        one.leased = False
        for _ in range(2):
            self.clock.result_of(self.registry.read_addresses())
            self.assertEqual(self.address(1), "10.7.0.10")
            self.assertNotIn(Kind.ADDRESS_CLASH, self.conditions.of(1))
        # The sender takes it for itself without being given it.
        two.extra = [(one.address, "global")]
        self.clock.result_of(self.registry.read_addresses())
        self.assertEqual([self.address(1), self.address(2)], ["10.7.0.10", "10.7.0.11"])
        # It is given to another one, and does not come back when that one's lease ends.
        stranger = self.lxd.put("builder", running=True)
        stranger.address = one.address
        self.clock.result_of(self.registry.read_addresses())
        self.assertIsNone(self.address(1))
        self.assertIn(Kind.ADDRESS_CLASH, self.conditions.of(1))
        stranger.leased = False
        self.clock.result_of(self.registry.read_addresses())
        self.assertIsNone(self.address(1))

    def test_the_next_start_has_nothing_of_a_lease_that_ended(self) -> None:
        self.sync()
        self.lxd.containers["ws-u1"].leased = False
        self.lxd.reboot("ws-u1")
        self.clock.advance(1)
        self.look(1)
        self.assertIsNone(self.address(1))

    def test_an_address_that_is_kept_is_not_given_to_a_new_one(self) -> None:
        ownership = Ownership(NIC, self.lxd)
        self.registry.prepare(NIC, RULE, ownership)
        self.sync()
        self.lxd.containers["ws-u1"].leased = False
        self.clock.result_of(self.registry.read_addresses())
        self.assertTrue(ownership.taken(ip_address("10.7.0.10")))
        # Nor does one keep what it has given up.
        self.lxd.containers["ws-u1"].has_network = False
        self.clock.result_of(self.registry.read_addresses())
        self.assertFalse(ownership.taken(ip_address("10.7.0.10")))

    def test_what_is_on_the_nic_counts_before_any_lease(self) -> None:
        self.sync()
        one, two = self.lxd.containers["ws-u1"], self.lxd.containers["ws-u2"]
        two.devices = {NIC: {"type": "nic", "network": "bridge", "ipv4.address": str(one.address)}}
        two.extra = [(one.address, "global")]
        self.look(2)
        self.clock.result_of(self.registry.read_addresses())
        self.assertEqual([self.address(1), self.address(2)], [None, "10.7.0.10"])

    def test_an_address_on_the_nic_of_one_that_is_gone_or_renamed_is_free_for_the_next(self) -> None:
        device = {NIC: {"type": "nic", "network": "bridge", "ipv4.address": "10.7.0.77"}}
        self.lxd.put("builder").devices = device
        one = self.lxd.containers["ws-u1"]
        self.sync()
        self.lxd.remove("builder")
        one.address, one.devices = ip_address("10.7.0.77"), device
        self.sync()
        self.assertEqual(self.address(1), "10.7.0.77")
        # Away under another name, and back; the events come in this order.
        self.lxd.rename("ws-u1", "aside")
        self.look(1)
        self.sync()
        self.lxd.rename("aside", "ws-u1")
        back = watch(self.registry.look(1)), watch(self.registry.look_at_stranger("aside"))
        self.clock.run_for(1)
        self.assertTrue(all(each.done for each in back))
        self.sync()
        self.assertEqual(self.address(1), "10.7.0.77")
        self.assertNotIn(Kind.ADDRESS_CLASH, self.conditions.of(1))

    def test_a_stranger_of_which_something_was_heard_keeps_what_it_has(self) -> None:
        device = {NIC: {"type": "nic", "network": "bridge", "ipv4.address": "10.7.0.10"}}
        self.lxd.put("builder").devices = device
        self.sync()
        self.assertIsNone(self.address(1))
        self.clock.result_of(self.registry.look_at_stranger("builder"))
        self.clock.result_of(self.registry.read_addresses())
        self.assertIsNone(self.address(1))
        self.clock.result_of(self.registry.look_at_stranger("nobody"))

    def test_one_that_goes_on_showing_what_is_not_its_own_has_the_leases_read_now_and_then(self) -> None:
        self.sync()
        thief = self.lxd.containers["ws-u2"]
        thief.has_network = False
        self.lxd.calls.clear()
        began = self.clock.seconds()
        for last in range(100, 200):
            thief.extra = [(ip_address(f"10.7.0.{last}"), "global")]
            self.clock.result_of(self.registry.read_address(2))
        self.assertLessEqual(len([call for call, _ in self.lxd.calls if call == "leases"]), 6)
        self.assertLess(self.clock.seconds() - began, 2)
        # Its lease of that time is found all the same.
        thief.address, thief.has_network, thief.extra = ip_address("10.7.0.222"), True, []
        self.clock.run_for(2)
        self.clock.result_of(self.registry.read_address(2))
        self.assertEqual(self.address(2), "10.7.0.222")

    def test_leases_that_cannot_be_read_stay_as_they_were(self) -> None:
        self.sync()
        self.lxd.fail_next("leases", RemoteError("no", 500), Unavailable("gone"), DeadlineExceeded("late"))
        for _ in range(3):
            self.clock.result_of(self.registry.sync())
        self.assertEqual([self.address(1), self.address(2)], ["10.7.0.10", "10.7.0.11"])

    def test_root_may_take_whatever_is_not_a_webspaces_and_gains_nothing(self) -> None:
        for text in ("10.96.0.1", "169.254.169.254", "127.0.0.9", "10.7.0.1", "10.7.0.0", "10.7.0.255"):
            self.lxd.containers["ws-u2"].extra.append((ip_address(text), "global"))
        self.look(2)
        self.assertEqual([str(a) for a in self.registry.get(2).claims], ["10.7.0.11"])

    def test_read_address_of_one_that_started_anew_meanwhile_is_not_mixed_up(self) -> None:
        self.look(1)
        reading = watch(self.registry.read_address(1))
        self.lxd.containers["ws-u1"].address = ip_address("10.7.0.77")
        self.lxd.reboot("ws-u1")
        self.clock.run_for(0.0019)
        self.lxd.timings = Timings(request=0.00001)
        self.clock.result_of(self.registry.look(1), 0.00005)
        self.clock.run_for(1)
        self.assertEqual(reading.value.instance.last_used_at, self.lxd.containers["ws-u1"].last_used_at)
        self.assertNotEqual(self.address(1), "10.7.0.10")


class HearsayTests(RegistryCase):
    """Nobody can be asked whose an address is."""

    def setUp(self) -> None:
        super().setUp()
        self.registry.prepare(NIC, RULE, Ownership(NIC))
        self.put(1, running=True)
        self.put(2, running=True)
        self.theft = (self.lxd.containers["ws-u1"].address, "global")

    def test_who_had_it_first_keeps_it(self) -> None:
        self.sync()
        self.lxd.containers["ws-u2"].extra.append(self.theft)
        self.clock.result_of(self.registry.read_addresses())
        self.assertEqual([self.address(1), self.address(2)], ["10.7.0.10", "10.7.0.11"])
        self.assertNotIn(Kind.ADDRESS_CLASH, self.conditions.of(1))

    def _refused(self, error: Exception) -> None:
        leases = mock.Mock()
        leases.leases.side_effect = error
        self.registry.prepare(NIC, RULE, Ownership(NIC, leases))
        self.test_who_had_it_first_keeps_it()
        # Once they are told, they are what counts, for good.
        leases.leases.side_effect = self.lxd.leases
        self.sync()
        leases.leases.side_effect = error
        free = ip_address("10.7.0.99")
        self.lxd.containers["ws-u1"].address = free
        self.lxd.containers["ws-u1"].has_network = False
        self.lxd.containers["ws-u1"].extra.append((free, "global"))
        self.clock.result_of(self.registry.read_addresses())
        self.assertEqual((self.address(1), self.address(2)), (None, "10.7.0.11"))

    def test_leases_of_which_we_may_know_nothing(self) -> None:
        self._refused(RemoteError("Certificate is restricted", 403))

    def test_leases_of_a_network_that_we_may_not_see(self) -> None:
        self._refused(NotFound("no such network"))

    def test_leases_that_fail_leave_no_address_to_whoever_has_it_first(self) -> None:
        leases = mock.Mock()
        leases.leases.side_effect = RemoteError("the database is locked", 500)
        self.registry.prepare(NIC, RULE, Ownership(NIC, leases))
        self.sync()
        self.assertEqual((self.address(1), self.address(2)), (None, None))

    def test_one_has_one_of_each_family(self) -> None:
        self.sync()
        free = ip_address("10.7.0.99")
        self.lxd.containers["ws-u2"].extra.append((free, "global"))
        self.clock.result_of(self.registry.read_addresses())
        self.lxd.containers["ws-u1"].address = free
        self.clock.result_of(self.registry.read_addresses())
        self.assertEqual([self.address(1), self.address(2)], ["10.7.0.99", "10.7.0.11"])

    def test_what_other_instances_have_is_theirs(self) -> None:
        for where in (self.lxd.containers, self.lxd.others):
            stranger = self.lxd.put("builder", running=True)
            where["builder"] = self.lxd.containers.pop("builder")
            self.clock.advance(1)
            self.sync()
            self.lxd.containers["ws-u1"].address = stranger.address
            self.clock.result_of(self.registry.read_addresses())
            self.assertIsNone(self.address(1))
            del where["builder"]
            self.lxd.containers["ws-u1"].address = self.theft[0]
            self.clock.result_of(self.registry.read_addresses())

    def test_a_stranger_whose_state_cannot_be_read_does_not_stop_the_pass(self) -> None:
        self.lxd.put("builder", running=True)
        self.lxd.fail_next("state", RemoteError("stopping", 500))
        self.sync()
        self.assertEqual(self.address(1), "10.7.0.10")

    def test_one_that_is_frozen_or_cannot_be_told_keeps_what_it_had(self) -> None:
        self.sync()
        for status in (Status.FROZEN, Status.ERROR, Status.FREEZING):
            self.lxd._change(self.lxd.containers["ws-u1"], status)
            self.look(1)
            thief = self.lxd.containers["ws-u2"]
            thief.has_network, thief.extra = False, [self.theft]
            self.clock.result_of(self.registry.read_addresses())
            self.assertIsNone(self.address(2))
            self.lxd._change(self.lxd.containers["ws-u1"], Status.RUNNING)
            self.look(1)
            self.assertEqual(self.address(1), "10.7.0.10")

    def test_many_are_not_all_asked_before_the_first_answer(self) -> None:
        async def slow(name: str, project: str = "") -> InstanceState:
            asked.append(name)
            await sleep(self.clock, 1)
            return await state(name, project)

        state, self.lxd.state = self.lxd.state, slow
        asked: list[str] = []
        for uid in range(3, 101):
            keys = {**keys_of(1), KEY: Webspace(user=uid, config=DEFAULTS).dump(), BOOT_PORT_KEY: str(20000 + uid)}
            self.lxd.put(f"ws-u{uid}", running=True, **keys)
        self.clock.advance(1)
        syncing = watch(self.registry.sync())
        self.clock.run_for(FIRST_BUDGET + 1.5)
        self.assertTrue(syncing.done)
        at_first = len(asked)
        self.assertLess(at_first, 50)
        self.assertEqual(len(list(self.registry)), 100)
        reading = watch(self.registry.read_addresses())
        self.clock.run_for(200)
        self.assertTrue(reading.done)
        self.assertNotIn(None, [self.address(each.uid) for each in self.registry])

    def test_one_whose_state_never_comes_holds_nobody_up_for_long(self) -> None:
        async def never(name: str, project: str = "") -> InstanceState:
            return await (Deferred() if name in {"ws-u1", "builder", "router"} else state(name, project))

        state, self.lxd.state = self.lxd.state, never
        for name in ("builder", "router"):
            self.lxd.put(name, running=True)
        syncing = watch(self.registry.sync())
        self.clock.run_for(2 * ADDRESS_BUDGET + 1)
        self.assertTrue(syncing.done)
        self.assertEqual(self.address(2), "10.7.0.11")
        self.assertIsNotNone(self.registry.get(1))

    def test_one_that_was_given_an_address_has_no_other(self) -> None:
        one = self.lxd.containers["ws-u1"]
        one.config[ADDRESS_KEY] = "10.7.0.10"
        one.has_network, one.extra = False, [(ip_address("10.7.0.99"), "global")]
        self.sync()
        self.assertIsNone(self.address(1))
        self.assertIn("10.7.0.99", self.conditions.of(1)[Kind.ADDRESS_CLASH])

    def test_a_stranger_whose_state_cannot_be_read_keeps_what_it_had(self) -> None:
        stranger = self.lxd.put("builder", running=True)
        self.clock.advance(1)
        self.sync()
        self.lxd.fail_next("state", RemoteError("busy", 500))
        self.sync()
        self.lxd.containers["ws-u1"].address = stranger.address
        self.clock.result_of(self.registry.read_addresses())
        self.assertIsNone(self.address(1))

    def test_the_address_of_one_that_stopped_is_free(self) -> None:
        self.sync()
        self.lxd.crash("ws-u1")
        self.look(1)
        self.lxd.containers["ws-u2"].address = self.theft[0]
        self.clock.result_of(self.registry.read_addresses())
        self.assertEqual(self.address(2), "10.7.0.10")

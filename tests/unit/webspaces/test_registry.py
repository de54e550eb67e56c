"""The mirror of LXD: what is looked at last counts, and one that cannot be read harms no other."""

from __future__ import annotations

from ipaddress import ip_address
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.fake_instances import NIC, FakeInstances, Timings
from tests.unit.timing import Time, watch
from tests.unit.world import DEFAULTS, RULE, keys_of
from webspaced.core.webspace import BOOT_PORT_KEY, KEY
from webspaced.errors import RemoteError, Unavailable
from webspaced.lib.deferreds import sleep
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.ownership import Ownership
from webspaced.webspaces.registry import Registry


class RegistryCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.lxd = FakeInstances(self.clock)
        self.conditions = Conditions()
        self.registry = Registry(self.clock, self.lxd, "ws-", DEFAULTS, self.conditions)
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
        self.lxd.calls.clear()
        self.heard.clear()
        self.sync()
        self.assertEqual(self.lxd.calls, [("list_all", "")])
        self.clock.result_of(self.registry.read_addresses())
        self.assertEqual(self.lxd.calls[1:], [("state", "ws-u2")])
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
        registry = Registry(self.clock, self.lxd, "ws-", DEFAULTS, self.conditions)
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
        self.put(1, running=True)
        self.put(2, running=True)
        self.lxd.fail_next("state", RemoteError("no", 500))
        self.sync()
        self.assertEqual([self.address(1), self.address(2)], [None, "10.7.0.11"])

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
        self.assertEqual((str(observed.address), observed.runs, observed.web_is_http), ("10.7.0.10", True, True))
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
        for broken in ("{", "[]", '{"user": 1, "ports": {"x": 1}}'):
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


class ClashTests(RegistryCase):
    def setUp(self) -> None:
        super().setUp()
        self.put(1, running=True)
        self.put(2, running=True)
        self.theft = (self.lxd.containers["ws-u1"].address, "global")

    def test_both_claimants_lose_the_address_and_have_a_condition(self) -> None:
        self.look(1)
        two = self.lxd.containers["ws-u2"]
        two.address = self.theft[0]
        self.look(2)
        self.assertEqual([self.address(1), self.address(2)], [None, None])
        for uid in (1, 2):
            self.assertIn("10.7.0.10 is claimed by another", self.conditions.of(uid)[Kind.ADDRESS_CLASH])

    def test_a_thief_keeps_its_own_address_but_wins_nothing(self) -> None:
        self.look(1)
        self.lxd.containers["ws-u2"].extra.append(self.theft)
        self.look(2)
        self.assertEqual([self.address(1), self.address(2)], [None, "10.7.0.11"])

    def test_when_the_thief_stops_the_address_counts_again(self) -> None:
        self.look(1)
        self.lxd.containers["ws-u2"].extra.append(self.theft)
        self.look(2)
        self.lxd.crash("ws-u2")
        self.look(2)
        self.look(1)
        self.assertEqual(self.address(1), "10.7.0.10")
        self.assertNotIn(Kind.ADDRESS_CLASH, self.conditions.of(1))

    def test_an_instance_that_is_no_webspace_counts_as_a_claimant(self) -> None:
        stranger = self.lxd.put("builder", running=True)
        self.clock.advance(1)
        stranger.extra.append(self.theft)
        self.sync()
        self.assertEqual([self.address(1), self.address(2)], [None, "10.7.0.11"])
        self.assertIn(Kind.ADDRESS_CLASH, self.conditions.of(1))

    def test_a_stopped_stranger_claims_nothing(self) -> None:
        stranger = self.lxd.put("builder")
        stranger.address = self.theft[0]
        self.sync()
        self.assertEqual(self.address(1), "10.7.0.10")

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

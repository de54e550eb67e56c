"""Level-triggered: whatever happened, what is served is derived from what is there."""

from __future__ import annotations

import errno
from unittest import mock

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import watch
from tests.unit.world import DEFAULTS, NIC, RULE, SETTLE, World, keys_of
from webspaced.core.probing import Ask
from webspaced.core.routes import Readiness
from webspaced.core.webspace import KEY
from webspaced.errors import RemoteError
from webspaced.webspaces.conditions import Kind
from webspaced.webspaces.readiness import Probe


class ReconcilerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()

    def backend(self, uid: int = 1) -> str | None:
        return self.w.store.backend(f"ws-u{uid}")


class FirstPassTests(ReconcilerCase):
    def test_nothing_is_published_or_bound_before_everything_is_known(self) -> None:
        self.w.webspace(1)
        self.w.webspace(2)
        self.w.registry.prepare(NIC, RULE, self.w.ownership)
        self.w.clock.result_of(self.w.registry.look(1))
        self.w.clock.run_for(10)
        self.assertEqual((self.w.store.writes, self.w.listeners.boot_ports), ([], {}))
        self.w.start()
        self.assertEqual(len(self.w.store.writes), 1)
        self.assertEqual(self.w.listeners.boot_ports, {1: 20001, 2: 20002})

    def test_seen_fires_after_the_first_pass(self) -> None:
        seen = watch(self.w.reconciler.seen)
        self.assertFalse(seen.done)
        self.w.start()
        self.assertTrue(seen.done)

    def test_a_standby_sees_everything_and_touches_nothing(self) -> None:
        self.w.webspace(1)
        self.w.webspace(2, running=True)
        self.w.registry.prepare(NIC, RULE, self.w.ownership)
        self.w.connect()
        self.w.webspace(3)
        for _ in range(3):
            self.w.clock.result_of(self.w.reconciler.periodic_pass())
            self.w.clock.run_for(60)
        self.assertEqual(len(list(self.w.registry)), 3)
        changes = {call for call, _ in self.w.lxd.calls} - {"list_all", "get", "state", "leases"}
        self.assertEqual((self.w.store.writes, self.w.listeners.boot_ports, changes), ([], {}, set()))
        self.w.clock.result_of(self.w.publisher.load())
        self.w.clock.result_of(self.w.reconciler.lead())
        self.assertEqual(sorted(self.w.listeners.boot_ports), [1, 2, 3])
        self.assertEqual(sorted(self.w.store.routes), ["ws-u1", "ws-u2", "ws-u3"])

    def test_a_pass_that_failed_is_made_again(self) -> None:
        self.w.webspace(1)
        self.w.registry.prepare(NIC, RULE, self.w.ownership)
        self.w.lxd.fail_next("list_all", RemoteError("no", 500))
        self.assertRaises(RemoteError, self.w.clock.result_of, self.w.reconciler.connected())
        self.w.start()
        self.assertTrue(self.w.reconciler.seen.called)
        self.assertEqual(self.backend(), "127.0.0.1:20001")

    def test_a_direct_route_survives_a_restart_of_ours(self) -> None:
        self.w.webspace(1, running=True)
        self.w.start()
        self.w.clock.run_for(5)
        routes = dict(self.w.store.routes)
        self.assertEqual(self.backend(), "10.7.0.10:80")
        again = World()
        container = again.webspace(1, running=True)
        again.clock.advance(10)
        container.opens[80] = 30.0
        again.store.routes = routes
        again.start()
        again.clock.run_for(5)
        # Nothing is known of its port yet: what is there stays.
        self.assertEqual(again.store.backend("ws-u1"), "10.7.0.10:80")
        self.assertEqual([put for put, _ in again.store.writes], [{}])

    def test_orphans_go(self) -> None:
        self.w.webspace(1)
        self.w.start()
        routes = dict(self.w.store.routes)
        again = World()
        again.store.routes = routes
        again.start()
        self.assertEqual(again.store.routes, {})


class ActTests(ReconcilerCase):
    def setUp(self) -> None:
        super().setUp()
        self.container = self.w.webspace(1, ports={49152: 22})
        self.w.start()

    def test_a_start_behind_our_back_becomes_a_direct_route(self) -> None:
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(2)
        self.assertEqual(self.backend(), "10.7.0.10:80")

    def test_a_port_that_never_answers_keeps_the_boot_port(self) -> None:
        self.container.opens[80] = None
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(60)
        self.assertEqual(self.backend(), "127.0.0.1:20001")
        self.assertIs(self.w.readiness.get(self.w.seen(1), Probe(80, Ask.HTTP)), Readiness.NEVER)

    def test_whatever_ends_it_leads_to_the_boot_port_again_and_cuts_what_was_relayed(self) -> None:
        for end in (self.w.lxd.crash, self.w.lxd.pause):
            self.w.lxd.power_on("ws-u1")
            self.w.clock.run_for(2)
            self.w.listeners.cut.clear()
            end("ws-u1")
            self.w.clock.run_for(0.1)
            self.assertEqual(self.backend(), "127.0.0.1:20001")
            self.assertEqual(self.w.listeners.cut, [1] if end == self.w.lxd.crash else [])

    def test_a_reboot_from_inside_cuts_what_was_relayed_and_is_probed_anew(self) -> None:
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(2)
        self.w.listeners.cut.clear()
        self.w.lxd.reboot("ws-u1")
        self.w.clock.run_for(0.05)
        self.assertEqual(self.w.listeners.cut, [1])
        self.w.clock.run_for(2)
        self.assertEqual(self.backend(), "10.7.0.10:80")

    def test_a_deletion_leaves_nothing_and_its_boot_port_rests(self) -> None:
        self.w.lxd.remove("ws-u1")
        self.w.clock.run_for(1)
        self.assertEqual((self.w.store.routes, self.w.listeners.boot_ports, self.w.listeners.forwards[1]), ({}, {}, {}))
        self.assertIn(20001, self.w.allocator._resting)

    def test_another_port_takes_effect_without_a_restart(self) -> None:
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(2)
        self.w.clock.result_of(self.w.service.set_config(1, {"httpPort": 8080}))
        self.w.clock.run_for(2)
        self.assertEqual(self.backend(), "10.7.0.10:8080")

    def test_forwards_follow_the_document(self) -> None:
        self.assertEqual(self.w.listeners.forwards[1], {49152: 22})
        self.w.lxd.set_keys("ws-u1", **keys_of(1, ports={49153: 23}))
        self.w.clock.run_for(0.1)
        self.assertEqual(self.w.listeners.forwards[1], {49153: 23})

    def test_a_boot_port_that_cannot_be_bound_is_a_condition_and_others_go_on(self) -> None:
        self.w.listeners.taken.add(20002)
        self.w.webspace(2)
        self.w.webspace(3)
        self.w.connect()
        self.w.clock.run_for(5)
        self.assertEqual({uid: self.w.listeners.boot_ports[uid] for uid in (1, 3)}, {1: 20001, 3: 20003})
        self.assertNotEqual(self.w.listeners.boot_ports[2], 20002)
        self.assertEqual(dict(self.w.conditions.of(2)), {})

    def test_where_no_port_can_be_bound_none_is_given(self) -> None:
        nowhere = CannotListenError("192.0.2.1", 20002, OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"))
        self.patch(self.w.listeners, "want_boot_port", mock.Mock(side_effect=nowhere))
        self.w.webspace(2)
        self.w.connect()
        self.w.clock.run_for(5)
        self.assertIn("Cannot assign", self.w.reconciler.no_boot_port)
        self.assertEqual(self.w.seen(2).boot_port, 20002)

    def test_lxd_away_changes_nothing(self) -> None:
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(2)
        self.w.lose_lxd()
        self.assertFalse(self.w.reconciler.connected_to_lxd)
        writes = len(self.w.store.writes)
        self.w.reconciler.happened("ws-u1")
        self.w.clock.result_of(self.w.reconciler.periodic_pass())
        self.w.clock.run_for(100)
        self.assertEqual((self.backend(), len(self.w.store.writes)), ("10.7.0.10:80", writes))

    def test_what_happened_while_it_was_away_is_seen_when_it_is_back(self) -> None:
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(2)
        self.w.lose_lxd()
        self.w.lxd.crash("ws-u1")
        self.w.webspace(2)
        self.w.regain_lxd()
        self.w.clock.run_for(1)
        self.assertEqual((self.backend(1), self.backend(2)), ("127.0.0.1:20001", "127.0.0.1:20002"))

    def test_a_pass_over_what_is_right_writes_nothing(self) -> None:
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(2)
        writes = len(self.w.store.writes)
        self.w.lxd.calls.clear()
        self.w.clock.result_of(self.w.reconciler.periodic_pass())
        self.w.clock.run_for(2)
        self.assertEqual((len(self.w.store.writes), self.w.calls("configure")), (writes, []))

    def test_other_instances_are_not_looked_at(self) -> None:
        self.w.lxd.calls.clear()
        self.w.reconciler.happened("builder")
        self.assertEqual(self.w.lxd.calls, [])

    def test_resync_looks_at_that_webspace_and_says_its_forwards_again_and_nobody_elses(self) -> None:
        self.w.webspace(2)
        self.w.clock.run_for(5)
        self.w.lxd.listeners.clear()
        self.w.lxd.power_on("ws-u1")
        retries = self.w.listeners.retries
        self.w.listeners.told.clear()
        self.w.clock.result_of(self.w.reconciler.resync(1))
        self.w.clock.run_for(2)
        self.assertEqual((self.backend(), self.w.listeners.retries), ("10.7.0.10:80", retries))
        self.assertEqual(set(self.w.listeners.told), {1})


class AddressTests(ReconcilerCase):
    def test_an_address_that_was_anothers_is_routed_to_only_when_that_has_settled(self) -> None:
        self.w.webspace(1, running=True)
        self.w.webspace(2)
        self.w.start()
        self.w.clock.run_for(5)
        one, two = self.w.lxd.containers["ws-u1"], self.w.lxd.containers["ws-u2"]
        # The second gets the first one's address at the moment at which that stops.
        one.address, two.address = two.address, one.address
        self.w.lxd.timings = type(self.w.lxd.timings)(address=0.0, port=0.0)
        self.w.lxd.crash("ws-u1")
        self.w.lxd.power_on("ws-u2")
        self.w.clock.run_for(SETTLE - 0.05)
        self.assertEqual(self.backend(1), "127.0.0.1:20001")
        self.assertEqual(self.backend(2), "127.0.0.1:20002")
        self.w.clock.run_for(3 * SETTLE)
        self.assertEqual(self.backend(2), "10.7.0.10:80")

    def test_a_stolen_address_stays_its_owners_route(self) -> None:
        self.w.webspace(1, running=True)
        self.w.start()
        self.w.clock.run_for(5)
        thief = self.w.webspace(2)
        self.w.lxd.power_on("ws-u2")
        thief.extra.append((self.w.lxd.containers["ws-u1"].address, "global"))
        self.w.clock.run_for(5)
        self.assertEqual(self.backend(1), "10.7.0.10:80")
        self.assertEqual(self.backend(2), "10.7.0.11:80")


class HostTests(ReconcilerCase):
    def hosts(self, uid: int) -> tuple[str, ...]:
        return self.w.store.routes[f"ws-u{uid}"].hosts

    def test_the_default_domain_first_then_its_own(self) -> None:
        self.w.webspace(1, domains=("www.alice.net",))
        self.w.start()
        self.assertEqual(self.hosts(1), ("alice.example.org", "www.alice.net"))

    def test_anothers_default_domain_is_never_its_own(self) -> None:
        self.w.webspace(1, domains=("bob.example.org", "example.org", "x.bob.example.org", "notexample.org"))
        self.w.webspace(2)
        self.w.start()
        self.assertEqual(self.hosts(1), ("alice.example.org", "notexample.org"))
        self.assertEqual(self.hosts(2), ("bob.example.org",))

    def test_a_domain_belongs_to_the_first_and_is_a_condition_of_the_second(self) -> None:
        self.w.webspace(1, domains=("shared.net",))
        self.w.webspace(2, domains=("shared.net",))
        self.w.start()
        self.assertEqual((self.hosts(1), self.hosts(2)), (("alice.example.org", "shared.net"), ("bob.example.org",)))
        self.assertIn("shared.net", self.w.conditions.of(2)[Kind.HOST_CLASH])
        self.w.lxd.remove("ws-u1")
        self.w.clock.run_for(1)
        # It is the second one's once its DNS says so.
        self.assertEqual(self.hosts(2), ("bob.example.org",))
        self.assertEqual(list(self.w.conditions.of(2)), [Kind.HOST_UNPROVED])

    def test_passthrough_is_the_webspaces_wish(self) -> None:
        self.w.webspace(1)
        self.w.start()
        self.w.clock.result_of(self.w.service.set_config(1, {"sniPassthrough": True}))
        self.w.clock.run_for(1)
        self.assertTrue(self.w.store.routes["ws-u1"].passthrough)
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(2)
        # TLS goes through: nobody asks in plain HTTP.
        self.assertEqual((self.backend(), self.w.probe.asked), ("10.7.0.10:80", [Ask.TLS]))

    def test_what_the_container_speaks_is_the_webspaces_wish(self) -> None:
        self.w.webspace(1)
        self.w.start()
        for protocol in ("h2c", "https", "http"):
            self.w.clock.result_of(self.w.service.set_config(1, {"protocol": protocol}))
            self.w.clock.run_for(1)
            self.assertEqual(self.w.store.routes["ws-u1"].protocol, protocol)


class BrokenTests(ReconcilerCase):
    def test_one_that_cannot_be_read_loses_its_route_and_harms_no_other(self) -> None:
        self.w.webspace(1)
        self.w.webspace(2)
        self.w.start()
        self.w.lxd.set_keys("ws-u1", **{KEY: "{"})
        self.w.clock.run_for(1)
        self.assertEqual(list(self.w.store.routes), ["ws-u2"])
        self.w.lxd.set_keys("ws-u1", **keys_of(1, config=DEFAULTS))
        self.w.clock.run_for(1)
        self.assertEqual(sorted(self.w.store.routes), ["ws-u1", "ws-u2"])

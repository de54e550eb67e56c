"""Leases that could not be read since the start take nobody's route, and are nobody's fault."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import watch
from tests.unit.world import World
from webspaced.errors import Refused, RemoteError, Unavailable
from webspaced.webspaces.conditions import Kind

SILENT = Unavailable("webspaces.leases cannot be reached")


class UnheardTests(SynchronousTestCase):
    def setUp(self) -> None:
        before = self.world()
        before.start()
        before.clock.run_for(5)
        self.w = self.world()
        self.w.store.routes = dict(before.store.routes)
        self.assertEqual(self.w.store.backend("ws-u1"), "10.7.0.10:80")
        self.w.lxd.fail_next("leases", *[SILENT, RemoteError("the database is locked", 500)] * 5000)

    def world(self) -> World:
        w = World()
        w.webspace(1, running=True)
        w.clock.advance(1)
        return w

    def test_a_published_route_stays_and_nothing_is_said_of_its_webspace(self) -> None:
        self.w.start()
        self.w.clock.run_for(60)
        self.w.clock.result_of(self.w.reconciler.periodic_pass())
        self.w.clock.result_of(self.w.reconciler.look_at_addresses())
        self.assertEqual((self.w.store.backend("ws-u1"), dict(self.w.conditions.of(1))), ("10.7.0.10:80", {}))

    def test_so_it_does_when_they_can_be_read_at_last(self) -> None:
        self.w.start()
        self.w.clock.run_for(60)
        self.w.lxd.fail_no_more()
        self.w.clock.result_of(self.w.reconciler.look_at_addresses())
        self.w.clock.run_for(5)
        self.assertEqual([put for put, _ in self.w.store.writes if put], [])
        self.assertEqual(str(self.w.clock.result_of(self.w.ready(1))), "10.7.0.10:80")

    def test_a_visitor_hears_why_and_the_webspace_has_no_failure_of_it(self) -> None:
        self.w.start()
        visitor = watch(self.w.ready(1))
        self.w.clock.run_for(20)
        self.assertIn("leases", str(visitor.error))
        self.assertIsInstance(visitor.error, Refused)
        self.assertEqual((self.w.booter.memory(1).failures, dict(self.w.conditions.of(1))), (0, {}))

    def test_a_visitor_who_waits_is_served_once_they_can_be_read(self) -> None:
        self.w.start()
        visitor = watch(self.w.ready(1))
        self.w.clock.run_for(3)
        self.w.lxd.fail_no_more()
        self.w.clock.run_for(4)
        self.assertEqual(str(visitor.value), "10.7.0.10:80")

    def test_a_route_to_what_it_does_not_show_any_more_goes(self) -> None:
        self.w.lxd.containers["ws-u1"].has_network = False
        self.w.start()
        self.w.clock.run_for(60)
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20001")

    def test_what_is_written_for_another_one_is_not_its_own(self) -> None:
        self.w.webspace(2).devices = {"eth0": {"type": "nic", "ipv4.address": "10.7.0.10"}}
        self.w.start()
        self.w.clock.run_for(60)
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20001")
        self.assertIn(Kind.ADDRESS_CLASH, self.w.conditions.of(1))

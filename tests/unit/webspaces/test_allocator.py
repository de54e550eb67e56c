"""No number is given to two."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import BOOT, EXTERNAL, World
from webspaced.errors import Conflict


class AllocatorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        self.w.webspace(1, boot_port=20000, ports={49152: 22})
        self.w.start()
        self.allocator = self.w.allocator

    def boot_port(self) -> int:
        with self.allocator.boot_port() as port:
            return port

    def test_what_lxd_remembers_is_not_given_again(self) -> None:
        self.assertEqual(self.boot_port(), 20001)
        self.assertEqual(next(self.allocator.free_external_ports()), 49153)

    def test_what_is_held_is_not_given_to_another(self) -> None:
        with self.allocator.boot_port() as one, self.allocator.boot_port() as two:
            self.assertEqual((one, two), (20001, 20002))
        self.assertEqual(self.boot_port(), 20001)

    def test_an_external_port_that_is_used_or_held_is_a_conflict(self) -> None:
        with self.allocator.external_port(49160, 1):
            for port in (49152, 49160):
                with self.assertRaises(Conflict), self.allocator.external_port(port, 2):
                    self.fail("given twice")
            self.assertNotIn(49160, list(self.allocator.free_external_ports()))
        with self.allocator.external_port(49160, 1):
            pass

    def test_an_error_inside_gives_it_back(self) -> None:
        with self.assertRaises(ValueError), self.allocator.boot_port():
            raise ValueError
        self.assertEqual(self.boot_port(), 20001)

    def test_a_boot_port_rests_for_ten_minutes(self) -> None:
        self.allocator.rest([20001, 20002])
        self.assertEqual(self.boot_port(), 20003)
        self.w.clock.advance(599)
        self.assertEqual(self.boot_port(), 20003)
        self.w.clock.advance(1)
        self.assertEqual(self.boot_port(), 20001)

    def test_who_had_it_gets_it_again_and_nobody_else_meanwhile(self) -> None:
        self.allocator.rest([20001], 1)
        self.allocator.rest([20002], 2)
        for uid, port in ((1, 20001), (2, 20002), (3, 20003), (None, 20003)):
            with self.allocator.boot_port(uid) as given:
                self.assertEqual(given, port)
        with self.allocator.boot_port(1), self.allocator.boot_port(1) as another:
            self.assertEqual(another, 20003)
        # A copy had it as well: a route of either may name it.
        self.allocator.rest([20001], 2)
        for uid in (1, 2):
            with self.allocator.boot_port(uid) as given:
                self.assertNotEqual(given, 20001)

    def test_a_deleted_webspaces_boot_port_rests(self) -> None:
        self.w.lxd.remove("ws-u1")
        self.w.clock.run_for(1)
        self.assertEqual(self.boot_port(), 20001)
        self.w.clock.advance(600)
        self.assertEqual(self.boot_port(), 20000)

    def test_none_left(self) -> None:
        self.allocator.rest(BOOT)
        self.assertRaises(Conflict, self.boot_port)

    def test_a_used_up_range_of_external_ports(self) -> None:
        self.assertEqual(list(self.allocator.free_external_ports()), list(EXTERNAL)[1:])

"""What a webspace needs to be served is given to it, and nothing else is written."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import BOOT, World, keys_of
from webspaced.core.claims import Grants
from webspaced.core.webspace import BOOT_PORT_KEY, KEY, UNKNOWN_SINCE_KEY, USERNAME_KEY
from webspaced.webspaces.conditions import Kind


class AdoptionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()

    def put(self, uid: int, **keys: str) -> None:
        self.w.lxd.put(f"ws-u{uid}", **{**keys_of(uid), **keys})

    def config(self, uid: int) -> dict[str, str]:
        return self.w.lxd.containers[f"ws-u{uid}"].config

    def test_a_complete_one_is_not_written(self) -> None:
        self.put(1)
        self.w.start()
        self.w.connect()
        self.assertEqual(self.w.calls("configure"), [])

    def test_one_of_a_former_daemon_gets_a_boot_port_and_its_name(self) -> None:
        self.w.lxd.put("ws-u1", **{KEY: keys_of(1)[KEY]})
        self.w.start()
        self.assertEqual((self.config(1)[BOOT_PORT_KEY], self.config(1)[USERNAME_KEY]), ("20000", "alice"))
        self.w.clock.run_for(1)
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20000")
        self.assertEqual(len(self.w.calls("configure")), 1)

    def test_a_document_whose_user_is_no_id_is_written_once(self) -> None:
        for odd in ("1.0", "true", '"1"', "null"):
            self.w = World()
            self.put(1, **{KEY: keys_of(1)[KEY].replace('"user":1', f'"user":{odd}')})
            self.w.start()
            self.w.clock.run_for(30)
            self.assertEqual(len(self.w.calls("configure")), 1, odd)
            self.assertEqual(self.w.store.routes["ws-u1"].hosts, ("alice.example.org",))

    def test_a_restored_boot_port_that_is_another_ones_by_now_stays_that_ones(self) -> None:
        self.put(1)
        self.w.lxd.put("ws-u2", **{KEY: keys_of(2)[KEY]})
        self.w.start()
        granted = self.config(2)[BOOT_PORT_KEY]
        for restart in (False, True):
            # The one that has it has been there for longer.
            self.w.lxd.containers["ws-u1"].config[BOOT_PORT_KEY] = granted
            self.w = self.restarted() if restart else self.w
            self.w.connect()
            self.assertEqual(self.config(2)[BOOT_PORT_KEY], granted)
            self.assertNotEqual(self.config(1)[BOOT_PORT_KEY], granted)
            self.assertEqual(self.w.listeners.boot_ports[2], int(granted))

    def test_a_grant_is_later_than_that_of_every_boot_port_whatever_the_clock_says(self) -> None:
        self.put(1, **keys_of(1, grants=Grants(boot={20001: 1e7})))
        self.w.start()
        self.assertGreater(self.w.allocator.granting(), 1e7)

    def restarted(self) -> World:
        again = World()
        again.lxd.containers.update(self.w.lxd.containers)
        return again.start()

    def test_a_renamed_member_is_followed_where_all_boot_ports_are_given(self) -> None:
        self.w.allocator.boot = range(20001, 20003)
        self.put(1)
        self.put(2)
        self.w.start()
        self.w.identity.members[1] = "alicia"
        del self.w.identity.members[2]
        self.w.connect()
        self.assertEqual(self.w.store.routes["ws-u1"].hosts, ("alicia.example.org",))
        self.assertIn(UNKNOWN_SINCE_KEY, self.config(2))

    def test_a_renamed_member_is_followed(self) -> None:
        self.put(1)
        self.w.start()
        self.w.identity.members[1] = "alicia"
        self.w.connect()
        self.assertEqual(self.config(1)[USERNAME_KEY], "alicia")
        self.assertEqual(self.w.store.routes["ws-u1"].hosts, ("alicia.example.org",))

    def test_iam_being_away_harms_nobody(self) -> None:
        self.put(1)
        self.w.identity.away = True
        self.w.start()
        self.assertEqual(self.w.store.routes["ws-u1"].hosts, ("alice.example.org",))
        self.assertEqual(self.w.calls("configure"), [])

    def test_the_name_of_somebody_who_left_is_its_next_bearers(self) -> None:
        self.put(1)
        self.put(2)
        self.w.start()
        del self.w.identity.members[1]
        self.w.identity.members[2] = "alice"
        self.w.connect()
        self.assertEqual(self.w.store.routes["ws-u2"].hosts, ("alice.example.org",))
        self.assertIn(Kind.HOST_CLASH, self.w.conditions.of(1))

    def test_a_copy_gets_neither_the_name_nor_the_claims_of_its_original_while_iam_is_away(self) -> None:
        self.put(1)
        self.w.start()
        self.w.identity.away = True
        self.w.lxd.copy("ws-u1", "ws-u2")
        self.w.clock.run_for(10)
        self.assertNotIn(USERNAME_KEY, self.config(2))
        self.assertEqual(self.w.store.routes["ws-u1"].hosts, ("alice.example.org",))
        self.assertNotIn("ws-u2", self.w.store.routes)

    def test_a_boot_port_that_a_program_has_is_replaced(self) -> None:
        self.put(1)
        self.w.listeners.taken.add(20001)
        self.w.start()
        self.w.clock.run_for(5)
        self.assertNotEqual(self.config(1)[BOOT_PORT_KEY], "20001")
        self.assertEqual(self.w.store.backend("ws-u1"), f"127.0.0.1:{self.config(1)[BOOT_PORT_KEY]}")
        self.assertNotIn(Kind.BOOT_PORT_UNBOUND, self.w.conditions.of(1))

    def test_copies_get_what_is_their_own_and_the_original_keeps_its(self) -> None:
        self.put(1)
        self.w.start()
        self.w.lxd.copy("ws-u1", "ws-u2")
        self.w.clock.run_for(1)
        self.assertEqual(self.config(1)[BOOT_PORT_KEY], "20001")
        self.assertNotEqual(self.config(2)[BOOT_PORT_KEY], "20001")
        self.assertEqual(self.config(2)[USERNAME_KEY], "bob")
        self.assertIn('"user":2', self.config(2)[KEY])
        self.assertNotEqual(self.w.store.backend("ws-u1"), self.w.store.backend("ws-u2"))

    def test_a_renamed_instance_becomes_its_new_owners(self) -> None:
        self.put(1)
        self.w.start()
        self.w.lxd.rename("ws-u1", "ws-u2")
        self.w.clock.run_for(1)
        self.assertEqual(list(self.w.store.routes), ["ws-u2"])
        self.assertEqual(self.w.store.routes["ws-u2"].hosts, ("bob.example.org",))
        # The old number rests: the former route may still name it.
        self.assertNotEqual(self.config(2)[BOOT_PORT_KEY], "20001")

    def test_of_two_with_one_number_the_older_keeps_it(self) -> None:
        self.put(1, **{BOOT_PORT_KEY: "20007"})
        self.put(2, **{BOOT_PORT_KEY: "20007"})
        self.w.start()
        self.w.clock.run_for(1)
        self.assertEqual(self.config(1)[BOOT_PORT_KEY], "20007")
        self.assertNotEqual(self.config(2)[BOOT_PORT_KEY], "20007")
        self.assertEqual(len(set(self.w.listeners.boot_ports.values())), 2)

    def test_a_number_outside_the_range_is_replaced(self) -> None:
        self.put(1, **{BOOT_PORT_KEY: "4000"})
        self.w.start()
        self.assertIn(int(self.config(1)[BOOT_PORT_KEY]), BOOT)

    def test_a_full_range_leaves_the_others_alone(self) -> None:
        self.put(1)
        self.put(2, **{BOOT_PORT_KEY: ""})
        self.w.allocator.rest(BOOT)
        self.w.start()
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20001")
        self.assertNotIn("ws-u2", self.w.store.routes)

    def test_a_full_range_does_not_keep_a_renamed_member_from_being_followed(self) -> None:
        self.put(1)
        self.w.start()
        self.w.allocator.rest(set(BOOT) - {20001, 20002})
        self.w.identity.members[1] = "alicia"
        self.w.connect()
        self.assertEqual(self.config(1)[USERNAME_KEY], "alicia")

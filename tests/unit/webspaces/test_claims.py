"""Documents that name the same: restored, copied, renamed. One webspace has it, after a restart, too."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import EXTERNAL, World, keys_of
from webspaced.core.claims import Grants
from webspaced.core.forward import Forward
from webspaced.core.webspace import KEY, USERNAME_KEY
from webspaced.errors import Conflict, Unavailable
from webspaced.webspaces.conditions import Kind

PORT = EXTERNAL[0]


class ClaimsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        self.w.webspace(1)
        self.w.webspace(2)
        self.w.start()

    def add(self, uid: int, domain: str = "shop.example") -> None:
        self.w.records.texts_of[domain] = [f"webspace:id:{uid}"]
        self.w.clock.result_of(self.w.domains.add(uid, domain))
        self.w.clock.result_of(self.w.ports.add(uid, PORT, Forward(22)))

    def drop(self, uid: int) -> None:
        self.w.clock.result_of(self.w.domains.remove(uid, "shop.example"))
        self.w.clock.result_of(self.w.ports.remove(uid, PORT))

    def document(self, uid: int) -> str:
        return self.w.lxd.containers[f"ws-u{uid}"].config[KEY]

    def has(self, world: World) -> tuple[list[int], list[int]]:
        """Give who has the domain, and who the port."""
        known = [uid for uid in (1, 2) if f"ws-u{uid}" in world.store.routes]
        hosts = [uid for uid in known if "shop.example" in world.store.routes[f"ws-u{uid}"].hosts]
        return hosts, [uid for uid, ports in world.listeners.forwards.items() if PORT in ports]

    def restarted(self) -> World:
        after = World()
        for container in self.w.lxd.containers.values():
            after.lxd.put(container.name, **container.config)
        return after.start()


class ClaimsTests(ClaimsCase):
    def test_a_restored_document_takes_nothing_that_was_granted_since(self) -> None:
        self.add(1)
        snapshot = self.document(1)
        self.drop(1)
        self.add(2)
        self.w.lxd.set_keys("ws-u1", **{KEY: snapshot})
        self.w.clock.run_for(10)
        for world in (self.w, self.restarted()):
            self.assertEqual(self.has(world), ([2], [2]))
            self.assertIn("shop.example", world.conditions.of(1)[Kind.HOST_CLASH])
            self.assertIn(str(PORT), world.conditions.of(1)[Kind.PORT_CLASH])
            self.assertEqual(dict(world.conditions.of(2)), {})

    def write(self, uid: int, **members: object) -> None:
        """Write into a document by hand, as operators do: without the times of grants."""
        container = self.w.lxd.containers[f"ws-u{uid}"]
        self.w.lxd.set_keys(container.name, **{KEY: json.dumps({**json.loads(container.config[KEY]), **members})})
        self.w.clock.run_for(1)

    def test_what_was_written_by_hand_is_dated_when_it_is_seen(self) -> None:
        has: dict[str, object] = {"domains": ["shop.example"], "ports": {str(PORT): 22}}
        self.write(1, **has)
        snapshot = self.document(1)
        self.assertGreater(json.loads(snapshot)["granted"]["ports"][str(PORT)], 0)
        self.write(1, domains=[], ports={})
        self.write(2, **has)
        self.w.lxd.set_keys("ws-u1", **{KEY: snapshot})
        self.w.clock.run_for(10)
        for world in (self.w, self.restarted()):
            self.assertEqual(self.has(world), ([2], [2]))
        # Two dates, and that 1 has lost the domain.
        self.assertEqual(len(self.w.calls("configure")), 3)

    def test_what_a_former_daemon_gave_is_not_taken_away_by_an_older_snapshot(self) -> None:
        has: dict[str, object] = {"domains": ["shop.example"], "ports": {str(PORT): 22}}
        self.w = World()
        self.w.webspace(1)
        self.w.webspace(2, domains=("shop.example",), ports={PORT: 22})
        self.w.start()
        self.write(1, **has)
        self.w.clock.run_for(10)
        self.assertEqual(self.w.listeners.forwards[1], {})
        for world in (self.w, self.restarted()):
            self.assertEqual(self.has(world), ([2], [2]))

    def test_nor_by_one_that_is_restored_while_nobody_looks(self) -> None:
        self.w = World()
        # The older instance: of two claims without a time its would win.
        self.w.webspace(1)
        self.w.webspace(2, domains=("shop.example",), ports={PORT: 22})
        self.w.start()
        self.w.clock.run_for(10)
        self.w.lose_lxd()
        self.w.lxd.set_keys("ws-u1", **keys_of(1, domains=("shop.example",), ports={PORT: 22}))
        self.assertEqual(self.has(self.restarted()), ([2], [2]))

    def test_what_is_held_without_a_time_is_dated_once(self) -> None:
        self.w = World()
        for uid in (1, 2):
            self.w.webspace(uid, ports={PORT + uid: 22}, domains=(f"{uid}.example",))
        self.w.start()
        for _ in range(2):
            self.w.clock.result_of(self.w.reconciler.full_pass())
            self.w.clock.run_for(10)
        self.assertEqual(sorted(self.w.calls("configure")), [("configure", "ws-u1"), ("configure", "ws-u2")])
        times = [json.loads(self.document(uid))["granted"] for uid in (1, 2)]
        self.assertEqual([sorted(each) for each in times], [["domains", "ports"]] * 2)

    def test_nothing_is_dated_while_a_cluster_member_is_away(self) -> None:
        self.w = World()
        self.w.webspace(1, ports={PORT: 22})
        self.w.registry.away[3] = "m2"
        self.w.claims.date_held()
        self.assertFalse(self.w.claims.lacks_news(1))

    def test_an_instance_that_was_renamed_and_has_its_name_back_has_what_it_had(self) -> None:
        self.add(1)
        for name, new in (("ws-u1", "ws-u3"), ("ws-u3", "ws-u1")):
            self.w.lxd.rename(name, new)
            self.w.clock.run_for(10)
            self.w = self.restarted()
            if new == "ws-u3":
                self.assertEqual(self.has(self.w)[1], [])
                self.assertEqual(self.w.store.routes[new].hosts, ("carol.example.org",))
        self.assertEqual(self.has(self.w), ([1], [1]))
        self.assertEqual(self.w.store.routes["ws-u1"].hosts, ("alice.example.org", "shop.example"))

    def test_what_was_granted_while_it_had_another_name_it_has_no_more(self) -> None:
        self.add(1)
        self.w.lxd.rename("ws-u1", "ws-u3")
        self.w.clock.run_for(10)
        self.add(2)
        self.w.lxd.rename("ws-u3", "ws-u1")
        self.w.clock.run_for(10)
        for world in (self.w, self.restarted()):
            self.assertEqual(self.has(world), ([2], [2]))

    def test_a_port_that_the_winner_gives_up_is_the_losers(self) -> None:
        self.lose()
        self.drop(2)
        self.w.clock.run_for(10)
        self.assertEqual(self.has(self.w)[1], [1])
        self.assertNotIn(Kind.PORT_CLASH, self.w.conditions.of(1))

    def lose(self) -> None:
        """Let 2 have what 1's restored document says is 1's."""
        self.add(1)
        snapshot = self.document(1)
        self.drop(1)
        self.add(2)
        self.w.lxd.set_keys("ws-u1", **{KEY: snapshot})
        self.w.clock.run_for(10)

    def test_a_copy_has_nothing_of_its_originals(self) -> None:
        self.add(1)
        self.w.lxd.remove("ws-u2")
        self.w.clock.run_for(1)
        self.w.lxd.copy("ws-u1", "ws-u2")
        self.w.clock.run_for(10)
        for world in (self.w, self.restarted()):
            self.assertEqual(self.has(world), ([1], [1]))

    def test_a_document_of_former_times_loses_to_any_grant(self) -> None:
        self.add(2)
        self.w.lxd.set_keys("ws-u1", **{KEY: f'{{"user": 1, "domains": ["shop.example"], "ports": {{"{PORT}": 22}}}}'})
        self.w.clock.run_for(10)
        for world in (self.w, self.restarted()):
            self.assertEqual(self.has(world), ([2], [2]))

    def test_a_clock_that_was_set_back_does_not_make_a_grant_an_old_one(self) -> None:
        self.add(1)
        snapshot = self.document(1)
        self.drop(1)
        self.w.claims._now = lambda: -1e6
        self.add(2)
        self.w.lxd.set_keys("ws-u1", **{KEY: snapshot})
        self.w.clock.run_for(10)
        self.assertEqual(self.has(self.restarted()), ([2], [2]))

    def test_what_is_no_domain_of_anybodys_is_a_condition_and_not_lost(self) -> None:
        self.write(1, domains=["shop.example", 5, "evil.invalid"])
        self.assertIn("'evil.invalid' cannot be served", self.w.conditions.of(1)[Kind.BAD_FIELD])
        self.w.clock.result_of(self.w.service.set_config(1, {"httpPort": 81}))
        self.assertEqual(json.loads(self.document(1))["domains"], ["shop.example", 5, "evil.invalid"])

    def test_a_forward_outside_the_range_is_not_bound(self) -> None:
        self.w.lxd.set_keys("ws-u1", **{KEY: f'{{"user": 1, "ports": {{"22": 22, "{PORT}": 80}}}}'})
        self.w.clock.run_for(10)
        self.assertEqual(self.w.listeners.forwards[1], {PORT: 80})
        self.assertIn("22", self.w.conditions.of(1)[Kind.PORT_OUTSIDE])

    def test_the_services_own_names_are_nobodys(self) -> None:
        self.w.identity.members.update({3: "api", 4: "dave"})
        for uid in (3, 4):
            self.w.lxd.put(f"ws-u{uid}", **{KEY: f'{{"user": {uid}, "domains": ["{uid}.example"]}}'})
        self.w.connect()
        self.w.clock.run_for(10)
        hosts = {uid: self.w.store.routes[f"ws-u{uid}"].hosts for uid in (3, 4)}
        self.assertEqual(hosts, {3: ("3.example",), 4: ("dave.example.org", "4.example")})
        self.assertIn("api", self.w.conditions.of(3)[Kind.NAME_RESERVED])
        self.assertEqual(self.w.clock.result_of(self.w.domains.names(3)), ["3.example"])


    def test_a_name_that_becomes_one_of_the_services_own_or_is_one_no_more(self) -> None:
        def shows(hosts: tuple[str, ...]) -> None:
            self.w.clock.run_for(10)
            route = self.w.store.routes.get("ws-u1")
            self.assertEqual(route.hosts if route else (), hosts)

        shows(("alice.example.org",))
        rules = self.w.claims.rules
        self.w.claims.change_rules(evolve(rules, reserved=frozenset({"alice"})))
        shows(())
        self.assertIn("alice", self.w.conditions.of(1)[Kind.NAME_RESERVED])
        self.w.claims.change_rules(rules)
        shows(("alice.example.org",))
        self.assertNotIn(Kind.NAME_RESERVED, self.w.conditions.of(1))


class NewOwnerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        self.w.webspace(1)
        self.w.webspace(2)
        self.w.start()
        self.say(["webspace:id:1"])
        self.add(1)

    def say(self, texts: list[str], name: str = "shop.example") -> None:
        self.w.records.texts_of[name] = texts

    def add(self, uid: int) -> Any:
        return self.w.clock.result_of(self.w.domains.add(uid, "shop.example"))

    def hosts(self) -> dict[int, bool]:
        return {uid: "shop.example" in self.w.store.routes[f"ws-u{uid}"].hosts for uid in (1, 2)}


class NewOwnerTests(NewOwnerCase):
    def test_while_the_old_proof_is_there_it_stays_where_it_is(self) -> None:
        self.say(["webspace:id:1", "webspace:id:2"])
        self.assertIn("in use", str(self.refusal(2)))
        self.say(["webspace:id:2"])
        self.say(["webspace:id:1"], "_webspaced.shop.example")
        self.assertIn("in use", str(self.refusal(2)))
        self.assertEqual(self.hosts(), {1: True, 2: False})

    def test_once_it_is_gone_whoever_proves_it_gets_it_and_the_old_one_is_told(self) -> None:
        self.say(["webspace:id:2"])
        self.add(2)
        self.w.clock.run_for(5)
        self.assertEqual(self.hosts(), {1: False, 2: True})
        self.assertIn("shop.example", self.w.conditions.of(1)[Kind.HOST_CLASH])
        # And back, when it is proved again.
        self.say(["webspace:id:1"])
        self.add(1)
        self.w.clock.run_for(5)
        self.assertEqual(self.hosts(), {1: True, 2: False})

    def test_nobody_gets_it_without_a_proof(self) -> None:
        self.say([])
        self.assertIn("in use", str(self.refusal(2)))

    def test_beside_a_cname_it_is_proved_below_the_name(self) -> None:
        self.w.records.texts_of["_webspaced.www.example"] = ["webspace:id:2"]
        self.w.clock.result_of(self.w.domains.add(2, "www.example"))
        self.assertIn("www.example", self.w.store.routes["ws-u2"].hosts)

    def refusal(self, uid: int) -> Exception:
        return self.assertRaises(Conflict, self.add, uid)


class GivenUpTests(NewOwnerCase):
    """A domain that went from 1 to 2 by proof is not 1's again because 2 gives it up."""

    def setUp(self) -> None:
        super().setUp()
        self.say(["webspace:id:2"])
        self.add(2)
        self.w.clock.run_for(5)

    def give_up(self) -> None:
        self.w.clock.result_of(self.w.domains.remove(2, "shop.example"))
        self.w.clock.run_for(5)

    def is_nobodys(self) -> None:
        self.assertEqual(self.hosts(), {1: False, 2: False})
        self.assertIn("shop.example", self.w.conditions.of(1)[Kind.HOST_UNPROVED])
        self.assertNotIn(Kind.HOST_CLASH, self.w.conditions.of(1))

    def is_ones(self) -> None:
        self.assertEqual(self.hosts(), {1: True, 2: False})
        self.assertEqual(dict(self.w.conditions.of(1)), {})

    def restart(self) -> None:
        before, self.w = self.w, World()
        self.w.clock.advance(before.clock.seconds())
        self.w.records.texts_of = before.records.texts_of
        for container in before.lxd.containers.values():
            self.w.lxd.put(container.name, **container.config)
        self.w.start()
        self.w.clock.run_for(5)

    def test_while_dns_names_the_other_it_is_nobodys(self) -> None:
        self.give_up()
        self.is_nobodys()
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.w.clock.run_for(5)
        self.is_nobodys()

    def test_nor_after_a_restart(self) -> None:
        self.give_up()
        self.restart()
        self.is_nobodys()

    def test_nor_when_the_other_webspace_goes(self) -> None:
        self.w.lxd.remove("ws-u2")
        self.w.clock.run_for(5)
        self.assertEqual(self.w.store.routes["ws-u1"].hosts, ("alice.example.org",))

    def test_it_is_the_losers_at_once_where_dns_names_it_again(self) -> None:
        self.say(["webspace:id:1"])
        self.give_up()
        self.is_ones()
        self.restart()
        self.is_ones()

    def test_or_with_the_first_pass_after_that(self) -> None:
        self.give_up()
        self.w.records.errors = [Unavailable("no")]
        self.say(["webspace:id:1"])
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.w.clock.run_for(5)
        self.is_nobodys()
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.w.clock.run_for(5)
        self.is_ones()

    def test_its_member_may_prove_it_without_waiting(self) -> None:
        self.give_up()
        self.say(["webspace:id:1"])
        self.add(1)
        self.w.clock.run_for(5)
        self.is_ones()

    def test_whoever_else_proves_it_meanwhile_has_it(self) -> None:
        self.give_up()
        self.add(2)
        self.w.clock.run_for(5)
        self.assertEqual(self.hosts(), {1: False, 2: True})
        self.assertIn("shop.example", self.w.conditions.of(1)[Kind.HOST_CLASH])
        self.assertNotIn(Kind.HOST_UNPROVED, self.w.conditions.of(1))

    def test_the_loser_may_remove_it(self) -> None:
        self.give_up()
        self.w.clock.result_of(self.w.domains.remove(1, "shop.example"))
        self.w.clock.run_for(5)
        self.assertEqual(dict(self.w.conditions.of(1)), {})
        self.assertNotIn("lost", json.loads(self.w.lxd.containers["ws-u1"].config[KEY]).get("granted", {}))

    def test_given_up_in_the_same_moment_it_is_not_the_losers_either(self) -> None:
        self.say(["webspace:id:1"])
        self.add(1)
        self.w.clock.run_for(5)
        self.say(["webspace:id:2"])
        self.w.identity.away = True
        self.add(2)
        self.w.lxd.fail_next("configure", *[Unavailable("no")] * 3)
        self.w.lxd.set_keys("ws-u2", **keys_of(2))
        self.w.clock.run_for(0.5)
        self.is_nobodys()


class FutureTests(ClaimsCase):
    """The clock was ahead by years when something was granted, and is right again."""

    NOW, AHEAD = 1.8e9, 2.0e9

    def setUp(self) -> None:
        super().setUp()
        self.w.claims._now = lambda: self.AHEAD
        self.add(1)
        self.snapshot = self.document(1)

    def at(self, now: float) -> World:
        """Start again at another time."""
        world = World()
        world.claims._now = lambda: now
        world.records.texts_of, world.identity.members = self.w.records.texts_of, self.w.identity.members
        for container in self.w.lxd.containers.values():
            world.lxd.put(container.name, **container.config)
        self.w = world.start()
        self.w.clock.run_for(10)
        return world

    def restore(self) -> None:
        self.w.lxd.set_keys("ws-u1", **{KEY: self.snapshot})
        self.w.clock.run_for(10)

    def test_what_was_granted_then_wins_nothing_that_was_granted_since(self) -> None:
        self.drop(1)
        self.at(self.NOW)
        self.add(2)
        self.restore()
        self.assertEqual(self.has(self.w), ([2], [2]))
        self.assertEqual(self.has(self.at(self.NOW + 60)), ([2], [2]))

    def test_who_has_it_still_has_it_and_it_is_dated_anew(self) -> None:
        self.assertEqual(self.has(self.at(self.NOW)), ([1], [1]))
        granted = json.loads(self.document(1))["granted"]
        for at in (granted["ports"][str(PORT)], granted["domains"]["shop.example"]):
            self.assertTrue(self.NOW <= at < self.NOW + 1)
        writes = len(self.w.calls("configure"))
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.w.clock.run_for(10)
        self.assertEqual(len(self.w.calls("configure")), writes)

    def test_a_clock_that_is_put_right_while_webspaced_runs(self) -> None:
        self.w.claims._now = lambda: self.NOW
        self.w.clock.result_of(self.w.ports.add(2, PORT + 1, Forward(22)))
        self.w.clock.run_for(10)
        self.assertEqual(self.has(self.w), ([1], [1]))
        self.assertLess(json.loads(self.document(1))["granted"]["ports"][str(PORT)], self.NOW + 1)
        self.assertLess(json.loads(self.document(2))["granted"]["ports"][str(PORT + 1)], self.NOW + 1)
        self.drop(1)
        self.add(2)
        self.restore()
        self.assertEqual(self.has(self.w), ([2], [2]))

    def test_a_name_and_a_boot_port_of_then_win_nothing(self) -> None:
        ahead = Grants(name=self.AHEAD, boot={20001: self.AHEAD})
        since = Grants(name=self.NOW, boot={20001: self.NOW})
        self.w.identity.members[2] = "alice"
        self.w.lxd.set_keys("ws-u1", **keys_of(1, grants=ahead))
        self.w.lxd.set_keys("ws-u2", **{**keys_of(2, grants=since, boot_port=20001), USERNAME_KEY: "alice"})
        world = self.at(self.NOW)
        self.assertEqual(world.store.routes["ws-u2"].hosts, ("alice.example.org",))
        self.assertEqual(world.listeners.boot_ports[2], 20001)

    def test_a_clock_that_was_never_set_judges_nothing(self) -> None:
        snapshot = self.document(1)
        self.at(86400.0)
        self.assertEqual(self.document(1), snapshot)

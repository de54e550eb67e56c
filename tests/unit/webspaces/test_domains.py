"""Adding and removing domains: proved, unique, bounded, and reachable when the answer comes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Watched, watch
from tests.unit.world import World
from webspaced.errors import Conflict, Invalid, NotFound, RemoteError, Unavailable


class DomainsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        self.w.webspace(1)
        self.w.webspace(2)
        self.w.start()
        self.w.clock.run_for(5)

    def prove(self, domain: str, uid: int = 1) -> None:
        self.w.records.texts_of.setdefault(domain, ["v=spf1 -all"]).append(f"webspace:id:{uid}")

    def add(self, domain: str, uid: int = 1) -> None:
        self.w.clock.result_of(self.w.domains.add(uid, domain))

    def names(self, uid: int = 1) -> list[str]:
        return list(self.w.clock.result_of(self.w.domains.names(uid)))

    def hosts(self, uid: int = 1) -> tuple[str, ...]:
        return self.w.store.routes[f"ws-u{uid}"].hosts

    def fails(self, error: type[Exception], domain: str, uid: int = 1) -> str:
        before = self.names(uid)
        said = str(self.assertRaises(error, self.add, domain, uid))
        self.assertEqual(self.names(uid), before)
        self.w.clock.run_for(5)
        return said


class AddTests(DomainsCase):
    def test_the_default_domain_comes_first(self) -> None:
        self.assertEqual(self.names(), ["alice.example.org"])
        self.prove("example.net")
        self.prove("a.example")
        self.add("Example.NET.")
        self.add("a.example")
        self.assertEqual(self.names(), ["alice.example.org", "example.net", "a.example"])

    def test_it_is_served_when_the_answer_comes(self) -> None:
        self.prove("example.net")
        self.add("example.net")
        self.assertEqual(self.hosts(), ("alice.example.org", "example.net"))

    def test_an_international_one_is_asked_for_as_dns_has_it(self) -> None:
        self.prove("xn--bcher-kva.example")
        self.add("bücher.example")
        self.assertEqual(self.w.records.asked, ["xn--bcher-kva.example"])

    def test_not_without_proof(self) -> None:
        self.prove("example.net", 2)
        said = self.fails(Invalid, "example.net")
        self.assertIn("webspace:id:1", said)
        self.w.records.texts_of["example.net"] = ["webspace:id:11", "webspace:id:1 ", "xwebspace:id:1"]
        self.fails(Invalid, "example.net")
        self.assertEqual(self.hosts(), ("alice.example.org",))

    def test_what_can_be_none_is_not_asked_for(self) -> None:
        for text in ("*.example.net", "192.0.2.1", "bob.example.org", "example.org", "org"):
            self.fails(Invalid, text)
        self.assertEqual(self.w.records.asked, [])

    def test_dns_away(self) -> None:
        self.w.records.errors = [Unavailable("no")]
        self.fails(Unavailable, "example.net")
        self.prove("example.net")
        self.add("example.net")

    def test_one_webspace_for_each(self) -> None:
        self.prove("example.net", 1)
        self.prove("example.net", 2)
        self.add("example.net", 1)
        self.fails(Conflict, "example.net", 2)
        self.fails(Conflict, "example.net", 1)

    def test_two_at_the_same_time(self) -> None:
        self.prove("example.net", 1)
        self.prove("example.net", 2)
        asked = [watch(self.w.domains.add(uid, "example.net")) for uid in (1, 2)]
        self.w.clock.run_until(lambda: all(each.done for each in asked))
        self.assertEqual([self.ended(each) for each in asked].count("ok"), 1)

    def ended(self, asked: Watched) -> str:
        return "ok" if asked.results == [None] else type(asked.error).__name__

    def test_a_failed_one_is_free_again(self) -> None:
        self.fails(Invalid, "example.net")
        self.prove("example.net", 2)
        self.add("example.net", 2)

    def test_so_many_and_no_more(self) -> None:
        for n in range(4):
            self.prove(f"{n}.example")
        for n in range(3):
            self.add(f"{n}.example")
        asked = len(self.w.records.asked)
        self.assertIn("at most 3", self.fails(Invalid, "3.example"))
        self.assertEqual(len(self.w.records.asked), asked)

    def test_two_at_once_do_not_pass_the_bound(self) -> None:
        for n in range(4):
            self.prove(f"{n}.example")
        self.add("0.example")
        self.add("1.example")
        asked = [watch(self.w.domains.add(1, f"{n}.example")) for n in (2, 3)]
        self.w.clock.run_until(lambda: all(each.done for each in asked))
        self.assertEqual(sorted(self.ended(each) for each in asked), ["Invalid", "ok"])

    def test_lxd_fails(self) -> None:
        self.prove("example.net")
        self.w.lxd.fail_next("configure", RemoteError("no", 500))
        self.fails(RemoteError, "example.net")

    def test_what_lxd_has_though_nobody_could_see_it_is_nobody_elses(self) -> None:
        self.prove("example.net", 1)
        self.prove("example.net", 2)
        # The change is taken, and the look after it fails.
        configure = self.w.lxd.configure

        async def configured(*arguments: object) -> None:
            await configure(*arguments)
            self.w.lxd.fail_next("get", RemoteError("no", 500), RemoteError("no", 500))
            self.w.lxd.configure = configure

        self.w.lxd.configure = configured
        self.assertRaises(Unavailable, self.add, "example.net", 1)
        self.w.lxd._failures.clear()
        self.fails(Conflict, "example.net", 2)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.fails(Conflict, "example.net", 2)
        self.assertEqual(self.names(1), ["alice.example.org", "example.net"])

    def test_no_webspace(self) -> None:
        self.assertRaises(NotFound, self.add, "example.net", 3)
        self.assertRaises(NotFound, self.w.clock.result_of, self.w.domains.names(3))

    def test_a_record_that_goes_later_changes_nothing(self) -> None:
        self.prove("example.net")
        self.add("example.net")
        self.w.records.texts_of.clear()
        self.w.clock.result_of(self.w.reconciler.resync(1))
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.w.clock.run_for(1000)
        self.assertEqual(self.hosts(), ("alice.example.org", "example.net"))


class RemoveTests(DomainsCase):
    def setUp(self) -> None:
        super().setUp()
        self.prove("xn--bcher-kva.example")
        self.add("bücher.example")

    def remove(self, domain: str, uid: int = 1) -> None:
        self.w.clock.result_of(self.w.domains.remove(uid, domain))
        self.w.clock.run_for(5)

    def test_it_is_served_no_longer_and_free_for_others(self) -> None:
        self.remove("BÜCHER.example.")
        self.assertEqual((self.names(), self.hosts()), (["alice.example.org"], ("alice.example.org",)))
        self.prove("xn--bcher-kva.example", 2)
        self.add("bücher.example", 2)
        self.assertEqual(self.hosts(2), ("bob.example.org", "xn--bcher-kva.example"))

    def test_not_the_default_one(self) -> None:
        self.assertIn("default", str(self.assertRaises(Invalid, self.remove, "Alice.example.org.")))

    def test_only_ones_own(self) -> None:
        for text in ("other.example", "bob.example.org", "no_name", "*.example"):
            self.assertRaises(NotFound, self.remove, text)
        self.assertRaises(NotFound, self.remove, "bücher.example", 2)

    def test_one_that_would_not_be_accepted_today(self) -> None:
        self.w.webspace(3, domains=("up.org", "org"))
        self.w.reconciler.happened("ws-u3")
        self.w.clock.run_for(5)
        self.remove("org", 3)
        self.assertEqual(self.names(3), ["carol.example.org", "up.org"])

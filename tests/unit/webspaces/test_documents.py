"""Changes of documents: one after the other, through LXD's ETag, none lost."""

from __future__ import annotations

from twisted.internet.defer import gatherResults
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import watch
from tests.unit.world import World
from webspaced.core.forward import Forward
from webspaced.core.webspace import KEY, Webspace, load_webspace
from webspaced.errors import Changed, Invalid, NotFound, RemoteError, Unavailable


class DocumentTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        self.w.webspace(1)
        self.w.webspace(2)
        self.w.start()
        self.w.lxd.calls.clear()

    def change(self, external: int, uid: int = 1) -> object:
        return self.w.documents.change(uid, lambda webspace: webspace.with_forward(external, Forward(22)))

    def stored(self, uid: int = 1) -> Webspace:
        return load_webspace(self.w.lxd.containers[f"ws-u{uid}"].config[KEY], self.w.seen(uid).webspace.config)

    def test_gives_the_old_one_and_everybody_sees_the_new_one(self) -> None:
        old = self.w.clock.result_of(self.change(50000))
        self.assertEqual(dict(old.ports), {})
        self.assertEqual((dict(self.stored().ports), dict(self.w.seen(1).webspace.ports)), ({50000: 22}, {50000: 22}))

    def test_changes_at_the_same_time_lose_nothing(self) -> None:
        changes = [watch(self.change(50000 + n)) for n in range(20)]
        self.w.clock.run_for(10)
        self.assertTrue(all(change.value is not None for change in changes))
        self.assertEqual(sorted(self.stored().ports), [50000 + n for n in range(20)])

    def test_one_is_redone_when_somebody_else_changed_the_instance_meanwhile(self) -> None:
        change = watch(self.change(50000))
        self.w.clock.run_for(0.003)
        theirs = self.stored().with_forward(51000, Forward(80))
        self.w.lxd.set_keys("ws-u1", **{KEY: theirs.dump()})
        self.w.clock.run_for(1)
        self.assertTrue(change.value)
        self.assertEqual(dict(self.stored().ports), {50000: 22, 51000: 80})

    def test_starts_and_stops_meanwhile_do_no_harm(self) -> None:
        change = watch(self.change(50000))
        self.w.clock.run_for(0.003)
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(5)
        self.assertTrue(change.value)
        self.assertIn(50000, self.stored().ports)

    def test_one_that_always_changes_is_given_up(self) -> None:
        self.w.lxd.fail_next("configure", *[Changed("no", 412)] * 100)
        self.assertRaises(Unavailable, self.w.clock.result_of, self.change(50000))
        self.assertLess(len(self.w.calls("configure")), 20)

    def test_webspaces_do_not_wait_for_each_other(self) -> None:
        one, two = watch(self.change(50000, 1)), watch(self.change(50001, 2))
        self.w.clock.run_until(lambda: one.done)
        self.assertTrue(two.done)

    def test_an_error_of_the_change_writes_nothing_and_lets_the_next_in(self) -> None:
        def refuse(_webspace: Webspace) -> Webspace:
            raise Invalid("no")

        refused = watch(self.w.documents.change(1, refuse))
        following = watch(self.change(50000))
        self.w.clock.run_for(1)
        self.assertIsInstance(refused.error, Invalid)
        self.assertTrue(following.value)
        self.assertEqual(len(self.w.calls("configure")), 1)

    def test_no_keys_means_no_write(self) -> None:
        self.w.clock.result_of(self.w.documents.change_keys(1, lambda _: {}))
        self.assertEqual(self.w.calls("configure"), [])

    def test_what_is_not_there(self) -> None:
        self.assertRaises(NotFound, self.w.clock.result_of, self.change(50000, 4))

    def test_lxds_error_comes_through_and_lets_the_next_in(self) -> None:
        self.w.lxd.fail_next("configure", RemoteError("disk full", 500))
        self.assertRaises(RemoteError, self.w.clock.result_of, self.change(50000))
        self.assertTrue(self.w.clock.result_of(self.change(50001)))
        self.assertEqual(list(self.stored().ports), [50001])

    def test_one_who_gives_up_waiting_is_passed_over(self) -> None:
        first, second, third = (watch(self.change(50000 + n)) for n in range(3))
        second.deferred.cancel()
        self.w.clock.result_of(gatherResults([first.deferred, third.deferred]))
        self.assertEqual(sorted(self.stored().ports), [50000, 50002])

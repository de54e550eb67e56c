"""Few writes, none before the doors open, none lost, and a truthful word on when a change has settled."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time, watch
from tests.unit.world import SETTLE, FakeStore
from webspaced.core.address import Endpoint
from webspaced.core.routes import Route
from webspaced.reconcile.publisher import FLOOR, Publisher


def route(name: str, host: str = "127.0.0.1", port: int = 80) -> Route:
    return Route(name=name, hosts=(f"{name}.org",), backend=Endpoint(ip_address(host), port))


A, B = "10.7.0.10", "10.7.0.11"


class PublisherCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.store = FakeStore(self.clock)
        self.publisher = Publisher(self.clock, self.store, SETTLE)

    def opened(self, **published: str) -> None:
        self.store.routes = {name: route(name, host) for name, host in published.items()}
        self.clock.result_of(self.publisher.load())
        for name in published:
            self.publisher.want(name, self.store.routes[name])
        self.publisher.open()
        # What comes next is not hurried.
        self.clock.run_for(FLOOR)
        self.store.writes.clear()
        self.store.times.clear()

    def want(self, name: str, host: str | None) -> None:
        self.publisher.want(name, None if host is None else route(name, host))


class WriteTests(PublisherCase):
    def test_nothing_before_it_is_open(self) -> None:
        self.want("x", A)
        self.clock.run_for(100)
        self.assertEqual(self.store.writes, [])
        self.publisher.open()
        self.clock.settle()
        self.assertEqual(list(self.store.routes), ["x"])

    def test_opening_renews_what_is_there_and_removes_orphans_in_one_write(self) -> None:
        self.store.routes = {"orphan": route("orphan"), "x": route("x")}
        self.clock.result_of(self.publisher.load())
        self.want("x", "127.0.0.1")
        self.publisher.open()
        self.publisher.open()
        self.clock.settle()
        self.assertEqual(self.store.writes, [({}, ["orphan"])])

    def test_what_others_changed_is_written_again_and_only_that(self) -> None:
        self.opened(x=A, y=B)
        self.store.differ(["x", "stranger"])
        self.clock.settle()
        self.assertEqual(self.store.writes, [({"x": route("x", A)}, ["stranger"])])
        self.clock.run_for(100)
        self.assertEqual(len(self.store.writes), 1)

    def test_what_others_change_while_it_is_written_is_written_once_more(self) -> None:
        self.opened(x=A)
        self.store.delay = 1.0
        self.store.differ(["x"])
        self.clock.run_for(0.5)
        self.store.differ(["x"])
        self.clock.run_for(5)
        self.assertEqual(self.store.writes, [({"x": route("x", A)}, [])] * 2)

    def test_what_cannot_be_repaired_at_once_is_tried_again(self) -> None:
        self.opened(x=A)
        self.store.errors = [OSError("away"), OSError("away")]
        self.store.differ([])
        self.clock.run_for(5)
        self.assertEqual(self.store.writes, [({}, [])])

    def test_a_look_tells_what_others_changed(self) -> None:
        self.opened(x=A)
        self.clock.result_of(self.publisher.check())
        self.clock.settle()
        self.assertEqual(self.store.writes, [])
        self.store.different = ["x"]
        self.clock.result_of(self.publisher.check())
        self.clock.settle()
        self.assertEqual(self.store.writes, [({"x": route("x", A)}, [])])

    def test_nothing_is_settled_that_others_removed(self) -> None:
        self.opened(x=A)
        self.store.delay = 1.0
        self.store.differ(["x"])
        settled = self.publisher.settled("x")
        self.clock.run_for(0.9)
        self.assertNoResult(settled)
        self.clock.run_for(0.2 + SETTLE)
        self.assertIsNone(self.successResultOf(settled))

    def test_opening_with_nothing_to_change_tells_the_store_once(self) -> None:
        self.publisher.open()
        self.clock.settle()
        self.assertEqual(self.store.writes, [({}, [])])

    def test_changes_of_one_turn_are_one_write(self) -> None:
        self.opened()
        for n in range(100):
            self.want(f"x{n}", A)
        self.want("x0", None)
        self.clock.settle()
        self.assertEqual([len(put) for put, _ in self.store.writes], [99])

    def test_the_same_again_is_no_write(self) -> None:
        self.opened(x=A)
        self.want("x", A)
        self.want("y", None)
        self.want("x", B)
        self.want("x", A)
        self.clock.settle()
        self.assertEqual(self.store.writes, [])

    def test_a_store_that_fails_is_tried_again_with_growing_pauses_and_gets_the_latest(self) -> None:
        self.opened()
        self.store.errors = [OSError("disk full")] * 3
        self.want("x", A)
        self.clock.run_for(0.25)
        self.want("x", B)
        self.clock.run_for(0.2)
        self.assertEqual(self.store.writes, [])
        self.clock.run_for(10)
        self.assertEqual(self.store.writes, [({"x": route("x", B)}, [])])
        self.assertEqual(self.publisher.published("x"), Endpoint(ip_address(B), 80))

    def test_a_store_that_says_it_is_back_is_tried_at_once(self) -> None:
        self.opened(x=A)
        self.store.errors = [OSError("no")] * 8
        self.want("x", B)
        self.clock.run_for(20)
        self.assertEqual(len(self.store.errors), 0)
        self.assertEqual(self.store.writes, [])
        self.store.differ([])
        self.clock.settle()
        self.assertEqual(self.store.writes, [({"x": route("x", B)}, [])])
        self.clock.run_for(100)
        self.assertEqual(len(self.store.writes), 1)

    def test_closing_does_not_wait_for_the_next_try(self) -> None:
        self.opened(x=A)
        self.store.errors = [OSError("no")] * 100
        self.want("x", B)
        self.clock.run_for(50)
        self.assertIsNone(self.publisher.close())
        self.clock.run_for(100)
        self.assertEqual(self.store.writes, [])

    def test_what_changes_during_a_write_is_written_after_it(self) -> None:
        self.opened()
        self.store.delay = 1.0
        self.want("x", A)
        self.clock.run_for(0.5)
        self.want("x", B)
        self.want("y", A)
        self.clock.run_for(5)
        self.assertEqual([sorted(put) for put, _ in self.store.writes], [["x"], ["x", "y"]])

    def test_after_closing_nothing_is_written(self) -> None:
        self.opened()
        self.want("x", A)
        self.assertIsNone(self.publisher.close())
        self.want("y", A)
        self.clock.run_for(10)
        self.assertEqual(self.store.writes, [])

    def test_closing_waits_for_the_write_under_way(self) -> None:
        self.opened()
        self.store.delay = 1.0
        self.want("x", A)
        self.clock.run_for(0.5)
        last = watch(self.publisher.close())
        self.assertFalse(last.done)
        self.clock.run_for(1)
        self.assertTrue(last.done)
        self.assertEqual(len(self.store.writes), 1)


class SettledTests(PublisherCase):
    def test_what_never_changed_is_settled(self) -> None:
        self.opened(x=A)
        self.assertTrue(watch(self.publisher.settled("x")).done)
        self.assertTrue(watch(self.publisher.settled("nobody")).done)

    def test_a_change_is_settled_so_long_after_its_write(self) -> None:
        self.opened(x=A)
        self.store.delay = 1.0
        self.want("x", B)
        settled = watch(self.publisher.settled("x"))
        self.clock.run_for(1 + SETTLE - 0.01)
        self.assertFalse(settled.done)
        self.clock.run_for(0.02)
        self.assertTrue(settled.done)

    def test_who_asks_later_waits_only_for_the_rest(self) -> None:
        self.opened(x=A)
        self.want("x", B)
        self.clock.run_for(SETTLE - 0.1)
        settled = watch(self.publisher.settled("x"))
        self.assertFalse(settled.done)
        self.clock.run_for(0.11)
        self.assertTrue(settled.done)
        self.assertTrue(watch(self.publisher.settled("x")).done)

    def test_a_removal_settles_too(self) -> None:
        self.opened(x=A)
        self.want("x", None)
        settled = watch(self.publisher.settled("x"))
        self.clock.run_for(SETTLE / 2)
        self.assertFalse(settled.done)
        self.clock.run_for(SETTLE)
        self.assertTrue(settled.done)

    def test_a_store_that_fails_holds_it_up_and_not_for_ever(self) -> None:
        self.opened(x=A)
        self.store.errors = [OSError("disk full")] * 1000
        self.want("x", B)
        settled = watch(self.publisher.settled("x"))
        self.clock.run_for(5)
        self.assertFalse(settled.done)
        self.clock.run_for(60)
        self.assertTrue(settled.done)

    def test_one_that_wants_something_else_meanwhile_waits_for_that(self) -> None:
        self.opened(x=A)
        self.store.delay = 1.0
        self.want("x", B)
        settled = watch(self.publisher.settled("x"))
        self.clock.run_for(0.5)
        self.want("x", None)
        self.clock.run_for(1)
        self.assertFalse(settled.done)
        self.clock.run_for(1 + SETTLE)
        self.assertTrue(settled.done)


class FloorTests(PublisherCase):
    """Each write is work for all of Traefik: what is urgent gathers, and nobody keeps it busy."""

    def test_the_first_after_a_rest_is_written_at_once(self) -> None:
        self.opened(x=A)
        self.want("x", B)
        self.clock.settle()
        self.assertEqual(len(self.store.writes), 1)

    def test_urgent_ones_gather(self) -> None:
        self.opened()
        began = self.clock.seconds()
        for n in range(100):
            self.want(f"x{n}", A)
            self.clock.run_for(0.01)
        self.clock.run_for(1)
        self.assertLessEqual(len(self.store.writes), 1 + 1.0 / FLOOR)
        self.assertEqual(len(self.store.routes), 100)
        self.assertEqual(self.store.times[0], began)
        for before, after in pairwise(self.store.times):
            self.assertGreaterEqual(after - before, FLOOR - 1e-9)

    def test_so_they_do_while_a_write_takes_its_time(self) -> None:
        self.opened()
        self.store.delay = 0.03
        for n in range(100):
            self.want(f"x{n}", A)
            self.clock.run_for(0.01)
        self.clock.run_for(1)
        self.assertEqual(len(self.store.routes), 100)
        for before, after in pairwise(self.store.times):
            self.assertGreaterEqual(after - before, FLOOR - 1e-9)

    def test_one_that_changes_all_the_time_waits_and_the_others_do_not(self) -> None:
        self.opened(y=A)
        for n in range(1200):
            self.want("x", (A, B)[n % 2])
            self.clock.run_for(0.05)
        mine = [put for put, _ in self.store.writes if "x" in put]
        # Some at once, and then about two a second.
        self.assertLess(len(mine), 10 + 2 * 60 + 5)
        self.want("y", B)
        self.clock.run_for(FLOOR)
        self.assertEqual(self.store.backend("y"), f"{B}:80")
        settled = watch(self.publisher.settled("x"))
        self.clock.run_for(1 + FLOOR + SETTLE)
        self.assertTrue(settled.done)
        self.assertEqual(self.store.routes["x"], route("x", B))

    def test_one_that_is_gone_at_last_is_removed(self) -> None:
        self.opened(x=A)
        for n in range(100):
            self.want("x", (A, B)[n % 2])
            self.clock.run_for(0.05)
        self.want("x", None)
        self.clock.run_for(1 + FLOOR)
        self.assertEqual(self.store.routes, {})

    def test_an_end_does_not_wait(self) -> None:
        self.opened(x=A)
        self.store.delay = 0.01
        self.want("x", B)
        self.clock.run_for(0.005)
        self.want("y", B)
        self.clock.run_for(0.01)
        # Nothing is being written; what would be is not waited for.
        self.assertIsNone(self.publisher.close())
        self.clock.run_for(10)
        self.assertEqual(list(self.store.routes), ["x"])


class ClockTests(PublisherCase):
    """Nothing here goes by the time of day; if a clock is set back all the same, nobody waits for it to come back."""

    def test_what_was_written_long_ago_is_settled(self) -> None:
        self.opened(x=A)
        self.want("x", B)
        self.clock.run_for(600)
        self.clock.rightNow -= 3600
        settled = watch(self.publisher.settled("x"))
        self.clock.run_for(SETTLE + 0.01)
        self.assertTrue(settled.done)

    def test_what_is_to_be_written_is(self) -> None:
        self.opened(x=A)
        self.clock.run_for(600)
        self.clock.rightNow -= 3600
        self.want("x", B)
        self.publisher.want("y", route("y"), lazy=True)
        self.clock.run_for(1.1)
        self.assertEqual(sorted(self.store.routes), ["x", "y"])


class NamingTests(PublisherCase):
    def named(self, host: str, name: str) -> bool:
        return self.publisher.named_by_others(ip_address(host), name)

    def test_ones_own_name_does_not_count(self) -> None:
        self.opened(x=A)
        self.assertEqual((self.named(A, "x"), self.named(A, "y"), self.named(B, "y")), (False, True, False))

    def test_an_address_is_named_until_its_change_has_settled(self) -> None:
        self.opened(x=A)
        self.want("x", "127.0.0.1")
        self.clock.run_for(SETTLE - 0.01)
        self.assertTrue(self.named(A, "y"))
        self.clock.run_for(0.02)
        self.assertFalse(self.named(A, "y"))

    def test_while_the_store_fails_it_stays_named(self) -> None:
        self.opened(x=A)
        self.store.errors = [OSError("disk full")] * 5
        self.want("x", None)
        self.clock.run_for(1)
        self.assertTrue(self.named(A, "y"))
        self.clock.run_for(20)
        self.assertFalse(self.named(A, "y"))

    def test_one_that_is_named_again_stays_named(self) -> None:
        self.opened(x=A)
        self.want("x", B)
        self.clock.settle()
        self.want("x", A)
        self.clock.run_for(10)
        self.assertEqual((self.named(A, "y"), self.named(B, "y")), (True, False))

    def test_another_port_of_the_same_address_stays_named(self) -> None:
        self.opened(x=A)
        self.publisher.want("x", route("x", A, 8080))
        self.clock.run_for(10)
        self.assertTrue(self.named(A, "y"))

    def test_load_gives_the_published_backends(self) -> None:
        self.store.routes = {"x": route("x", A, 81)}
        self.assertEqual(self.clock.result_of(self.publisher.load()), {Endpoint(ip_address(A), 81)})
        self.assertEqual(self.publisher.published("x"), Endpoint(ip_address(A), 81))

    def test_many_comings_and_goings_leave_no_memory(self) -> None:
        self.opened()
        for n in range(500):
            self.want(f"x{n}", f"10.7.{n // 250}.{n % 250}")
            self.clock.settle()
            self.want(f"x{n}", None)
            self.clock.run_for(1)
        self.assertLess(len(self.publisher._naming), 100)
        self.assertLess(len(self.publisher._changed), 600)

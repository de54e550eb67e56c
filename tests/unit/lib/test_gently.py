"""Long work leaves room for everybody else, and is done all the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time, watch
from webspaced.lib.deferreds import sleep
from webspaced.lib.gently import Gently


class GentlyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.gently = Gently(self.clock, piece=0.5)
        self.turns = [0.0]
        """The work of each turn of the reactor, in seconds."""
        self.done: list[int] = []

    def work(self, item: int) -> None:
        self.clock.rightNow += 0.2
        self.turns[-1] += 0.2
        self.done.append(item)

    def run_on(self) -> None:
        # As a reactor does: what is due now runs in this turn, and what that asks for in the next.
        while due := list(self.clock.getDelayedCalls()):
            self.turns.append(0.0)
            for call in due:
                self.clock.calls.remove(call)
                call.called = 1
                call.func()

    def test_a_turn_has_its_piece_and_no_more(self) -> None:
        working = watch(self.gently.each(range(10), self.work))
        self.run_on()
        self.assertTrue(working.done)
        self.assertEqual(self.done, list(range(10)))
        self.assertLess(max(self.turns), 0.7)
        self.assertGreater(len(self.turns), 3)

    def test_those_who_work_side_by_side_share_it(self) -> None:
        async def work(item: int) -> None:
            self.work(item)

        working = watch(self.gently.side_by_side(4, range(20), work))
        self.run_on()
        self.assertTrue(working.done)
        self.assertEqual(sorted(self.done), list(range(20)))
        # Each of the four that waited does at most one thing more than there was room for.
        self.assertLess(max(self.turns), 0.7)

    def test_so_many_at_a_time(self) -> None:
        running: list[int] = []
        most: list[int] = []

        async def wait(item: int) -> None:
            running.append(item)
            most.append(len(running))
            await sleep(self.clock, 1)
            running.remove(item)

        watch(self.gently.side_by_side(3, range(10), wait))
        self.clock.run_for(20)
        self.assertEqual((max(most), len(most), running), (3, 10, []))

    def test_the_first_failure_ends_it(self) -> None:
        async def fail(item: int) -> None:
            if item == 2:
                raise ValueError
            await Deferred()

        self.assertRaises(ValueError, lambda: watch(self.gently.side_by_side(3, range(10), fail)).value)

    def test_nothing_waits_where_little_is_done(self) -> None:
        taken: list[int] = []
        working: Callable[[], Awaitable[None]] = lambda: self.gently.each(range(1000), taken.append)  # noqa: E731
        self.assertTrue(watch(working()).done)
        self.assertEqual(len(taken), 1000)

"""One result, many observers: nobody's leaving is anybody else's business."""

from __future__ import annotations

import gc
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time, watch
from webspaced.errors import Conflict, DeadlineExceeded, NotFound
from webspaced.lib.deferreds import Flight, Flights, bounded, shield, sleep, together, while_heard


class Run:
    """Work that ends when the test says so."""

    def __init__(self) -> None:
        self.began = 0
        self.cancelled = 0
        self.gates: list[Deferred[str]] = []

    async def __call__(self) -> str:
        self.began += 1
        gate: Deferred[str] = Deferred()
        self.gates.append(gate)
        try:
            return await gate
        except CancelledError:
            self.cancelled += 1
            raise


class FlightTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.run_: Deferred[str] = Deferred()
        self.flight = Flight(self.run_)

    def test_all_see_the_result_before_and_after_it_is_there(self) -> None:
        early = [watch(self.flight.observe()) for _ in range(3)]
        self.assertFalse(any(each.done for each in early))
        self.run_.callback("x")
        self.assertEqual([each.value for each in [*early, watch(self.flight.observe())]], ["x"] * 4)

    def test_all_see_the_failure_and_it_is_nobodys_left_over(self) -> None:
        early = watch(self.flight.observe())
        self.run_.errback(Conflict("taken"))
        for each in (early, watch(self.flight.observe())):
            self.assertIsInstance(each.error, Conflict)

    def test_cancelling_one_lets_only_that_one_go(self) -> None:
        one, two = watch(self.flight.observe()), watch(self.flight.observe())
        one.deferred.cancel()
        self.assertIsInstance(one.error, CancelledError)
        self.assertFalse(two.done)
        self.run_.callback("x")
        self.assertEqual(two.value, "x")

    def test_nothing_is_kept_of_those_who_left(self) -> None:
        for _ in range(10):
            watch(self.flight.observe()).deferred.cancel()
        self.assertEqual(self.flight._observers, [])

    def test_cancelling_all_leaves_the_run_going(self) -> None:
        watch(self.flight.observe()).deferred.cancel()
        self.assertFalse(self.run_.called)
        self.run_.callback("x")
        self.assertEqual(watch(self.flight.observe()).value, "x")

    def test_an_observer_may_observe_again(self) -> None:
        seen: list[str] = []
        self.flight.observe().addCallback(lambda _: self.flight.observe().addCallback(seen.append))
        self.run_.callback("x")
        self.assertEqual(seen, ["x"])


class FlightsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.work = Run()
        self.flights: Flights[str, str] = Flights()

    def test_one_run_for_all_who_ask_meanwhile(self) -> None:
        waiting = [watch(self.flights.join("k", self.work)) for _ in range(1000)]
        self.assertEqual(self.work.began, 1)
        self.assertIn("k", self.flights)
        self.work.gates[0].callback("x")
        self.assertEqual({each.value for each in waiting}, {"x"})
        self.assertNotIn("k", self.flights)

    def test_other_keys_have_their_own(self) -> None:
        watch(self.flights.join("k", self.work))
        watch(self.flights.join("l", self.work))
        self.assertEqual(self.work.began, 2)

    def test_who_asks_afterwards_gets_a_new_run(self) -> None:
        watch(self.flights.join("k", self.work))
        self.work.gates[0].callback("x")
        later = watch(self.flights.join("k", self.work))
        self.assertEqual(self.work.began, 2)
        self.assertFalse(later.done)

    def test_a_failure_reaches_all_and_ends_the_run(self) -> None:
        waiting = [watch(self.flights.join("k", self.work)) for _ in range(3)]
        self.work.gates[0].errback(Conflict("no"))
        self.assertEqual([str(each.error) for each in waiting], ["no"] * 3)
        self.assertNotIn("k", self.flights)

    def test_the_first_one_leaving_cancels_nothing(self) -> None:
        first, second = watch(self.flights.join("k", self.work)), watch(self.flights.join("k", self.work))
        first.deferred.cancel()
        self.assertEqual(self.work.cancelled, 0)
        self.work.gates[0].callback("x")
        self.assertEqual(second.value, "x")

    def test_everybody_leaving_cancels_nothing_and_the_next_joins(self) -> None:
        watch(self.flights.join("k", self.work)).deferred.cancel()
        late = watch(self.flights.join("k", self.work))
        self.assertEqual((self.work.began, self.work.cancelled), (1, 0))
        self.work.gates[0].callback("x")
        self.assertEqual(late.value, "x")

    def test_who_asks_from_within_an_answer_gets_a_new_run(self) -> None:
        self.flights.join("k", self.work).addCallback(lambda _: self.flights.join("k", self.work))
        self.work.gates[0].callback("x")
        self.assertEqual(self.work.began, 2)

    def test_a_run_that_ends_at_once_leaves_nothing(self) -> None:
        async def at_once() -> str:
            return "x"

        async def failing() -> str:
            raise Conflict("no")

        self.assertEqual(watch(self.flights.join("k", at_once)).value, "x")
        self.assertIsInstance(watch(self.flights.join("k", failing)).error, Conflict)
        self.assertNotIn("k", self.flights)


class ShieldTests(SynchronousTestCase):
    def test_the_work_goes_on_when_its_caller_is_gone(self) -> None:
        work = Run()
        watch(shield(work())).deferred.cancel()
        self.assertEqual(work.cancelled, 0)
        work.gates[0].callback("x")
        self.assertEqual(work.cancelled, 0)

    def test_result_and_error_come_through(self) -> None:
        good, bad = Run(), Run()
        one, two = watch(shield(good())), watch(shield(bad()))
        good.gates[0].callback("x")
        bad.gates[0].errback(Conflict("no"))
        self.assertEqual(one.value, "x")
        self.assertIsInstance(two.error, Conflict)


class BoundedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.work = Time(), Run()

    def test_in_time(self) -> None:
        bounded_work = watch(bounded(self.clock, 5, self.work(), "it"))
        self.clock.advance(4.9)
        self.work.gates[0].callback("x")
        self.assertEqual(bounded_work.value, "x")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_late_is_cancelled_and_names_what_and_how_long(self) -> None:
        bounded_work = watch(bounded(self.clock, 5, self.work(), "it"))
        self.clock.advance(5)
        self.assertEqual(self.work.cancelled, 1)
        self.assertIsInstance(bounded_work.error, DeadlineExceeded)
        self.assertEqual(str(bounded_work.error), "it took longer than 5 s")

    def test_its_own_errors_come_through(self) -> None:
        bounded_work = watch(bounded(self.clock, 5, self.work(), "it"))
        self.work.gates[0].errback(Conflict("no"))
        self.assertIsInstance(bounded_work.error, Conflict)

    def test_cancelling_cancels_the_work(self) -> None:
        bounded_work = watch(bounded(self.clock, 5, self.work(), "it"))
        bounded_work.deferred.cancel()
        self.assertEqual(self.work.cancelled, 1)
        self.assertIsInstance(bounded_work.error, CancelledError)

    def test_sleep(self) -> None:
        nap = watch(sleep(self.clock, 3))
        self.clock.advance(2.9)
        self.assertFalse(nap.done)
        self.clock.advance(0.1)
        self.assertTrue(nap.done)


class TogetherTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.run_ = Run()

    def test_results_are_in_order(self) -> None:
        waiting = watch(together(self.run_() for _ in range(3)))
        for gate, text in zip(reversed(self.run_.gates), "cba", strict=True):
            gate.callback(text)
        self.assertEqual(waiting.value, ["a", "b", "c"])

    def test_the_first_failure_ends_the_others(self) -> None:
        waiting = watch(together(self.run_() for _ in range(3)))
        self.run_.gates[1].errback(Conflict("no"))
        self.assertIsInstance(waiting.error, Conflict)
        self.assertEqual(self.run_.cancelled, 2)

    def test_cancelled_it_ends_all(self) -> None:
        waiting = watch(together(self.run_() for _ in range(3)))
        waiting.deferred.cancel()
        self.assertIsInstance(waiting.error, CancelledError)
        self.assertEqual(self.run_.cancelled, 3)

    def test_collected_as_garbage_it_ends_nothing(self) -> None:
        watch(together(self.run_() for _ in range(3)))
        self.run_.gates.clear()
        gc.collect()
        self.assertEqual((self.flushLoggedErrors(), self.run_.cancelled), ([], 0))


class WhileHeardTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()

    async def steps(self, heard: Any, pauses: list[float]) -> str:
        for pause in pauses:
            await sleep(self.clock, pause)
            heard()
        return "done"

    def test_it_may_take_its_time_as_long_as_it_gets_on(self) -> None:
        work = while_heard(self.clock, 10, lambda heard: self.steps(heard, [9.0] * 50), "the list")
        self.assertEqual(self.clock.result_of(work), "done")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_silence_ends_it(self) -> None:
        work = while_heard(self.clock, 10, lambda heard: self.steps(heard, [9.0, 11.0]), "the list")
        error = self.assertRaises(DeadlineExceeded, self.clock.result_of, work)
        self.assertEqual(str(error), "the list stopped for longer than 10 s")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_its_own_error_is_told(self) -> None:
        async def fail(_heard: Any) -> None:
            await sleep(self.clock, 1)
            raise NotFound("gone")

        work = while_heard(self.clock, 10, fail, "the list")
        self.assertRaises(NotFound, self.clock.result_of, work)


class DesertedTests(SynchronousTestCase):
    def test_a_run_that_may_end_ends_with_the_last_who_waits(self) -> None:
        clock, flights, ended = Time(), Flights(), []

        async def run() -> None:
            try:
                await sleep(clock, 5)
            finally:
                ended.append(clock.seconds())

        for may_end, expected in ((False, 5.0), (True, 1.0)):
            began = clock.seconds()
            first, second = (flights.join("a", run, lambda may_end=may_end: may_end) for _ in range(2))
            clock.run_for(1)
            first.cancel()
            self.assertEqual(len(ended), int(may_end))
            second.cancel()
            clock.run_for(10)
            self.assertEqual(ended[-1] - began, expected)
            self.assertNotIn("a", flights)
            for each in (first, second):
                self.failureResultOf(each, CancelledError)

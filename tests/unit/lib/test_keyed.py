"""Order for each key, freedom between keys, and requests that are never answered by an older run."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Watched, watch
from webspaced.errors import Conflict
from webspaced.lib.keyed import Coalesced, KeyedLock

KEYS = st.sampled_from("ab")


class LockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lock: KeyedLock[str] = KeyedLock()
        self.order: list[str] = []
        self.leave: dict[str, Deferred[None]] = {}

    def enter(self, key: str, who: str) -> Watched:
        async def hold() -> None:
            async with self.lock(key):
                self.order.append(who)
                self.leave[who] = Deferred()
                await self.leave[who]

        return watch(hold())

    def test_one_at_a_time_in_the_order_of_coming(self) -> None:
        for who in ("1", "2", "3"):
            self.enter("k", who)
        self.assertEqual(self.order, ["1"])
        self.leave["1"].callback(None)
        self.assertEqual(self.order, ["1", "2"])
        self.leave["2"].callback(None)
        self.assertEqual(self.order, ["1", "2", "3"])

    def test_keys_do_not_wait_for_each_other(self) -> None:
        self.enter("k", "1")
        self.enter("l", "2")
        self.assertEqual(self.order, ["1", "2"])

    def test_an_error_inside_lets_the_next_in(self) -> None:
        one = self.enter("k", "1")
        self.enter("k", "2")
        self.leave["1"].errback(Conflict("no"))
        self.assertIsInstance(one.error, Conflict)
        self.assertEqual(self.order, ["1", "2"])

    def test_who_gives_up_waiting_is_passed_over(self) -> None:
        self.enter("k", "1")
        self.enter("k", "2").deferred.cancel()
        self.enter("k", "3")
        self.leave["1"].callback(None)
        self.assertEqual(self.order, ["1", "3"])

    def test_who_is_cancelled_inside_lets_go(self) -> None:
        self.enter("k", "1").deferred.cancel()
        self.enter("k", "2")
        self.assertEqual(self.order, ["1", "2"])

    def test_nothing_is_kept_of_keys_that_nobody_uses(self) -> None:
        for key in "abc":
            self.enter(key, key)
            self.enter(key, f"{key}2").deferred.cancel()
        self.assertEqual(len(self.lock), 3)
        for key in "abc":
            self.leave[key].callback(None)
        self.assertEqual(len(self.lock), 0)


class CoalescedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.runs: list[tuple[str, Deferred[int]]] = []
        self.coalesced: Coalesced[str, int] = Coalesced(self.run_once)

    async def run_once(self, key: str) -> int:
        gate: Deferred[int] = Deferred()
        self.runs.append((key, gate))
        return await gate

    def request(self, key: str = "k") -> Watched:
        return watch(self.coalesced.request(key))

    def end(self, number: int) -> None:
        self.runs[number][1].callback(number)

    def test_a_request_during_a_run_sees_the_next_one(self) -> None:
        one, two = self.request(), self.request()
        self.end(0)
        self.assertEqual(one.value, 0)
        self.assertFalse(two.done)
        self.end(1)
        self.assertEqual(two.value, 1)

    def test_a_request_during_the_second_run_sees_the_third(self) -> None:
        self.request()
        self.request()
        self.end(0)
        late = self.request()
        self.end(1)
        self.assertFalse(late.done)
        self.end(2)
        self.assertEqual(late.value, 2)

    def test_however_many_requests_only_one_run_waits(self) -> None:
        waiting = [self.request() for _ in range(100)]
        self.end(0)
        self.end(1)
        self.assertEqual(len(self.runs), 2)
        self.assertEqual([each.value for each in waiting], [0] + [1] * 99)

    def test_keys_run_at_the_same_time(self) -> None:
        self.request("a")
        self.request("b")
        self.assertEqual([key for key, _ in self.runs], ["a", "b"])

    def test_a_failure_is_told_to_its_own_and_the_next_runs(self) -> None:
        one, two = self.request(), self.request()
        self.runs[0][1].errback(Conflict("no"))
        self.assertIsInstance(one.error, Conflict)
        self.end(1)
        self.assertEqual(two.value, 1)

    def test_cancelling_a_request_leaves_runs_and_others_alone(self) -> None:
        one, two, three = self.request(), self.request(), self.request()
        one.deferred.cancel()
        two.deferred.cancel()
        self.end(0)
        self.assertEqual(len(self.runs), 2)
        self.end(1)
        self.assertEqual(three.value, 1)

    def test_who_asks_from_within_an_answer_sees_a_run_that_began_after(self) -> None:
        answers: list[int] = []
        self.coalesced.request("k").addCallback(lambda _: self.coalesced.request("k").addCallback(answers.append))
        waiting = self.request()
        self.end(0)
        self.end(1)
        self.assertEqual((answers, waiting.value), ([1], 1))

    def test_runs_that_end_at_once(self) -> None:
        began: list[str] = []

        async def at_once(key: str) -> int:
            began.append(key)
            return len(began)

        coalesced: Coalesced[str, int] = Coalesced(at_once)
        self.assertEqual([watch(coalesced.request("k")).value for _ in range(3)], [1, 2, 3])

    def test_any_sequence(self) -> None:
        bounds = settings(deadline=None, max_examples=30, stateful_step_count=20)
        run_state_machine_as_test(CoalescedMachine, settings=bounds)


class CoalescedMachine(RuleBasedStateMachine):
    """Requests, ends and cancellations in any order: each answer comes from a run that began at or after its request."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.coalesced: Coalesced[str, int] = Coalesced(self.run_once)
        self.began: list[str] = []
        self.running: dict[str, list[tuple[int, Deferred[int]]]] = {"a": [], "b": []}

    async def run_once(self, key: str) -> int:
        number = len(self.began)
        self.began.append(key)
        gate: Deferred[int] = Deferred()
        self.running[key].append((number, gate))
        return await gate

    @rule(target=requests, key=KEYS)
    def request(self, key: str) -> tuple[int, Watched]:
        before = len(self.began)
        return before, watch(self.coalesced.request(key))

    @rule(key=KEYS, well=st.booleans())
    def end(self, key: str, well: bool) -> None:
        if self.running[key]:
            number, gate = self.running[key].pop()
            if well:
                gate.callback(number)
            else:
                gate.errback(Conflict(str(number)))

    @rule(request=consumes(requests))
    def cancel(self, request: tuple[int, Watched]) -> None:
        self.check(request)
        request[1].deferred.cancel()

    @rule(request=requests)
    def check(self, request: tuple[int, Watched]) -> None:
        before, answer = request
        if answer.done:
            result = answer.results[0]
            number = result if isinstance(result, int) else int(str(result.value))
            assert number >= before

    @invariant()
    def at_most_one_runs(self) -> None:
        assert all(len(running) <= 1 for running in self.running.values())

    def teardown(self) -> None:
        for key in "ab":
            for _ in range(2):
                self.end(key, True)
        assert not any(self.running.values())

"""The boot gate's decisions: every status with every hold and memory."""

from __future__ import annotations

from itertools import product

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.boot import Act, Hold, Memory, decide
from webspaced.core.instance import Status

NOW = 100.0
FRESH = Memory()
FAILED = Memory(failures=1, reason="it did not come up", not_before=NOW + 3)
BARE = {
    Status.RUNNING: Act.SERVE,
    Status.READY: Act.SERVE,
    Status.STOPPED: Act.START,
    Status.ERROR: Act.START,
    Status.FROZEN: Act.RESUME,
    Status.STARTING: Act.WAIT,
    Status.STOPPING: Act.WAIT,
    Status.FREEZING: Act.WAIT,
}
RUNS = (Status.RUNNING, Status.READY)


def expected(status: Status, hold: Hold, *, rests: bool, by_api: bool) -> Act:
    """The table of the design in other words than the code's."""
    if hold is Hold.RESTARTING:
        return Act.WAIT
    if hold in (Hold.STOPPING, Hold.DELETING):
        return Act.REFUSE
    if status in RUNS:
        return Act.SERVE
    if hold is Hold.DRAINING or (rests and not by_api):
        return Act.REFUSE
    return BARE[status]


class DecideTests(SynchronousTestCase):
    def test_the_whole_table(self) -> None:
        self.assertEqual(set(BARE), set(Status))
        for status, hold, memory, by_api in product(Status, Hold, (FRESH, FAILED), (False, True)):
            decision = decide(status, evolve(memory, hold=hold), NOW, by_api=by_api)
            wanted = expected(status, hold, rests=memory is FAILED, by_api=by_api)
            self.assertIs(decision.act, wanted, (status, hold, memory, by_api))
            # A refusal says why and until when; nothing else does.
            self.assertEqual((decision.reason != "", decision.retry_after > 0), (wanted is Act.REFUSE,) * 2)

    def test_a_refusal_after_a_failure_names_it_and_the_rest_of_the_time(self) -> None:
        decision = decide(Status.STOPPED, FAILED, NOW + 1, by_api=False)
        self.assertEqual((decision.reason, decision.retry_after), ("it did not come up", 2.0))

    def test_at_the_end_of_the_rest_it_is_started(self) -> None:
        self.assertIs(decide(Status.STOPPED, FAILED, NOW + 3, by_api=False).act, Act.START)

    def test_a_refusal_during_a_stop_says_what_is_happening(self) -> None:
        decision = decide(Status.RUNNING, Memory(hold=Hold.DELETING), NOW, by_api=True)
        self.assertEqual(decision.reason, "is being deleted")

    def test_an_unknown_code_of_lxd_counts_as_an_error(self) -> None:
        self.assertIs(Status(999), Status.ERROR)


class MemoryTests(SynchronousTestCase):
    def test_rests_after_failures(self) -> None:
        memory, rests = FRESH, []
        for _ in range(9):
            memory = memory.failed(NOW, "no")
            rests.append(memory.not_before - NOW)
        self.assertEqual(rests, [1, 2, 4, 8, 16, 32, 60, 60, 60])

    def test_a_success_forgets_failures_but_no_hold(self) -> None:
        memory = evolve(FAILED, hold=Hold.DRAINING).succeeded()
        self.assertEqual(memory, Memory(hold=Hold.DRAINING))

    def test_a_failure_keeps_the_hold(self) -> None:
        self.assertIs(Memory(hold=Hold.RESTARTING).failed(NOW, "no").hold, Hold.RESTARTING)

    def test_after_an_orderly_stop_it_is_quiet_for_two_seconds(self) -> None:
        memory = Memory(hold=Hold.STOPPING).stopped(NOW)
        self.assertIs(memory.hold, Hold.NONE)
        self.assertIs(decide(Status.STOPPED, memory, NOW + 1.9, by_api=False).act, Act.REFUSE)
        self.assertIs(decide(Status.STOPPED, memory, NOW + 1.9, by_api=True).act, Act.START)
        self.assertIs(decide(Status.STOPPED, memory, NOW + 2, by_api=False).act, Act.START)

    @settings(deadline=None, max_examples=50)
    @given(st.integers(0, 10_000))
    def test_no_number_of_failures_makes_the_rest_longer_than_a_minute(self, failures: int) -> None:
        self.assertLessEqual(Memory(failures=failures).failed(0, "no").not_before, 60)

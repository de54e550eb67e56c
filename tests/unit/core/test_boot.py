"""The boot gate's decisions: every status with every hold and memory."""

from __future__ import annotations

from itertools import product

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.boot import Act, Hold, Memory, decide, unwanted
from webspaced.core.desired import AUTO, Desired, Wish
from webspaced.core.instance import Status

NOW = 100.0
FRESH = Memory()
FAILED = Memory(failures=1, reason="it did not come up", not_before=NOW + 3)
BARE = {
    Status.RUNNING: Act.SERVE,
    Status.READY: Act.SERVE,
    Status.STOPPED: Act.START,
    Status.ERROR: Act.WAIT,
    Status.FROZEN: Act.PAUSED,
    Status.STARTING: Act.WAIT,
    Status.STOPPING: Act.WAIT,
    Status.FREEZING: Act.WAIT,
}
WISHES = (AUTO, Desired(wish=Wish.STOPPED), Desired(wish=Wish.SUSPENDED, reason="spam"))
RUNS = (Status.RUNNING, Status.READY)


def expected(status: Status, hold: Hold, *, rests: bool, by_api: bool, off: bool, departed: bool) -> Act:
    """The table of the design in other words than the code's."""
    runs = status in RUNS
    if hold is Hold.DELETING or off or departed:
        return Act.REFUSE
    if hold is Hold.NONE and not runs and rests and not by_api:
        return Act.REFUSE
    if hold is Hold.NONE or (hold is Hold.DRAINING and runs):
        return BARE[status]
    return Act.STAND_BY


class DecideTests(SynchronousTestCase):
    def test_the_whole_table(self) -> None:
        self.assertEqual(set(BARE), set(Status))
        flags = [(False, True)] * 2
        for status, hold, memory, desired, by_api, departed in product(Status, Hold, (FRESH, FAILED), WISHES, *flags):
            decision = decide(
                status, evolve(memory, hold=hold), NOW, by_api=by_api, desired=desired, departed=departed
            )
            off = desired is not AUTO
            wanted = expected(status, hold, rests=memory is FAILED, by_api=by_api, off=off, departed=departed)
            self.assertIs(decision.act, wanted, (status, hold, memory, desired, by_api, departed))
            # A refusal says why and until when; nothing else does.
            self.assertEqual((decision.reason != "", decision.retry_after > 0), (wanted is Act.REFUSE,) * 2)

    def test_visitors_hear_of_a_suspension_what_is_public(self) -> None:
        desired = Desired(wish=Wish.SUSPENDED, reason="sends spam", public="for a break", by="root")
        reason = decide(Status.STOPPED, FRESH, NOW, by_api=False, desired=desired).reason
        self.assertEqual(reason, "it is suspended: for a break")
        self.assertEqual(unwanted(Desired(wish=Wish.SUSPENDED, reason="sends spam")), "it is suspended")

    def test_what_cannot_be_known_starts_nothing(self) -> None:
        for by_api in (False, True):
            self.assertIs(decide(Status.ERROR, FRESH, NOW, by_api=by_api).act, Act.WAIT)

    def test_a_clock_that_was_set_back_makes_no_rest_longer_than_a_minute(self) -> None:
        self.assertEqual(decide(Status.STOPPED, FAILED, NOW - 3600, by_api=False).retry_after, 60)

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

    @settings(deadline=None, max_examples=50)
    @given(st.integers(0, 10_000))
    def test_no_number_of_failures_makes_the_rest_longer_than_a_minute(self, failures: int) -> None:
        self.assertLessEqual(Memory(failures=failures).failed(0, "no").not_before, 60)

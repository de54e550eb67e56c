"""Places that become more and fewer while some are taken."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.semaphore import Semaphore


class Places(RuleBasedStateMachine):
    """Whoever comes, goes, or changes the number of places: as many are in as may be, and nobody is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.places = 2
        self.semaphore = Semaphore(2)
        self.waiting: list[Deferred[Semaphore]] = []
        self.inside = 0

    def let_in(self) -> None:
        came = [each for each in self.waiting if each.called]
        assert came == self.waiting[: len(came)], "in the order in which they came"
        del self.waiting[: len(came)]
        self.inside += len(came)

    @rule()
    def come(self) -> None:
        before = self.inside
        self.waiting.append(self.semaphore.acquire())
        self.let_in()
        assert self.inside <= max(before, self.places)

    @precondition(lambda self: self.inside)
    @rule()
    def go(self) -> None:
        self.inside -= 1
        self.semaphore.release()
        self.let_in()

    @precondition(lambda self: self.waiting)
    @rule(number=st.integers(0, 9))
    def give_up(self, number: int) -> None:
        leaver = self.waiting.pop(number % len(self.waiting))
        leaver.addErrback(lambda _: None)
        leaver.cancel()

    @rule(places=st.integers(1, 6))
    def resize(self, places: int) -> None:
        self.places = places
        self.semaphore.resize(places)
        self.let_in()

    @invariant()
    def nobody_waits_while_there_is_a_place(self) -> None:
        assert not self.waiting or self.inside >= self.places


class SemaphoreTests(SynchronousTestCase):
    def test_any_sequence(self) -> None:
        run_state_machine_as_test(Places)

"""Time for tests: a clock that jumps from one thing that was waited for to the next."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

LONG = 1000.0
"""Seconds of the clock after which something that still waits is taken to wait for ever."""


class Time(Clock):
    """A clock that can run until something is true; nothing here takes real time."""

    def settle(self) -> None:
        """Run what is due now, and what that makes due."""
        while any(call.getTime() <= self.seconds() for call in self.getDelayedCalls()):
            self.advance(0)

    def run_for(self, seconds: float) -> None:
        """Let so much time go by, one due call after the other."""
        self.run_until(lambda: False, seconds)

    def run_until(self, true: Callable[[], bool], limit: float = LONG) -> bool:
        """Let time go by until something is true; whether it became so."""
        end = self.seconds() + limit
        self.settle()
        while not true():
            upcoming = min((call.getTime() for call in self.getDelayedCalls()), default=end)
            if upcoming >= end:
                self.advance(max(0.0, end - self.seconds()))
                self.settle()
                return true()
            self.advance(max(0.0, upcoming - self.seconds()))
            self.settle()
        return True

    def result_of(self, work: Coroutine[Any, Any, Any] | Deferred[Any], limit: float = LONG) -> Any:
        """Run a coroutine or Deferred to its end and give its result, or raise its error."""
        outcome: list[Any] = []
        waiting = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        waiting.addBoth(outcome.append)
        if not self.run_until(lambda: bool(outcome), limit):
            message = f"it still waits after {limit:g} s"
            raise AssertionError(message)
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        return outcome[0]


class Watched:
    """What became of a Deferred: ``results`` has at most one."""

    def __init__(self, deferred: Deferred[Any]) -> None:
        self.deferred = deferred
        self.results: list[Any] = []
        deferred.addBoth(self.results.append)

    @property
    def done(self) -> bool:
        return bool(self.results)

    @property
    def value(self) -> Any:
        """The result; an error is raised."""
        assert self.results, "it still waits"
        if isinstance(self.results[0], Failure):
            self.results[0].raiseException()
        return self.results[0]

    @property
    def error(self) -> BaseException:
        """The error that it ended with."""
        assert self.results, "it still waits"
        assert isinstance(self.results[0], Failure), f"it ended well: {self.results[0]!r}"
        error = self.results[0].value
        assert error is not None
        return error


def watch(work: Coroutine[Any, Any, Any] | Deferred[Any]) -> Watched:
    """Begin a coroutine, or take a Deferred, and watch it."""
    return Watched(work if isinstance(work, Deferred) else Deferred.fromCoroutine(work))

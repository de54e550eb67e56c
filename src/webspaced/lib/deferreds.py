"""Waiting, bounds on waiting, and results with many observers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Iterable
from typing import Any, Generic, TypeVar, cast

from twisted.internet.defer import Deferred, FirstError, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from webspaced.errors import DeadlineExceeded

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def sleep(clock: IReactorTime, seconds: float) -> Deferred[None]:
    """Fire after so many seconds."""
    return deferLater(clock, seconds)


def bounded(clock: IReactorTime, seconds: float, work: Coroutine[Any, Any, T], what: str) -> Deferred[T]:
    """Run a coroutine, cancel it after so many seconds, and fail then with ``DeadlineExceeded`` that names ``what``."""

    def expired(_result: object, bound: float) -> Any:
        message = f"{what} took longer than {bound:g} s"
        raise DeadlineExceeded(message)

    return Deferred.fromCoroutine(work).addTimeout(seconds, clock, expired)


def while_heard(
    clock: IReactorTime, seconds: float, work: Callable[[Callable[[], None]], Coroutine[Any, Any, T]], what: str
) -> Deferred[T]:
    """Run a coroutine for as long as it says that it gets on, and cancel it after so many seconds of silence.

    :param work: is given what it calls when it gets on.
    """

    def silent() -> None:
        expired.append(True)
        running.cancel()

    def stopped(result: Any) -> Any:
        if patience.active():
            patience.cancel()
        if not expired:
            return result
        message = f"{what} stopped for longer than {seconds:g} s"
        return Failure(DeadlineExceeded(message))

    def heard() -> None:
        if patience.active():
            patience.reset(seconds)

    expired: list[bool] = []
    patience = clock.callLater(seconds, silent)
    running = Deferred.fromCoroutine(work(heard))
    return running.addBoth(stopped)


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines side by side and give their results in order; the first failure cancels the others and is raised."""
    running = [Deferred.fromCoroutine(work) for work in works]
    try:
        return await gatherResults(running, consumeErrors=True)
    except FirstError as error:
        raise cast(Exception, error.subFailure.value) from None
    except GeneratorExit:
        # Collected as garbage, and what runs with it: there is nothing left to cancel.
        running.clear()
        raise
    finally:
        for each in running:
            each.cancel()


class Flight(Generic[T]):
    """One run of something, and whoever waits for it. Observers may be cancelled; the run goes on."""

    def __init__(self, run: Deferred[T], may_end: Callable[[], bool] = lambda: False) -> None:
        """:param may_end: asked when the last observer was cancelled: whether the run is to be cancelled, too."""
        self._run = run
        self._may_end = may_end
        self._observers: list[Deferred[T]] = []
        self._result: T | Failure | None = None
        self._landed = False
        run.addBoth(self._land)

    def observe(self) -> Deferred[T]:
        """Give a Deferred of one's own for the result."""
        observer: Deferred[T] = Deferred(self._observers_remove)
        if self._landed:
            self._tell(observer)
        else:
            self._observers.append(observer)
        return observer

    def _observers_remove(self, observer: Deferred[T]) -> None:
        if observer in self._observers:
            self._observers.remove(observer)
            if not self._observers and not self._landed and self._may_end():
                self._run.cancel()

    def _land(self, result: T | Failure) -> None:
        self._landed = True
        self._result = result
        waiting, self._observers = self._observers, []
        for observer in waiting:
            self._tell(observer)

    def _tell(self, observer: Deferred[T]) -> None:
        # A Failure makes callback() start the errback chain, so one call serves both.
        observer.callback(self._result)  # type: ignore[arg-type]


def shield(work: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Run a coroutine to its end even if who waits for it goes away (Klein cancels a handler when its client is gone)."""
    return Flight(Deferred.fromCoroutine(work)).observe()


class Flights(Generic[K, T]):
    """At most one run at a time for each key; all who ask meanwhile share its result, each with its own Deferred."""

    def __init__(self) -> None:
        self._flying: dict[K, Flight[T]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._flying

    def __len__(self) -> int:
        return len(self._flying)

    def join(
        self, key: K, start: Callable[[], Coroutine[Any, Any, T]], may_end: Callable[[], bool] = lambda: False
    ) -> Deferred[T]:
        """Wait for the key's run, starting one if there is none.

        :param may_end: whether a run that this starts is given up when nobody waits for it any more.
        """
        flight = self._flying.get(key)
        if flight is not None:
            return flight.observe()
        run = Deferred.fromCoroutine(start())
        if run.called:
            # Done without waiting for anything: nothing to share.
            return run
        flight = self._flying[key] = Flight(run.addBoth(self._landed, key), may_end)
        return flight.observe()

    def over(self, key: K) -> Deferred[object]:
        """Fire when the key's run is over, however it ended; at once if there is none."""
        flight = self._flying.get(key)
        return succeed(None) if flight is None else flight.observe().addErrback(lambda _: None)

    def _landed(self, result: Any, key: K) -> Any:
        del self._flying[key]
        return result

"""Threads of one's own, for libraries that block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")


class _Pool(ThreadPool):
    # One that hangs in a call must not keep the process alive.
    threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]


class Threads:
    """So many threads at most, begun when they are first needed; what finds none free waits for its turn."""

    def __init__(self, reactor: Any, most: int, name: str) -> None:
        self._reactor = reactor
        self._pool = _Pool(0, most, name)

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Call this in a thread. Cancelling the Deferred does not end the call."""
        if not self._pool.started:
            self._pool.start()
        return deferToThreadPool(self._reactor, self._pool, function, *args, **kwargs)

    def stop(self) -> None:
        """End the threads, each when it has done what it is at; nobody waits for that here."""
        if self._pool.started:
            Thread(target=self._pool.stop, daemon=True).start()

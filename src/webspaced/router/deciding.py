"""What was decided, on its way to LXD: some at a time, as a router that is new decides on all instances there are."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from webspaced.router.plan import Identity, Reservation

AT_A_TIME = 8


class Deciding:
    """Writes the addresses that were decided last, each once at a time."""

    def __init__(
        self, keep: Callable[[Reservation], Coroutine[Any, Any, None]], failed: Callable[[Failure], None]
    ) -> None:
        """:param keep: writes one. :param failed: gets what went wrong; whoever decides again tries again."""
        self._keep, self._failed = keep, failed
        self._waiting: dict[Identity, Reservation] = {}
        self._under_way: dict[Identity, Reservation] = {}

    def want(self, decided: Iterable[Reservation]) -> None:
        """Write these, and nothing else that still waits."""
        wanted = {(each.project, each.instance): each for each in decided}
        self._waiting = {identity: each for identity, each in wanted.items() if self._under_way.get(identity) != each}
        while len(self._under_way) < AT_A_TIME and (first := self._next()) is not None:
            Deferred.fromCoroutine(self._work(first))

    def _next(self) -> Reservation | None:
        identity = next((each for each in self._waiting if each not in self._under_way), None)
        return None if identity is None else self._waiting.pop(identity)

    async def _work(self, reservation: Reservation | None) -> None:
        while reservation is not None:
            identity = reservation.project, reservation.instance
            self._under_way[identity] = reservation
            await Deferred.fromCoroutine(self._keep(reservation)).addErrback(self._failed)
            del self._under_way[identity]
            reservation = self._next()

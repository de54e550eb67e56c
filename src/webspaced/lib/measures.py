"""What is counted and timed, as plain numbers: a count costs an addition, and nobody renders it until it is asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Sequence
from typing import TypeAlias, TypeVar

from attrs import define, field
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime

from webspaced import errors
from webspaced.lib.spans import span

T = TypeVar("T")
Labels: TypeAlias = tuple[str, ...]
USUAL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of a histogram's buckets, in seconds: from a request to LXD to the longest wait of a visitor."""
OUTCOMES: tuple[tuple[type[BaseException], str], ...] = (
    (errors.NotFound, "not_found"),
    (errors.Conflict, "conflict"),
    (errors.Changed, "changed"),
    (errors.Distrusted, "distrusted"),
    (errors.Unavailable, "unavailable"),
    (errors.Refused, "refused"),
    (errors.PortSilent, "port_silent"),
    (errors.BootFailed, "failed"),
    (errors.DeadlineExceeded, "timeout"),
    (errors.RemoteError, "remote_error"),
    (CancelledError, "cancelled"),
    (GeneratorExit, "cancelled"),
)
"""The vocabulary of outcomes, narrow before broad."""
OK, OTHER = "ok", "error"


def outcome_of(error: BaseException | None) -> str:
    """Give the word for how something ended: ``ok`` without an error."""
    return OK if error is None else next((word for kind, word in OUTCOMES if isinstance(error, kind)), OTHER)


@define
class Counted:
    """Numbers by labels' values, which only grow. Labels must be few: never what visitors or members write."""

    values: dict[Labels, float] = field(factory=dict, init=False)

    def add(self, *labels: str, by: float = 1) -> None:
        """Count one more, or more."""
        self.values[labels] = self.values.get(labels, 0) + by


@define
class Spread:
    """How many fell into each bucket, the last for what is above all bounds; and their sum, in seconds."""

    counts: list[int]
    sum: float = 0.0


@define
class Timed:
    """Seconds by labels' values, sorted into buckets."""

    bounds: Sequence[float] = USUAL
    spreads: dict[Labels, Spread] = field(factory=dict, init=False)

    def note(self, seconds: float, *labels: str) -> None:
        """Note that something took so long."""
        spread = self.spreads.get(labels)
        if spread is None:
            spread = self.spreads[labels] = Spread([0] * (len(self.bounds) + 1))
        spread.counts[bisect_left(self.bounds, seconds)] += 1
        spread.sum += seconds

    def without(self) -> Timed:
        """Give the same without its first label, which has one value only."""
        found = Timed(self.bounds)
        found.spreads.update({own[1:]: spread for own, spread in self.spreads.items()})
        return found

    def under(self, *labels: str) -> Timed:
        """Give the same with more labels before its own."""
        found = Timed(self.bounds)
        found.spreads.update({labels + own: spread for own, spread in self.spreads.items()})
        return found


class Calls:
    """Calls of one service, or runs of one work: how they ended, and how long they took."""

    def __init__(self, clock: IReactorTime, service: str) -> None:
        """:param service: its name in traces."""
        self._service = service
        self.outcomes = Counted()
        """By endpoint and outcome."""
        self.seconds = Timed()
        """By endpoint."""
        self._clock = clock

    async def measured(self, endpoint: str, work: Awaitable[T]) -> T:
        """Wait for a call, and note how it went; its error goes on.

        :param endpoint: a template, such as ``GET /instances/{}``, and never a path.
        """
        began, outcome = self._clock.seconds(), OK
        try:
            with span(f"{self._service} {endpoint}"):
                return await work
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            self.outcomes.add(endpoint, outcome)
            self.seconds.note(self._clock.seconds() - began, endpoint)


DEEPEST = 8


def template(path: str, words: frozenset[str]) -> str:
    """Give a path with ``{}`` in place of whatever is none of the words: there are as many as the words allow."""
    segments = path.partition("?")[0].strip("/").split("/")[:DEEPEST]
    return "/" + "/".join(each if each in words or not each else "{}" for each in segments)

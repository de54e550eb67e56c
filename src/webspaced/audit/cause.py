"""Why something is done: found in the context (:mod:`contextvars`), which coroutines keep over every wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from attrs import field, frozen

from webspaced.lib.ids import within

Told = Mapping[str, Any]
ITSELF: Told = {"kind": "webspaced"}


def _itself() -> Told:
    return ITSELF


def _nowhere() -> Told:
    return {}


@frozen
class Cause:
    """``kind``: a word of :data:`webspaced.vocabulary.actions.CAUSES`. Who and from where are asked when a line is written.

    A request's caller is known only once its token was looked up.
    """

    kind: str
    who: Callable[[], Told] = field(default=_itself)
    origin: Callable[[], Told] = field(default=_nowhere)


UPKEEP = Cause("upkeep")
CAUSE: ContextVar[Cause] = ContextVar("cause", default=UPKEEP)


@contextmanager
def because(kind: str) -> Iterator[None]:
    """Let what is done meanwhile be webspaced's own doing, for a reason of this kind."""
    with within(CAUSE, Cause(kind)):
        yield

"""Spans of what is done for a request or a visit, as traces have them; nothing here knows how they are exported.

The span within which code runs is found in the context (:mod:`contextvars`), which coroutines keep over every wait. Without
one, as where traces are off, nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from webspaced.lib.ids import within


class ISpan(Protocol):
    """Something that begins, may have parts, and ends once. Attributes are texts, numbers and truth values."""

    def child(self, name: str, **attributes: Any) -> ISpan:
        """Begin a part."""

    def note(self, **attributes: Any) -> None:
        """Say more of it."""

    def link(self, other: ISpan) -> None:
        """Say that it waits for what another trace has."""

    def end(self, error: str = "") -> None:
        """End it; may be said again, which does nothing."""


class ITracer(Protocol):
    """Begins traces."""

    def root(self, name: str, **attributes: Any) -> ISpan:
        """Begin one."""


SPAN: ContextVar[ISpan | None] = ContextVar("span", default=None)


@contextmanager
def span(name: str, **attributes: Any) -> Iterator[ISpan | None]:
    """Let what is done meanwhile be a part of the context's span."""
    parent = SPAN.get()
    if parent is None:
        yield None
        return
    part = parent.child(name, **attributes)
    with within(SPAN, part):
        try:
            yield part
        except BaseException as error:
            part.end(str(error) or type(error).__name__)
            raise
    part.end()

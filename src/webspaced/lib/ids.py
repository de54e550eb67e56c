"""Ids by which the lines of one thing are found in the log."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Ids:
    """Gives ids such as ``v-5e0c91-2f``: of what kind, of which run of the daemon, and the how manieth."""

    def __init__(self, kind: str) -> None:
        self._prefix = f"{kind}-{secrets.token_hex(3)}"
        self._numbers = itertools.count(1)

    def new(self) -> str:
        """Give one that no other thing has."""
        return f"{self._prefix}-{next(self._numbers):x}"


@contextmanager
def within(variable: ContextVar[T], value: T) -> Iterator[None]:
    """Let a variable have this value in what is done meanwhile, in this context."""
    token = variable.set(value)
    try:
        yield
    finally:
        with suppress(ValueError):
            # A coroutine that is collected as garbage ends in another context, which never had the value.
            variable.reset(token)


def carried(work: Callable[P, T]) -> Callable[P, T]:
    """Give the same work, to be done in the context of now, whoever calls it, such as somebody who gives a place back."""
    context = copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        # A context cannot be entered twice, and whoever calls may be in it.
        return context.copy().run(work, *args, **kwargs)

    return run


def with_values(*values: tuple[ContextVar[Any], Any]) -> Callable[..., Any]:
    """Give what calls something in a context of its own in which these variables have these values."""
    context = copy_context()
    for variable, value in values:
        context.run(variable.set, value)
    return context.run

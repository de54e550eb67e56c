"""The relay's states, as data: what a visit and each direction of it go through.

What is not in a table cannot happen: :class:`KeyError`. ``python -m harness.diagrams`` draws them for
``docs/explanation/relay.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

S = TypeVar("S", bound=StrEnum)
T = TypeVar("T", bound=StrEnum)


class Stage(StrEnum):
    """Where a visit is."""

    ARRIVED = "arrived"
    HELD = "held"
    RELAYED = "relayed"
    REFUSED = "refused"
    OVER = "over"


class Step(StrEnum):
    """What happens to a visit."""

    WAIT = "the gate is shut"
    SERVE = "the container is connected"
    REFUSE = "no place, no boot, no answer"
    END = "closed, left or cut"


VISITS: Mapping[tuple[Stage, Step], Stage] = {
    (Stage.ARRIVED, Step.SERVE): Stage.RELAYED,
    (Stage.ARRIVED, Step.WAIT): Stage.HELD,
    (Stage.ARRIVED, Step.REFUSE): Stage.REFUSED,
    (Stage.ARRIVED, Step.END): Stage.OVER,
    (Stage.HELD, Step.SERVE): Stage.RELAYED,
    (Stage.HELD, Step.REFUSE): Stage.REFUSED,
    (Stage.HELD, Step.END): Stage.OVER,
    (Stage.RELAYED, Step.END): Stage.OVER,
    (Stage.REFUSED, Step.END): Stage.OVER,
}


class Flow(StrEnum):
    """How one direction of a relay moves bytes."""

    COPYING = "copying"
    SPLICING = "splicing"
    ENDING = "ending"
    ENDED = "ended"


class Turn(StrEnum):
    """What changes that."""

    FILLED = "a read filled the buffer"
    SMALL = "moves got small, or no pipe is to be had"
    FIN = "the sender ended"
    PASSED = "the end is passed on"


FLOWS: Mapping[tuple[Flow, Turn], Flow] = {
    (Flow.COPYING, Turn.FILLED): Flow.SPLICING,
    (Flow.SPLICING, Turn.SMALL): Flow.COPYING,
    (Flow.COPYING, Turn.FIN): Flow.ENDING,
    (Flow.SPLICING, Turn.FIN): Flow.ENDING,
    (Flow.ENDING, Turn.PASSED): Flow.ENDED,
}


def diagram(table: Mapping[tuple[S, T], S], first: S) -> str:
    """Give a table as a graph of Graphviz (https://graphviz.org/doc/info/lang.html)."""
    ends = dict.fromkeys(end for end in table.values() if all(end is not begin for begin, _ in table))
    lines = ["digraph {", f"    begin [shape=point]; begin -> {first.value}"]
    lines += [f"    {end.value} [peripheries=2]" for end in ends]
    labels = {why: why.value.replace(", ", ",\\n") for _, why in table}
    lines += [f'    {begin.value} -> {end.value} [label=" {labels[why]} "]' for (begin, why), end in table.items()]
    return "\n".join([*lines, "}"]) + "\n"


def diagrams() -> Mapping[str, str]:
    """Give every diagram by the name of what it shows."""
    return {"visit": diagram(VISITS, Stage.ARRIVED), "direction": diagram(FLOWS, Flow.COPYING)}

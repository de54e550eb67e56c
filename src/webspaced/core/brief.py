"""Repeating little of what somebody sent: an answer must not cost more than what it answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice

NAMED, LONGEST = 3, 40
LONGEST_SENTENCE = 200


def unknown_among(given: Iterable[str], known: Collection[str]) -> str:
    """Name the first of what is given and not known, each cut, and say if there are more; empty if all is known."""
    found = list(islice((each for each in given if each not in known), NAMED + 1))
    names = sorted(each if len(each) <= LONGEST else f"{each[:LONGEST]}…" for each in found[:NAMED])
    return ", ".join([*names, "and more"] if len(found) > NAMED else names)


def shown(value: object) -> str:
    """Give a value as a message repeats it: somebody else chose how long it is."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def sentence(text: str) -> str:
    """Give what some other program said as one short line of printable characters."""
    line = "".join(each if each.isprintable() else " " for each in text[: 2 * LONGEST_SENTENCE]).strip()
    return line if len(line) <= LONGEST_SENTENCE else f"{line[:LONGEST_SENTENCE]}…"

"""What a query of Prometheus names: its metrics with their labels, and the labels that it groups by.

Not the whole of PromQL: ``promtool`` reads the queries as Prometheus does. This finds what in them has to be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from attrs import frozen

_TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<number>\d[0-9a-z.]*)|(?P<sign>=~|!~|!=|==|[^\s])'
)
GROUPING = frozenset(("by", "without", "on", "ignoring", "group_left", "group_right"))
OPERATORS = frozenset(("and", "or", "unless", "bool", "offset"))


@frozen
class Query:
    """``selectors``: labels that are asked of each metric, with their matchers; ``grouped``: labels of the results."""

    selectors: tuple[tuple[str, Mapping[str, str]], ...]
    grouped: frozenset[str]


def read_query(text: str) -> Query:
    """Give what a query names; ``ValueError`` where a bracket is left open."""
    tokens = [match.group() for match in _TOKEN.finditer(text)]
    selectors: list[tuple[str, Mapping[str, str]]] = []
    grouped: set[str] = set()
    at = 0
    while at < len(tokens):
        word, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
        at += 1
        if not re.fullmatch(r"[A-Za-z_:][A-Za-z0-9_:]*", word) or word in OPERATORS:
            if word == "[":
                at = tokens.index("]", at) + 1
            continue
        if word in GROUPING:
            if following == "(":
                end = tokens.index(")", at)
                grouped |= {each for each in tokens[at + 1 : end] if each != ","}
                at = end + 1
        elif following not in ("(", "by", "without"):
            end = tokens.index("}", at) if following == "{" else at
            selectors.append((word, dict(_matchers(tokens[at + 1 : end]))))
            at = end + (following == "{")
    return Query(tuple(selectors), frozenset(grouped))


def _matchers(tokens: list[str]) -> Iterator[tuple[str, str]]:
    for at in range(0, len(tokens), 4):
        name, sign, value = tokens[at : at + 3]
        yield name, value.strip('"') if sign == "=" else ""

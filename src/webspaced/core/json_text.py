"""JSON that others write: what is nested too deeply is no more JSON to us than what has a comma too many."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 64
"""Levels of lists and objects in what we write back: more than anybody's document has."""


def parse(text: str | bytes) -> Any:
    """Give the value.

    :raises ValueError: it is none, or is nested deeper than the interpreter goes.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        message = "it is nested too deeply"
        raise ValueError(message) from error


def parse_kept(text: str | bytes) -> Any:
    """Give a value that is to be written back, which takes as many levels as reading.

    :raises ValueError: it is none, or has more than :data:`DEEPEST` levels.
    """
    value = parse(text)
    if not _fits(value, DEEPEST):
        message = "it is nested too deeply"
        raise ValueError(message)
    return value


def _fits(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inside = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_fits(each, levels - 1) for each in inside)

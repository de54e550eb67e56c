"""Objects as lines of JSON, whatever is in them: ASCII, no line end but the last, and no error.

What cannot be said in JSON is said by its text; what is too long or too deep is cut.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

LONGEST_TEXT = 16 * 1024
"""Characters of one text; longer ones are cut."""
MOST_ITEMS = 1000
DEEPEST = 6


def line(members: Mapping[str, Any]) -> str:
    """Give an object as one line, with its end. Members are in the order in which they are given."""
    return f"{json.dumps(_mapping(members, DEEPEST))}\n"


def moment(seconds: float) -> str:
    """Give seconds since the epoch by RFC 3339, in UTC with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def plain(value: Any, deep: int = DEEPEST) -> Any:
    """Give what JSON has for a value."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if deep and isinstance(value, Mapping):
        return _mapping(value, deep)
    if deep and isinstance(value, list | tuple | AbstractSet):
        return [plain(each, deep - 1) for each in list(value)[:MOST_ITEMS]]
    return text(value)


def _mapping(value: Mapping[Any, Any], deep: int) -> dict[str, Any]:
    return {text(name): plain(each, deep - 1) for name, each in list(value.items())[:MOST_ITEMS]}


def text(value: Any) -> str:
    """Give anything's text; an object without one has its type's name."""
    try:
        said = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    except Exception:  # noqa: BLE001  (a log line must be written whatever stands in it)
        said = f"<a {type(value).__name__} without a text>"
    return said if len(said) <= LONGEST_TEXT else f"{said[:LONGEST_TEXT]}…"

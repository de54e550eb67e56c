"""Answers as people read them: tables, sizes, times."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from webspaced.cli.command import printable

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
STEP = 1024
WIDEST = 10_000
"""Columns of a table for a program or a file."""
SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def give_json(document: Any) -> None:
    """Give a document, for programs."""
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def give_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Give a table; in a pipe it is as wide as it needs to be."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        # What members have written is no markup.
        table.add_row(*(Text(printable(each).replace("\n", " ")) for each in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDEST).print(table)


def size(count: int | None) -> str:
    """Give a number of bytes as people read it; a dash where it is not known."""
    if count is None:
        return "-"
    amount = float(count)
    for unit in UNITS:
        if amount < STEP or unit == UNITS[-1]:
            return f"{amount:.0f} {unit}" if unit == UNITS[0] else f"{amount:.1f} {unit}"
        amount /= STEP
    raise AssertionError


def ago(time: str, now: datetime | None = None) -> str:
    """Give how long ago a time (RFC 3339) is, roughly."""
    seconds = int(((now or datetime.now(UTC)) - datetime.fromisoformat(time)).total_seconds())
    for span, unit in SPANS:
        if seconds >= span:
            return f"{seconds // span} {unit} ago"
    return "now"

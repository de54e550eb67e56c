"""All benchmarks in a short form, so that they do not rot: `python -m benchmarks.short`, which is the tier `bench`.

Each is run once with a few rounds and small amounts, and has to come to an end with its result. Its figures are shown and
held against no goal: a shared machine tells nothing in so few rounds. What this machine does not allow is said, as ever.

`BENCH_ONLY` (boot,api,routes,start,front,sleep,day,metrics,images,rest,lan,relay) chooses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping

from benchmarks import cluster
from benchmarks.interrupts import become_interruptible
from benchmarks.report import conclude
from harness import packages
from harness.saying import CannotGoOn, run_program, say

AMOUNTS: Mapping[str, Mapping[str, int | str]] = {
    "boot": {"ROUNDS": 2, "BURSTS": 1, "WEBSPACES": 6},
    "api": {"ROUNDS": 3, "TERMINALS": 5, "SECONDS": 2},
    "routes": {
        "SIZES": "1,20", "ROUNDS": 2, "BURSTS": 1, "EVENTS": 3, "WEBSPACES": 20, "TAKEOVERS": 1,
        "PASSES": 1, "REAL": 20, "SIMULATED": 300, "STALLED": 300, "STALLS": 3,
    },
    "start": {"SIMULATED": 200, "STARTS": 1, "IAM_MS": 10},
    "front": {"ROUNDS": 20, "SECONDS": 2},
    "sleep": {"ROUNDS": 1, "DOZING": "2", "REAL": 2, "LOOKS": 2, "APART": 1, "LOOKED_AT": "20"},
    "day": {"HOURS": 1, "WEBSPACES": 100},
    "metrics": {"SIMULATED": 200, "SCRAPES": 3},
    "images": {"IMAGES": 100, "GETS": 5, "LOOKS": 3},
    "rest": {"MINUTE": 2, "SETTLES": 1, "MINUTES": 1, "VISITED": 1},
    "lan": {"PEERS": "20", "ROUNDS": 3},
    "relay": {"ROUNDS": 1, "BUSY_ROUNDS": 1, "MB": 8, "TRIPS": 100, "VISITS": 40, "IDLE": 100},
}  # fmt: skip
NEED_ROOT = ("boot", "api", "front", "rest", "lan")
LIMIT = 150
"""Seconds that one may take."""


def _run(name: str) -> None:
    """Run one; its progress is shown, and its result, which must be there."""
    amounts = {f"BENCH_{key}": str(value) for key, value in {"LIMIT": LIMIT, **AMOUNTS[name]}.items()}
    command = [sys.executable, "-u", "-m", f"benchmarks.{name}"]
    last = ""
    with subprocess.Popen(
        command, env={**os.environ, **amounts}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            for line in child.stdout or ():
                say(line.rstrip())
                last = line if line.strip() else last
        except BaseException:
            # It clears away first; leaving this block waits for that.
            child.terminate()
            raise
    if child.returncode or not isinstance(_parsed(last), dict):
        raise CannotGoOn(f"benchmarks.{name} ended with status {child.returncode} and without its result")


def _parsed(line: str) -> object:
    try:
        found: object = json.loads(line)
    except ValueError:
        return None
    return found


def main() -> int:
    """Run them; the status of an interrupted run is 130."""
    become_interruptible()
    lasted: dict[str, float] = {}
    try:
        # A kube-apiserver may have to be built first, which takes longer than all the rest.
        cluster.reason_against()
        for name in os.environ.get("BENCH_ONLY", ",".join(AMOUNTS)).split(","):
            if name in NEED_ROOT and not packages.is_root():
                say(f"{name} is left out: a private LXD needs root")
                continue
            say(f"--- {name} ---")
            began = time.monotonic()
            _run(name)
            lasted[name] = round(time.monotonic() - began, 1)
    except KeyboardInterrupt:
        return 130
    conclude({"benchmark": "short", "seconds": lasted})
    return 0


if __name__ == "__main__":
    run_program(main)

"""What a pass of the container network costs: `python -m benchmarks.lan`, as root, in a network namespace of its own.

first_s
    A pass that makes the device and appends all peers.
unchanged_s, unchanged_writes
    A pass when nothing has changed: the median, and how much was written.
one_s
    A pass when one peer is another one.

`BENCH_PEERS` (50,1000) and `BENCH_ROUNDS` (20) change the amounts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from statistics import median
from time import perf_counter

from benchmarks.report import conclude, versions
from harness.packages import is_root
from harness.saying import CannotGoOn, run_program, say
from webspaced.lan.device import Applied, apply
from webspaced.lan.overlay import Overlay

INSIDE = "BENCH_INSIDE"
FIRST = int(IPv4Address("198.18.0.1"))
OVERLAY = Overlay(interface="bench", vni=6969, port=4789, local=IPv4Address("127.0.0.1"))


def _peers(count: int, shift: int = 0) -> list[IPv4Address]:
    return [IPv4Address(FIRST + shift + number) for number in range(count)]


@contextmanager
def _device() -> Iterator[None]:
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "del", OVERLAY.interface], check=False, capture_output=True)


def _timed(peers: list[IPv4Address]) -> tuple[float, Applied]:
    began = perf_counter()
    applied = apply(OVERLAY, peers)
    return perf_counter() - began, applied


def measure(count: int, rounds: int) -> dict[str, float]:
    """Give the figures for so many peers."""
    with _device():
        first, _ = _timed(_peers(count))
        same = [_timed(_peers(count)) for _ in range(rounds)]
        moved = [_timed(_peers(count, number % 2))[0] for number in range(1, rounds)]
    return {
        f"first_s_{count}": round(first, 4), f"unchanged_s_{count}": round(median(seconds for seconds, _ in same), 4),
        f"unchanged_writes_{count}": sum(applied.writes for _, applied in same), f"one_s_{count}": round(median(moved), 4),
    }


def main() -> int:
    """Run it again in a namespace of its own, which goes with it."""
    if not is_root():
        raise CannotGoOn("the benchmark lan needs root, for a network namespace")
    if INSIDE not in os.environ:
        command = ["unshare", "--net", sys.executable, "-m", "benchmarks.lan"]
        return subprocess.run(command, env={**os.environ, INSIDE: "1"}, check=False).returncode
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    rounds = int(os.environ.get("BENCH_ROUNDS", "20"))
    figures: dict[str, float] = {}
    for count in map(int, os.environ.get("BENCH_PEERS", "50,1000").split(",")):
        say(f"passes with {count} peers ...")
        figures |= measure(count, rounds)
    conclude({"benchmark": "lan", **figures, "cpus": os.cpu_count(), **versions("webspaced", "pyroute2")})
    return 0


if __name__ == "__main__":
    run_program(main)

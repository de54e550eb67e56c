"""The relay against proxies that people trust: `python -m benchmarks.relay`. All of it on loopback.

Compared are ours, HAProxy (explicit splicing, 1 MiB pipes, one thread), nginx's stream module (one worker), Go's `io.Copy`
(`tools/relay-go`, which splices; with as many threads as it likes), Twisted's own `portforward`, and no relay at all. Each
round measures all of them one after the other, beginning with another one each time; ratios are within a round, and
the median of all rounds is given. A peer that this machine does not have is left out, and named.

bulk1, bulk16
    GB/s of one upload, and of 16 at once: from connect until the other side has said that it read all. A ratio above 1
    means that ours is faster. The reader drops what comes unread (MSG_TRUNC), the sender sends a file: both cost little.
cpu1, cpu16
    CPU seconds of the relay's threads per GB (the scheduler's count) meanwhile. Below 1: ours needs less.
cps
    Connections per second: connect, 64 bytes there and back, close, eight at a time.
p50, p99
    Of round trips of 64 bytes, one after the other. `busy_p99` is the same beside four uploads. Below 1: ours is faster.
idle_bytes_per_connection
    Memory that `BENCH_IDLE` (4,500) relayed connections on which nothing moves take in a fresh process.
hold
    1,000 connections at once to what boots for 0.5 s after the first: seconds beyond that until the last is answered.
splice_calls
    Of each relay, while 64 MB go through it, as strace counts them: who is said to splice does so.
listeners_10k
    Seconds until 10,000 forwards listen, and the memory that they take.

`BENCH_ROUNDS` (9), `BENCH_BUSY_ROUNDS` (3), `BENCH_MB` (192), `BENCH_TRIPS` (1500), `BENCH_VISITS` (400), `BENCH_IDLE` and
`BENCH_PEERS` (names with commas) change the amounts.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks import relay_load as load
from benchmarks.interrupts import be_bounded
from benchmarks.relay_peers import KINDS, ROOT, Peer, available, peer
from benchmarks.report import conclude, median, percentile, versions
from benchmarks.sizes import size
from harness.saying import CannotGoOn, run_program, say

BUSY_STREAMS = 4
BURST = 1000
BOOT = 0.5
LISTENERS = 10_000
HIGHER_IS_BETTER = ("bulk1", "bulk16", "cps")
COMPARED = ("bulk1", "bulk16", "cpu1", "cpu16", "cps", "p50", "p99", "busy_p99")

Samples = dict[str, dict[str, list[float]]]
"""By figure and peer, index by index of one round."""


@frozen(kw_only=True)
class Sizes:
    """How much is measured."""

    rounds: int
    busy_rounds: int
    megabytes: int
    trips: int
    visits: int
    idle: int


def _bulk(target: Peer, connections: int, size: int) -> tuple[float, float]:
    """GB/s, and CPU seconds per GB."""
    before = target.cpu()
    took = load.push(target.discard, connections, size)
    return size / took / 1e9, (target.cpu() - before) / size * 1e9


def _measure(target: Peer, sizes: Sizes) -> Mapping[str, float]:
    size = sizes.megabytes << 20
    bulk1, cpu1 = _bulk(target, 1, size)
    bulk16, cpu16 = _bulk(target, 16, size)
    trips = load.ping(target.echo, sizes.trips)
    before = target.cpu()
    cps = load.visit(target.echo, sizes.visits)
    return {
        "bulk1": bulk1, "cpu1": cpu1, "bulk16": bulk16, "cpu16": cpu16, "cps": cps,
        "cpu_us_per_connection": (target.cpu() - before) / sizes.visits * 1e6,
        "p50": percentile(trips, 0.5), "p99": percentile(trips, 0.99),
    }


def _measure_busy(target: Peer, sizes: Sizes) -> Mapping[str, float]:
    """Round trips beside uploads, which are another process's."""
    context = multiprocessing.get_context("fork")
    pushing = context.Process(target=_push_on, args=(target.discard,), daemon=True)
    pushing.start()
    time.sleep(0.1)
    trips = load.ping(target.echo, sizes.trips // 3)
    pushing.terminate()
    pushing.join()
    return {"busy_p50": percentile(trips, 0.5), "busy_p99": percentile(trips, 0.99)}


def _push_on(port: int) -> None:
    while True:
        load.push(port, BUSY_STREAMS, 1 << 30)


def _rounds(
    peers: Sequence[Peer], rounds: int, measure: Callable[[Peer], Mapping[str, float]], samples: Samples
) -> None:
    for number in range(rounds):
        first = number % len(peers)
        for target in [*peers[first:], *peers[:first]]:
            for figure, value in measure(target).items():
                samples[figure][target.name].append(value)
        say(f"round {number + 1}/{rounds}: " + _line(samples, number))


def _line(samples: Samples, number: int) -> str:
    figure = "bulk1" if number < len(samples["bulk1"].get("ours", ())) and not samples["busy_p99"] else "busy_p99"
    unit, factor = (" GB/s", 1.0) if figure == "bulk1" else (" ms busy p99", 1000.0)
    return ", ".join(f"{name} {values[number] * factor:.2f}{unit}" for name, values in samples[figure].items())


def _idle_bytes(name: str, backends: tuple[int, int], folder: Path, number: int) -> float:
    with peer(name, backends, folder) as target:
        with load.idle(target.echo, 20):
            pass
        before = target.resident()
        with load.idle(target.echo, number):
            return (target.resident() - before) / number


def _splices(target: Peer, folder: Path) -> int | None:
    """How often it called splice(2) while 64 MB went through it; `None` where there is no strace to tell."""
    if shutil.which("strace") is None or target.process is None:
        return None
    trace = folder / f"{target.name}.strace"
    pids = [argument for pid in target.pids() for argument in ("-p", str(pid))]
    command = ["strace", "-f", "-qq", "-e", "trace=splice", "-o", str(trace), *pids]
    tracing = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    load.push(target.discard, 1, 64 << 20)
    tracing.terminate()
    tracing.wait()
    return trace.read_text(errors="replace").count("splice(")


def _held_by(name: str, number: int) -> int:
    """How many connections: Go keeps a pipe for each direction, which is six descriptors in all."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(number, most // 8) if name == "go" else number


def _listeners() -> tuple[float, float]:
    """Seconds and bytes."""
    command = [sys.executable, "-m", "benchmarks.relay_ours", "listeners", str(LISTENERS)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # noqa: S101 - for mypy
    try:
        seconds, memory, number = process.stdout.readline().split()
    finally:
        process.kill()
        process.wait()
    if int(number) != LISTENERS:
        raise CannotGoOn(f"only {number} of {LISTENERS} ports could be bound")
    return float(seconds), float(memory)


def _ratios(samples: Samples, figure: str, other: str) -> list[float]:
    both = zip(samples[figure]["ours"], samples[figure][other], strict=True)
    return [ours / theirs for ours, theirs in both]


def figures(samples: Samples, peers: Sequence[str]) -> dict[str, Any]:
    """Ratios to the peers, with their spread (first to third quartile), and each one's own medians."""
    found: dict[str, Any] = {}
    for other in peers:
        if other in {"ours", "direct"}:
            continue
        for figure in COMPARED:
            ratios = _ratios(samples, figure, other)
            found[f"{figure}_vs_{other}"] = round(median(ratios), 3)
            found[f"{figure}_vs_{other}_spread"] = [round(percentile(ratios, share), 3) for share in (0.25, 0.75)]
    for figure, by_peer in samples.items():
        found[figure] = {name: float(f"{median(values):.4g}") for name, values in by_peer.items()}
    return found


def _all(sizes: Sizes, names: Sequence[str], folder: Path) -> dict[str, Any]:
    samples: Samples = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        backends = stack.enter_context(load.servers())
        with ExitStack() as running:
            peers = [running.enter_context(peer(name, backends, folder)) for name in names]
            _rounds(peers, sizes.rounds, lambda target: _measure(target, sizes), samples)
            _rounds(peers, sizes.busy_rounds, lambda target: _measure_busy(target, sizes), samples)
            ours = next(target for target in peers if target.name == "ours")
            held, errors = load.burst(ours.boots, BURST)
            splices = {target.name: _splices(target, folder) for target in peers if target.process is not None}
            say(f"calls of splice(2) for 64 MB: {splices}")
            say(f"{BURST} held through a boot: {held - BOOT:.3f} s beyond it, {errors} errors")
        idle = {}
        for name in names:
            if name != "direct":
                idle[name] = round(_idle_bytes(name, backends, folder, _held_by(name, sizes.idle)))
                say(f"memory per idle connection: {name} {idle[name]} bytes")
    seconds, memory = _listeners()
    return {
        "benchmark": "relay",
        **figures(samples, names),
        "splice_calls": splices,
        "idle_bytes_per_connection": idle["ours"],
        "idle_bytes": idle,
        "hold_1000_s_beyond_boot": round(held - BOOT, 3),
        "hold_1000_errors": errors,
        "listeners_10k_s": round(seconds, 3),
        "listeners_10k_mb": round(memory / 1e6, 1),
    }


def _names() -> tuple[list[str], Mapping[str, str]]:
    """The peers that are compared, and of those left out why."""
    wanted = os.environ.get("BENCH_PEERS", "")
    without = available()
    names = [name for name in (*KINDS, "direct") if not wanted or name in {"ours", *wanted.split(",")}]
    return [name for name in names if name not in without], without


def main() -> int:
    """Run it."""
    be_bounded()
    load.raise_limit()
    sizes = Sizes(
        rounds=size("ROUNDS", 9), busy_rounds=size("BUSY_ROUNDS", 3), megabytes=size("MB", 192),
        trips=size("TRIPS", 1500), visits=size("VISITS", 400), idle=size("IDLE", 4500),
    )
    names, without = _names()
    for name, why in without.items():
        say(f"left out: {name}: {why}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="webspaced-relay-") as folder:
        result = _all(sizes, names, Path(folder))
    conclude({
        **result, "left_out": dict(without), "rounds": sizes.rounds, "cpus": os.cpu_count(),
        "versions": versions("webspaced", "twisted"), "duration_s": round(time.monotonic() - began),
    })
    return 0


if __name__ == "__main__":
    run_program(main)

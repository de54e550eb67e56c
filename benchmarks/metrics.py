"""What a scrape of `/metrics` costs with many webspaces: `make bench BENCH=metrics`.

The whole daemon beside a simulated LXD (a process of its own) with 10,000 sleeping webspaces, in a process with the one who
scrapes, on loopback.

scrape
    From the request to the last byte, and the longest stall of the reactor meanwhile, without metrics of each webspace.
each
    The same with `metrics.per_webspace`.

The medians (and the worst) of `BENCH_SCRAPES` (20). `BENCH_SIMULATED` (10000) changes the amount, and not the names of
figures. The goal is 100 ms for the first.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import treq
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

from benchmarks.interrupts import be_bounded
from benchmarks.looks import started
from benchmarks.report import conclude, median, milliseconds
from benchmarks.resync import StallMeter
from benchmarks.simulated_lxd import simulated
from benchmarks.sizes import size
from benchmarks.webspaces import settings_for
from harness import ports
from harness.saying import CannotGoOn, say
from webspaced.lib.deferreds import sleep
from webspaced.testing.lxd.simulator import LOOPBACK_PORTS

GOAL_MS = 100
PAUSE = 0.3
"""Seconds between two scrapes, in which the garbage of the one before is gone."""


def _settings(folder: Path, socket: Path, count: int, port: int, *, each: bool) -> Path:
    document = settings_for(folder, socket, count)
    api, inside = (f"127.0.0.1:{ports.by_chance()}" for _ in range(2))
    document["http"] = {"listen_address": api, "internal_address": inside}
    document["traefik"] = {"provider": "file"}
    document["metrics"] = {"listen_address": f"127.0.0.1:{port}", "per_webspace": each}
    path = folder / "webspaced.yaml"
    path.write_text(json.dumps(document))
    return path


async def _scrapes(reactor: Any, port: int) -> dict[str, float]:
    lasted, stall, length, meter = [], 0.0, 0, StallMeter(reactor)
    for _ in range(size("SCRAPES", 20)):
        await sleep(reactor, PAUSE)
        meter.begin()
        began = time.monotonic()
        answer = await treq.get(f"http://127.0.0.1:{port}/metrics")
        length = len(await answer.content())
        lasted.append(time.monotonic() - began)
        meter.end()
        stall = max(stall, meter.longest)
        if answer.code != 200:
            raise CannotGoOn(f"/metrics answered {answer.code}")
    return {"ms": milliseconds(median(lasted)), "worst_ms": milliseconds(max(lasted)), "stall_ms": milliseconds(stall),
            "kb": round(length / 1000)}  # fmt: skip


async def _measure(reactor: Any, name: str, *, each: bool) -> dict[str, float]:
    count, port = size("SIMULATED", 10_000), ports.by_chance()
    say(f"scraping a daemon with {count} webspaces{', each of them told' if each else ''} ...")
    with ExitStack() as cleaning:
        folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-metrics-")))
        lxd = simulated(folder, count, http_port=LOOPBACK_PORTS.web)
        socket = await deferToThread(cleaning.enter_context, lxd)
        daemon = await started(reactor, _settings(folder, socket, count, port, each=each))
        try:
            found = await _scrapes(reactor, port)
        finally:
            await daemon.stopService()
    say(f"  {found}")
    return {f"{name}_{figure}": value for figure, value in found.items()}


async def _main(reactor: Any) -> None:
    figures = await _measure(reactor, "scrape", each=False)
    figures |= await _measure(reactor, "each", each=True)
    say(f"goal: scrape_ms <= {GOAL_MS}: {figures['scrape_ms']}")
    conclude({"benchmark": "metrics", "goal_ms": GOAL_MS, **figures})


def main(reactor: Any) -> Deferred[None]:
    """Run it alone."""
    be_bounded()
    return Deferred.fromCoroutine(_main(reactor))


if __name__ == "__main__":
    react(main)

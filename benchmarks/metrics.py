"""What a scrape of `/metrics` costs with many webspaces: `make bench BENCH=metrics`.

The whole daemon beside a simulated LXD with 10,000 sleeping webspaces and one who scrapes it by loopback, each of them a
process.

scrape
    From the request to the last byte, and the longest stall of the reactor meanwhile, without metrics of each webspace.
each
    The same with `metrics.per_webspace`.

The medians (and the worst) of `BENCH_SCRAPES` (20). `BENCH_SIMULATED` (10000) changes the amount, and not the names of
figures. The goal is 100 ms for the first.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutput

from benchmarks.interrupts import be_bounded
from benchmarks.looks import started
from benchmarks.report import conclude, median, milliseconds
from benchmarks.resync import StallMeter
from benchmarks.simulated_lxd import simulated
from benchmarks.sizes import size
from benchmarks.webspaces import settings_for
from harness import ports
from harness.saying import say
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


def _scrape(port: int, scrapes: int) -> dict[str, list[float]]:
    """Scrape again and again; gives the seconds and bytes of each."""
    lasted: list[float] = []
    lengths: list[float] = []
    for _ in range(scrapes):
        time.sleep(PAUSE)
        began = time.monotonic()
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lengths.append(len(answer.read()))
        lasted.append(time.monotonic() - began)
    return {"seconds": lasted, "bytes": lengths}


async def _scrapes(reactor: Any, port: int) -> dict[str, float]:
    command = ("-m", "benchmarks.metrics", "scrape", str(port), str(size("SCRAPES", 20)))
    meter = StallMeter(reactor)
    meter.begin()
    # In a process of its own, as Prometheus is.
    told = await getProcessOutput(sys.executable, command, env=os.environ, reactor=reactor)
    meter.end()
    found = json.loads(told)
    return {
        "ms": milliseconds(median(found["seconds"])), "worst_ms": milliseconds(max(found["seconds"])),
        "stall_ms": milliseconds(meter.longest), "kb": round(max(found["bytes"]) / 1000),
    }  # fmt: skip


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
    if sys.argv[1:2] == ["scrape"]:
        say(json.dumps(_scrape(int(sys.argv[2]), int(sys.argv[3]))))
    else:
        react(main)

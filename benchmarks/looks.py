"""What it costs to see who is active; a part of `make bench BENCH=sleep`.

The daemon is built as it always is and runs in this process; a simulated LXD, a process of its own, has 1,000 webspaces and
writes its metrics as LXD 5.0.2 does on a machine with two processors: 45 lines, 4.4 KB, for each container.

look
    Processor time of this process, and wall time, from a look until everybody is judged: all awake, or all dozing.
    The wall time has LXD's own in it, which here is the simulator's. Medians of `BENCH_LOOKS` (10), `BENCH_APART` (9)
    seconds apart, as LXD tells the same for 8.
requests
    What LXD was asked for meanwhile, at least: the daemon may have something else to ask at the same time.
stall
    The longest time that the reactor did nothing else during them: a call that is due each millisecond, and the longest
    time by which it was late.
watch
    Processor time of the look, once a second, whether somebody speaks to one of those that doze.

`BENCH_LOOKED_AT` (1,100,1000) changes the amounts.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

from benchmarks.interrupts import be_bounded
from benchmarks.report import conclude, median, milliseconds
from benchmarks.resync import StallMeter
from benchmarks.simulated_lxd import UP, simulated
from benchmarks.sizes import size
from benchmarks.webspaces import settings_for
from harness import ports
from harness.saying import CannotGoOn, say
from webspaced.assembly.build import build, this_host
from webspaced.assembly.daemon import Daemon
from webspaced.core.sleep import Depth
from webspaced.lib.deferreds import sleep
from webspaced.lib.periodic import Periodic
from webspaced.lxd.client import LxdClient
from webspaced.reload.live import Live
from webspaced.settings import load
from webspaced.testing.lxd.simulator import LOOPBACK_PORTS

CPUS = 2
LONGEST_START = 60.0
KEPT, QUIET = 9, 2.0
WORK = {"look": "the look at who is active", "watch": "the look at who dozes"}


class Requests:
    """Counts what is asked of LXD."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count, while this lasts."""
        answer = LxdClient._answer  # noqa: SLF001

        async def counting(client: LxdClient, *arguments: Any, **more: Any) -> Any:
            self.count += 1
            return await answer(client, *arguments, **more)

        LxdClient._answer = counting  # type: ignore[method-assign, assignment]  # noqa: SLF001
        try:
            yield
        finally:
            LxdClient._answer = answer  # type: ignore[method-assign]  # noqa: SLF001


def _settings(folder: Path, socket: Path, count: int) -> Path:
    document = settings_for(folder, socket, count)
    # Its own looks are far between: those that are measured are caused here.
    document["webspaces"]["sleep"] = {"doze_after": "1h", "look": "1h", "memory_low": 0, "memory_pressure": 0}
    api, inside = (f"127.0.0.1:{ports.by_chance()}" for _ in range(2))
    document["http"] = {"listen_address": api, "internal_address": inside}
    document["traefik"] = {"provider": "file"}
    path = folder / "webspaced.yaml"
    path.write_text(json.dumps(document))
    return path


def _work(daemon: Daemon, what: str) -> Callable[[], Any]:
    periodic = [each for each in daemon._parts.periodic if isinstance(each, Periodic)]  # noqa: SLF001
    return next(each._work for each in periodic if each._what == WORK[what])  # noqa: SLF001


async def _looks(reactor: Any, work: Callable[[], Any], looks: int, pause: float) -> dict[str, float]:
    cpu, wall, asked, requests, meter = [], [], [], Requests(), StallMeter(reactor)
    await work()
    with requests.counted():
        for _ in range(looks):
            await sleep(reactor, pause)
            meter.begin()
            before = requests.count
            began, used = time.monotonic(), time.process_time()
            await work()
            cpu.append(time.process_time() - used)
            wall.append(time.monotonic() - began)
            asked.append(requests.count - before)
            meter.end()
    return {
        "cpu": milliseconds(median(cpu)), "wall": milliseconds(median(wall)),
        "stall": milliseconds(meter.longest), "requests": min(asked),
    }  # fmt: skip


async def started(reactor: Any, path: Path) -> Daemon:
    """Give a daemon of a settings file that is ready, and has nothing left to do of its start."""
    live = Live(load(path, {}))
    daemon = build(reactor, live, evolve(this_host(reactor, live), loopback_containers=True))
    daemon.privilegedStartService()
    daemon.startService()
    began = time.monotonic()
    while not daemon.ready:
        if time.monotonic() - began > LONGEST_START:
            raise CannotGoOn(f"webspaced was not ready within {LONGEST_START:g} s")
        await sleep(reactor, 0.05)
    await _until_quiet(reactor)
    return daemon


async def _until_quiet(reactor: Any) -> None:
    """Wait until LXD is asked for nothing for a while: what follows a start is no part of a look."""
    requests, before, until = Requests(), -1, time.monotonic() + LONGEST_START
    with requests.counted():
        while requests.count != before and time.monotonic() < until:
            before = requests.count
            await sleep(reactor, QUIET)


async def _measure(reactor: Any, count: int, depth: Depth) -> dict[str, float]:
    looks = size("LOOKS", 10)
    say(f"looking at {count} webspaces, {depth.value} ...")
    with ExitStack() as cleaning:
        folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-looks-")))
        lxd = simulated(folder, count, http_port=LOOPBACK_PORTS.web, depth=depth, cpus=CPUS)
        socket = await deferToThread(cleaning.enter_context, lxd)
        await sleep(reactor, 2 * UP)
        daemon = await started(reactor, _settings(folder, socket, count))
        try:
            looked = await _looks(reactor, _work(daemon, "look"), looks, size("APART", KEPT))
            watched = await _looks(reactor, _work(daemon, "watch"), 3 * looks, 0.1)
        finally:
            await daemon.stopService()
    if depth is Depth.DOZING:
        found = {f"look_{count}_dozing_ms": looked["cpu"], f"watch_{count}_dozing_ms": watched["cpu"]}
    else:
        found = {f"look_{count}_ms": looked["cpu"], f"look_{count}_wall_ms": looked["wall"]}
        found |= {f"look_{count}_stall_ms": looked["stall"], f"look_{count}_requests": looked["requests"]}
    say(f"  {found}")
    return found


async def _main(reactor: Any) -> None:
    figures: dict[str, float] = {}
    for count in map(int, os.environ.get("BENCH_LOOKED_AT", "1,100,1000").split(",")):
        for depth in (Depth.AWAKE, Depth.DOZING):
            figures |= await _measure(reactor, count, depth)
    conclude(figures)


def main(reactor: Any) -> Deferred[None]:
    """Run it alone."""
    be_bounded()
    return Deferred.fromCoroutine(_main(reactor))


if __name__ == "__main__":
    react(main)

"""What a full pass over many webspaces costs when nothing has changed; a part of `make bench BENCH=routes`.

The daemon is built as it always is and runs in this process; LXD is a real one (1,000 webspaces, of which 50 run; needs
root) and a simulated one in a process of its own (10,000 sleeping ones).

resync
    A full pass, as it is made every `webspaces.resync_interval` and whenever LXD is back: the list, what differs in it,
    every webspace acted upon, every webspace completed. The median of `BENCH_PASSES` (5).
writes
    Routes written, and changes asked of LXD, during all of these passes.
stall
    The longest time that the reactor did nothing else during them: a call that is due each millisecond, and the longest
    time by which it was late.

`BENCH_REAL` (1000) and `BENCH_SIMULATED` (10000) change the numbers, and not the names of figures.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react
from twisted.internet.threads import deferToThread

from benchmarks.interrupts import be_bounded
from benchmarks.report import conclude, median, milliseconds
from benchmarks.simulated_lxd import simulated
from benchmarks.webspaces import config_of, settings_for
from harness import own_lxd, packages, tiny_image
from harness import ports as port_choice
from harness.private_lxd import PROFILE
from harness.rest import Rest
from harness.saying import CannotGoOn, say
from webspaced.assembly.build import build, this_host
from webspaced.assembly.daemon import Daemon
from webspaced.lib.deferreds import sleep
from webspaced.lxd.client import LxdClient
from webspaced.reload.live import Live
from webspaced.settings import load

REAL, RUNNING = int(os.environ.get("BENCH_REAL", "1000")), 50
SIMULATED = int(os.environ.get("BENCH_SIMULATED", "10000"))
LONGEST_START = 300.0
TICK = 0.001
PARALLEL = 4
SETTLED_SECONDS = 3.0


class StallMeter:
    """How long the reactor did nothing else, at most, in seconds."""

    def __init__(self, reactor: Any) -> None:
        self.longest = 0.0
        self._due = 0.0
        self._loop = LoopingCall(self._tick)
        self._loop.clock = reactor

    def begin(self) -> None:
        """Measure, or measure on."""
        self._due = time.monotonic() + TICK
        self._loop.start(TICK, now=False)

    def end(self) -> None:
        """Measure no more."""
        self._loop.stop()

    def _tick(self) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self._due)
        self._due = now + TICK


class Writes:
    """Counts the changes that are asked of LXD."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count, while this lasts."""
        request = LxdClient._request  # noqa: SLF001

        async def asked(client: LxdClient, method: str, path: str, **more: Any) -> Any:
            # The mark of the daemon that serves is no webspace.
            self.count += method != "GET" and "/profiles/" not in path
            return await request(client, method, path, **more)

        LxdClient._request = asked  # type: ignore[method-assign, assignment]  # noqa: SLF001
        try:
            yield
        finally:
            LxdClient._request = request  # type: ignore[method-assign]  # noqa: SLF001


def _fill(rest: Rest) -> None:
    """Make the webspaces directly, and start some."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    fingerprint = tiny_image.import_image(rest, "fast", "fast")

    def make(uid: int) -> None:
        source = {"type": "image", "fingerprint": fingerprint}
        body = {"name": f"ws-u{uid}", "profiles": [PROFILE], "source": source, "config": dict(config_of(uid))}
        rest.ask("POST", "/1.0/instances", body)
        if uid <= RUNNING:
            rest.ask("PUT", f"/1.0/instances/ws-u{uid}/state", {"action": "start", "timeout": 30})
        if uid % 250 == 0:
            say(f"  {uid} of {REAL} webspaces made")

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(make, range(1, REAL + 1)))


def _settings(folder: Path, socket: Path, count: int) -> Path:
    ports = port_choice.remembered(folder / "ports.json")
    document = settings_for(folder, socket, count)
    document["webspaces"]["lxd_profile"] = PROFILE
    document["http"] = {"listen_address": f"127.0.0.1:{ports.api}", "internal_address": f"127.0.0.1:{ports.internal}"}
    document["traefik"] = {"provider": "file"}
    path = folder / "webspaced.yaml"
    path.write_text(json.dumps(document))
    return path


async def _passes(reactor: Any, daemon: Daemon, count: int) -> tuple[float, int, float]:
    """Give the median of the passes, the writes of all, and the longest stall."""
    parts, meter, writes, lasted = daemon._parts, StallMeter(reactor), Writes(), []  # noqa: SLF001
    published = parts.publisher.writes
    with writes.counted():
        for _ in range(count):
            meter.begin()
            began = time.monotonic()
            await parts.reconciler.full_pass()
            lasted.append(time.monotonic() - began)
            meter.end()
            await sleep(reactor, 0.2)
    return median(lasted), writes.count + parts.publisher.writes - published, meter.longest


async def _measure_one(reactor: Any, folder: Path, socket: Path, count: int) -> tuple[float, int, float]:
    live = Live(load(_settings(folder, socket, count), {}))
    daemon = build(reactor, live, this_host(reactor, live))
    daemon.privilegedStartService()
    daemon.startService()
    began = time.monotonic()
    while not daemon.ready:
        if time.monotonic() - began > LONGEST_START:
            raise CannotGoOn(f"webspaced was not ready within {LONGEST_START:g} s")
        await sleep(reactor, 0.05)
    say(f"  ready after {time.monotonic() - began:.1f} s")
    await sleep(reactor, SETTLED_SECONDS)
    try:
        return await _passes(reactor, daemon, int(os.environ.get("BENCH_PASSES", "5")))
    finally:
        await daemon.stopService()


async def measure(reactor: Any) -> dict[str, Any]:
    """Give `resync_10000_s`, `resync_1000_s` where there is root, `resync_writes` and `resync_stall_ms`."""
    figures: dict[str, Any] = {}
    with ExitStack() as cleaning:
        folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-resync-")))
        say(f"a full pass over {SIMULATED} webspaces of a simulated LXD ...")
        socket = await deferToThread(cleaning.enter_context, simulated(folder, SIMULATED))
        seconds, writes, stall = await _measure_one(reactor, folder, socket, SIMULATED)
        figures |= {"resync_10000_s": round(seconds, 2), "resync_10000_stall_ms": milliseconds(stall)}
    if not packages.is_root():
        say("without root there is no LXD of our own: resync_1000_s is left out")
        return {**figures, "resync_writes": writes, "resync_stall_ms": milliseconds(stall)}
    with ExitStack() as cleaning:
        folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-resync-")))
        say(f"a full pass over {REAL} webspaces of a real LXD, {RUNNING} of them running ...")
        cleaning.callback(own_lxd.delete, folder / "lxd")
        lxd = await deferToThread(own_lxd.ensured, folder / "lxd")
        await deferToThread(_fill, lxd.rest)
        seconds, more, other = await _measure_one(reactor, folder, lxd.socket, REAL)
    figures |= {"resync_1000_s": round(seconds, 2), "resync_1000_stall_ms": milliseconds(other)}
    return {**figures, "resync_writes": writes + more, "resync_stall_ms": milliseconds(max(stall, other))}


async def _main(reactor: Any) -> None:
    conclude(await measure(reactor))


def main(reactor: Any) -> Deferred[None]:
    """Run it alone."""
    be_bounded()
    return Deferred.fromCoroutine(_main(reactor))


if __name__ == "__main__":
    react(main)

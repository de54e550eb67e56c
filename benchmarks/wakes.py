"""How long a visitor of a dozing webspace waits; a part of `make bench BENCH=sleep`. Needs root for the real ones.

The whole daemon with a Traefik of its own: beside a simulated LXD with 1, 100 and 1,000 dozing webspaces, and, `_real_100`,
beside a private real one with 100 of the tiny image. All moments are taken in this one process.

dozing
    webspaced has put them to sleep itself (with the simulated LXD, before its own start): `doze_after` is short, some
    seconds more than the rounds of a batch take, it looks every second instead of every 30, and visits are below the
    floors. So it looks more often here than elsewhere, which what is measured includes.
wake
    One HTTP GET through Traefik on a connection of its own, to a dozing webspace, from connect to last byte.
warm
    The same to the same webspace a moment after its route leads to the container again. `doze_wake_ms_p50` and `_p95`
    are of the differences, wake minus warm, round by round.
boot
    The same to a webspace that was stopped, once for each batch of rounds, with real LXD. `boot_to_doze_ratio` is the median
    of these visits over the median of the wakes: whole visits, both.
burst
    All dozing, and 1,000 connections at once (10 with one webspace): from the first connect to the last byte.
errors
    Answers of all of these that are not 200 with the right container's page.

`BENCH_ROUNDS` (40), `BENCH_DOZING` (1,100,1000) and `BENCH_REAL` (100) change the amounts, the latter two also names.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import Factory, define

from benchmarks import clients
from benchmarks.interrupts import become_interruptible
from benchmarks.lxd import PARALLEL_CHANGES, DirectLxd, in_parallel
from benchmarks.report import conclude, median, milliseconds, percentile
from benchmarks.served import webspaced
from benchmarks.simulated_lxd import UP, simulated
from benchmarks.sizes import size
from benchmarks.stack import STOP_WINDOW, Stack, stack
from benchmarks.webspaces import settings_for
from harness import packages, ports
from harness.saying import run_program, say
from webspaced.core.sleep import Depth
from webspaced.settings import load
from webspaced.testing.lxd.simulator import LOOPBACK_PORTS

BATCH = 10
"""Rounds between which nothing is put to sleep."""
CALM = (0.3, 1.3)
"""Seconds between two measurements, by chance: what webspaced does each second is neither always met nor never."""
CONNECTIONS, MOST_EACH, SHOWN_ERRORS = 1000, 10, 5
FLOOR = 1e9


@define
class Wakes:
    """Samples in seconds, index by index of one round; boots and bursts are fewer."""

    wake: list[float] = Factory(list)
    warm: list[float] = Factory(list)
    boot: list[float] = Factory(list)
    burst: list[float] = Factory(list)
    errors: int = 0

    def figures(self, suffix: str) -> dict[str, Any]:
        """Give the figures, with names that end so."""
        above = [wake - warm for wake, warm in zip(self.wake, self.warm, strict=True)]
        found = {
            "doze_wake_ms_p50": milliseconds(median(above)),
            "doze_wake_ms_p95": milliseconds(percentile(above, 0.95)),
            "warm_ms_p50": milliseconds(median(self.warm)),
            "doze_errors": self.errors,
            "doze_burst_s": round(median(self.burst), 2),
        }
        if self.boot:
            found["boot_ms_p50"] = milliseconds(median(self.boot))
            found["boot_to_doze_ratio"] = round(median(self.boot) / median(self.wake), 1)
        return {f"{name}{suffix}": value for name, value in found.items()}


class Benchmark:
    """Measures one stack, whose members all doze."""

    def __init__(self, target: Stack, rounds: int, *, boots: bool) -> None:
        self._target = target
        self._rounds = rounds
        self._boots = boots
        self.found = Wakes()

    async def run(self) -> None:
        """Measure everything."""
        batch = min(BATCH, len(self._target.members))
        for first in range(0, self._rounds, batch):
            members = [self._member(number) for number in range(first, min(first + batch, self._rounds))]
            for member in members:
                await self._round(member)
            if self._boots:
                await self._boot(members[0])
            await self._target.dozing(members)
            await asyncio.sleep(CALM[1])
            say(f"  {len(self.found.wake)}/{self._rounds} rounds: {self.found.errors} errors")
        await self._burst()

    def _member(self, number: int) -> str:
        return self._target.members[number % len(self._target.members)]

    async def _round(self, member: str) -> None:
        wake = await self._visit(member)
        await self._target.routed(member)
        await asyncio.sleep(random.uniform(*CALM))  # noqa: S311
        warm = await self._visit(member)
        await asyncio.sleep(random.uniform(*CALM))  # noqa: S311
        self.found.wake.append(wake)
        self.found.warm.append(warm)

    async def _boot(self, member: str) -> None:
        await self._target.lxd.stop(self._target.instance(member))
        await self._target.led_away([member])
        await asyncio.sleep(STOP_WINDOW)
        self.found.boot.append(await self._visit(member))
        await self._target.routed(member)

    async def _burst(self) -> None:
        members = self._target.members
        each = max(1, min(MOST_EACH, CONNECTIONS // len(members)))
        began = time.monotonic()
        await asyncio.gather(*map(self._visit, list(members) * each))
        self.found.burst.append(time.monotonic() - began)

    async def _visit(self, member: str) -> float:
        began = time.monotonic()
        visit = await clients.ask(self._target.front, self._target.host(member))
        if visit.status != 200 or visit.body.decode().strip() != self._target.instance(member):
            self.found.errors += 1
            if self.found.errors <= SHOWN_ERRORS:
                say(f"  a visit to {member} ended with status {visit.status}: {visit.body[:200]!r}")
        return visit.ended - began


async def _measure(target: Stack, rounds: int, suffix: str, *, real: bool) -> dict[str, Any]:
    if real:
        await _fall_asleep(target)
    else:
        await target.led_away(target.members)
    measured = Benchmark(target, rounds, boots=real)
    await measured.run()
    figures = measured.found.figures(suffix)
    say(f"  {figures}")
    return figures


async def _fall_asleep(target: Stack) -> None:
    """Create all webspaces, wake each once, and have them doze."""
    say("  creating them through the API, waking each, letting all fall asleep ...")
    await in_parallel(PARALLEL_CHANGES, target.create_webspace, target.members)
    await in_parallel(target.settings.webspaces.max_concurrent_boots, target.first_visit, target.members)
    await target.dozing(target.members)


def _sleep(count: int) -> dict[str, Any]:
    """Give settings of sleep by which nobody falls asleep within a batch."""
    floors = dict.fromkeys(("sent", "received", "cpu"), FLOOR)
    return {"doze_after": f"{2 + 3 * min(BATCH, count)}s", "look": "1s", "floors": floors}


@contextmanager
def _simulated(count: int) -> Iterator[Stack]:
    """The daemon, a process, beside a simulated LXD with dozing webspaces, another process."""
    with ExitStack() as cleaning:
        folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-sleep-")))
        http_port = LOOPBACK_PORTS.web
        socket = cleaning.enter_context(simulated(folder, count, http_port=http_port, depth=Depth.DOZING))
        time.sleep(2 * UP)
        document = settings_for(folder, socket, count)
        api, inside, front, other = (f"127.0.0.1:{ports.by_chance()}" for _ in range(4))
        limits = {"per_address": 0, "connections_per_address": 0}
        document["http"] = {"listen_address": api, "internal_address": inside, "limits": limits}
        document["traefik"] = {"provider": "file", "embedded": True, "http_address": front, "https_address": other}
        # All visitors of a burst have one address here.
        document["webspaces"] |= {"sleep": _sleep(count), "max_per_address": 0}
        cleaning.enter_context(webspaced(folder, document))
        members = [f"m{number}" for number in range(1, count + 1)]
        settings = load(folder / "webspaced.yaml", {})
        yield Stack(lxd=DirectLxd(socket), settings=settings, token="", bridge="", members=members, plain=())


def _many_sockets() -> None:
    # Only now, for our own: webspaced was started with the limit that it has elsewhere.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _one(target: Stack, rounds: int, suffix: str, *, real: bool) -> dict[str, Any]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    _many_sockets()
    try:
        return asyncio.run(_measure(target, rounds, suffix, real=real))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def measure(rounds: int, counts: Sequence[int], real: int) -> dict[str, Any]:
    """Give the figures of all amounts."""
    figures: dict[str, Any] = {}
    for count in counts:
        say(f"waking dozing webspaces, {count} of a simulated LXD ...")
        with _simulated(count) as target:
            figures |= _one(target, rounds, f"_{count}", real=False)
    if not packages.is_root():
        say("without root there is no LXD of our own: the real ones are left out")
        return figures
    say(f"waking dozing webspaces, {real} of a real LXD ...")
    sleep = _sleep(real)
    floors = {f"floors_{name}": value for name, value in sleep.pop("floors").items()}
    variables = {f"WSD_WEBSPACES_SLEEP_{name.upper()}": str(value) for name, value in {**sleep, **floors}.items()}
    variables["WSD_WEBSPACES_MAX_PER_ADDRESS"] = "0"
    with stack(real, plain=0, variables=variables) as target:
        return figures | _one(target, rounds, f"_real_{real}", real=True)


def main() -> int:
    """Run it; the status of an interrupted run is 130."""
    become_interruptible()
    try:
        counts = [int(each) for each in os.environ.get("BENCH_DOZING", "1,100,1000").split(",") if each]
        figures = measure(size("ROUNDS", 40), counts, size("REAL", 100))
    except KeyboardInterrupt:
        return 130
    conclude(figures)
    return 0


if __name__ == "__main__":
    run_program(main)

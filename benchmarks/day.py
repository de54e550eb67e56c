"""A day of 1,000 webspaces, in three ways: nobody sleeps, idle ones are stopped, idle ones doze and are stopped later.

The whole daemon in memory, on a simulated LXD and a clock that runs as fast as it can; who comes when, and what stands in
for what, is said at the top of tests/simulation/day.py. Everybody comes to the same webspaces at the same moments each way.
Each is a process of its own, as many at a time as there are processors.

awake, dozing, asleep
    Webspaces, on average over the day, looked at each minute.
memory
    What containers hold, dozing ones too, at 64 MB each; on average, and at most. The machine has 32 GB, with
    fewer webspaces as much less; webspaced keeps a tenth of it free where it lets webspaces sleep. Where nobody sleeps
    nothing holds it back.
cpu
    Processor time that containers take at rest, as many cores on average; by `benchmarks.rest`.
wakes
    Each hour, of dozing ones and of stopped ones.
wait
    What a visitor waits for a page, in simulated seconds; Traefik and the network take no time, and a page none.
refused
    Visitors who got anything but the page.

`BENCH_HOURS` (24), `BENCH_WEBSPACES` (1000) and `BENCH_WAYS` (never,stop,doze) change the amounts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from multiprocessing import Pool
from time import monotonic
from typing import Any

from benchmarks.interrupts import become_interruptible
from benchmarks.report import conclude, percentile
from benchmarks.sizes import size as amount
from harness.saying import run_program, say
from tests.simulation.day import GB, HOUR, MINUTE, Day, Outcome, Size, calls
from webspaced.testing.lxd.things import Phase

WAYS: Mapping[str, Mapping[str, Any]] = {
    "never": {},
    "stop": {"stop_after": "1h"},
    "doze": {"doze_after": "5m", "stop_after": "1h"},
}
TITLES = {"never": "nothing sleeps", "stop": "stopped after 1 h", "doze": "dozes after 5 min, stopped after 1 h"}


def _live(name: str, size: Size) -> dict[str, float]:
    began = monotonic()
    asked = calls(size)
    day = Day(size, WAYS[name], lambda text: say(f"{name}: {text}"))
    try:
        outcome = day.live(asked)
        mishaps = list(day.deployment.mishaps)
    finally:
        day.deployment.close()
    for text in [*outcome.refused[:5], *mishaps[:2]]:
        say(f"{name}: {text}")
    return {**_figures(outcome, size), "mishaps": len(mishaps), "took_s": round(monotonic() - began)}


def _figures(outcome: Outcome, size: Size) -> dict[str, float]:
    awake, dozing = (sum(each) / len(outcome.seen) for each in zip(*outcome.seen, strict=True))
    hours = size.seconds / HOUR
    waits = {f"wait_s_p{share * 100:g}": round(percentile(outcome.waits, share), 3) for share in (0.5, 0.95, 0.99)}
    return {
        "awake": round(awake), "dozing": round(dozing), "asleep": round(size.webspaces - awake - dozing),
        "memory_gb": round(sum(outcome.memory) / len(outcome.memory) / GB, 1),
        "memory_gb_most": round(max(outcome.memory) / GB, 1),
        "cpu_cores": round(outcome.cpu / (len(outcome.seen) * MINUTE), 3),
        "wakes_of_dozing_an_hour": round(outcome.wakes[Phase.FROZEN] / hours, 1),
        "wakes_of_stopped_an_hour": round(outcome.wakes[Phase.STOPPED] / hours, 1),
        **waits, "wait_s_most": round(max(outcome.waits), 3), "served": len(outcome.waits), "refused": len(outcome.refused),
    }  # fmt: skip


def _table(figures: Mapping[str, Mapping[str, float]]) -> Sequence[str]:
    """Give the figures as docs/performance.md shows them."""
    names = list(next(iter(figures.values())))
    lines = [f"| | {' | '.join(TITLES[way] for way in figures)} |", "|---" * (len(figures) + 1) + "|"]
    return [*lines, *(f"| `{name}` | {' | '.join(f'{each[name]:g}' for each in figures.values())} |" for name in names)]


def _run(size: Size, ways: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
    with Pool(min(len(ways), os.cpu_count() or 1)) as pool:
        # The one that takes longest first.
        lives = {way: pool.apply_async(_live, (way, size)) for way in reversed(ways)}
        return {way: lives[way].get() for way in ways}


def main() -> int:
    """Run it; the status is 1 if somebody was refused, and of an interrupted run 130."""
    become_interruptible()
    try:
        size = Size(webspaces=amount("WEBSPACES", 1000), seconds=amount("HOURS", 24) * HOUR)
        say(f"{len(calls(size))} pages of {size.webspaces} webspaces in {size.seconds / HOUR:g} hours ...")
        figures = _run(size, os.environ.get("BENCH_WAYS", ",".join(WAYS)).split(","))
    except KeyboardInterrupt:
        return 130
    for line in _table(figures):
        say(line)
    conclude({"benchmark": "day", **{f"{way}_{name}": each for way, of in figures.items() for name, each in of.items()}})
    return int(any(each["refused"] or each["mishaps"] for each in figures.values()))


if __name__ == "__main__":
    run_program(main)

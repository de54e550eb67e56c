"""The stores of routes, each with a Traefik that reads it as webspaced would have it, and what was written to it.

Traefik's throttle is 10 ms, it polls every 100 ms.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen
from redis import Redis as RedisClient
from twisted.internet import inotify
from twisted.python.filepath import FilePath
from twisted.web.server import Site

from benchmarks import cluster
from harness import packages, ports, processes
from harness.kube_server import KubeServer
from harness.saying import CannotGoOn
from webspaced.assembly.publishing import redis_address, redis_provider
from webspaced.http.routes import RouteDocument
from webspaced.interfaces import IRouteStore
from webspaced.kube.access import Access, fixed_token
from webspaced.kube.agent import Connections
from webspaced.kube.client import KubeClient
from webspaced.lib.threads import Threads
from webspaced.settings import Address, TraefikRedis
from webspaced.traefik.embedded import THROTTLE, EmbeddedTraefik, Embedding, find_traefik
from webspaced.traefik.file import FileStore
from webspaced.traefik.keys import Keyspace
from webspaced.traefik.kube_cluster import Cluster
from webspaced.traefik.kubernetes import KubernetesStore
from webspaced.traefik.redis import RedisStore
from webspaced.traefik.redis_server import RedisServer
from webspaced.traefik.render import EntryPoints
from webspaced.traefik.served import ServedStore

ENTRY_POINTS = EntryPoints(http="http", https="https")
SETTLE = 0.5
PATIENCE = 30.0
TICK = 1.0 / os.sysconf("SC_CLK_TCK")


@frozen(kw_only=True)
class Surroundings:
    """What stores are kept in. ``kube`` is ``None`` where there can be none."""

    directory: Path
    redis: Address
    kube: KubeServer | None


class Provider:
    """A store and its Traefik; ``front`` is where that listens. Construct it in a directory of its own."""

    name: str
    store: IRouteStore

    def __init__(self, reactor: Any, around: Surroundings) -> None:
        self.reactor = reactor
        self.front = free_address()
        self._directory = around.directory / self.name
        self._directory.mkdir()
        routes = self.prepare(around)
        embedding = Embedding(
            directory=self._directory / "traefik", routes=routes, entry_points=ENTRY_POINTS,
            http=self.front, https=free_address(),
        )  # fmt: skip
        self._traefik = EmbeddedTraefik(reactor, find_traefik(), embedding)

    def prepare(self, around: Surroundings) -> Path | Address | Mapping[str, Any]:
        """Make the store; gives where Traefik finds the routes."""
        raise NotImplementedError

    def writes(self) -> int:
        """Give how much was written so far. Blocks."""
        raise NotImplementedError

    def start(self) -> None:
        """Start Traefik."""
        self._traefik.startService()

    async def stop(self) -> None:
        """End both."""
        await self.store.stop()
        await self._traefik.stopService()

    def traefik_cpu(self) -> float:
        """Seconds of CPU that Traefik has used (proc(5): utime and stime)."""
        fields = Path(f"/proc/{self._traefik.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK


class FileReplacements:
    """Counts how often a file of a directory is replaced (inotify(7): IN_MOVED_TO)."""

    def __init__(self, reactor: Any, directory: Path) -> None:
        self.count = 0
        directory.mkdir(parents=True)
        self._watching = inotify.INotify(reactor)
        self._watching.startReading()
        self._watching.watch(FilePath(str(directory)), inotify.IN_MOVED_TO, callbacks=[self._seen])

    def _seen(self, *_: object) -> None:
        self.count += 1

    def stop(self) -> None:
        """Count no more."""
        self._watching.loseConnection()


class File(Provider):
    """Writes are replacements of the file."""

    name = "file"

    def prepare(self, around: Surroundings) -> Path:
        path = self._directory / "routes" / "webspaced.yml"
        self._replacements = FileReplacements(self.reactor, path.parent)
        self.store = FileStore(path, ENTRY_POINTS)
        return path

    def writes(self) -> int:
        return self._replacements.count

    async def stop(self) -> None:
        self._replacements.stop()
        await super().stop()


class Http(Provider):
    """Writes are those of the copy that is kept of what Traefik has fetched."""

    name = "http"

    def prepare(self, around: Surroundings) -> Address:
        path = self._directory / "copy" / "fetched.yml"
        self._replacements = FileReplacements(self.reactor, path.parent)
        served = ServedStore(self.reactor, path, ENTRY_POINTS, SETTLE)
        self.store = served
        site = Site(RouteDocument(served).app.resource())
        site.noisy = False
        self._listening = self.reactor.listenTCP(0, site, interface=ports.LOOPBACK)
        return Address(ports.LOOPBACK, self._listening.getHost().port)

    def writes(self) -> int:
        return self._replacements.count

    async def stop(self) -> None:
        self._replacements.stop()
        await super().stop()
        await self._listening.stopListening()


class Redis(Provider):
    """Writes are keys that were set or deleted."""

    name = "redis"

    def prepare(self, around: Surroundings) -> Mapping[str, Any]:
        redis = TraefikRedis(addr=around.redis)
        keyspace = Keyspace(redis.root_key, "ws-")
        server = RedisServer(redis_address(redis), redis.root_key, keyspace.mark)
        self.store = RedisStore(self.reactor, server, Threads(self.reactor, 2, "redis"), keyspace, ENTRY_POINTS)
        self._client = RedisClient(host=around.redis.host, port=around.redis.port)
        return redis_provider(redis)

    def writes(self) -> int:
        # Nothing is ever saved, so these are all changes of keys since the server's start.
        return int(self._client.info("persistence")["rdb_changes_since_last_save"])

    async def stop(self) -> None:
        self._client.close()
        await super().stop()


class Kubernetes(Provider):
    """Writes are requests that the API server has counted."""

    name = "kubernetes"

    def prepare(self, around: Surroundings) -> Mapping[str, Any]:
        if around.kube is None:
            raise CannotGoOn("there is no Kubernetes API here")
        self._server = server = around.kube
        namespace = cluster.hosting(server)
        token, ca = fixed_token(server.tokens["webspaced"]), server.authority.read_text()
        access = Access(url=server.url, namespace=namespace, token=token, ca=ca)
        connections = Connections(self.reactor, access)
        client = KubeClient(connections.agent, self.reactor, access)
        objects = Cluster(instance="example.org", entry_points=ENTRY_POINTS)
        self.store = KubernetesStore(client, self.reactor, namespace, objects, connections.close)
        return cluster.traefik_provider(server, namespace, THROTTLE)

    def writes(self) -> int:
        return cluster.writes(self._server)


def free_address() -> Address:
    """Give a loopback address that nobody has now."""
    return Address(ports.LOOPBACK, ports.by_chance())


@contextmanager
def redis_server(directory: Path) -> Iterator[Address]:
    """Run a Redis that keeps nothing."""
    address = free_address()
    if shutil.which("redis-server") is None:
        packages.ensure(("redis-server",), "this benchmark")
    command = ["redis-server", "--bind", address.host, "--port", str(address.port), "--save", "", "--dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as child:
        try:
            if not processes.wait_until(lambda: not ports.free(address.port), PATIENCE):
                raise CannotGoOn("redis-server did not come up")
            yield address
        finally:
            child.terminate()

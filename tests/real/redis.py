"""A real Redis of a test's own, which can be killed and started again. Everything here blocks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

from attrs import evolve
from redis import Redis
from redis.exceptions import RedisError
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.stack import WITHOUT_VARIABLE, free_port, wait_until
from webspaced.assembly.publishing import redis_address
from webspaced.lib.threads import Threads
from webspaced.settings import Address, TraefikRedis
from webspaced.traefik.keys import Keyspace
from webspaced.traefik.redis import RedisStore
from webspaced.traefik.redis_server import RedisServer
from webspaced.traefik.render import EntryPoints

PREFIX = "ws-"
HEARD = "notify-keyspace-events Kg$"
ENTRY_POINTS = EntryPoints(http="web", https="websecure")


def program(name: str) -> str:
    """Give the path of a program of a package; skips the test where there is none."""
    found = shutil.which(name)
    if found is None:
        reason = os.environ.get(WITHOUT_VARIABLE) or "run them by `make test` as root"
        message = f"there is no {name} here: {reason}"
        raise SkipTest(message)
    return found


class RealRedis:
    """A redis-server on loopback that keeps nothing: after its end everything is lost.

    ``settings`` are lines of its configuration; ``access`` says how redis-py reaches it as an operator.
    """

    def __init__(self, directory: Path, *settings: str, **access: Any) -> None:
        self.port = free_port()
        self.directory = directory
        self.settings = list(settings)
        self.access = access
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._run(("redis-server",), f"port {self.port}", 'save ""', *self.settings)
        wait_until("Redis answers", self._answers)

    def start_sentinel(self) -> None:
        """Start it as a sentinel."""
        self._run(("redis-server", "--sentinel"), f"port {self.port}", *self.settings)
        wait_until("the sentinel answers", self._answers)

    def _run(self, command: Sequence[str], *lines: str) -> None:
        path = self.directory / "redis.conf"
        path.write_text("\n".join(("bind 127.0.0.1", f"dir {self.directory}", *lines)) + "\n")
        name, *options = command
        with (self.directory / "log").open("ab") as log:
            arguments = [program(name), str(path), *options]
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / "log").read_text()
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def kill(self) -> None:
        """End it as SIGKILL does."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def client(self, **more: Any) -> Any:
        """Give a connection of an operator's."""
        # A test waits for what it needs; the library would wait for longer and longer.
        where = {"host": "127.0.0.1", "port": self.port, "decode_responses": True, "protocol": 2}
        return Redis(**{**where, **self.access, **more})


class WithRedis:
    """Mixed into a trial test case. ``lines`` are of Redis' own configuration, ``options`` are settings of ours."""

    lines: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[Mapping[str, Any]] = {}
    entry_points = ENTRY_POINTS

    def start_redis(self: Any) -> None:
        program("redis-server")
        self.folder = Path(self.mktemp()).absolute()
        self.redis = self.make_redis()
        self.addCleanup(self.redis.kill)
        self.redis.start()
        self.settings = TraefikRedis(**{"addr": Address("127.0.0.1", self.redis.port), **self.options_here()})

    def make_redis(self: Any) -> RealRedis:
        return RealRedis(self.folder, *self.lines)

    def options_here(self) -> Mapping[str, Any]:
        return self.options

    def new_store(self: Any, **changes: Any) -> RedisStore:
        settings = evolve(self.settings, **changes)
        keyspace = Keyspace(settings.root_key, PREFIX)
        server = RedisServer(redis_address(settings), settings.root_key, keyspace.mark)
        store = RedisStore(reactor, server, Threads(reactor, 2, "redis"), keyspace, self.entry_points)
        self.addCleanup(lambda: Deferred.fromCoroutine(store.stop()))
        return store

    def client(self: Any, **more: Any) -> Any:
        client = self.redis.client(db=self.settings.db, **more)
        self.addCleanup(client.close)
        return client

"""Every store keeps the one contract."""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.route_store import RouteStoreContract
from tests.unit.timing import Time
from tests.unit.traefik.fake_redis import FakeRedis, FakeThreads
from tests.unit.traefik.test_render import BOTH
from webspaced.core.routes import Route
from webspaced.traefik.file import FileStore
from webspaced.traefik.keys import Keyspace
from webspaced.traefik.redis import RedisStore
from webspaced.traefik.render import read
from webspaced.traefik.served import ServedStore

SETTLE = 0.5


class FileStoreTests(RouteStoreContract, SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.path = Path(self.mktemp()) / "dynamic" / "webspaced.yml"
        self.store = self.renew()

    def drive(self, test: Coroutine[Any, Any, None]) -> None:
        self.clock.result_of(test)

    def renew(self) -> FileStore:
        return FileStore(self.path, BOTH)

    def has(self) -> Mapping[str, Route] | None:
        return read(json.loads(self.path.read_text())) if self.path.exists() else None


class ServedStoreTests(RouteStoreContract, SynchronousTestCase):
    """With a Traefik that polls twice within the settle time."""

    def setUp(self) -> None:
        self.clock = Time()
        self.path = Path(self.mktemp()) / "fetched.yml"
        self.last: bytes | None = None
        self.store: ServedStore = self.renew()

    def drive(self, test: Coroutine[Any, Any, None]) -> None:
        self.clock.callLater(0, self._poll)
        self.clock.result_of(test)

    def _poll(self) -> None:
        self.has()
        self.clock.callLater(SETTLE / 2, self._poll)

    def renew(self) -> ServedStore:
        return ServedStore(self.clock, self.path, BOTH, SETTLE)

    def has(self) -> Mapping[str, Route] | None:
        # What cannot be had changes nothing.
        self.last = self.store.fetch() or self.last
        return None if self.last is None else read(json.loads(self.last))


class RedisStoreTests(RouteStoreContract, SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.keyspace = Keyspace("traefik", "ws-")
        self.redis = FakeRedis("traefik", self.keyspace.mark)
        self.store = self.renew()

    def drive(self, test: Coroutine[Any, Any, None]) -> None:
        self.clock.result_of(test)

    def renew(self) -> RedisStore:
        threads: Any = FakeThreads(self.clock)
        redis: Any = self.redis
        return RedisStore(self.clock, redis, threads, self.keyspace, BOTH)

    def has(self) -> Mapping[str, Route] | None:
        return self.keyspace.routes(self.keyspace.owned(self.redis.keys)) if self.redis.keys else None

"""Routes in a real Redis, read by a real Traefik."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.contracts.route_store import PublishedRoutesContract, RestartedStoreContract, RouteStoreContract, route
from tests.real.redis import HEARD, PREFIX, WithRedis
from tests.real.test_route_stores import AskedTraefik, RealTraefik, WithNeighbours
from webspaced.assembly.publishing import redis_provider
from webspaced.core.routes import Route
from webspaced.traefik.keys import Keyspace
from webspaced.traefik.redis import RedisStore

HOST = "ws-u1.example.org"


class ContractTests(WithRedis, RouteStoreContract, TestCase):
    timeout = 300

    def setUp(self) -> None:
        self.start_redis()
        self.store = self.renew()

    def drive(self, test: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(test)

    def renew(self) -> RedisStore:
        return self.new_store()

    def has(self) -> Mapping[str, Route] | None:
        client = self.client()
        keys = {key: client.get(key) for key in client.scan_iter(match="traefik/*")}
        keyspace = Keyspace("traefik", PREFIX)
        return keyspace.routes(keyspace.owned(keys)) if keys else None


class OnRedis(WithRedis, RealTraefik):
    """The provider `redis`, with a Redis of the test's own."""

    def prepare(self) -> Mapping[str, Any]:
        self.start_redis()
        return redis_provider(self.settings)

    async def go_away(self) -> None:
        await self.store.stop()

    async def come_back(self) -> None:
        self.store = self.new_store()
        await self.store.load()

    async def stop_server(self) -> None:
        self.redis.kill()

    async def start_server(self) -> None:
        await deferToThread(self.redis.start)


class RedisTests(WithNeighbours, OnRedis, AskedTraefik, PublishedRoutesContract, RestartedStoreContract, TestCase):
    """What no configuration of Redis' says is set by webspaced and by Traefik."""

    async def test_a_flush_fails_no_request(self) -> None:
        publisher = await self.publisher()
        publisher.want("ws-u1", self.web(self.first))
        await self.until(HOST, (200, "first"))
        client = self.client()
        for _ in range(3):
            client.flushall()
            while not client.exists(Keyspace("traefik", PREFIX).mark):
                self.assertEqual(await self.visit(HOST), (200, "first"))
            for _ in range(20):
                self.assertEqual(await self.visit(HOST), (200, "first"))
                await self.sleep(0.01)
        publisher.want("ws-u1", self.web(self.second))
        await self.until(HOST, (200, "second"))

    async def test_what_redis_kept_of_old_is_put_right(self) -> None:
        publisher = await self.publisher()
        publisher.want("ws-u1", self.web(self.first))
        publisher.want("ws-u2", self.web(self.first, "ws-u2"))
        await self.until("ws-u2.example.org", (200, "first"))
        self.client().save()
        publisher.want("ws-u1", self.web(self.second))
        publisher.want("ws-u2", None)
        await self.until(HOST, (200, "second"))
        await self.stop_server()
        await self.start_server()
        keyspace, client = Keyspace("traefik", PREFIX), self.client()
        while True:
            found = {key: client.get(key) for key in client.scan_iter(match="traefik/*")}
            if keyspace.routes(keyspace.owned(found)) == {"ws-u1": self.web(self.second)}:
                break
            await self.sleep(0.02)
        for host, seen in ((HOST, (200, "second")), ("ws-u2.example.org", (404, "404 page not found\n"))):
            await self.until(host, seen)


class ConfiguredTests(OnRedis, PublishedRoutesContract, RestartedStoreContract, TestCase):
    """Redis is not to be configured by clients, and knows what Traefik needs."""

    lines: ClassVar[tuple[str, ...]] = (HEARD, 'rename-command CONFIG ""')


BOTH = (
    "user both on >pw resetchannels ~traefik/* +scan +mget +set +mset +del +exists +multi +exec +config|get +config|set"
    " +subscribe &__redis__:invalidate +client|id +client|tracking +client|list +psubscribe &__keyspace*:traefik*"
)


class AccessTests(OnRedis, TestCase):
    """webspaced and its embedded Traefik as one user, who may do what the documentation says and no more."""

    lines: ClassVar[tuple[str, ...]] = (BOTH,)
    options: ClassVar[Mapping[str, Any]] = {"username": "both", "password": "pw"}

    async def test_routes_are_taken_up(self) -> None:
        publisher = await self.publisher()
        for backend, says in ((self.first, "first"), (self.second, "second")):
            publisher.want("ws-u1", route(backend=backend))
            while await self.visit("ws-u1.example.org") != (200, says):
                await self.sleep(0.02)
        self.assertEqual(self.client().acl_log(), [])

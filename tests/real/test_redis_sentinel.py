"""A Redis whose master is found through sentinels, and changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from twisted.trial.unittest import TestCase

from tests.contracts.route_store import BOOT, DIRECT, PublishedRoutesContract, route
from tests.real.redis import HEARD, RealRedis
from tests.real.test_redis import OnRedis
from tests.real.test_redis_server import URL, ServerCase
from webspaced.settings import Address, TraefikRedisSentinel

PASSWORD, OTHER = "correct horse", "battery staple"


class Replicated:
    """A master, a replica and a sentinel; ``redis`` is the master."""

    lines: ClassVar[tuple[str, ...]] = (HEARD, f'requirepass "{PASSWORD}"', f'masterauth "{PASSWORD}"')

    def make_redis(self: Any) -> RealRedis:
        return RealRedis(self.folder, *self.lines, password=PASSWORD)

    def options_here(self: Any) -> Mapping[str, Any]:
        self.replica = RealRedis(
            self.folder / "replica", *self.lines, f"replicaof 127.0.0.1 {self.redis.port}", password=PASSWORD
        )
        self.addCleanup(self.replica.kill)
        self.replica.start()
        self.sentinel = RealRedis(
            self.folder / "sentinel",
            f"sentinel monitor routes 127.0.0.1 {self.redis.port} 1",
            f'sentinel auth-pass routes "{PASSWORD}"',
            "sentinel down-after-milliseconds routes 2000",
            "sentinel failover-timeout routes 3000",
            f'requirepass "{OTHER}"',
            password=OTHER,
        )
        self.addCleanup(self.sentinel.kill)
        self.sentinel.start_sentinel()
        sentinel = TraefikRedisSentinel(
            master_name="routes", addresses=(Address("127.0.0.1", self.sentinel.port),), password=OTHER
        )
        return {"password": PASSWORD, "sentinel": sentinel, "addr": Address("127.0.0.1", 1)}

    async def failed_over(self: Any) -> None:
        """Kill the master, once the sentinel knows of the replica, and wait for the new one."""
        sentinel = self.sentinel.client()
        self.addCleanup(sentinel.close)
        await self.until_true(lambda: len(sentinel.sentinel_slaves("routes")) == 1)
        self.redis.kill()
        replica = self.replica.client()
        self.addCleanup(replica.close)
        await self.until_true(lambda: replica.info("replication")["role"] == "master")


class SentinelTests(Replicated, ServerCase):
    until_true = ServerCase.until

    async def test_the_new_master_gets_what_changed_meanwhile(self) -> None:
        publisher = await self.publish()
        self.assertEqual(self.redis.client().get(URL), f"http://{BOOT}")
        await self.failed_over()
        publisher.want("ws-u1", route(backend=DIRECT))
        publisher.want("ws-u2", route("ws-u2"))
        await publisher.settled("ws-u1")
        replica = self.replica.client()
        await self.until(lambda: replica.get(URL) == f"http://{DIRECT}")
        replica.flushall()
        await self.until(lambda: replica.get(URL) == f"http://{DIRECT}")


class TraefikTests(Replicated, OnRedis, PublishedRoutesContract, TestCase):
    async def until_true(self, true: Any) -> None:
        while not true():
            await self.sleep(0.05)

    async def test_traefik_follows_to_the_new_master(self) -> None:
        publisher = await self.publisher()
        publisher.want("ws-u1", self.web(self.first))
        await self.until("ws-u1.example.org", (200, "first"))
        await self.failed_over()
        publisher.want("ws-u1", self.web(self.second))
        await self.until("ws-u1.example.org", (200, "second"))

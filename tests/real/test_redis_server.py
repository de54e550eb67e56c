"""What webspaced does in a real Redis, and whom it finds there."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.contracts.key_server import MARK, ROOT, KeyServerContract
from tests.contracts.route_store import DIRECT, route
from tests.real.redis import WithRedis
from webspaced.assembly.publishing import redis_address
from webspaced.errors import Unavailable
from webspaced.lib.deferreds import sleep
from webspaced.lib.threads import Threads
from webspaced.reconcile.publisher import Publisher
from webspaced.traefik import redis_server
from webspaced.traefik.redis import RedisStore
from webspaced.traefik.redis_server import RedisServer

PASSWORD = "correct horse"
GENERATIONS = re.compile(r"Host\(`g[0-9]+\.webspaced\.invalid`\) \|\| ")
URL = "traefik/http/services/ws-u1/loadBalancer/servers/0/url"


class ServerCase(WithRedis, TestCase):
    """``publish`` gives a publisher with one route, in Redis."""

    timeout = 300

    def setUp(self) -> None:
        self.start_redis()

    async def until(self, true: Callable[[], Any]) -> Any:
        """Wait until something is true; the time limit of the test ends a hang."""
        while not (result := true()):
            await sleep(reactor, 0.01)
        return result

    async def publish(self, store: RedisStore | None = None) -> Publisher:
        self.store = store or self.new_store()
        publisher = Publisher(reactor, self.store, 0.1)
        self.addCleanup(publisher.close)
        await publisher.load()
        publisher.open()
        publisher.want("ws-u1", route())
        await publisher.settled("ws-u1")
        return publisher

    def keys(self, client: Any, pattern: str = "*") -> dict[str, str]:
        """Give keys and values, without the generations: those tell how often something was written."""
        found = {key: client.get(key) for key in sorted(client.scan_iter(match=pattern))}
        return {key: value and GENERATIONS.sub("", value) for key, value in found.items()}


class ContractTests(KeyServerContract, ServerCase):
    """What the fake of the fast tier claims."""

    def setUp(self) -> None:
        super().setUp()
        self.threads = Threads(reactor, 2, "test")
        self.server = RedisServer(redis_address(self.settings), ROOT, MARK)
        self.addCleanup(self.threads.stop)
        self.addCleanup(self.server.close)

    def drive(self, test: Coroutine[Any, Any, None]) -> Deferred[None]:
        return Deferred.fromCoroutine(test)

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self.threads.run(function, *arguments)

    def change(self, put: Mapping[str, str], *remove: str) -> None:
        with self.redis.client() as client, client.pipeline() as both:
            if put:
                both.mset(put)
            for key in remove:
                both.delete(key)
            both.execute()

    def flush(self) -> None:
        with self.redis.client() as client:
            client.flushall()

    def subscribe(self) -> None:
        listening = self.client().pubsub()
        self.addCleanup(listening.close)
        listening.psubscribe("__keyspace@0__:traefik*")
        listening.get_message(timeout=10)

    def stop(self) -> None:
        self.redis.kill()

    def restart(self) -> None:
        self.redis.start()


class WriteTests(ServerCase):
    async def test_a_flip_is_one_key_and_the_generation_in_one_transaction(self) -> None:
        publisher = await self.publish()
        client = self.client()
        before = self.counts(client)
        publisher.want("ws-u1", route(backend=DIRECT))
        await publisher.settled("ws-u1")
        after = self.counts(client)
        counted = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        self.assertEqual(counted, {"multi": 1, "mset": 1, "set": 1, "exec": 1})
        self.assertEqual(client.get(URL), f"http://{DIRECT}")

    def counts(self, client: Any) -> dict[str, int]:
        writing = ("set", "mset", "del", "unlink", "multi", "exec", "flushdb")
        stats = client.info("commandstats")
        return {name: stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in writing}

    async def test_what_changes_together_is_one_transaction(self) -> None:
        publisher = await self.publish()
        client = self.client()
        before = self.counts(client)
        for number in range(2, 50):
            publisher.want(f"ws-u{number}", route(f"ws-u{number}"))
        publisher.want("ws-u1", route(passthrough=True))
        await publisher.settled("ws-u2")
        after = self.counts(client)
        changes = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        self.assertEqual(changes, {"mset": 1, "del": 1, "set": 1, "multi": 1, "exec": 1})
        self.assertEqual(len(list(client.scan_iter(match="traefik/tcp/services/*"))), 2)

    async def test_traefik_is_told_once_of_all_that_changes_together(self) -> None:
        client = self.client()
        client.config_set("notify-keyspace-events", "KEA")
        listening = client.pubsub(ignore_subscribe_messages=True)
        self.addCleanup(listening.close)
        listening.psubscribe("__keyspace@0__:*")
        server = self.new_store()._server
        keys = {f"traefik/{number}": "1" for number in range(100)}
        both = {"traefik/0": "2"}, ["traefik/1", "traefik/2"]
        for put, remove in ((keys, ()), both, ({}, list(keys)), ({URL: "1"}, ())):
            await deferToThread(server.write, put, remove)
        client.publish("__keyspace@0__:end", "end")
        events = []
        while "end" not in events:
            message = await deferToThread(listening.get_message, timeout=10)
            events += [message["data"]] if message else []
        self.assertEqual(events, ["set", "set", "del", "set", "end"])
        self.assertEqual(client.keys(), [URL])
        self.assertEqual(set(client.config_get("notify-keyspace-events")["notify-keyspace-events"]), set("KEA"))

    async def test_keys_of_others_stay(self) -> None:
        foreign = {
            "traefik/http/routers/blog/rule": "Host(`blog.example.org`)",
            "traefik/http/routers/blog-https/rule": "Host(`blog.example.org`)",
            "traefik/http/services/blog/loadbalancer/servers/0/url": "http://10.0.0.1",
            "traefik/http/routers/ws-u1x/rule": "Host(`x.example.org`)",
            "traefik/http/middlewares/webspaced/compress": "true",
            "traefik/tls/options/default/minversion": "VersionTLS12",
            "traefik2/http/routers/ws-u9/rule": "Host(`nine.example.org`)",
            "unrelated": "1",
        }
        client = self.client()
        client.mset(foreign)
        client.rpush("traefik/http/services/list", "no text")
        client.set(b"traefik/http/routers/\xff/rule", "no UTF-8")
        publisher = await self.publish()
        publisher.want("ws-u1", None)
        await publisher.settled("ws-u1")
        self.assertIsNone(await self.store.differs())
        self.assertEqual({key: client.get(key) for key in foreign}, foreign)
        self.assertEqual(client.lrange("traefik/http/services/list", 0, -1), ["no text"])
        self.assertTrue(client.exists(b"traefik/http/routers/\xff/rule"))
        self.assertEqual(self.keys(client, "*ws-u1/*"), {})

    async def test_what_an_older_one_left_is_removed(self) -> None:
        client = self.client()
        client.mset({"traefik/http/routers/ws-u7/rule": "Host(`seven.example.org`)", "traefik/tcp/services/ws-u8": "junk"})
        client.rpush("traefik/http/routers/ws-u9/rule", "no text")
        client.set(b"traefik/http/routers/ws-u9/\xff", "no UTF-8")
        await self.publish()
        names = {key.split("/")[3] for key in client.scan_iter(match="traefik/*")}
        shared = {"webspaced", "webspaced-unjudged", "webspaced-redirect", "webspaced-misdirected"}
        self.assertEqual(names, {"ws-u1", "ws-u1-https", *shared})


class AwayTests(ServerCase):
    async def test_after_a_restart_all_is_back(self) -> None:
        publisher = await self.publish()
        before = self.keys(self.client())
        for _ in range(2):
            self.redis.kill()
            publisher.want("ws-u1", route(backend=DIRECT))
            # Long enough for the pauses between tries to have grown.
            await sleep(reactor, 3.0)
            await deferToThread(self.redis.start)
            client = self.client()
            wanted = {**before, URL: f"http://{DIRECT}"}
            await self.until(lambda client=client, wanted=wanted: self.keys(client) == wanted)

    async def test_what_is_flushed_deleted_or_changed_comes_back(self) -> None:
        await self.publish()
        client = self.client()
        before = self.keys(client)
        harms: tuple[Callable[[], Any], ...] = (
            client.flushall,
            client.flushdb,
            lambda: client.delete(URL),
            lambda: client.set(URL, "http://10.9.9.9:1"),
            lambda: client.set("traefik/http/routers/ws-u1/priority", "7"),
            lambda: client.set("traefik/http/routers/ws-u5/rule", "Host(`five.example.org`)"),
            lambda: client.delete("traefik/http/routers/webspaced/rule"),
            lambda: client.expire(URL, 0),
            lambda: client.rename(URL, "elsewhere"),
        )
        for harm in harms:
            harm()
            await self.until(lambda: self.keys(client, "traefik/*") == before)
        self.assertEqual(self.keys(client, "[^t]*"), {"elsewhere": before[URL]})

    async def test_nothing_is_read_when_nothing_changes(self) -> None:
        await self.publish()
        client = self.client()

        def calls() -> dict[str, int]:
            return {name: each["calls"] for name, each in client.info("commandstats").items()}

        async def looked(times: int) -> dict[str, int]:
            """Give what was called, once webspaced has looked for its mark that often."""
            begun = calls().get("cmdstat_exists", 0)
            return await self.until(lambda: now if (now := calls()).get("cmdstat_exists", 0) >= begun + times else None)

        # What it wrote itself it has heard of by then.
        before, after = await looked(3), await looked(3)
        busy = {name for name in after if after[name] != before.get(name, 0)}
        self.assertEqual(busy, {"cmdstat_exists", "cmdstat_info", "cmdstat_client|list"})

    async def test_one_that_hangs_is_noticed_and_waited_for(self) -> None:
        self.patch(redis_server, "ANSWER_TIMEOUT", 0.6)
        publisher = await self.publish()
        process = self.redis._process
        process.send_signal(signal.SIGSTOP)
        publisher.want("ws-u1", route(backend=DIRECT))
        await sleep(reactor, 1.0)
        process.send_signal(signal.SIGCONT)
        await publisher.settled("ws-u1")
        self.assertEqual(self.client().get(URL), f"http://{DIRECT}")

    async def test_loading_when_it_is_away(self) -> None:
        self.redis.kill()
        error = await self.assertFailure(Deferred.fromCoroutine(self.new_store().load()), Unavailable)
        self.assertIn(f"127.0.0.1:{self.redis.port}", str(error))

    async def test_subscribers_that_come_late_are_reminded(self) -> None:
        await self.publish()
        listening = self.client().pubsub()
        self.addCleanup(listening.close)
        listening.psubscribe("__keyspace@0__:traefik*")
        seen = await deferToThread(self._next_event, listening)
        self.assertEqual((seen["channel"], seen["data"]), ("__keyspace@0__:traefik/http/routers/webspaced/rule", "set"))

    def _next_event(self, listening: Any) -> Any:
        while True:
            message = listening.get_message(timeout=1.0)
            if message is not None and message["type"] == "pmessage":
                return message


class PlaceTests(ServerCase):
    options: ClassVar[Mapping[str, Any]] = {"db": 3, "root_key": "web/spaces.1"}

    async def test_another_database_and_root(self) -> None:
        await self.publish()
        client = self.client()
        keys = self.keys(client)
        self.assertEqual({key.split("/")[:2] == ["web", "spaces.1"] for key in keys}, {True})
        self.assertEqual(self.keys(self.redis.client(db=0)), {})
        client.flushdb()
        await self.until(lambda: self.keys(client) == keys)

"""Routes in a Redis: the least is written, and what is lost or changed comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.key_server import MARK, ROOT, KeyServerContract
from tests.contracts.route_store import DIRECT, route
from tests.unit.timing import Time, watch
from tests.unit.traefik.fake_redis import FakeRedis, FakeThreads
from tests.unit.traefik.test_render import BOTH
from webspaced.errors import Unavailable
from webspaced.reconcile.publisher import Publisher
from webspaced.traefik.keys import Keyspace
from webspaced.traefik.redis import LINE, RedisStore
from webspaced.traefik.redis_server import Notifications, RedisAddress, RedisTls, said_by_redis

KEYSPACE = Keyspace("traefik", "ws-")
URL = "traefik/http/services/ws-u1/loadBalancer/servers/0/url"
FOREIGN = {"traefik/http/routers/blog/rule": "Host(`blog`)", "traefik/http/routers/blog/service": "noop@internal"}


def plain(keys: dict[str, str]) -> dict[str, str]:
    """Give keys as they are without any generation; the mark must be there."""
    return {**keys, KEYSPACE.mark: re.sub(r"Host\(`g[0-9]+\.webspaced\.invalid`\) \|\| ", "", keys[KEYSPACE.mark])}


class FakeTests(KeyServerContract, SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.server = FakeRedis(ROOT, MARK)
        self.threads = FakeThreads(self.clock)
        for name in ("change", "flush", "subscribe", "stop", "restart"):
            setattr(self, name, getattr(self.server, name))

    def drive(self, test: Coroutine[Any, Any, None]) -> None:
        self.clock.result_of(test)

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self.threads.run(function, *arguments)


class RedisCase(SynchronousTestCase):
    """``told`` has what the store's watching gave."""

    def setUp(self) -> None:
        self.clock = Time()
        self.redis: Any = FakeRedis("traefik", KEYSPACE.mark)
        self.store = self.renew()

    def renew(self) -> RedisStore:
        self.threads: Any = FakeThreads(self.clock)
        return RedisStore(self.clock, self.redis, self.threads, KEYSPACE, BOTH)

    def apply(self, *routes: Any, remove: tuple[str, ...] = ()) -> None:
        self.clock.result_of(self.store.apply({each.name: each for each in routes}, remove))

    def differs(self) -> Any:
        return self.clock.result_of(self.store.differs())


class WriteTests(RedisCase):
    def test_a_flip_is_one_key_and_the_generation(self) -> None:
        self.apply(route(), route("ws-u2"))
        self.apply(route(backend=DIRECT))
        self.assertEqual((self.redis.written, self.redis.writes, self.redis.reads), (({URL, KEYSPACE.mark}, set()), 2, 1))

    def test_generations_go_on_after_a_restart_and_are_only_given_to_changes(self) -> None:
        generations = []
        for _ in range(2):
            self.store = self.renew()
            self.clock.result_of(self.store.load())
            for backend in (DIRECT, route().backend, route().backend):
                applying = self.store.apply({"ws-u1": route(backend=backend)}, ())
                generations.append(self.clock.result_of(applying))
        self.assertEqual(generations, [1, 2, None, 3, 4, None])
        self.assertIn("Host(`g4.webspaced.invalid`) || Host(`g3.", self.redis.keys[KEYSPACE.mark])

    def test_the_same_again_is_not_written(self) -> None:
        self.apply(route())
        self.apply(route(), remove=("ws-u9",))
        self.clock.result_of(self.renew().load())
        self.store = self.renew()
        self.clock.result_of(self.store.load())
        self.apply()
        self.assertEqual(self.redis.writes, 1)

    def test_one_webspace_goes_whole(self) -> None:
        self.apply(route(), route("ws-u2"))
        mine = {key for key in self.redis.keys if "/ws-u1" in key}
        self.apply(remove=("ws-u1",))
        self.assertEqual(self.redis.written, ({KEYSPACE.mark}, mine))

    def test_keys_of_others_stay(self) -> None:
        self.redis.keys = dict(FOREIGN)
        self.assertEqual(self.clock.result_of(self.store.load()), {})
        self.apply(route())
        self.apply(remove=("ws-u1",))
        self.assertIsNone(self.differs())
        self.assertEqual({key: self.redis.keys.get(key) for key in FOREIGN}, FOREIGN)

    def test_what_cannot_be_read_is_removed_with_the_first_write(self) -> None:
        junk = {"traefik/http/services/ws-u8/loadBalancer/servers/0/url": "junk", "traefik/tcp/routers/ws-u9/rule": "x"}
        self.redis.keys = dict(junk)
        self.assertEqual(self.clock.result_of(self.store.load()), {})
        self.assertEqual(self.redis.writes, 0)
        self.apply()
        self.assertFalse(junk.keys() & self.redis.keys.keys())

    def test_what_a_former_daemon_left_goes_with_the_first_write(self) -> None:
        former = {
            "traefik/http/middlewares/ws-u1-boot/webspaceBoot/url": "http://172.24.254.2",
            "traefik/http/middlewares/ws-u1-boot/webspaceBoot/userID": "1",
            "traefik/http/routers/ws-u1/middlewares/0": "ws-u1-boot",
            "traefik/tcp/middlewares/ws-u9-boot/webspaceBoot/iamToken": "a-token",
        }
        self.redis.keys = {**former, **FOREIGN}
        self.clock.result_of(self.store.load())
        self.apply(route())
        self.assertFalse(former.keys() & self.redis.keys.keys())
        self.assertTrue(FOREIGN.items() <= self.redis.keys.items())

    def test_another_version_is_renewed(self) -> None:
        self.apply(route())
        old = "traefik/http/routers/ws-u1/middlewares/0"
        self.redis.keys |= {old: "from-before", "traefik/http/routers/ws-u1/rule": "HostRegexp(`.*`)"}
        expected = KEYSPACE.keys_of(route(), BOTH)
        self.store = self.renew()
        self.assertEqual(self.clock.result_of(self.store.load()), {"ws-u1": route()})
        self.apply()
        self.assertEqual(self.redis.written, ({"traefik/http/routers/ws-u1/rule", KEYSPACE.mark}, {old}))
        self.assertEqual(KEYSPACE.owned(self.redis.keys)["ws-u1"], expected)

    def test_after_a_failure_nothing_is_taken_on_trust(self) -> None:
        self.apply(route())
        self.redis.away = True
        self.assertRaises(Unavailable, self.apply, route(backend=DIRECT))
        self.redis.away = False
        # It was done all the same, and the wish has changed back.
        self.redis.keys[URL] = f"http://{DIRECT}"
        self.apply(route())
        self.assertEqual(plain(self.redis.keys), {**KEYSPACE.shared(BOTH), **KEYSPACE.keys_of(route(), BOTH)})

    def test_a_write_that_is_given_up_is_in_doubt_too(self) -> None:
        self.apply(route())
        self.threads.held = []
        giving_up = watch(self.store.apply({"ws-u1": route(backend=DIRECT)}, ()))
        self.assertEqual(len(self.threads.held), 1)
        giving_up.deferred.cancel()
        self.assertTrue(giving_up.done)
        for call in self.threads.held:
            call()
        self.threads.held = None
        self.apply(route())
        self.assertEqual(self.redis.keys[URL], "http://10.203.0.1:20001")

    def test_one_thing_after_the_other(self) -> None:
        self.apply(route())
        self.threads.held = []
        looking = watch(self.store.differs())
        writing = watch(self.store.apply({"ws-u1": route(backend=DIRECT)}, ()))
        while not writing.done:
            held, self.threads.held = self.threads.held, []
            for call in held:
                call()
        self.assertIsNone(looking.value)
        self.assertEqual(writing.value, 2)
        self.threads.held = None
        self.assertIsNone(self.differs())

    def test_loading_what_is_away(self) -> None:
        self.redis.away = True
        error = self.assertRaises(Unavailable, self.clock.result_of, self.store.load())
        self.assertIn("away", str(error))


class DifferTests(RedisCase):
    def test_what_others_did_is_noticed_and_undone(self) -> None:
        self.apply(route(), route("ws-u2"))
        before = plain(self.redis.keys)
        self.assertIsNone(self.differs())
        for names, put, remove in (
            ({"ws-u1"}, {}, [URL]),
            ({"ws-u1"}, {URL: "http://10.9.9.9:80"}, []),
            ({"ws-u5"}, {"traefik/tcp/routers/ws-u5/rule": "HostSNI(`*`)"}, []),
            (set(), {}, [KEYSPACE.mark]),
            ({"ws-u1", "ws-u2"}, {}, list(before)),
        ):
            self.redis.change(put, *remove)
            self.assertEqual(self.differs(), names)
            self.apply(*(route(name) for name in names if name != "ws-u5"), remove=("ws-u5", "webspaced"))
            self.assertEqual(plain(self.redis.keys), before)
            self.assertIsNone(self.differs())


class WatchTests(RedisCase):
    """With a publisher, as in the daemon."""

    def setUp(self) -> None:
        super().setUp()
        self.publisher = Publisher(self.clock, self.store, 0.5)
        self.clock.result_of(self.publisher.load())
        self.addCleanup(lambda: self.clock.result_of(self.publisher.stop()))

    def publish(self) -> None:
        self.publisher.open()
        self.publisher.want("ws-u1", route())
        self.clock.run_for(2)
        self.assertEqual(self.redis.keys[URL], "http://10.203.0.1:20001")
        self.whole = plain(self.redis.keys)

    def test_nothing_is_written_before_the_first_sync(self) -> None:
        self.clock.run_for(20)
        self.redis.stop()
        self.clock.run_for(20)
        self.redis.restart()
        self.redis.subscribe()
        self.clock.run_for(20)
        self.assertEqual((self.redis.keys, self.redis.writes), ({}, 0))

    def test_nothing_happens_when_nothing_happens(self) -> None:
        self.publish()
        before = self.redis.reads, self.redis.writes
        self.clock.run_for(100)
        self.assertEqual((self.redis.reads, self.redis.writes), before)

    def test_a_change_a_loss_and_a_flush_are_undone_within_a_second(self) -> None:
        self.publish()
        for harm in (
            self.redis.flush,
            lambda: self.redis.change({}, URL),
            lambda: self.redis.change({URL: "http://10.9.9.9:80", "traefik/http/routers/ws-u1/priority": "1"}),
            lambda: self.redis.change({"traefik/http/routers/ws-u7/rule": "x"}),
            lambda: self.redis.change({}, *[key for key in self.whole if "webspaced" in key]),
        ):
            harm()
            self.clock.run_for(0.9)
            self.assertEqual(plain(self.redis.keys), self.whole)

    def test_keys_of_others_are_none_of_our_business(self) -> None:
        self.publish()
        before = self.redis.reads, self.redis.writes
        self.redis.change(FOREIGN)
        self.clock.run_for(10)
        self.assertEqual((self.redis.reads, self.redis.writes), before)

    def test_however_long_it_was_away_all_is_back_within_a_second(self) -> None:
        self.publish()
        with capturedLogs() as logs:
            # The first is over before anybody looks.
            for away in (0.1, 3.0, 500.0):
                self.redis.stop()
                self.publisher.want("ws-u2", route("ws-u2"))
                self.clock.run_for(away)
                self.redis.restart()
                self.clock.run_for(0.9)
                self.assertEqual(plain(self.redis.keys), {**self.whole, **KEYSPACE.keys_of(route("ws-u2"), BOTH)})
                self.publisher.want("ws-u2", None)
                self.clock.run_for(2)
                self.assertEqual(plain(self.redis.keys), self.whole)
        said = [formatEvent(event) for event in logs]
        self.assertEqual(sum("until Redis is back" in text for text in said), 2)
        self.assertEqual(sum(text == "Redis is back" for text in said), 2)

    def test_what_could_not_be_written_is_when_nothing_was_lost(self) -> None:
        self.publish()
        self.redis.away = True
        self.publisher.want("ws-u1", route(backend=DIRECT))
        self.clock.run_for(100)
        self.redis.away = False
        self.clock.run_for(0.9)
        self.assertEqual(plain(self.redis.keys), {**self.whole, URL: f"http://{DIRECT}"})

    def test_who_begins_to_listen_is_reminded_once(self) -> None:
        self.publish()
        writes = self.redis.writes
        self.redis.subscribe()
        self.clock.run_for(10)
        self.assertEqual((self.redis.writes, self.redis.reminders), (writes, 1))
        self.assertEqual(plain(self.redis.keys), self.whole)

    def test_where_listeners_are_not_seen_all_are_reminded_now_and_then(self) -> None:
        self.redis.sees_subscribers = False
        self.assertIsNone(self.clock.result_of(self.publisher.check()))
        self.assertEqual(self.redis.reminders, 0)
        self.publish()
        before = self.redis.reminders
        self.clock.result_of(self.publisher.check())
        self.assertEqual(self.redis.reminders, before + 1)

    def test_a_reminder_does_not_hide_what_was_lost_since_it_was_looked_at(self) -> None:
        self.redis.sees_subscribers = False
        self.publish()
        read = self.redis.read

        def lost_after(ours: Callable[[str], bool]) -> dict[str, str]:
            self.redis.read = read
            found = read(ours)
            self.redis.keys.clear()
            return found

        self.redis.read = lost_after
        self.clock.result_of(self.publisher.check())
        self.clock.run_for(3)
        self.assertEqual(plain(self.redis.keys), self.whole)

    def test_a_mistake_does_not_end_the_watch(self) -> None:
        self.publish()
        self.redis.change({}, URL)
        read_some, self.redis.read_some = self.redis.read_some, None
        self.clock.run_for(1)
        self.redis.read_some = read_some
        self.clock.run_for(2)
        self.assertEqual(plain(self.redis.keys), self.whole)
        self.assertNotEqual(self.flushLoggedErrors(), [])

    def test_stopping_ends_everything(self) -> None:
        self.publish()
        self.publisher.close()
        self.clock.result_of(self.publisher.stop())
        self.assertEqual((self.threads.stopped, self.redis.closed), (True, True))
        self.clock.run_for(10)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(plain(self.redis.keys), self.whole)

    def test_stopping_while_it_is_away(self) -> None:
        self.publish()
        self.redis.away = True
        self.publisher.want("ws-u1", None)
        self.clock.run_for(100)
        writing = self.publisher.close()
        if writing is not None:
            self.clock.result_of(writing, limit=0.001)
        self.clock.result_of(self.publisher.stop(), limit=1.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class NotificationTests(RedisCase):
    def said(self) -> list[str]:
        with capturedLogs() as logs:
            self.clock.result_of(self.store.load())
        return [text for event in logs if LINE in (text := formatEvent(event))]

    def test_what_is_as_it_should_be_is_not_mentioned(self) -> None:
        self.redis.notifications = Notifications.ON
        self.assertEqual(self.said(), [])

    def test_all_else_is_said_once(self) -> None:
        for state, words in (
            (Notifications.SET, "was told to"),
            (Notifications.REFUSED, "does not see changed routes"),
            (Notifications.UNKNOWN, "is not known"),
        ):
            self.redis.notifications = state
            (said,) = self.said()
            self.assertIn(words, said)
            self.assertEqual(self.said(), [])

    def test_they_are_switched_on_again_before_anything_is_filled_in(self) -> None:
        self.clock.result_of(self.store.load())
        self.apply(route())
        self.redis.stop()
        self.redis.restart()
        order: list[str] = []
        for name in ("write", "ensure_notifications"):
            function = getattr(self.redis, name)

            def spy(*arguments: Any, name: str = name, function: Any = function) -> Any:
                order.append(name)
                return function(*arguments)

            setattr(self.redis, name, spy)
        self.store.watch(lambda _names: self.apply_soon())
        self.clock.run_for(2)
        self.clock.result_of(self.store.stop())
        self.assertEqual(order[:2], ["ensure_notifications", "write"])

    def apply_soon(self) -> None:
        watch(self.store.apply({}, ()))


class SecretTests(SynchronousTestCase):
    def test_nothing_shows_a_password(self) -> None:
        tls = RedisTls(ca="a", client="b", client_key="secret-key")
        address = RedisAddress(password="secret-1", sentinel_password="secret-2", tls=tls)
        self.assertNotIn("secret", f"{address!r} {address} {tls!r}")


class WordsTests(SynchronousTestCase):
    def test_of_a_command_in_a_transaction_only_what_redis_said_is_repeated(self) -> None:
        text = "Command # 1 (SET traefik/http/routers/webspaced/rule ...) of pipeline caused error: OOM command not allowed"
        self.assertEqual(said_by_redis(ValueError(text)), "OOM command not allowed")
        self.assertEqual(said_by_redis(ValueError("Connection refused")), "Connection refused")

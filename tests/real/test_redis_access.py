"""Who webspaced is in a real Redis, what it may do there, and how it gets there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from tests.authority import Authority
from tests.contracts.route_store import BOOT, route
from tests.real.redis import HEARD, RealRedis
from tests.real.test_redis_server import URL, ServerCase
from webspaced.errors import Distrusted, Unavailable
from webspaced.lib.deferreds import sleep
from webspaced.settings import Address, TraefikRedisTls

PASSWORD = "correct horse"


class Warned(ServerCase):
    """``said`` gives what was logged about notifications while a store was loaded."""

    async def said(self) -> list[str]:
        with capturedLogs() as logs:
            await self.new_store().load()
        return [text for event in logs if "notify-keyspace-events" in (text := formatEvent(event))]

    def flags(self) -> Collection[str]:
        return set(self.client().config_get("notify-keyspace-events")["notify-keyspace-events"])


class NotificationTests(Warned):
    async def test_they_are_switched_on_and_that_is_said(self) -> None:
        (said,) = await self.said()
        self.assertIn("put it into its configuration", said)
        self.assertEqual(self.flags(), set("Kg$"))
        self.assertEqual(await self.said(), [])

    async def test_what_is_on_stays_on(self) -> None:
        for before, after in (("KEx", "KEx$g"), ("AKE", "AKE"), ("AE", "AKE"), ("K$g", "K$g"), ("K$", "K$g")):
            self.client().config_set("notify-keyspace-events", before)
            await self.new_store().load()
            self.assertEqual(self.flags(), set(after))


class RefusedTests(Warned):
    lines: ClassVar[tuple[str, ...]] = ('rename-command CONFIG ""',)

    async def test_what_cannot_be_told_is_said(self) -> None:
        (said,) = await self.said()
        self.assertIn("is not known", said)
        self.assertIn(HEARD.replace("Kg$", ""), said)


READ_ONLY = "user webspaced on >pw ~traefik/* +@read +@write +@connection +@transaction +config|get +client|list &*"


class ReadOnlyConfigurationTests(Warned):
    lines: ClassVar[tuple[str, ...]] = (READ_ONLY,)
    options: ClassVar[Mapping[str, Any]] = {"username": "webspaced", "password": "pw"}

    async def test_what_may_not_be_switched_on_is_said(self) -> None:
        (said,) = await self.said()
        self.assertIn("Traefik does not see changed routes", said)


class MayLookTests(ServerCase):
    """Notifications are on, and whoever we are may see that and not change it."""

    lines: ClassVar[tuple[str, ...]] = (READ_ONLY, HEARD)
    options: ClassVar[Mapping[str, Any]] = {"username": "webspaced", "password": "pw"}

    async def test_many_keys_can_be_written(self) -> None:
        publisher = await self.publish()
        publisher.want("ws-u1", route(passthrough=True))
        await publisher.settled("ws-u1")
        self.assertEqual(len(self.keys(self.client(), "traefik/tcp/routers/ws-u1/*")), 5)


LEAST = (
    f'user webspaced on ">{PASSWORD}" resetchannels &__redis__:invalidate ~traefik/* +scan +mget +set +mset +del +exists'
    " +multi +exec +subscribe +client|id +client|tracking +client|list +config|get +config|set"
)


class AccessTests(ServerCase):
    """A user who may do what the documentation says, and no more."""

    lines: ClassVar[tuple[str, ...]] = (LEAST, HEARD)
    options: ClassVar[Mapping[str, Any]] = {"username": "webspaced", "password": PASSWORD}

    async def test_it_works_and_is_noticed(self) -> None:
        publisher = await self.publish()
        client = self.client()
        client.flushall()
        await self.until(lambda: client.get(URL) == f"http://{BOOT}")
        publisher.want("ws-u1", None)
        await publisher.settled("ws-u1")
        self.assertEqual(self.keys(client, "*ws-u1*"), {})

    async def test_a_wrong_password_is_told_from_an_absence_and_not_shown(self) -> None:
        store = self.new_store(password="wrong battery")
        error = await self.assertFailure(Deferred.fromCoroutine(store.load()), Distrusted)
        self.assertIn("invalid username-password pair", str(error))
        for shown in (str(error), repr(error), repr(store._server._address), repr(error.__cause__)):
            self.assertNotIn("battery", shown)

    async def test_no_password(self) -> None:
        store = self.new_store(username=None, password=None)
        self.client().acl_setuser("default", enabled=True, reset_passwords=True, passwords=["+secret"], nopass=False)
        await self.assertFailure(Deferred.fromCoroutine(store.load()), Distrusted)

    async def test_rights_that_are_missing(self) -> None:
        self.client().execute_command("ACL", "SETUSER", "webspaced", "-mset")
        store = self.new_store()
        await store.load()
        error = await self.assertFailure(Deferred.fromCoroutine(store.apply({}, ())), Distrusted)
        self.assertIn("mset", str(error))


class FewRightsTests(ServerCase):
    """Without the right to be told of changes, and without that to see who listens."""

    lines: ClassVar[tuple[str, ...]] = (
        "user webspaced on >pw resetchannels ~traefik/* +scan +mget +set +mset +del +exists +multi +exec",
        HEARD,
    )
    options: ClassVar[Mapping[str, Any]] = {"username": "webspaced", "password": "pw"}

    async def test_looking_now_and_then_has_to_do(self) -> None:
        publisher = await self.publish()
        client = self.client()
        client.flushall()
        await self.until(lambda: client.get(URL) == f"http://{BOOT}")
        client.set(URL, "http://10.9.9.9:1")
        while client.get(URL) != f"http://{BOOT}":
            # One look may be left out, as long as the last write is not answered.
            await publisher.check()
            await sleep(reactor, 0.01)


class SocketTests(ServerCase):
    def make_redis(self) -> RealRedis:
        # The path of the test's own folder may be too long for a socket.
        folder = TemporaryDirectory(prefix="webspaced-test-")
        self.addCleanup(folder.cleanup)
        self.path = f"{folder.name}/redis.sock"
        return RealRedis(self.folder, f"unixsocket {self.path}")

    def options_here(self) -> Mapping[str, Any]:
        return {"socket": self.path, "addr": Address("127.0.0.1", 1)}

    async def test_a_unix_socket(self) -> None:
        await self.publish()
        self.assertEqual(self.client().get(URL), f"http://{BOOT}")


class TlsCase(ServerCase):
    def make_redis(self) -> RealRedis:
        self.folder.mkdir(parents=True)
        self.authority, other = Authority("test"), Authority("other")
        self.ca, self.other = self.authority.certificate.decode(), other.certificate.decode()
        self.own, self.key = (each.decode() for each in self.authority.issue("webspaced"))
        server, key = self.authority.issue("redis", "127.0.0.1")
        files = {"ca": self.authority.certificate, "crt": server, "key": key}
        for name, content in files.items():
            (self.folder / f"redis.{name}").write_bytes(content)
        lines = (f"tls-{what}-file {self.folder}/redis.{name}" for what, name in (
            ("cert", "crt"), ("key", "key"), ("ca-cert", "ca"),
        ))  # fmt: skip
        (self.folder / "own.crt").write_text(self.own)
        (self.folder / "own.key").write_text(self.key)
        access = {
            "ssl": True, "ssl_ca_data": self.ca,
            "ssl_certfile": str(self.folder / "own.crt"), "ssl_keyfile": str(self.folder / "own.key"),
        }  # fmt: skip
        redis = RealRedis(self.folder, *lines, **access)
        redis.settings += [f"tls-port {redis.port}", "port 0"]
        return redis

    def options_here(self) -> Mapping[str, Any]:
        return {"tls": self.tls()}

    def tls(self, **changes: Any) -> TraefikRedisTls:
        return TraefikRedisTls(**{"enabled": True, "ca": self.ca, "cert": self.own, "key": self.key, **changes})


class TlsTests(TlsCase):
    async def test_both_are_known_to_each_other(self) -> None:
        await self.publish()
        self.assertEqual(self.client().get(URL), f"http://{BOOT}")

    async def test_somebody_else_is_not_trusted_unless_told(self) -> None:
        tls = self.tls(ca=self.other)
        error = await self.assertFailure(Deferred.fromCoroutine(self.new_store(tls=tls).load()), Distrusted)
        self.assertIn("not who it should be", str(error))
        insecure = self.new_store(tls=self.tls(ca=None, insecure_skip_verify=True))
        self.assertEqual(await insecure.load(), {})

    async def test_without_a_certificate_of_our_own_redis_refuses(self) -> None:
        store = self.new_store(tls=self.tls(cert=None, key=None))
        await self.assertFailure(Deferred.fromCoroutine(store.load()), Unavailable)

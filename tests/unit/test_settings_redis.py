"""Each setting of the provider `redis` does what it says; see ``test_settings``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.assembled import AssembledCase
from tests.unit.traefik.fake_redis import FakeRedis, FakeThreads
from webspaced.assembly import publishing
from webspaced.settings import Address, TraefikRedis, TraefikRedisSentinel, TraefikRedisTls
from webspaced.traefik import redis_server
from webspaced.traefik.redis_server import RedisAddress, RedisTls

PEM = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"


class RedisCase(AssembledCase):
    """``asked`` is where Redis was looked for, and ``redis`` what was found."""

    def start_with(self, redis: dict[str, Any], **traefik: Any) -> None:
        self.patch(redis_server, "RedisServer", self._found)
        self.patch(publishing, "Threads", lambda reactor, *_: FakeThreads(reactor))
        self.build(traefik={"provider": "redis", "redis": redis, **traefik})
        self.addCleanup(lambda: self.machine.result_of(self.daemon.stopService()))
        self.begin()

    def begin(self) -> None:
        self.daemon.privilegedStartService()
        self.daemon.startService()
        self.machine.run_for(1)

    def _found(self, address: RedisAddress, root: str, mark: str) -> FakeRedis:
        self.asked = address
        self.redis = FakeRedis(root, mark)
        return self.redis

    def provider(self) -> Any:
        """Give what the embedded Traefik is told of its provider."""
        document = json.loads((self.folder / "data" / "traefik" / "traefik.yml").read_text())
        return document["providers"]["redis"]


class RedisTests(RedisCase):
    def test_where_it_is(self) -> None:
        self.start_with({"addr": "redis.example.org:6380", "db": 4})
        self.assertEqual(self.asked, RedisAddress(host="redis.example.org", port=6380, database=4))
        self.create()
        self.assertEqual(self.redis.keys["traefik/http/routers/ws-u1/rule"], "Host(`alice.example.org`)")

    def test_a_socket(self) -> None:
        self.start_with({"socket": "/run/redis.sock"})
        self.assertEqual(self.asked.socket, Path("/run/redis.sock"))

    def test_who_we_are(self) -> None:
        self.start_with({"username": "webspaced", "password": "correct horse"})
        self.assertEqual((self.asked.username, self.asked.password), ("webspaced", "correct horse"))
        self.assertNotIn("horse", repr(self.settings))

    def test_the_root_key(self) -> None:
        self.start_with({"root_key": "web/spaces"})
        self.create()
        self.assertEqual({key.rpartition("/http/")[0] for key in self.redis.keys if "/http/" in key}, {"web/spaces"})

    def test_the_cert_resolver_is_redis_own_or_the_general_one(self) -> None:
        for redis, general, used in (({"cert_resolver": "own"}, "general", "own"), ({}, "general", "general")):
            self.start_with(redis, cert_resolver=general)
            self.create()
            domain = self.domains("own.example")
            self.assertEqual(self.ask("POST", f"self/domains/{domain}")[0], 201)
            self.machine.run_for(2)
            self.assertEqual(self.redis.keys["traefik/http/routers/ws-u1-domains/tls/certResolver"], used)

    def test_tls(self) -> None:
        identities = {"ca": PEM, "cert": PEM, "key": PEM}
        self.start_with({"tls": {"enabled": True, **identities}})
        self.assertEqual(self.asked.tls, RedisTls(ca=PEM, client=PEM, client_key=PEM))
        with capturedLogs() as logs:
            self.start_with({"tls": {"enabled": True, "insecure_skip_verify": True}})
        self.assertEqual(self.asked.tls, RedisTls(insecure=True))
        self.assertEqual(sum("NOT verified" in (formatEvent(event) or "") for event in logs), 1)
        self.start_with({"tls": {"enabled": False}})
        self.assertIsNone(self.asked.tls)

    def test_sentinels(self) -> None:
        sentinel = {
            "master_name": "routes", "addresses": ["a:1", "b:2"], "username": "somebody", "password": "battery staple",
        }  # fmt: skip
        self.start_with({"sentinel": sentinel})
        found = self.asked
        self.assertEqual((found.master, found.sentinels), ("routes", (("a", 1), ("b", 2))))
        self.assertEqual((found.sentinel_username, found.sentinel_password), ("somebody", "battery staple"))
        self.assertNotIn("staple", repr(self.settings))

    def test_an_embedded_traefik_reads_the_same(self) -> None:
        self.patch(publishing, "find_traefik", lambda: "/usr/bin/traefik")
        self.start_with({"addr": "redis:1", "db": 2, "password": "pw"}, embedded=True)
        self.machine.run_for(2)
        path = self.folder / "data" / "traefik" / "traefik.yml"
        self.assertEqual(self.provider(), {"endpoints": ["redis:1"], "rootKey": "traefik", "db": 2, "password": "pw"})
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertNotIn("pw", repr(self.daemon._parts.traefik._embedding))

    def test_everything_that_traefik_is_told(self) -> None:
        redis = TraefikRedis(
            username="u", password="p", root_key="r",
            tls=TraefikRedisTls(enabled=True, ca="C", cert="T", key="K"),
            sentinel=TraefikRedisSentinel(master_name="m", addresses=(Address("s", 1),), username="su", password="sp"),
        )  # fmt: skip
        provider = publishing.redis_provider(redis)
        self.assertEqual(provider, {"redis": {
            "endpoints": ["s:1"], "rootKey": "r", "db": 0, "username": "u", "password": "p",
            "tls": {"ca": "C", "cert": "T", "key": "K", "insecureSkipVerify": False},
            "sentinel": {"masterName": "m", "username": "su", "password": "sp"},
        }})  # fmt: skip
        alone = publishing.redis_provider(evolve(redis, socket=Path("/s"), sentinel=TraefikRedisSentinel()))
        self.assertEqual(alone["redis"]["endpoints"], ["/s"])

    def test_the_start_waits_for_it(self) -> None:
        self.patch(redis_server, "RedisServer", self._found)
        self.patch(publishing, "Threads", lambda reactor, *_: FakeThreads(reactor))
        self.build(traefik={"provider": "redis"}, timeouts={"startup": "30s"})
        self.redis.away = True
        self.begin()
        self.machine.run_for(20)
        self.assertFalse(self.daemon.ready)
        self.redis.away = False
        self.machine.run_for(1)
        self.assertTrue(self.daemon.ready)
        self.machine.result_of(self.daemon.stopService())

    def test_the_start_does_not_wait_for_ever(self) -> None:
        self.patch(redis_server, "RedisServer", self._found)
        self.patch(publishing, "Threads", lambda reactor, *_: FakeThreads(reactor))
        self.build(traefik={"provider": "redis"}, timeouts={"startup": "17s"})
        self.redis.away = True
        ended: list[float] = []
        self.patch(self.machine, "stop", lambda: ended.append(self.machine.seconds()))
        self.begin()
        self.machine.run_for(100)
        self.assertEqual([round(each) for each in ended], [17])


class ImportTests(SynchronousTestCase):
    def test_who_has_no_redis_has_not_its_client_either(self) -> None:
        kept = "sorted({'redis', 'webspaced.traefik.file'} & set(sys.modules))"
        program = f"import sys, webspaced.assembly.build; print({kept})"
        shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        self.assertEqual(shown.stdout.strip(), "['webspaced.traefik.file']")

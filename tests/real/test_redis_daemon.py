"""A whole webspaced whose routes are in Redis, with its embedded Traefik."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.real.redis import HEARD, RealRedis, program
from tests.stack import Stack, StackCase, wait_until
from webspaced.traefik.keys import unflatten

PASSWORD = "correct horse"


class RedisStack(Stack):
    """A stack with the provider `redis`."""

    redis: RealRedis

    def document(self) -> dict[str, Any]:
        with self.redis.client() as client:
            keys: Mapping[str, str] = {key: client.get(key) for key in client.scan_iter(match="traefik/*")}
        return unflatten(keys, "traefik")


class RedisCase(StackCase):
    starts = False

    def make_stack(self) -> RedisStack:
        program("redis-server")
        return RedisStack(self.lxd(), **self.webspaces)

    def prepare(self) -> None:
        lines = (HEARD, f'requirepass "{PASSWORD}"')
        self.redis = self.stack.redis = RealRedis(self.stack.directory / "redis", *lines, password=PASSWORD)
        self.addCleanup(self.redis.kill)
        secret = self.stack.directory / "redis-password"
        secret.write_text(PASSWORD)
        redis = {"addr": f"127.0.0.1:{self.redis.port}", "password_file": str(secret)}
        self.stack.set_traefik(provider="redis", redis=redis)

    def _no_mishap(self) -> None:
        super()._no_mishap()
        self.assertNotIn(PASSWORD, self.stack.log())


class RedisTests(RedisCase):
    def up(self) -> None:
        self.redis.start()
        self.stack.start()
        self.stack.create()
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")
        wait_until("the route is direct", self.stack.is_direct)

    def test_it_sleeps_and_wakes(self) -> None:
        self.up()
        self.stack.put_state("stop", force=True)
        wait_until("the route leads to the boot port", self.stack.leads_to_itself)
        wait_until("it is woken again", lambda: self.stack.visit().body == b"ws-u1\n")
        self.assertEqual(self.stack.visit_https().body, b"ws-u1\n")
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self").status, 204)
        wait_until("its keys are gone", lambda: not self.stack.routes())

    def test_while_redis_is_away_all_are_served_and_can_be_woken(self) -> None:
        self.up()
        self.stack.create("bob")
        wait_until("Traefik has Bob's route", lambda: self.stack.visit("bob").status == 200)
        wait_until("Bob's route is direct", lambda: self.stack.is_direct(2))
        self.stack.put_state("stop", 2, force=True)
        wait_until("Bob's route leads to his boot port", lambda: self.stack.leads_to_itself(2))
        self.redis.kill()
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")
        wait_until("Bob's webspace is woken", lambda: self.stack.visit("bob").body == b"ws-u2\n")
        self.assertEqual(self.stack.ask("GET", "/ready").status, 204)
        self.redis.start()
        wait_until("all is back, with what changed", lambda: self.stack.is_direct(1) and self.stack.is_direct(2))
        self.assertEqual((self.stack.visit().body, self.stack.visit("bob").body), (b"ws-u1\n", b"ws-u2\n"))

    def test_it_waits_for_redis_at_its_start(self) -> None:
        self.stack.start(wait=False)
        wait_until("it says what it waits for", lambda: "is not to be had" in self.stack.log())
        self.redis.start()
        wait_until("it is ready", self.stack._is_ready)

    def test_a_killed_daemon_leaves_the_routes(self) -> None:
        self.up()
        before = self.stack.document()
        self.stack.kill()
        self.assertEqual(self.stack.document(), before)
        self.stack.start()
        self.assertEqual(self.stack.document(), before)
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")


class RefusedTests(RedisCase):
    def _no_mishap(self) -> None:
        # That it cannot start is what is wanted here.
        self.assertEqual([line for line in self.stack.mishaps() if "cannot start" not in line], [])

    def test_a_wrong_password_ends_the_start(self) -> None:
        self.redis.settings[-1] = 'requirepass "another"'
        self.redis.access["password"] = "another"
        self.redis.start()
        self.stack.start(wait=False)
        self.assertEqual(self.stack.wait_for_end(), 1)
        self.assertIn("refuses what is needed", self.stack.log())
        self.assertNotIn(PASSWORD, self.stack.log())

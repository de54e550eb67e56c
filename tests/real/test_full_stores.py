"""A store of routes that takes nothing: nobody is stopped whose visitors could not be led away, and that is told."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tests.real.test_redis_daemon import RedisCase
from tests.stack import StackCase, wait_until

MOMENT = r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


class UnwritableCase(StackCase):
    reason: str
    """What the store says."""

    def fill(self) -> None:
        """Let the store take nothing."""
        raise NotImplementedError

    def empty(self) -> None:
        """Let it take everything again."""
        raise NotImplementedError

    def up(self) -> None:
        self.stack.create()
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")
        wait_until("the route is direct", self.stack.is_direct)

    def check_refusals(self) -> None:
        self.up()
        self.fill()
        off = {"desired": "stopped"}
        calls = (("DELETE", "/state", None), ("PUT", "/state", None), ("PUT", "/desired", off), ("DELETE", "", None))
        for method, path, body in calls:
            answer = self.stack.ask(method, f"/v1/webspace/self{path}", body)
            self.assertEqual(answer.status, 503, answer)
            self.assertIn(self.reason, answer.json["message"])
            self.assertEqual((self.stack.status(), self.stack.visit().body), ("Running", b"ws-u1\n"))
        self.assertEqual(self.stack.ask("GET", "/v1/webspace/self/desired").json, {"desired": "auto"})
        self.check_health()
        self.empty()
        wait_until("all is well again", lambda: self.stack.ask("GET", "/health").status == 204)
        wait_until("it is woken again", lambda: self.stack.visit().body == b"ws-u1\n")
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self/state").status, 204)

    def check_health(self) -> None:
        # While nothing is to be written, nobody knows: let something be.
        self.stack.put_state("stop", force=True)
        health = wait_until("it is told", self.unhealthy)
        self.assertRegex(health.json["message"], f"{MOMENT}: .*{self.reason}")
        (condition,) = self.stack.ask("GET", "/v1/webspace/self").json["conditions"]
        self.assertEqual(condition["kind"], "route-unwritten")
        self.assertRegex(condition["detail"], f"{MOMENT}: .*{self.reason}")
        self.assertEqual(self.stack.ask("GET", "/ready").status, 204)

    def unhealthy(self) -> Any:
        answer = self.stack.ask("GET", "/health")
        return answer if answer.status != 204 else None

    def check_an_admins_word(self) -> None:
        self.up()
        self.fill()
        wish = {"desired": "suspended", "reason": "spam", "publicReason": "a break"}
        self.assertEqual(self.stack.ask("PUT", "/v1/webspace/alice/desired", wish, token="token-root").status, 200)
        self.assertEqual(self.stack.status(), "Stopped")
        self.empty()
        wait_until("visitors are told", lambda: b"a break" in self.stack.visit().body)


class FullDiskTests(UnwritableCase):
    reason = "No space left on device"

    def prepare(self) -> None:
        self.folder = self.mounted(self.stack.directory / "data", "size=300k")

    def mounted(self, folder: Path, options: str) -> Path:
        folder.mkdir(mode=0o700, parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"{options},mode=700", "none", folder], check=True)
        # Its daemon may have it open still.
        self.addCleanup(subprocess.run, ["umount", "--lazy", folder], check=True)
        return folder

    def fill(self) -> None:
        with (self.folder / "fill").open("wb", 0) as file:
            try:
                while True:
                    file.write(b"x" * 512)
            except OSError:
                return

    def empty(self) -> None:
        (self.folder / "fill").unlink()

    def test_what_cannot_be_led_away_is_not_stopped(self) -> None:
        self.check_refusals()

    def test_an_admins_word_is_carried_out(self) -> None:
        self.check_an_admins_word()


class ReadOnlyTests(FullDiskTests):
    reason = "Read-only file system"

    def prepare(self) -> None:
        (self.stack.directory / "data").mkdir(mode=0o700)
        (self.stack.directory / "data" / "traefik").mkdir(mode=0o700)
        self.folder = self.mounted(self.stack.directory / "data" / "traefik" / "dynamic", "size=1m")

    def fill(self) -> None:
        self.remount("ro")

    def empty(self) -> None:
        self.remount("rw")

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", self.folder], check=True)


class FullRedisTests(RedisCase, UnwritableCase):
    reason = "maxmemory"

    def up(self) -> None:
        self.redis.start()
        self.stack.start()
        super().up()

    def fill(self) -> None:
        self.limit("1")

    def empty(self) -> None:
        self.limit("0")

    def limit(self, memory: str) -> None:
        with self.redis.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", memory)

    def test_what_cannot_be_led_away_is_not_stopped(self) -> None:
        self.check_refusals()

    def test_an_admins_word_is_carried_out(self) -> None:
        self.check_an_admins_word()


del UnwritableCase, RedisCase

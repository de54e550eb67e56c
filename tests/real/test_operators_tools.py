"""What operators do by LXD's own tools: webspaced neither works against it, nor is it wrong afterwards, restarted or not."""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.stack import StackCase, wait_until

SHOP = "shop.customer.example"
ROOT = "token-root"
BIG = 100
"""MiB of noise: compressing them takes some seconds, in which that can be stopped."""

class OperatorCase(StackCase):
    def see(self, path: str = "", uid: int = 1, method: str = "GET") -> Any:
        """Call the API as an admin does."""
        return self.stack.ask(method, f"/v1/webspace/id:{uid}{path}", token=ROOT)

    def pid(self, uid: int = 1) -> int:
        return int(self.stack.rest.get(f"/1.0/instances/ws-u{uid}/state")["pid"])

    def set_keys(self, uid: int = 1, **keys: str) -> None:
        config = {key.replace("__", "."): value for key, value in keys.items()}
        self.stack.rest.ask("PATCH", f"/1.0/instances/ws-u{uid}", {"config": config})

    def document(self, uid: int = 1) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stack.key("user._webspaced", uid) or "{}")
        return found

    def own(self, uid: int = 1, **members: Any) -> None:
        """Write members of a document: what the API does, where a domain would have to be proved by DNS."""
        document = json.dumps({**self.document(uid), **members})
        self.stack.rest.ask("PATCH", f"/1.0/instances/ws-u{uid}", {"config": {"user._webspaced": document}})

    def give_shop(self, uid: int, granted: float) -> None:
        # As if it was proved just now, whoever had it before.
        before = {key: value for key, value in self.document(uid).get("granted", {}).items() if key != "lost"}
        self.own(uid, domains=[SHOP], granted={**before, "domains": {SHOP: granted}})

    def host(self, name: str) -> str:
        """Give who answers under a name: an instance's, or a status."""
        answer = self.stack.visit_host(name)
        return answer.body.decode().strip() if answer.status == 200 else str(answer.status)

    def leads(self, name: str, to: str) -> None:
        wait_until(f"{name} leads to {to}", lambda: self.host(name) == to)

    def stop_all(self, *uids: int) -> None:
        for uid in uids:
            self.stack.put_state("stop", uid, force=True)
            wait_until("it is stopped", lambda uid=uid: self.stack.status(uid) == "Stopped")

    def snapshot(self, name: str) -> None:
        self.stack.rest.ask("POST", "/1.0/instances/ws-u1/snapshots", {"name": name})

    def restore(self, name: str) -> None:
        self.stack.rest.ask("PUT", "/1.0/instances/ws-u1", {"restore": name})

    def rename(self, uid: int, to: int) -> None:
        # Until the server is done with the last stop it takes no other name.
        def renamed() -> bool:
            try:
                self.stack.rest.ask("POST", f"/1.0/instances/ws-u{uid}", {"name": f"ws-u{to}"})
            except Exception:  # noqa: BLE001  (the next try sees)
                return bool(self.stack.rest.exists(f"/1.0/instances/ws-u{to}"))
            return True

        wait_until("it is renamed", renamed)

    def copy(self, uid: int, to: int) -> None:
        original = self.stack.rest.get(f"/1.0/instances/ws-u{uid}")
        source = {"type": "copy", "source": f"ws-u{uid}", "project": self.stack.project}
        same = {name: original[name] for name in ("profiles", "devices")}
        self.stack.rest.ask("POST", "/1.0/instances", {"name": f"ws-u{to}", "source": source, **same})

    def restart(self) -> None:
        self.stack.stop()
        self.stack.start()


class ForbiddenTests(OperatorCase):
    def setUp(self) -> None:
        super().setUp()
        self.stack.create()
        self.assertEqual(self.stack.visit().status, 200)
        wait_until("the route is direct", self.stack.is_direct)
        self.before = self.pid()

    def refused(self, status: int, method: str, path: str, says: str) -> None:
        answer = self.stack.ask(method, f"/v1/webspace/self{path}")
        self.assertEqual(answer.status, status, answer)
        self.assertIn(says, answer.json["message"])
        self.assertEqual(self.pid(), self.before)
        self.assertTrue(self.stack.is_direct())

    def test_one_that_is_protected_is_not_deleted_and_runs_on(self) -> None:
        self.set_keys(security__protection__delete="true")
        self.refused(403, "DELETE", "", "security.protection.delete")
        self.assertEqual(self.see(method="DELETE").status, 403)
        self.assertEqual(self.stack.visit().status, 200)
        self.set_keys(security__protection__delete="false")
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self").status, 204)

    def test_one_that_is_backed_up_is_left_alone(self) -> None:
        self.stack.run_inside("dd", "if=/dev/urandom", "of=/noise", "bs=1M", f"count={BIG}")
        # An option that changes nothing, and by which this one's is found among those of others.
        mark = f".{secrets.token_hex(4)}"
        body = {"name": "b", "compression_algorithm": f"gzip -S {mark}"}
        begun = self.stack.rest._send("POST", "/1.0/instances/ws-u1/backups", json.dumps(body).encode(), {})
        with self.stopped(mark):
            for method, path in (("DELETE", ""), ("DELETE", "/state"), ("PUT", "/state")):
                self.refused(409, method, path, "Backing up instance")
        self.stack.rest._finish(begun["operation"])
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self/state").status, 204)
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self").status, 204)

    @contextmanager
    def stopped(self, mark: str) -> Iterator[None]:
        """Keep a backup from being done."""
        pid = wait_until("it is compressed", lambda: next(processes(mark), 0))
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


def processes(mark: str) -> Iterator[int]:
    """Give the processes that were started with such a word."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # They come and go.
        with suppress(OSError):
            if mark in path.read_bytes().decode(errors="replace").split("\0"):
                yield int(path.parent.name)


class RestoredTests(OperatorCase):
    def setUp(self) -> None:
        super().setUp()
        self.stack.create()
        self.stack.create("bob")
        self.port = self.stack.forward(7)

    def both_ways(self, right: Any) -> None:
        """See that something is right at once, and after a restart of webspaced."""
        right()
        self.restart()
        right()

    def test_a_snapshot_takes_nothing_that_was_granted_since(self) -> None:
        for running in (False, True):
            self.give_shop(1, 1000.0)
            self.leads(SHOP, "ws-u1")
            if not running:
                self.stop_all(1)
            self.snapshot(f"old{running}")
            self.own(1, domains=[], ports={})
            self.give_shop(2, 2000.0)
            self.leads(SHOP, "ws-u2")
            self.restore(f"old{running}")

            def right() -> None:
                wait_until("the forward works", lambda: self.stack.echoes(self.port))
                self.leads(SHOP, "ws-u2")
                self.leads("alice.example.test", "ws-u1")
                kinds = [each["kind"] for each in self.see().json["conditions"]]
                self.assertEqual(kinds, ["host-clash"])
                self.assertNotIn("conditions", self.see(uid=2).json)

            self.both_ways(right)
            self.own(2, domains=[])

    def test_a_snapshot_from_before_a_config_has_that_config_again(self) -> None:
        self.snapshot("before")
        changed = self.stack.ask("PATCH", "/v1/webspace/self/config", {"httpPort": 7})
        self.assertEqual(changed.status, 200)
        self.restore("before")

        def right() -> None:
            self.leads("alice.example.test", "ws-u1")
            self.assertEqual(self.see("/config").json["httpPort"], 80)

        self.both_ways(right)

    def test_a_rename_and_back_loses_nothing(self) -> None:
        self.give_shop(1, 1000.0)
        boot_port = self.stack.key("user._webspaced_boot_port")
        self.leads(SHOP, "ws-u1")
        self.stop_all(1)
        self.rename(1, 3)

        def carols() -> None:
            self.leads("carol.example.test", "ws-u3")
            self.assertEqual(self.see().status, 404)
            self.assertEqual((self.see(uid=3).json["domains"], self.see(uid=3).json["ports"]), ([], {}))
            for name in (SHOP, "alice.example.test"):
                self.leads(name, "404")
            self.assertFalse(self.stack.echoes(self.port))
            self.assertNotEqual(self.stack.key("user._webspaced_boot_port", 3), boot_port)

        self.both_ways(carols)
        self.stop_all(3)
        self.rename(3, 1)

        def alices() -> None:
            for name in (SHOP, "alice.example.test"):
                self.leads(name, "ws-u1")
            wait_until("the forward works", lambda: self.stack.echoes(self.port))
            self.leads("carol.example.test", "404")
            self.assertEqual(self.see().json["ports"], {str(self.port): 7})
            self.assertNotIn("conditions", self.see().json)

        self.both_ways(alices)

    def test_a_copy_is_its_own_users_and_has_nothing_of_the_originals(self) -> None:
        self.give_shop(1, 1000.0)
        self.leads(SHOP, "ws-u1")
        self.copy(1, 4)

        def right() -> None:
            self.leads("dave.example.test", "ws-u4")
            for name in (SHOP, "alice.example.test"):
                self.leads(name, "ws-u1")
            self.assertEqual((self.see(uid=4).json["domains"], self.see(uid=4).json["ports"]), ([], {}))
            wait_until("the forward works", lambda: self.stack.echoes(self.port))
            boot_ports = {self.stack.key("user._webspaced_boot_port", uid) for uid in (1, 2, 4)}
            self.assertEqual(len(boot_ports), 3)

        self.both_ways(right)


__all__ = ["ForbiddenTests", "RestoredTests"]

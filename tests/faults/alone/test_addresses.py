"""The address rule against a hostile root, and the boot port against a webspace that takes another's place."""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, ClassVar

from tests.stack import MEMBERS, StackCase, wait_until
from tests.visitors import PATIENCE

LOOPBACK = f"127.{1 + secrets.randbelow(250)}.{secrets.randbelow(250)}.9"
"""By chance: other runs on this machine have traps of theirs."""
ALIENS = ("10.96.0.1", "169.254.169.254", LOOPBACK)


@contextmanager
def trap(address: str, port: int) -> Iterator[list[str]]:
    """Listen where nobody of webspaced's may ever connect; gives who came."""
    caught: list[str] = []
    server = socket.create_server((address, port))

    def run() -> None:
        while True:
            try:
                connection, peer = server.accept()
            except OSError:
                return
            caught.append(str(peer))
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with closing(server):
        yield caught
        # Closing alone does not wake a blocked accept.
        server.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE)


class HostileRootTests(StackCase):
    """Root of webspace 1 adds every address that it might like to reach through webspaced."""

    webspaces: ClassVar[Mapping[str, Any]] = {"ip_timeout": "2s"}

    def _address(self, uid: int) -> str:
        addresses = self.stack.rest.get(f"/1.0/instances/ws-u{uid}/state")["network"]["eth0"]["addresses"]
        return next(str(entry["address"]) for entry in addresses if entry["family"] == "inet")

    def _gateway(self) -> str:
        config = self.stack.rest.get(f"/1.0/networks/{self.stack.lxd.bridge}")["config"]
        return str(config["ipv4.address"]).partition("/")[0]

    def _take(self, *addresses: str, device: str = "eth0") -> None:
        for address in addresses:
            self.stack.run_inside("ip", "addr", "add", f"{address}/32", "dev", device)

    def _both_are_served(self) -> bool:
        # One that took longer for its address than ip_timeout, on a busy machine, is looked at again for a visitor.
        for name in ("alice", "bob"):
            self.stack.visit(name)
        return self.stack.is_direct(1) and self.stack.is_direct(2)

    def test_a_forward_reaches_only_the_own_container(self) -> None:
        self.stack.create("alice")
        self.stack.create("bob")
        self.stack.put_state("start")
        self.stack.put_state("start", 2)
        wait_until("both are served", self._both_are_served)
        own, other, gateway = self._address(1), self._address(2), self._gateway()
        # A bridge that sorts before eth0, in the MAC of eth0, with all of the addresses.
        mac = self.stack.key("volatile.eth0.hwaddr")
        self.stack.run_inside("ip", "link", "add", "docker0", "address", str(mac), "type", "bridge")
        self.stack.run_inside("ip", "link", "set", "docker0", "up")
        self._take(*ALIENS, other, device="docker0")
        self._take(*ALIENS, other)
        port = self.stack.forward(7)
        self.assertEqual(self.stack.echo(port), b"hello")
        with trap(LOOPBACK, 7) as loopback, trap(gateway, 7) as bridge:
            # The gateway's address swallows the container's own answers; without its own address, all that is left
            # is somebody else's.
            self._take(gateway)
            self.assertIn(self._refused(port), (b"", b"hello"))
            self.stack.run_inside("ip", "addr", "del", f"{own}/24", "dev", "eth0")
            self.assertEqual(self._refused(port), b"")
            self.assertEqual(self._refused(port), b"")
        self.assertEqual((loopback, bridge), ([], []))
        for address in (*ALIENS, gateway, other):
            self.assertNotIn(address, self.stack.routes()["ws-u1"])
        # The neighbour notices nothing.
        self.assertTrue(self.stack.is_direct(2))
        self.assertEqual(self.stack.visit("bob").body, b"ws-u2\n")
        conditions = self.stack.ask("GET", "/v1/webspace/self").json["conditions"]
        self.assertIn("address-clash", [each["kind"] for each in conditions])

    def _refused(self, port: int) -> bytes:
        try:
            return self.stack.echo(port)
        except ConnectionError:
            return b""

    def test_after_a_restart_of_webspaced_too(self) -> None:
        self.stack.create("alice")
        self.stack.create("bob")
        port = self.stack.forward(7)
        self.stack.put_state("start")
        self.stack.put_state("start", 2)
        wait_until("both are served", self._both_are_served)
        own, other, gateway = self._address(1), self._address(2), self._gateway()
        self._take(*ALIENS, gateway, other)
        self.stack.run_inside("ip", "addr", "del", f"{own}/24", "dev", "eth0")
        self.stack.kill()
        with trap(LOOPBACK, 7) as loopback, trap(gateway, 7) as bridge:
            self.stack.start()
            self.assertEqual(self._refused(port), b"")
            wait_until("nobody is led there", lambda: not self.stack.is_direct(1))
        self.assertEqual((loopback, bridge), ([], []))


class BootPortTests(StackCase):
    def test_an_old_route_never_reaches_a_new_webspace(self) -> None:
        self.stack.create("alice")
        wait_until("the route exists", self.stack.leads_to_itself)
        old = self.stack.key("user._webspaced_boot_port")
        self.stack.kill()
        self.stack.remove_instance("/1.0/instances/ws-u1")
        # Bob's container comes about while webspaced is away, as a copy that even claims Alice's boot port.
        document = {"user": 2, "config": {}, "domains": [], "ports": {}}
        keys = {"user._webspaced": json.dumps(document), "user._webspaced_username": "bob"}
        source = {"type": "image", "alias": "fast"}
        body = {"name": "ws-u2", "source": source, "profiles": ["webspace"], "config": keys}
        self.stack.rest.ask("POST", "/1.0/instances", body)
        self.stack.start()
        wait_until("Bob is served", lambda: self.stack.leads_to_itself(2))
        self.assertNotEqual(self.stack.key("user._webspaced_boot_port", 2), old)
        self.assertNotIn("ws-u1", self.stack.routes())
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(old or 0)), PATIENCE)
        wait_until("Traefik knows that Alice is gone", lambda: self.stack.visit("alice").status == 404)
        wait_until("Traefik has Bob", lambda: self.stack.visit("bob").body == b"ws-u2\n")

    def test_numbers_rest_after_a_delete(self) -> None:
        start, end = self.stack.boot_ports
        seen: dict[int, str | None] = {}
        for uid in (1, 2, 3, 4, 5, 1, 1):
            self.stack.create(MEMBERS[uid])
            port = self.stack.key("user._webspaced_boot_port", uid)
            # Their own former number is free to a member: who creates and deletes all the time does not use them up.
            self.assertEqual(seen.setdefault(uid, port), port)
            answer = self.stack.ask("DELETE", "/v1/webspace/self", token=f"token-{MEMBERS[uid]}")
            self.assertEqual(answer.status, 204)
        self.assertEqual(len(set(seen.values())), 5)
        self.assertTrue(all(start <= int(port or 0) <= end for port in seen.values()))

    def test_restart_rewrites_nothing(self) -> None:
        self.stack.create("alice")
        self.stack.create("bob")
        self.stack.put_state("start", 2)
        wait_until("both are served", lambda: self.stack.leads_to_itself(1) and self.stack.is_direct(2))
        file = self.stack.directory / "data" / "traefik" / "dynamic" / "webspaced.yml"
        before = (file.stat().st_ino, file.read_bytes())
        for end in (self.stack.stop, self.stack.kill):
            end()
            self.stack.start()
            self.assertEqual((file.stat().st_ino, file.read_bytes()), before)
        self.assertEqual(self.stack.visit("alice").body, b"ws-u1\n")

    def test_a_renamed_instance_leaves_its_old_place(self) -> None:
        self.stack.create("alice")
        wait_until("the route exists", self.stack.leads_to_itself)
        old = self.stack.key("user._webspaced_boot_port")
        self.stack.rest.ask("POST", "/1.0/instances/ws-u1", {"name": "ws-u2"})
        wait_until("Bob is served", lambda: self.stack.leads_to_itself(2))
        wait_until("Alice is not", lambda: "ws-u1" not in self.stack.routes())
        self.assertNotEqual(self.stack.key("user._webspaced_boot_port", 2), old)
        self.assertEqual(json.loads(self.stack.key("user._webspaced", 2) or "")["user"], 2)
        wait_until("Traefik has Bob", lambda: self.stack.visit("bob").status == 200)
        wait_until("Traefik knows that Alice is gone", lambda: self.stack.visit("alice").status == 404)

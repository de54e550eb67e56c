"""The command `webspaced-router` beside a router that runs."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from twisted.internet.threads import deferToThread

from tests import frames
from tests.frames import IPV4, UDP, ethernet, ip, udp
from tests.namespaces import Namespace
from tests.real.test_router import driven
from tests.routers import PLAN, ROUTER, Router, RouterCase

MAIN = (sys.executable, "-m", "webspaced.router.cli")


class CommandTests(RouterCase):
    def command(self, *words: str) -> tuple[str, ...]:
        return ("env", f"PYTHONPATH={os.pathsep.join(sys.path)}", *MAIN, *words)

    def member(self) -> None:
        """Let the bridge be LXD's member, with an address of its own that is the platform's."""
        self.switch.ip("addr add 172.24.0.254/16 dev lan")

    def guarding(self, router: Router, *more: str) -> tuple[str, ...]:
        return self.command("guards", "--config", str(router.config), "--plan", f"http://{ROUTER}:{PLAN}/leases", *more)

    async def lies(self, container: Namespace, source: str, mark: bytes) -> bool:
        """Whether the router gets what a container sends from an address, before something true of another one's."""
        wire = self.homes[0].packets("lan0")
        mac = container.mac("eth0")
        lie = ethernet(mac, frames.BROADCAST, IPV4, ip(source, "172.24.255.255", UDP, udp(9, 9, b"lie" + mark)))
        container.packets("eth0").send(lie)
        true = ethernet(mac, frames.BROADCAST, IPV4, ip("0.0.0.0", "255.255.255.255", UDP, udp(68, 67, b"true" + mark)))
        container.packets("eth0").send(true)

        def listen() -> bool:
            seen = False
            while b"true" + mark not in (got := wire.recv(65536)):
                seen = seen or b"lie" + mark in got
            return seen

        heard: bool = await deferToThread(listen)
        return heard

    @driven
    async def test_members_load_the_guards_and_follow_the_plan(self) -> None:
        router = await self.started(router={"plan_address": f"0.0.0.0:{PLAN}"})
        self.member()
        self.add("ws-u1", self.inside[0])
        one = await self.until(lambda: self.address("ws-u1"), router)
        self.assertTrue(await self.lies(self.inside[0], "172.24.77.77", b"1"))
        self.switch.start(*self.guarding(router, "--load", "--every", "0.1"))
        await self.until(lambda: one in self.rules(), router)
        self.assertFalse(await self.lies(self.inside[0], "172.24.77.77", b"2"))
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], one)
        self.add("ws-u2", self.inside[1])
        two = await self.until(lambda: self.address("ws-u2"), router)
        await self.until(lambda: two in self.rules(), router)
        self.assertEqual((await self.asks_dhcp(self.inside[1]))[0][0], two)
        self.assertFalse(await self.lies(self.inside[1], one, b"3"))
        self.assertTrue(await self.lies(self.inside[1], two, b"4"))

    def rules(self) -> str:
        return self.switch.run("nft", "list", "ruleset")

    @driven
    async def test_what_is_printed_can_be_loaded(self) -> None:
        router = await self.started()
        for words in (("guards",), ("rules",)):
            text = await deferToThread(self.switch.run, *self.command(*words, "--config", str(router.config)))
            await deferToThread(self.switch.run, "nft", "-f", "-", text=text)
        self.assertIn("webspaced_guards", self.rules())
        self.assertIn("webspaced_router", self.rules())

    @driven
    async def test_who_had_an_address(self) -> None:
        router = await self.started()
        self.add("ws-u1", self.inside[0])
        address = await self.until(lambda: self.address("ws-u1"), router)
        asked = self.command("who", address, "--config", str(router.config))
        told: list[dict[str, Any]] = [
            json.loads(line) for line in (await deferToThread(router.where.run, *asked)).splitlines()
        ]
        self.assertEqual([(each["what"], each["instance"]) for each in told], [("assigned", "ws-u1")])

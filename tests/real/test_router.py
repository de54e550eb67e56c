"""The router as it runs: real dnsmasq and nftables, real clients, in network namespaces."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import sys
import threading
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests import dhcp6
from tests.routers import OUTSIDE, PLAN, ROUTER, ROUTER6, Router, RouterCase, dns_query

READS = f"""
import json
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from webspaced.network.leases import LeaseUrl

def main(reactor):
    return Deferred.fromCoroutine(read(reactor))

async def read(reactor):
    found = await LeaseUrl(reactor, "http://127.0.0.1:{PLAN}/leases").leases()
    print(json.dumps([[str(each.address), each.mac] for each in found]))

react(main)
"""


def driven(test: Any) -> Any:
    """Run a coroutine as a test."""

    def run(self: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(test(self))

    run.__doc__ = test.__doc__
    return run


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


class AddressTests(RouterCase):
    @driven
    async def test_an_instance_gets_its_address_at_once_and_for_good(self) -> None:
        router = await self.started()
        self.add("ws-u1", self.inside[0])
        address = await self.until(lambda: self.address("ws-u1"), router)
        self.assertEqual([each["address"] for each in router.leases()], [address])
        told, _ = await self.asks_dhcp(self.inside[0])
        self.assertEqual(told, [address, ROUTER, ROUTER, "webspace"])
        again, _ = await self.asks_dhcp(self.inside[0])
        self.assertEqual(again[0], address)

    @driven
    async def test_webspaced_reads_the_plan(self) -> None:
        router = await self.started()
        one, two = self.add("ws-u1"), self.add("ws-u2")
        await self.until(lambda: len(router.leases()) == 2, router)
        environment = f"PYTHONPATH={os.pathsep.join(sys.path)}"
        told = await deferToThread(router.where.run, "env", environment, sys.executable, "-c", READS)
        wanted = [[self.address(each.name), each.config["volatile.eth0.hwaddr"]] for each in (one, two)]
        self.assertEqual(sorted(json.loads(told)), sorted(wanted))

    @driven
    async def test_a_copy_gets_an_address_of_its_own(self) -> None:
        router = await self.started()
        self.add("ws-u1")
        address = await self.until(lambda: self.address("ws-u1"), router)
        self.lxd.machine.copy("ws-u1", "ws-u2")
        self.assertEqual(self.address("ws-u2"), address)
        await self.until(lambda: self.address("ws-u2") != address, router)
        self.assertEqual(self.address("ws-u1"), address)

    @driven
    async def test_strangers_get_no_answer(self) -> None:
        await self.started()
        self.assertEqual((await self.asks_dhcp(self.inside[0], tries=3))[0], [])

    @driven
    async def test_strangers_get_a_range_of_their_own(self) -> None:
        router = await self.started(dhcp={"strangers": "172.24.250.1-172.24.250.1"})
        self.add("ws-u1", self.inside[1])
        address = await self.until(lambda: self.address("ws-u1"), router)
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], "172.24.250.1")
        self.assertEqual((await self.asks_dhcp(self.inside[1]))[0][0], address)

    @driven
    async def test_one_that_is_gone_gets_no_answer(self) -> None:
        router = await self.started()
        self.add("ws-u1", self.inside[0])
        await self.until(router.leases, router)
        self.assertTrue((await self.asks_dhcp(self.inside[0]))[0])
        self.lxd.machine.remove("ws-u1")
        await self.until(lambda: not router.leases(), router)
        self.assertEqual((await self.asks_dhcp(self.inside[0], tries=3))[0], [])
        self.assertEqual(await deferToThread(router.figure, "webspaced_router_resting_addresses"), 1)

    @driven
    async def test_an_address_that_is_written_for_another_one_is_given_at_once(self) -> None:
        """dnsmasq remembers who had it, and must not."""
        router = await self.started()
        self.add("ws-u1", self.inside[0])
        address = await self.until(lambda: self.address("ws-u1"), router)
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], address)
        self.lxd.machine.remove("ws-u1")
        await self.until(lambda: not router.leases(), router)
        self.add("ws-u2", self.inside[1], config={"user._webspaced_address": address})
        await self.until(router.leases, router)
        self.assertEqual((await self.asks_dhcp(self.inside[1]))[0][0], address)

    @driven
    async def test_the_log_tells_who_had_it(self) -> None:
        router = await self.started()
        self.add("ws-u1", self.inside[0])
        address = await self.until(lambda: self.address("ws-u1"), router)
        await self.asks_dhcp(self.inside[0])
        lines = [json.loads(line) for path in (router.folder / "data" / "addresses").iterdir() for line in path.open()]
        self.assertEqual([each["what"] for each in lines if each["address"] == address], ["assigned", "given"])
        self.assertEqual(lines[0]["instance"], "ws-u1")


class NameTests(RouterCase):
    @driven
    async def test_names_are_lxds(self) -> None:
        """They answer before the container has run, and nobody takes another one's by saying it."""
        router = await self.started()
        self.add("ws-u1", self.inside[0])
        self.add("ws-u2", self.inside[1])
        await self.until(lambda: self.address("ws-u1") and self.address("ws-u2"), router)
        self.inside[1].ip("addr add 172.24.99.99/16 dev eth0")
        for name in ("ws-u1", "ws-u2"):
            found = await self.asks_name(self.inside[1], f"{name}.webspace")
            self.assertEqual(found, (0, [self.address(name)]))
        self.inside[0].run("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", "/bin/true",
                           "-x", "hostname:ws-u2")  # fmt: skip
        self.assertEqual(await self.asks_name(self.inside[1], "ws-u2.webspace"), (0, [self.address("ws-u2")]))
        self.assertEqual(await self.asks_name(self.inside[1], "router.webspace"), (0, [ROUTER]))
        self.assertEqual((await self.asks_name(self.inside[1], "nobody.webspace"))[0], 3)

    @driven
    async def test_a_renamed_instance_has_its_new_name(self) -> None:
        router = await self.started()
        self.add("old")
        address = await self.until(lambda: self.address("old"), router)
        self.inside[1].ip("addr add 172.24.99.99/16 dev eth0")
        self.lxd.machine.rename("old", "new")
        await self.until(lambda: [each["instance"] for each in router.leases()] == ["new"], router)
        self.assertEqual(await self.asks_name(self.inside[1], "new.webspace"), (0, [address]))
        self.assertEqual((await self.asks_name(self.inside[1], "old.webspace"))[0], 3)

    def serve_names(self, answer: str) -> list[bytes]:
        """Play a server of names outside, which answers everything with one address; gives what it was asked."""
        serving = self.outside.socket(socket.AF_INET, socket.SOCK_DGRAM)
        serving.settimeout(None)
        serving.bind((OUTSIDE, 53))
        asked: list[bytes] = []

        def serve() -> None:
            while True:
                try:
                    query, whence = serving.recvfrom(4096)
                except OSError:
                    return
                asked.append(query)
                question = query[12 : query.index(b"\0", 12) + 5]
                record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + ip_address(answer).packed
                serving.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question + record, whence)

        threading.Thread(target=serve, daemon=True).start()
        return asked

    async def outer(self, answer: str, **dns: Any) -> tuple[tuple[int, list[str]], list[bytes]]:
        asked = self.serve_names(answer)
        await self.started(dns={"upstreams": [OUTSIDE], **dns})
        self.inside[1].ip("addr add 172.24.99.99/16 dev eth0")
        found = await self.asks_name(self.inside[1], "attacker.example")
        self.assertEqual((await self.asks_name(self.inside[1], "nobody.webspace"))[0], 3)
        return found, asked

    @driven
    async def test_names_outside_and_never_the_own_zone(self) -> None:
        found, asked = await self.outer("1.2.3.4")
        self.assertEqual(found, (0, ["1.2.3.4"]))
        self.assertTrue(asked)
        self.assertFalse([each for each in asked if dns_query("nobody.webspace")[12:28] in each])

    @driven
    async def test_names_outside_do_not_lead_inside(self) -> None:
        found, asked = await self.outer("10.9.9.9")
        self.assertTrue(asked)
        self.assertEqual(found[1], [])

    @driven
    async def test_without_that_guard_they_do(self) -> None:
        found, _ = await self.outer("10.9.9.9", rebinding=True)
        self.assertEqual(found, (0, ["10.9.9.9"]))


class LifeTests(RouterCase):
    async def with_one(self) -> tuple[Router, str]:
        router = await self.started()
        self.add("ws-u1", self.inside[0])
        address = await self.until(lambda: self.address("ws-u1"), router)
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], address)
        return router, address

    @driven
    async def test_a_kill_loses_nothing_and_leaves_no_dnsmasq(self) -> None:
        router, address = await self.with_one()
        child = router.dnsmasq()
        assert child is not None
        router.end(signal.SIGKILL)
        await self.until(lambda: not is_there(child))
        router.start()
        await self.until(lambda: router.is_ready, router)
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], address)
        self.assertEqual(self.address("ws-u1"), address)

    @driven
    async def test_a_start_without_lxd_serves_what_was_known(self) -> None:
        router, address = await self.with_one()
        router.end()
        await self.lxd.kill()
        router.start()
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], address)
        self.assertFalse(await deferToThread(lambda: router.is_ready))

    @driven
    async def test_dnsmasq_is_started_again(self) -> None:
        router, address = await self.with_one()
        child = router.dnsmasq()
        assert child is not None
        os.kill(child, signal.SIGKILL)
        await self.until(lambda: router.dnsmasq() not in (None, child), router)
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], address)

    @driven
    async def test_dead_servers_of_names_are_no_reason_to_die(self) -> None:
        router = await self.started(dns={"upstreams": [OUTSIDE]})
        self.add("ws-u1", self.inside[0])
        await self.until(router.leases, router)
        self.assertTrue((await self.asks_dhcp(self.inside[0]))[0])
        self.assertEqual((await self.asks_name(self.inside[0], "name.example"))[1], [])
        self.assertTrue(await deferToThread(lambda: router.is_ready))

    @driven
    async def test_the_way_out_and_what_is_refused(self) -> None:
        await self.with_one()
        for port in (25, 443):
            self.outside.listen("0.0.0.0", port)
        self.assertTrue(await deferToThread(self.inside[0].connects, OUTSIDE, 443))
        self.assertFalse(await deferToThread(self.inside[0].connects, OUTSIDE, 25))
        # The plan is for webspaced, and not for containers.
        self.assertFalse(await deferToThread(self.inside[0].connects, ROUTER, PLAN))

    @driven
    async def test_rules_that_somebody_removed_are_put_back(self) -> None:
        router = await self.started()
        before = router.where.run("nft", "-s", "list", "table", "inet", "webspaced_router")
        router.where.run("nft", "delete", "table", "inet", "webspaced_router")
        await self.until(lambda: "webspaced_router" in router.where.run("nft", "list", "tables"), router)
        self.assertEqual(router.where.run("nft", "-s", "list", "table", "inet", "webspaced_router"), before)

    @driven
    async def test_the_logs_are_json(self) -> None:
        router = await self.started(log_format="json")
        lines = [json.loads(line) for line in router.log.read_text().splitlines()]
        self.assertIn("router.serving", [each.get("event") for each in lines])


class RightsTests(RouterCase):
    def limited(self, router: Router, *how: str) -> None:
        """Let a router start with no other rights than these."""
        start = router.where.start

        def started(*arguments: str, **more: Any) -> Any:
            return start("setpriv", *how, *arguments, **more)

        self.patch(router.where, "start", started)

    async def check(self, router: Router) -> None:
        router.start()
        await self.until(lambda: router.is_ready, router)
        self.add("ws-u1", self.inside[0])
        address = await self.until(lambda: self.address("ws-u1"), router)
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], address)
        self.outside.listen("0.0.0.0", 443)
        self.assertTrue(await deferToThread(self.inside[0].connects, OUTSIDE, 443))

    @driven
    async def test_three_capabilities_are_enough_for_who_is_not_root(self) -> None:
        rights = "-all,+net_admin,+net_raw,+net_bind_service"
        user = pwd.getpwnam("nobody")
        if not all(folder.stat().st_mode & 1 for folder in Path(sys.executable).resolve().parents):
            # This Python is where others than root cannot read it.
            rights += ",+dac_read_search"
        router = self.router()
        for path in (self.folder, router.folder, router.config):
            os.chown(path, user.pw_uid, user.pw_gid)
        os.chown(self.lxd.socket, user.pw_uid, user.pw_gid)
        self.limited(
            router, "--reuid=nobody", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs",
            f"--inh-caps={rights}", f"--ambient-caps={rights}", f"--bounding-set={rights}",
        )  # fmt: skip
        await self.check(router)

    @driven
    async def test_root_in_a_container_needs_two_more(self) -> None:
        """As dnsmasq, which is started by root, says again who it is."""
        rights = "-all,+net_admin,+net_raw,+net_bind_service,+setgid,+setpcap"
        router = self.router()
        self.limited(router, "--no-new-privs", f"--inh-caps={rights}", f"--bounding-set={rights}")
        await self.check(router)


class SixTests(RouterCase):
    @driven
    async def test_advertisements_reservations_names_and_the_way_out(self) -> None:
        self.outside.ip("addr add 2600::10/64 dev wan nodad")
        self.homes[0].ip("addr add 2600::1/64 dev wan0 nodad", "route add default via 2600::10")
        self.inside[0].sysctl(ipv6__conf__eth0__accept_ra="1", ipv6__conf__eth0__accept_dad="0")
        router = await self.started(router={"address6": f"{ROUTER6}/64"})
        self.add("ws-u1", self.inside[0])
        await self.until(lambda: len(router.leases()) == 2, router)
        wanted = next(each["address"] for each in router.leases() if ":" in each["address"])
        address = await self.until(lambda: dhcp6.ask(self.inside[0], "eth0", 1), router)
        self.assertEqual(address, wanted)
        self.assertEqual(await self.asks_name(self.inside[0], "ws-u1.webspace", 28, ROUTER6), (0, [wanted]))
        await self.until(lambda: "default via fe80:" in self.inside[0].run("ip", "-6", "route", "show"), router)
        for port in (25, 443):
            self.outside.listen("::", port)
        self.assertTrue(await deferToThread(self.inside[0].connects, "2600::10", 443))
        self.assertFalse(await deferToThread(self.inside[0].connects, "2600::10", 25))

"""Two routers on one LAN: the same plan, one that serves, and another one that takes its place."""

from __future__ import annotations

import signal
import socket
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import yaml
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.python import log
from twisted.web.server import Site

from tests.namespaces import Namespace
from tests.real.test_router import driven
from tests.routers import OUTSIDE, ROUTER, Router, RouterCase
from webspaced.router.announcing import announcement
from webspaced.testing.kube.emulator import KubeEmulator

API = 6443


class Door(Site):
    """Ends what a router that is cut off would leave open."""

    noisy = False

    def __init__(self, api: KubeEmulator) -> None:
        super().__init__(api, timeout=None)
        self.made: list[Any] = []

    def buildProtocol(self, addr: Any) -> Any:
        self.made.append(super().buildProtocol(addr))
        return self.made[-1]

    def slam(self) -> Deferred[None]:
        for each in self.made:
            transport = each._channel.transport
            if transport is not None:
                transport.abortConnection()
        return deferLater(reactor, 0.01)  # type: ignore[arg-type]


class Announced:
    """What a container hears about where the router's address is, in order."""

    def __init__(self, container: Namespace) -> None:
        self._wire = container.packets("eth0")
        self._wire.setblocking(False)
        self.heard: list[bytes] = []

    def count(self, mac: str) -> int:
        try:
            while True:
                self.heard.append(self._wire.recv(2048))
        except BlockingIOError:
            wanted = announcement(bytes.fromhex(mac.replace(":", "")), IPv4Address(ROUTER))
            return self.heard.count(wanted)


class PairCase(RouterCase):
    routers = 2

    async def serving(self, *routers: Router) -> Router:
        """The one of them that serves."""
        found: Router = await self.until(lambda: next((each for each in routers if each.serves), None), *routers)
        return found

    def own(self, router: Router) -> list[str]:
        return router.where.addresses("lan0")


class KubernetesTests(PairCase):
    """By a Lease, in the emulator of Kubernetes' API, which is in the namespace that plays the outside."""

    def setUp(self) -> None:
        super().setUp()
        door = Door(KubeEmulator(reactor))
        self.addCleanup(door.slam)
        listening = self.outside.listen("0.0.0.0", API)
        listening.setblocking(False)
        port = reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, door)  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)

    def pod(self, number: int) -> Router:
        router = self.router(number, leadership={"mode": "kubernetes", "pod": f"router-{number}"})
        document = {
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "c", "cluster": {"server": f"http://{OUTSIDE}:{API}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "webspaces"}}],
        }  # fmt: skip
        (router.folder / "kubeconfig").write_text(yaml.safe_dump(document))
        router.environment["KUBECONFIG"] = str(router.folder / "kubeconfig")
        return router

    async def pair(self) -> tuple[Router, Router, str]:
        """The one that serves, the one that stands by, and the address of a container that has asked."""
        both = self.pod(0), self.pod(1)
        for each in both:
            each.start()
        active = await self.serving(*both)
        standby = both[1 - both.index(active)]
        await self.until(lambda: standby.is_ready and active.is_ready, *both)
        self.add("ws-u1", self.inside[0])
        address = await self.until(lambda: self.address("ws-u1"), *both)
        await self.until(standby.leases, *both)
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], address)
        return active, standby, address

    @driven
    async def test_both_have_the_same_plan_and_one_serves(self) -> None:
        active, standby, address = await self.pair()
        self.assertEqual(active.leases(), standby.leases())
        self.assertEqual((self.own(active), self.own(standby)), ([ROUTER], []))
        self.assertIsNone(standby.dnsmasq())
        self.assertEqual([each["address"] for each in standby.leases()], [address])

    @driven
    async def test_the_other_one_takes_over_after_a_kill(self) -> None:
        active, standby, address = await self.pair()
        announced = Announced(self.inside[0])
        began = time.monotonic()
        active.end(signal.SIGKILL)
        # Its pod goes with it, and so does its interface.
        active.where.ip("link set lan0 down")
        await self.until(lambda: standby.serves, standby)
        self.report("kill", began)
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], address)
        mac = standby.where.mac("lan0")
        await self.until(lambda: announced.count(mac) == 3, standby)
        self.outside.listen("0.0.0.0", 443)
        self.assertTrue(await deferToThread(self.inside[0].connects, OUTSIDE, 443))

    @driven
    async def test_an_orderly_end_hands_over(self) -> None:
        active, standby, address = await self.pair()
        began = time.monotonic()
        await deferToThread(active.end)
        self.assertEqual(self.own(active), [])
        await self.until(lambda: standby.serves, standby)
        self.report("orderly end", began)
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], address)

    @driven
    async def test_one_that_cannot_renew_is_silent_before_the_other_one_serves(self) -> None:
        active, standby, _ = await self.pair()
        child = active.dnsmasq()
        active.where.ip("link set wan0 down")
        seen: list[tuple[bool, bool]] = []

        def both() -> bool:
            seen.append((Path(f"/proc/{child}").exists() and bool(self.own(active)), standby.serves))
            return seen[-1][1]

        await self.until(both, active, standby)
        self.assertNotIn((True, True), seen)
        self.assertEqual(self.own(active), [])

    def report(self, what: str, began: float) -> None:
        """Add to the test's log how long a takeover took: a figure, and no verdict."""
        log.msg(f"takeover after {what}: {time.monotonic() - began:.3f} s")


class KeepalivedTests(PairCase):
    """The address is moved by somebody else, as keepalived does it."""

    @driven
    async def test_whoever_has_the_address_serves(self) -> None:
        both = [self.router(number, leadership={"mode": "keepalived"}) for number in (0, 1)]
        for each in both:
            each.start()
        await self.until(lambda: all(each.is_ready for each in both), *both)
        self.assertEqual([each.serves for each in both], [False, False])
        both[0].where.ip(f"addr add {ROUTER}/16 dev lan0")
        await self.until(lambda: both[0].serves, *both)
        self.add("ws-u1", self.inside[0])
        address = await self.until(lambda: self.address("ws-u1"), *both)
        await self.until(both[1].leases, *both)
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], address)
        both[0].where.ip(f"addr del {ROUTER}/16 dev lan0")
        both[1].where.ip(f"addr add {ROUTER}/16 dev lan0")
        await self.until(lambda: both[1].serves and not both[0].serves, *both)
        self.assertEqual((await self.asks_dhcp(self.inside[0]))[0][0], address)
        self.assertEqual(self.own(both[1]), [ROUTER])

"""The router as it runs: real dnsmasq and nftables, real clients, in network namespaces."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests.routers import OUTSIDE, PLAN, ROUTER, RouterCase
from webspaced.core.ownership import Lease
from webspaced.leases import LeaseUrl


def driven(test: Any) -> Any:
    """Run a coroutine as a test."""

    def run(self: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(test(self))

    run.__doc__ = test.__doc__
    return run


class AddressTests(RouterCase):
    @driven
    async def test_an_instance_gets_its_address_at_once_and_for_good(self) -> None:
        router = await self.started()
        self.add("ws-u1", self.inside[0])
        address = await self.until(lambda: self.address("ws-u1"), router)
        self.assertEqual([each["address"] for each in router.leases()], [address])
        told, seconds = await self.asks_dhcp(self.inside[0])
        self.assertEqual(told, [address, ROUTER, ROUTER, "webspace"])
        # dnsmasq's own search for whether an address is free takes three seconds.
        self.assertLess(seconds, 2.5)
        again, _ = await self.asks_dhcp(self.inside[0])
        self.assertEqual(again[0], address)

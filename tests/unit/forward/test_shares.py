"""Whoever takes all places that forwards have keeps no website asleep, and no other forward closed: in the whole daemon."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.internet.protocol import ClientFactory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from tests.simulation import deployment
from tests.simulation.deployment import Deployment, default_host
from webspaced.lib.places import Places


class SharesTests(SynchronousTestCase):
    def setUp(self) -> None:
        with mock.patch.object(deployment, "Places", lambda *_: Places(20, 10)):
            self.d = Deployment()
            self.addCleanup(self.d.close)
            self.d.start()
        self.d.pass_time(5)
        for uid in (1, 2, 3):
            self.ask(uid, "POST", "", {"image": "fast"})
            self.ask(uid, "POST", f"/ports/4000{uid}/7")
        for uid in (1, 2):
            self.ask(uid, "POST", "/state")

    def ask(self, *arguments: Any) -> Any:
        exchange = self.d.ask(*arguments)
        self.d.pass_time(8)
        return exchange

    def idle(self, uid: int, number: int) -> None:
        factory = ClientFactory.forProtocol(Protocol)
        factory.noisy = False
        for _ in range(number):
            self.d.reactor.connectTCP("127.0.0.1", 40000 + uid, factory)
        self.d.pass_time(5)

    @property
    def seats(self) -> Places:
        assert self.d.daemon is not None
        found: Places = self.d.daemon._parts.listeners._means.seats
        return found

    def web(self, uid: int) -> int:
        visit = self.d.visit(default_host(uid), self.d.views()[0])
        self.d.pass_time(20)
        assert visit is not None
        return int(visit.status or 0)

    def test_a_website_is_woken_while_forwards_are_full(self) -> None:
        for uid in (1, 2):
            self.idle(uid, 10)
        self.assertEqual(self.seats.held, 20)
        self.assertEqual(self.web(3), 200)
        self.assertEqual(self.seats.held, 20)

    def test_a_forward_of_somebody_else_gets_its_place_from_the_fullest(self) -> None:
        for uid in (1, 2):
            self.idle(uid, 10)
        self.idle(3, 1)
        self.d.pass_time(20)
        self.assertEqual((self.seats.held, self.seats._webspaces[3]), (20, 1))

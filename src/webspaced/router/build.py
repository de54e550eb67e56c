"""The router's objects, each handed what it works with, and in which order they start."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import Site

from webspaced.base.figures import page_of
from webspaced.base.listener import Listener
from webspaced.base.site import answered, operators_site
from webspaced.core.instance import IPAddress
from webspaced.errors import WebspacedError
from webspaced.kube.access import find_access
from webspaced.kube.agent import Connections
from webspaced.kube.client import KubeClient
from webspaced.kube.lease import KubeLease
from webspaced.leadership.struggle import Leadership
from webspaced.lib.clocks import time_with_sleep
from webspaced.lib.files import make_private_directory
from webspaced.lib.periodic import Periodic
from webspaced.router import instances, parts
from webspaced.router.address_log import AddressLog
from webspaced.router.duty import Duty
from webspaced.router.firewall import Firewall
from webspaced.router.keeper import FULL_PASS, Keeper
from webspaced.router.link import Link, is_ours
from webspaced.router.metrics import CATALOGUE, Figures
from webspaced.router.plan import Plan
from webspaced.router.programs import find
from webspaced.router.records import Given, leases
from webspaced.router.rules import ruleset
from webspaced.router.server import Dnsmasq
from webspaced.router.settings import Settings
from webspaced.router.standing import Alone, ByAddress, ByLease, Choice

RETRY = 5.0
TICK = 60.0
"""Seconds between looks at what only time changes: what rested, and the day of the log."""


def build(reactor: Any, settings: Settings) -> Sequence[IService]:
    """Give the services in the order in which they start.

    :raises WebspacedError: a program is missing, LXD's socket is not there, or no Kubernetes is found where one is needed.
    """
    make_private_directory(settings.data_dir)
    router = _Objects(reactor, settings)
    services: list[IService] = [
        operators_site(
            reactor, settings.operators_address, router.trouble, page_of(CATALOGUE, router.figures.read)
        ),
        *((router.plan_site(),) if settings.router.plan_address is not None else ()),
        router.server, router.keeper, router.choice, router.firewall, router.events(),
        _Opening(reactor, RETRY, "opening the router", lambda: Deferred.fromCoroutine(router.open())),
        Periodic(reactor, FULL_PASS, "looking at all instances", router.keeper.connected),
        Periodic(reactor, TICK, "looking at what only time changes", router.tick),
    ]  # fmt: skip
    return services


class _Objects:
    """All of them. What each is for is said where it is made."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self.reactor, self.settings = reactor, settings
        self.lan = parts.lan_of(settings)
        names, offer, folders = parts.names_of(settings), parts.offer_of(settings), parts.folders_of(settings)
        self.link = Link(reactor, find("ip", "iproute2"), self.lan)
        self.firewall = Firewall(reactor, find("nft", "nftables"), ruleset(self.lan, parts.limits_of(settings)))
        self.server = Dnsmasq(reactor, find("dnsmasq", "dnsmasq-base"), self.lan, names, offer, folders, self.given)
        lxd, self._events = instances.connect(reactor, settings.lxd)
        self.keeper = Keeper(reactor, lxd, self.lan, names, offer, folders, self.forget)
        self.addresses = AddressLog(reactor, settings.data_dir / "addresses", settings.router.address_log, time.time)
        mode = settings.leadership.mode
        self.duty = Duty(
            reactor, self.keeper, self.server, self.link, self.addresses, moves=mode != "keepalived", keeps=mode == "alone"
        )
        self.figures = Figures(self.keeper, self.server, self.firewall, self.duty)
        self.choice = self._choice()
        self.keeper.told.append(self.addresses.changed)
        self.is_open, self.closed_because = False, "the rules are not loaded yet"

    def _choice(self) -> Choice:
        mode = self.settings.leadership.mode
        if mode == "keepalived":
            return ByAddress(self.reactor, self.duty, lambda: is_ours(self.lan))
        if mode == "kubernetes":
            return ByLease(self.duty, self._leadership())
        return Alone(self.duty)

    def _leadership(self) -> Any:
        access, leadership = find_access(self.reactor), self.settings.leadership
        client = KubeClient(Connections(self.reactor, access).agent, self.reactor, access)
        times, name = parts.times_of(self.settings), leadership.pod or socket.gethostname()
        lease = KubeLease(client, access.namespace, leadership.name, times.duration, time.time)
        return lambda: Leadership(self.reactor, lease, name, times, now=time_with_sleep(self.reactor))

    def events(self) -> IService:
        """Give what hears of changes in LXD."""
        return self._events(self._connected, self.keeper.happened)

    def _connected(self) -> Deferred[None]:
        return self.keeper.connected().addCallback(lambda _: self._prepare())

    def _prepare(self) -> None:
        """Serve, or stand by, once it is known what to answer, and what to refuse."""
        if self.is_open and self.keeper.is_usable:
            self.choice.prepared()

    async def open(self) -> None:
        """Load the rules, and then have packets passed on: nothing is without them. Once is enough."""
        if self.is_open:
            return
        try:
            await self.firewall.load()
            if self.settings.router.forwarding:
                self.link.forward()
        except WebspacedError as error:
            self.closed_because = str(error)
            raise
        self.is_open = True
        self._prepare()

    def given(self, given: Given) -> None:
        """Take dnsmasq's word."""
        self.figures.count(given)
        self.addresses.given(given)

    def forget(self, addresses: frozenset[IPAddress]) -> None:
        """Have dnsmasq forget."""
        self.server.forget(addresses)

    def tick(self) -> None:
        """Do what is due."""
        self.keeper.forget_rested()
        self.addresses.tick()

    def trouble(self) -> str | None:
        """Say why the router is not ready. A server of names outside is none of the reasons."""
        if not self.keeper.is_known:
            return "LXD was not heard yet"
        if not self.is_open:
            return self.closed_because
        if not self.firewall.is_loaded:
            return "the rules are not loaded"
        if self.duty.is_wanted and (not self.duty.is_serving or not self.server.answers):
            return "dnsmasq does not answer"
        return None

    def plan_site(self) -> Listener:
        """Give where webspaced reads the plan."""
        assert self.settings.router.plan_address is not None  # noqa: S101  (asked for where there is one)
        site = _PlanSite(_plan_pages(self.keeper), reactor=self.reactor)
        site.displayTracebacks = False
        return Listener(self.reactor, self.settings.router.plan_address, site, "the plan of addresses")


class _Opening(Periodic):
    """Opens the router: at once, and again while that fails."""

    def startService(self) -> None:
        super().startService()
        self._once()


class _PlanSite(Site):
    """Logs no requests: webspaced asks often."""

    def log(self, request: Any) -> None:
        """Say nothing."""


class _Leases(Resource):
    isLeaf = True

    def __init__(self, keeper: Keeper) -> None:
        super().__init__()
        self._keeper = keeper
        self._of, self._text = Plan(), b"[]"

    def render_GET(self, request: Any) -> bytes:
        """Give the list; while LXD was not heard there is none, which is not the same as an empty one."""
        if not self._keeper.is_known:
            return answered(request, 503, b"text/plain", b"LXD was not heard yet\n")
        if self._of is not self._keeper.plan:
            # Whoever asks asks often, and the plan changes seldom.
            self._of = self._keeper.plan
            self._text = json.dumps(leases(self._of.reservations)).encode()
        return answered(request, 200, b"application/json", self._text)


def _plan_pages(keeper: Keeper) -> Resource:
    root = Resource()
    root.putChild(b"leases", _Leases(keeper))
    return root

"""The settings of the router."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from webspaced.router.guards import LXD_PORTS
from webspaced.router.lan import Span
from webspaced.settings import Address, LxdTls, Schema
from webspaced.settings.declared import Check, Computed, Values
from webspaced.settings.fields import SECTION, required, section, setting
from webspaced.settings.kinds import (
    DOMAIN,
    FLAG,
    IP,
    LXD_URL,
    NAME,
    NETWORK,
    OPTIONAL_ADDRESS,
    PATH,
    PORT,
    Kind,
    choice,
    duration,
    integer,
    listing,
    matching,
)
from webspaced.settings.service import ServiceSettings, operators_address
from webspaced.settings.values import IPAddress, IPNetwork

T = TypeVar("T")


def _texts(name: str, parse: Callable[[str], T]) -> Kind[T]:
    """Build the kind of what has a text form."""

    def read(value: object) -> T:
        if not isinstance(value, str):
            raise ValueError("must be text")  # noqa: TRY004 - see Kind
        return parse(value)

    return Kind(name, read, str)


def _interface4(text: str) -> IPv4Interface:
    try:
        found = IPv4Interface(text)
    except ValueError:
        found = None
    if found is None or "/" not in text or found.ip in (found.network.network_address, found.network.broadcast_address):
        raise ValueError("must be an IPv4 address and the length of its network, such as 172.24.254.1/16")
    return found


def _interface6(text: str) -> IPv6Interface:
    try:
        found = IPv6Interface(text)
    except ValueError:
        found = None
    if found is None or found.network.prefixlen != 64:  # noqa: PLR2004
        raise ValueError("must be an IPv6 address and /64, such as fd42::1/64")
    return found


def _upstream(text: str) -> str:
    address, _, port = text.partition("#")
    try:
        IP.parse(address)
        if port:
            PORT.parse(port)
    except ValueError:
        raise ValueError("must be an IP address, or one and a port such as 10.0.0.9#5353") from None
    return text


INTERFACE4 = _texts("IPv4 address/length", _interface4)
INTERFACE6 = _texts("IPv6 address/64", _interface6)
SPAN = _texts("first-last", Span.parse)
UPSTREAM = _texts("address[#port]", _upstream)
INTERFACE = matching("name", r"[A-Za-z0-9_.-]{1,15}", "the name of a network interface")
PORTS = matching("name", r"[A-Za-z0-9_.-]{1,15}\*?", "the name of a network interface, or its beginning and *")
OPTION = matching("text", r"[ -~]{1,200}", "one option of DHCP as dnsmasq has it, such as option:ntp-server,10.0.0.9")


@attrs.frozen(kw_only=True)
class Router:
    """The router's own end of the containers' network."""

    interface: str = required(
        INTERFACE, "The network interface on the containers' network; it may come later than the router.", example="lan0"
    )
    address: IPv4Interface = required(
        INTERFACE4,
        "The router's address there, and the length of the network. Containers have it as their way out and for names."
        " Of two routers the one that serves has it.",
        example=IPv4Interface("172.24.254.1/16"),
    )
    address6: IPv6Interface | None = setting(
        INTERFACE6,
        "The same of IPv6. A private prefix (`fd…`) is translated on its way out, one of the Internet's is routed.",
        default=None,
        example=IPv6Interface("fd42::1/64"),
    )
    infrastructure: tuple[IPAddress, ...] = setting(
        listing(IP),
        "Addresses of others on that network that are no containers: Traefik, webspaced, LXD's members, the routers' own"
        " second ones. No container gets or uses one, and none can ask them for anything.",
        default=(),
        example=(IPv4Address("172.24.254.2"), IPv4Address("172.24.0.254")),
    )
    plan_address: Address | None = setting(
        OPTIONAL_ADDRESS,
        "Where webspaced reads who has which address (`/leases`, for `webspaces.leases`). It tells nothing secret."
        " Containers cannot reach it.",
        default=Address("127.0.0.1", 9097),
    )
    forwarding: bool = setting(
        FLAG,
        "Have the kernel pass packets on. Without, somebody else does that, and the router is not ready before.",
        default=True,
    )
    address_log: int = setting(
        integer(0, 3660),
        "How long the log of who had which address is kept in `data_dir`. 0 writes none.",
        default=90,
        unit="days",
    )


@attrs.frozen(kw_only=True)
class Lxd:
    """Where LXD (or Incus) is, and which of its instances are on the network."""

    url: str = setting(
        LXD_URL, "`unix:///path/to/socket` or `https://host[:port]`; empty searches the local sockets.", default=""
    )
    projects: tuple[str, ...] = setting(
        listing(NAME),
        "The projects whose instances get addresses. Those of the first one stand in `dns.domain` directly, those of others"
        " below the project's name.",
        default=("default",),
    )
    network: str = required(
        INTERFACE,
        "The bridge or network that containers' NICs name as their `parent` or `network`. Others are strangers.",
        example="lxdbr0",
    )
    tls: LxdTls = section(LxdTls)


@attrs.frozen(kw_only=True)
class Dhcp:
    """Which addresses are given, and what comes with them."""

    plan: Span = setting(
        SPAN,
        "Where each instance gets an address of its own, once, for as long as it exists.",
        default=Span.parse("172.24.1.1-172.24.253.254"),
        computed="all of the network",
        example=Span.parse("172.24.1.1-172.24.253.254"),
    )
    strangers: Span | None = setting(
        SPAN,
        "Where hardware addresses that no instance has get theirs, for a time. None: they get no answer.",
        default=None,
        example=Span.parse("172.24.250.1-172.24.250.254"),
    )
    lease: float = setting(
        duration(120.0),
        "How long a given address counts until it is asked for again. One that an instance gave up rests as long.",
        default=7200.0,
        unit="seconds",
    )
    mtu: int = setting(
        integer(0, 65535), "The largest packet that containers are told; 0 tells none.", default=0, unit="bytes"
    )
    options: tuple[str, ...] = setting(
        listing(OPTION),
        "Further options of DHCP, as dnsmasq's `dhcp-option` has them.",
        default=(),
        example=("option:ntp-server,172.24.254.9",),
    )


@attrs.frozen(kw_only=True)
class Dns:
    """Names."""

    domain: str = setting(
        DOMAIN,
        "The zone in which each instance has its name, whether it runs or not. It is never asked of other servers.",
        default="webspace",
    )
    port: int = setting(integer(0, 65535), "Where names are answered; 0: nowhere, and DHCP tells no server.", default=53)
    upstreams: tuple[str, ...] = setting(listing(UPSTREAM), "Servers for all other names.", default=("1.1.1.1", "8.8.8.8"))
    rebinding: bool = setting(
        FLAG,
        "Let names from outside lead to private addresses, which makes a browser or a server ask somebody inside.",
        default=False,
    )


@attrs.frozen(kw_only=True)
class Guards:
    """What containers may not do, and how much they may. LXD's members need it, too: `webspaced-router guards`."""

    apart: bool = setting(FLAG, "Keep containers from each other.", default=True)
    connections: int = setting(
        integer(0, 1_000_000),
        "How many connections to outside one container may have at a time; 0: any number.",
        default=4096,
    )
    bandwidth: int = setting(
        integer(0, 100_000_000_000),
        "How much one container may send to outside, and receive, within a second; 0: any amount.",
        default=0,
        unit="bytes",
    )
    refused_ports: tuple[int, ...] = setting(
        listing(PORT), "TCP ports outside that containers do not reach. 25 is how mail is sent to strangers.", default=(25,)
    )
    refused: tuple[IPNetwork, ...] = setting(
        listing(NETWORK),
        "Networks that containers do not reach, besides all private ones.",
        default=(),
        example=(IPv4Network("203.0.113.0/24"),),
    )
    allowed: tuple[IPNetwork, ...] = setting(
        listing(NETWORK),
        "Private networks that they reach all the same.",
        default=(),
        example=(IPv4Network("10.1.2.0/24"),),
    )
    ports: tuple[str, ...] = setting(
        listing(PORTS),
        "How LXD's members call their ends of containers' interfaces; `*` stands for any ending.",
        default=LXD_PORTS,
    )


@attrs.frozen(kw_only=True)
class Leadership:
    """Of several routers one serves."""

    mode: str = setting(
        choice("alone", "kubernetes", "keepalived"),
        "This one is the only one; or it is chosen by a Lease of Kubernetes; or by keepalived, which moves the address.",
        default="alone",
    )
    name: str = setting(NAME, "The name of the Lease, in the namespace of the router's pods.", default="webspaced-router")
    pod: str | None = setting(
        NAME, "The name of this router's pod.", default=None, computed="the machine's name, which in a pod is the pod's"
    )
    takeover: float = setting(
        duration(1.0),
        "How long after the last sign of life of a router another one takes over. The Lease is renewed five times as often.",
        default=2.5,
        unit="seconds",
    )


@attrs.frozen(kw_only=True)
class Settings(ServiceSettings):
    """The settings of webspaced-router."""

    operators_address: Address = operators_address(9096)
    data_dir: Path = setting(
        PATH,
        "Holds dnsmasq's files, which can be lost, and the log of addresses.",
        default=Path("/var/lib/webspaced-router"),
    )
    router: Router = attrs.field(metadata={SECTION: Router})
    lxd: Lxd = attrs.field(metadata={SECTION: Lxd})
    dhcp: Dhcp = section(Dhcp)
    dns: Dns = section(Dns)
    guards: Guards = section(Guards)
    leadership: Leadership = section(Leadership)


def _plan(values: Values) -> Span:
    network = values["router.address"].network
    return Span(network.network_address + 1, network.broadcast_address - 1)


def _inside(key: str, values: Values) -> str | None:
    span, network = values[key], values["router.address"].network
    if span is None or (span.first in network and span.last in network):
        return None
    return f"must lie in {network}, the network of router.address"


def _room(values: Values) -> str | None:
    span, strangers = values["dhcp.plan"], values["dhcp.strangers"]
    if strangers is not None and strangers.first <= span.first and span.last <= strangers.last:
        return "leaves instances no address: dhcp.strangers has them all"
    return None


def _strangers_apart(values: Values) -> str | None:
    strangers: Span | None = values["dhcp.strangers"]
    others: tuple[Any, ...] = (values["router.address"].ip, *values["router.infrastructure"])
    taken = [each for each in others if each.version == 4 and strangers is not None and each in strangers]  # noqa: PLR2004
    return f"must not have {taken[0]}, which is the platform's" if taken else None


SCHEMA: Final = Schema(
    Settings,
    name="webspaced-router",
    prefix="WSR_",
    computed=(Computed("dhcp.plan", ("router.address",), _plan),),
    checks=(
        Check(("dhcp.plan", "router.address"), lambda values: _inside("dhcp.plan", values)),
        Check(("dhcp.strangers", "router.address"), lambda values: _inside("dhcp.strangers", values)),
        Check(("dhcp.plan", "dhcp.strangers"), _room),
        Check(("dhcp.strangers", "router.address", "router.infrastructure"), _strangers_apart),
    ),
)

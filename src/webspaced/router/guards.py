"""The guards that LXD's members load into their own bridge: one table of the family ``bridge``, replaced as a whole.

They judge what comes from containers' ports before any bridge or address of the platform sees it. They keep no state and
look at names of ports only, as ``meta ibrname`` and connection tracking on bridges are not in every kernel. Addresses are
bound to hardware addresses; ``security.mac_filtering`` of LXD binds those to ports.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from attrs import frozen

from webspaced.core.instance import IPAddress
from webspaced.router.lan import Lan
from webspaced.router.plan import Reservation
from webspaced.router.rules import address_set, chain_of, replacing

TABLE = "webspaced_guards"
LXD_PORTS = ("veth*", "tap*")
"""What LXD calls its ends of containers' and virtual machines' interfaces."""


@frozen(kw_only=True)
class Guarding:
    """How containers are guarded.

    - ``ports``: names of the bridge's ports that lead to containers, ``*`` at their end for any ending;
    - ``apart``: whether containers are kept from each other;
    - ``bound``: who has which address, so that nobody else can; ``None`` binds none.
    """

    ports: Sequence[str] = LXD_PORTS
    apart: bool = True
    bound: Sequence[Reservation] | None = None


def guards(lan: Lan, guarding: Guarding) -> str:
    """Give the members' table as an input for ``nft -f``."""
    parts = (
        _sets(lan, guarding),
        (chain_of("from_container", *_from_container(lan, guarding)),),
        (_hook("prerouting", "iifname", "from_container", guarding.ports),),
        _apart(lan, guarding) if guarding.apart else (),
    )
    return replacing(f"bridge {TABLE}", list(chain.from_iterable(parts)))


def _apart(lan: Lan, guarding: Guarding) -> Iterator[str]:
    """Give what keeps containers from each other: on one member by their ports, across members by what packets say."""
    yield chain_of("between_containers", *(_drop(f'oifname "{port}"') for port in guarding.ports))
    yield _hook("forward", "iifname", "between_containers", guarding.ports)
    yield chain_of("to_container", *_to_container(lan, guarding))
    yield _hook("postrouting", "oifname", "to_container", guarding.ports)


def _hook(hook: str, which: str, target: str, ports: Sequence[str]) -> str:
    jumps = (f'{which} "{port}" jump {target}' for port in ports)
    return chain_of(hook, f"type filter hook {hook} priority -300; policy accept;", *jumps)


def _sets(lan: Lan, guarding: Guarding) -> Iterator[str]:
    platform: tuple[IPAddress, ...] = (*lan.routers, *lan.infrastructure)
    yield address_set("platform", 4, platform)
    yield address_set("platform6", 6, platform)
    if guarding.bound is not None:
        pairs = [f"{each.mac} . {each.address}" for each in guarding.bound]
        pairs6 = [f"{each.mac} . {each.address6}" for each in guarding.bound if each.address6 is not None]
        raw6 = [f"{each.mac} . 0x{int(each.address6):032x}" for each in guarding.bound if each.address6 is not None]
        yield _pairs("owned", "type ether_addr . ipv4_addr", pairs)
        yield _pairs("owned6", "type ether_addr . ipv6_addr", pairs6)
        yield _pairs("advertised6", f"typeof ether saddr . {_ADVERTISED}", raw6)
        yield _pairs("containers", "type ether_addr", [each.mac for each in guarding.bound])


_ADVERTISED = "@th,64,128"
"""Whose address an advertisement of a neighbour tells (RFC 4861, 4.4); ``icmpv6 taddr`` came with nft 1.0.9."""


def _pairs(name: str, kind: str, pairs: Sequence[str]) -> str:
    elements = f"\n    elements = {{ {', '.join(pairs)} }}" if pairs else ""
    return f"  set {name} {{\n    {kind}{elements}\n  }}"


def _drop(condition: str) -> str:
    return f"{condition} counter drop"


def _from_container(lan: Lan, guarding: Guarding) -> Iterator[str]:
    yield _drop("ether type != { ip, ip6, arp }")
    # A container is no DHCP server, and no router.
    yield from map(_drop, ("udp sport { 67, 547 }", "icmp type redirect", "icmpv6 type { nd-router-advert, nd-redirect }"))
    yield from map(_drop, ("arp saddr ip @platform", "ip saddr @platform", "ip6 saddr @platform6"))
    # An advertisement names its address within, whoever sends it (RFC 4861, 4.4).
    targets = sorted(each for each in {*lan.routers, *lan.infrastructure} if each.version == 6)  # noqa: PLR2004
    yield from (_drop(f"icmpv6 type nd-neighbor-advert {_ADVERTISED} 0x{int(each):032x}") for each in targets)
    if guarding.bound is not None:
        yield from _owned(lan)
    yield from _to_platform(lan)


def _owned(lan: Lan) -> Iterator[str]:
    """Give that each has its own address only: 0.0.0.0 and :: are probes, link-local ones follow from themselves."""
    yield _drop("arp saddr ip != 0.0.0.0 ether saddr . arp saddr ip != @owned")
    yield _drop("ip saddr != 0.0.0.0 ether saddr . ip saddr != @owned")
    other = f"@th,64,16 != 0xfe80 ether saddr . {_ADVERTISED} != @advertised6"
    yield _drop(f"icmpv6 type nd-neighbor-advert {other}")
    if lan.network6 is None:
        yield _drop("ip6 saddr != { ::, fe80::/10 }")
    else:
        yield _drop("ip6 saddr != { ::, fe80::/10 } ether saddr . ip6 saddr != @owned6")


def _to_platform(lan: Lan) -> Iterator[str]:
    """Give what containers may ask of the platform's addresses: of the router addresses and names, of others nothing."""
    yield _drop("ip daddr 169.254.0.0/16")
    routers = str(lan.router.ip)
    yield f"ip daddr {routers} udp dport {{ 53, 67 }} accept"
    yield f"ip daddr {routers} tcp dport 53 accept"
    yield f"ip daddr {routers} icmp type echo-request accept"
    if lan.router6 is not None:
        yield f"ip6 daddr {lan.router6.ip} udp dport {{ 53, 547 }} accept"
        yield f"ip6 daddr {lan.router6.ip} tcp dport 53 accept"
        yield f"ip6 daddr {lan.router6.ip} meta l4proto ipv6-icmp accept"
        yield "ip6 daddr @platform6 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
        yield _drop("ip6 daddr @platform6 tcp flags & (syn | ack) == syn")
        yield _drop("ip6 daddr @platform6 meta l4proto != { tcp, ipv6-icmp }")
    # What the platform asks of a container is answered: all of TCP but a first packet, and ICMP.
    yield _drop("ip daddr @platform tcp flags & (syn | ack) == syn")
    yield _drop("ip daddr @platform meta l4proto != { tcp, icmp }")


def _to_container(lan: Lan, guarding: Guarding) -> Iterator[str]:
    """Give that only the platform, and what it routes, comes to a container."""
    if guarding.bound is not None:
        yield _drop("ether saddr @containers")
    yield _drop(f"arp saddr ip {lan.network} arp saddr ip != @platform")
    yield _drop(f"ip saddr {lan.network} ip saddr != @platform")
    if lan.network6 is not None:
        yield _drop(f"ip6 saddr {lan.network6} ip6 saddr != @platform6")
    # By link-local addresses only the router comes: as a router, and for DHCP, which containers cannot play.
    yield "ip6 saddr fe80::/10 udp sport 547 return"
    yield f"ip6 saddr fe80::/10 icmpv6 type {{ {', '.join(_OF_A_ROUTER)} }} return"
    yield _drop("ip6 saddr fe80::/10")


_OF_A_ROUTER = ("nd-router-advert", "nd-redirect", "nd-neighbor-solicit", "nd-neighbor-advert", "mld-listener-query")

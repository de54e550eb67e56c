"""The router's firewall: one table of nftables, replaced as a whole in one transaction; nothing of others is touched.

Traffic that has nothing to do with the LAN passes through: whatever else the machine forwards is not ours to judge.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from itertools import chain

from attrs import frozen

from webspaced.core.instance import IPAddress
from webspaced.router.lan import Lan

TABLE = "webspaced_router"
NAT_RANDOM = "fully-random"
PRIVATE = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
            "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
        ),
    )
)  # fmt: skip
"""Not the Internet (RFC 6890); cloud metadata is in 169.254.0.0/16."""
PRIVATE6 = tuple(
    map(IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "fc00::/7", "fe80::/10", "ff00::/8"))
)
"""The same of IPv6, and what leads to IPv4 by a translator (RFC 6052)."""
SILENT = ("spoofed", "redirects", "too_much_traffic")
"""Why a packet is dropped without a word."""
TOLD = ("to_router", "from_outside", "between_members", "to_private", "to_refused_ports", "too_many_connections")
"""Why a packet is refused, which its sender is told, so that it need not wait."""
REASONS = (*SILENT, *TOLD)
"""The names of the table's counters."""


@frozen(kw_only=True)
class Limits:
    """What one container may do, and where none may go.

    - ``connections``: at a time, 0 for no bound; ``bandwidth``: bytes a second in each direction, 0 for no bound;
    - ``ports``: TCP ports outside that are refused; ``refused``, ``allowed``: networks beyond the router, more than the
      private ones, and in spite of them.
    - ``apart``: whether containers are kept from each other.
    """

    connections: int = 4096
    bandwidth: int = 0
    ports: Sequence[int] = (25,)
    refused: Sequence[IPv4Network | IPv6Network] = ()
    allowed: Sequence[IPv4Network | IPv6Network] = ()
    apart: bool = True


def replacing(table: str, body: Sequence[str]) -> str:
    """Give an input for ``nft -f`` that replaces a table, whether it is there or not."""
    return "\n".join((f"table {table}", f"delete table {table}", f"table {table} {{", *body, "}", ""))


def ruleset(lan: Lan, limits: Limits) -> str:
    """Give the router's table as an input for ``nft -f``."""
    parts = (
        _counters(), _sets(lan, limits), _refusals(), _prerouting(lan), _input(lan), _forward(lan, limits), _nat(lan),
    )  # fmt: skip
    return replacing(f"inet {TABLE}", list(chain.from_iterable(parts)))


def _counters() -> Iterator[str]:
    return (f"  counter {reason} {{\n  }}" for reason in REASONS)


def _sets(lan: Lan, limits: Limits) -> Iterator[str]:
    yield address_set("infrastructure", 4, lan.infrastructure)
    yield address_set("infrastructure6", 6, lan.infrastructure)
    yield network_set("outside_refused", "ipv4_addr", [*PRIVATE, *_of(4, limits.refused)])
    yield network_set("outside_refused6", "ipv6_addr", [*PRIVATE6, *_of(6, limits.refused)])
    yield network_set("outside_allowed", "ipv4_addr", _of(4, limits.allowed))
    yield network_set("outside_allowed6", "ipv6_addr", _of(6, limits.allowed))
    for family, kind in (("", "ipv4_addr"), ("6", "ipv6_addr")):
        yield f"  set connections{family} {{\n    type {kind}\n    size 65536\n    flags dynamic\n  }}"
        for way in ("sent", "received"):
            yield (
                f"  set {way}{family} {{\n    type {kind}\n    size 65536\n    flags dynamic,timeout\n    timeout 1m\n  }}"
            )


def address_set(name: str, version: int, addresses: Collection[IPAddress]) -> str:
    """Give a set of single addresses of one family."""
    listed = sorted({each for each in addresses if each.version == version}, key=int)
    return _set(name, f"ipv{version}_addr", [str(each) for each in listed])


def network_set(name: str, kind: str, networks: Collection[IPv4Network | IPv6Network]) -> str:
    """Give a set of networks."""
    return _set(name, kind, [str(each) for each in networks], "flags interval", "auto-merge")


def _set(name: str, kind: str, elements: Sequence[str], *more: str) -> str:
    lines = [f"type {kind}", *more, *([f"elements = {{ {', '.join(elements)} }}"] if elements else [])]
    return "\n".join((f"  set {name} {{", *(f"    {line}" for line in lines), "  }"))


def _of(version: int, networks: Sequence[IPv4Network | IPv6Network]) -> list[IPv4Network | IPv6Network]:
    return [each for each in networks if each.version == version]


def chain_of(name: str, *lines: str) -> str:
    """Give a chain; each statement stands on a line of its own, as nft 1.0.6 wants it before a closing brace."""
    return "\n".join((f"  chain {name} {{", *(f"    {line}" for line in lines), "  }"))


def _drop(reason: str) -> str:
    return f"counter name {reason} drop"


def _refuse(reason: str) -> str:
    return f"goto refuse_{reason}"


def _refusals() -> Iterator[str]:
    """Give the chains that say no: by a reset where there is one, as the kernel sends errors of ICMP sparingly."""
    for reason in TOLD:
        yield chain_of(
            f"refuse_{reason}",
            f"meta l4proto tcp counter name {reason} reject with tcp reset",
            f"counter name {reason} reject with icmpx admin-prohibited",
        )


def _prerouting(lan: Lan) -> Iterator[str]:
    """Give the check of sources, before anything is kept of a packet."""
    lines = [
        "type filter hook prerouting priority raw; policy accept;",
        f'iifname "{lan.interface}" ip saddr != {{ 0.0.0.0, {lan.network} }} {_drop("spoofed")}',
        f'iifname "{lan.interface}" icmp type redirect {_drop("redirects")}',
        f'iifname "{lan.interface}" icmpv6 type {{ nd-router-advert, nd-redirect }} {_drop("redirects")}',
        f'iifname != {{ "lo", "{lan.interface}" }} ip saddr {lan.network} {_drop("spoofed")}',
    ]
    if lan.network6 is not None:
        own = f"{{ ::, fe80::/10, {lan.network6} }}"
        lines += [
            f'iifname "{lan.interface}" ip6 saddr != {own} {_drop("spoofed")}',
            f'iifname != {{ "lo", "{lan.interface}" }} ip6 saddr {lan.network6} {_drop("spoofed")}',
        ]
    yield chain_of("prerouting", *lines)


def _input(lan: Lan) -> Iterator[str]:
    """Give what the LAN may ask of the router itself: addresses, names, and whether it is there."""
    yield chain_of(
        "input",
        "type filter hook input priority filter; policy accept;",
        f'iifname != "{lan.interface}" return',
        "ct state established,related accept",
        "ip saddr @infrastructure accept",
        "ip6 saddr @infrastructure6 accept",
        "udp dport { 53, 67, 547 } accept",
        "tcp dport 53 accept",
        "icmp type echo-request accept",
        "icmpv6 type { echo-request, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept",
        # VRRP (RFC 5798) comes from another router, not from a container: its address is of the infrastructure.
        "ip daddr 224.0.0.0/4 drop",
        "ip6 daddr ff00::/8 drop",
        _refuse("to_router"),
    )


def _forward(lan: Lan, limits: Limits) -> Iterator[str]:
    yield chain_of("outward", *_outward(lan, limits))
    yield chain_of("inward", *_inward(limits))
    yield chain_of(
        "forward",
        "type filter hook forward priority filter; policy accept;",
        f'iifname "{lan.interface}" jump outward',
        f'iifname != "{lan.interface}" oifname "{lan.interface}" jump inward',
    )


def _outward(lan: Lan, limits: Limits) -> Iterator[str]:
    yield from ("ip saddr @infrastructure return", "ip6 saddr @infrastructure6 return")
    yield from _bound(limits, "sent", "saddr")
    yield from ("ct state established,related return", "ct state invalid drop")
    between = _refuse("between_members") if limits.apart else "return"
    # Who asks the router to pass a packet back into the LAN goes around what bridges keep apart.
    yield f'oifname "{lan.interface}" {between}'
    private = _refuse("to_private")
    yield f"ip daddr != @outside_allowed ip daddr @outside_refused {private}"
    yield f"ip6 daddr != @outside_allowed6 ip6 daddr @outside_refused6 {private}"
    if lan.network6 is not None:
        yield f"ip6 saddr != {lan.network6} {_drop('spoofed')}"
    if limits.ports:
        ports = ", ".join(str(port) for port in limits.ports)
        yield f"tcp dport {{ {ports} }} {_refuse('to_refused_ports')}"
    if limits.connections:
        refusal = _refuse("too_many_connections")
        yield f"ct state new add @connections {{ ip saddr ct count over {limits.connections} }} {refusal}"
        yield f"ct state new add @connections6 {{ ip6 saddr ct count over {limits.connections} }} {refusal}"


def _inward(limits: Limits) -> Iterator[str]:
    yield from ("ip daddr @infrastructure return", "ip6 daddr @infrastructure6 return")
    yield from _bound(limits, "received", "daddr")
    yield "ct state established,related return"
    yield _refuse("from_outside")


def _bound(limits: Limits, way: str, whose: str) -> Iterator[str]:
    if limits.bandwidth:
        # A second's worth may come at once, to which a burst would be added (nft_limit.c): TCP needs no more to settle.
        rate = f"limit rate over {limits.bandwidth} bytes/second"
        for family, version in (("", "ip"), ("6", "ip6")):
            yield f"update @{way}{family} {{ {version} {whose} {rate} }} {_drop('too_much_traffic')}"


def _nat(lan: Lan) -> Iterator[str]:
    lines = [
        "type nat hook postrouting priority srcnat; policy accept;",
        f'oifname != {{ "lo", "{lan.interface}" }} ip saddr {lan.network} masquerade {NAT_RANDOM}',
    ]
    if lan.network6 is not None and lan.network6.is_private:
        # A prefix of the Internet's is routed here, and needs no translation.
        lines.append(f'oifname != {{ "lo", "{lan.interface}" }} ip6 saddr {lan.network6} masquerade {NAT_RANDOM}')
    yield chain_of("postrouting", *lines)

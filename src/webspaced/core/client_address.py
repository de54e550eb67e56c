"""Whose address a request comes from, behind reverse proxies or not, and what counts as one client."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
SITE_PREFIX = 64
"""Bits: an IPv6 client has at least so large a network (RFC 6177), and any address in it."""

MOST_PROXIES = 16
"""More are not one behind the other, and looking at each is work."""


def parse_address(text: str) -> IPAddress | None:
    """Give an address as peers and proxies write it: with or without port, brackets or zone; ``None`` if it is none."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    # A socket for both versions shows IPv4 clients so.
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def is_in(address: IPAddress, networks: Iterable[IPNetwork]) -> bool:
    """Whether an address is in one of the networks; those of the other version do not count."""
    return any(address in network for network in networks)


def client_address(peer: IPAddress, forwarded_for: Sequence[str], trusted: Sequence[IPNetwork]) -> IPAddress:
    """Give the client's address.

    Each proxy adds, at the right, whom it was asked by. So the values count from the right, as long as the one who wrote
    them is trusted; what the first who is not trusted wrote may be anything.

    :param forwarded_for: the values of all X-Forwarded-For headers, in order.
    """
    client = peer
    for entry in reversed(",".join(forwarded_for).rsplit(",", MOST_PROXIES)):
        if not is_in(client, trusted):
            break
        named = parse_address(entry)
        if named is None:
            break
        client = named
    return client


def counted_as(address: IPAddress) -> str:
    """Give the name under which a client is counted: IPv4 by its address, IPv6 by its network."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, SITE_PREFIX), strict=False))

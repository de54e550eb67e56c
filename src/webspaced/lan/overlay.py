"""What is wanted of the overlay's device, and what that means in numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TypeAlias

from attrs import frozen

IPAddress: TypeAlias = IPv4Address | IPv6Address
IPInterface: TypeAlias = IPv4Interface | IPv6Interface

OVERHEAD = {4: 50, 6: 70}
"""Bytes that VXLAN takes of each packet, by the version of IP below it (RFC 7348, section 4.3)."""
LEAST_MTU = {4: 68, 6: 1280}
"""Bytes (RFC 791, RFC 8200)."""


@frozen(kw_only=True)
class Overlay:
    """One VXLAN.

    ``local``: the address of this end, on the network below. ``mtu``: bytes; ``None`` follows from the network below.
    ``bridge``: the bridge that the device is a port of. ``addresses``: those of the LAN, on the bridge or the device itself.
    """

    interface: str
    vni: int
    port: int
    local: IPAddress
    mtu: int | None = None
    bridge: str | None = None
    addresses: tuple[IPInterface, ...] = ()

    @property
    def hardware_address(self) -> str:
        """The device's: the same at each start, so that what others have learnt stays right."""
        return hardware_address(str(self.addresses[0].ip) if self.addresses else str(self.local))


def hardware_address(text: str) -> str:
    """Give a locally administered unicast address (IEEE 802, EUI-48) that follows from a text."""
    return ":".join(f"{byte:02x}" for byte in (0x02, *hashlib.sha256(text.encode()).digest()[:5]))


def mtu_above(below: int, version: int) -> int:
    """Give the MTU of a VXLAN over a network with this one, by the version of IP there; never less than IP needs."""
    return max(LEAST_MTU[version], below - OVERHEAD[version])


def peers_of(found: Collection[IPAddress], local: IPAddress) -> frozenset[IPAddress]:
    """Give who is a peer: not this end, and not who has another version of IP, which the kernel refuses."""
    return frozenset(each for each in found if each.version == local.version and each != local)

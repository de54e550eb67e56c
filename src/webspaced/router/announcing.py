"""Telling a LAN where an address is now: gratuitous ARP (RFC 5227, 3) and its counterpart of IPv6 (RFC 4861, 7.2.6)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

BROADCAST = b"\xff" * 6
ALL_NODES_MAC, ALL_NODES = bytes.fromhex("333300000001"), IPv6Address("ff02::1")
ARP, IPV6, ICMPV6 = 0x0806, 0x86DD, 58


def announcement(mac: bytes, address: IPv4Address | IPv6Address) -> bytes:
    """Give the whole frame that says: the address is at this hardware address."""
    return _arp(mac, address) if isinstance(address, IPv4Address) else _advertisement(mac, address)


def _arp(mac: bytes, address: IPv4Address) -> bytes:
    """Give an ARP request for one's own address: every system takes it for news, answers to nothing it may not."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + address.packed + bytes(6) + address.packed
    return BROADCAST + mac + struct.pack("!H", ARP) + body


def _advertisement(mac: bytes, address: IPv6Address) -> bytes:
    # Router, override, and not an answer; then the option with the hardware address.
    body = struct.pack("!BBHI", 136, 0, 0, 0xA0000000) + address.packed + b"\x02\x01" + mac
    total = _checksum(address.packed + ALL_NODES.packed + struct.pack("!II", len(body), ICMPV6) + body)
    packet = body[:2] + struct.pack("!H", total) + body[4:]
    head = struct.pack("!IHBB", 6 << 28, len(packet), ICMPV6, 255) + address.packed + ALL_NODES.packed
    return ALL_NODES_MAC + mac + struct.pack("!H", IPV6) + head + packet


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

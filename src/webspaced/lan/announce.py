"""Telling everybody on the LAN that an address is here: ARP announcements (RFC 5227) and unsolicited NAs (RFC 4861)."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from webspaced.lan.overlay import IPAddress

TIMES: Final = (0.0, 1.2, 3.0)
"""Seconds: a neighbour that has changed its entry within the last second believes nobody (``locktime`` of arp(7))."""
EVERYBODY: Final = b"\xff" * 6
ALL_NODES: Final = IPv6Address("ff02::1")
ALL_NODES_ETHERNET: Final = bytes.fromhex("333300000001")
ARP, IPV6 = 0x0806, 0x86DD
ICMPV6: Final = 58
NEIGHBOUR_ADVERTISEMENT, OVERRIDE, TARGET_ADDRESS = 136, 0x20000000, 2


def frame(address: IPAddress, hardware_address: bytes) -> bytes:
    """Give the Ethernet frame that says where an address is."""
    if isinstance(address, IPv4Address):
        return EVERYBODY + hardware_address + struct.pack("!H", ARP) + _arp(address, hardware_address)
    return ALL_NODES_ETHERNET + hardware_address + struct.pack("!H", IPV6) + _advertisement(address, hardware_address)


def _arp(address: IPv4Address, hardware_address: bytes) -> bytes:
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    return head + hardware_address + address.packed + bytes(6) + address.packed


def _advertisement(address: IPv6Address, hardware_address: bytes) -> bytes:
    option = struct.pack("!BB", TARGET_ADDRESS, 1) + hardware_address
    body = struct.pack("!BBHI", NEIGHBOUR_ADVERTISEMENT, 0, 0, OVERRIDE) + address.packed + option
    ends = address.packed + ALL_NODES.packed
    checksum = _checksum(ends + struct.pack("!II", len(body), ICMPV6) + body)
    body = body[:2] + struct.pack("!H", checksum) + body[4:]
    # A hop limit below 255 would tell of a router in between (RFC 4861, section 7.1.2).
    return struct.pack("!IHBB", 6 << 28, len(body), ICMPV6, 255) + ends + body


def _checksum(data: bytes) -> int:
    """Give that of RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def announce(interface: str, address: IPAddress) -> None:
    """Say it once, on a device of this network namespace.

    :raises OSError: the device is not there, or we may not (CAP_NET_RAW).
    """
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        wire.send(frame(address, wire.getsockname()[4]))

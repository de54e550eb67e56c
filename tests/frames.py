"""Frames as a hostile container writes them, byte by byte: no system of its own keeps it from anything."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

BROADCAST = "ff:ff:ff:ff:ff:ff"
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
SYN = 0x02


def ethernet(source: str, destination: str, kind: int, payload: bytes) -> bytes:
    return _mac(destination) + _mac(source) + struct.pack("!H", kind) + payload


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def arp_reply(mac: str, address: str, to: str = BROADCAST, about: str = "", kind: int = 1) -> bytes:
    """An answer that nobody asked for: ``address`` is at ``mac``. ``kind`` of hardware: Ethernet; 6 is IEEE 802."""
    target = IPv4Address(about or address).packed
    body = struct.pack("!HHBBH", kind, IPV4, 6, 4, 2) + _mac(mac) + IPv4Address(address).packed + _mac(to) + target
    return ethernet(mac, to, ARP, body)


def ip(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    """A packet of IPv4 or IPv6, with the checksum of what it carries."""
    first, second = ip_address(source), ip_address(destination)
    pseudo = first.packed + second.packed + struct.pack("!HH", protocol, len(payload))
    if protocol in (UDP, TCP, ICMPV6):
        offset = {UDP: 6, TCP: 16, ICMPV6: 2}[protocol]
        total = struct.pack("!H", checksum(pseudo + payload))
        payload = payload[:offset] + total + payload[offset + 2 :]
    if isinstance(second, IPv6Address):
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + first.packed + second.packed + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + first.packed + second.packed
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(source: int, destination: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def tcp(source: int, destination: int, flags: int) -> bytes:
    return struct.pack("!HHIIBBHHH", source, destination, 1, 0, 5 << 4, flags, 1024, 0, 0)


def icmp(kind: int, code: int, rest: bytes) -> bytes:
    packet = struct.pack("!BBH", kind, code, 0) + rest
    return packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]


def router_advertisement(prefix: str, seconds: int) -> bytes:
    """An advertisement of a default router and a prefix (RFC 4861, 4.2 and 4.6.2)."""
    option = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, seconds, seconds, 0) + IPv6Address(prefix).packed
    return struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, seconds, 0, 0) + option


def neighbour_advertisement(target: str, mac: str) -> bytes:
    """``target`` is at ``mac``, whatever was known before (RFC 4861, 4.4)."""
    return struct.pack("!BBHI", 136, 0, 0, 0x20000000) + IPv6Address(target).packed + b"\2\1" + _mac(mac)


def redirect6(target: str, destination: str) -> bytes:
    """A redirect of IPv6 (RFC 4861, 4.5)."""
    return struct.pack("!BBHI", 137, 0, 0, 0) + IPv6Address(target).packed + IPv6Address(destination).packed

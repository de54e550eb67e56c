"""A client of DHCPv6 (RFC 8415) that asks once, and what it is told."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv6Address

from tests.namespaces import Namespace

SOLICIT, ADVERTISE, REQUEST, REPLY = 1, 2, 3, 7
CLIENT_ID, SERVER_ID, IA_NA, IA_ADDRESS = 1, 2, 3, 5
SERVERS = "ff02::1:2"


def option(code: int, body: bytes) -> bytes:
    return struct.pack("!HH", code, len(body)) + body


def options(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        code, length = struct.unpack("!HH", data[:4])
        found[code] = data[4 : 4 + length]
        data = data[4 + length :]
    return found


def ask(container: Namespace, interface: str, timeout: float) -> str:
    """The address that a server gives, which is set then; "" if none answers."""
    wire = container.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with container.inside():
        index = socket.if_nametoindex(interface)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    wire.bind(("::", 546))
    wire.settimeout(timeout)
    client = option(CLIENT_ID, b"\0\3\0\1" + bytes.fromhex(container.mac(interface).replace(":", "")))
    wanted = option(IA_NA, struct.pack("!III", 1, 0, 0))

    def exchange(kind: int, body: bytes) -> dict[int, bytes]:
        wire.sendto(bytes([kind]) + b"abc" + body, (SERVERS, 547, 0, index))
        return options(wire.recv(4096)[4:])

    try:
        advertised = exchange(SOLICIT, client + wanted)
        replied = exchange(REQUEST, client + option(SERVER_ID, advertised[SERVER_ID]) + wanted)
    except TimeoutError:
        return ""
    finally:
        wire.close()
    inner = options(replied[IA_NA][12:])
    if IA_ADDRESS not in inner:
        return ""
    address = str(IPv6Address(inner[IA_ADDRESS][:16]))
    container.ip(f"addr replace {address}/64 dev {interface} nodad")
    return address

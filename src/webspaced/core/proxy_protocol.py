"""The PROXY protocol: a header with which a connection tells its server who the visitor is.

Source: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, sections 2.1 (version 1) and 2.2 (version 2).
"""

from __future__ import annotations

import struct
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TypeGuard

from webspaced.core.address import Endpoint
from webspaced.core.instance import IPAddress
from webspaced.errors import Invalid

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_PROXY = 0x21
"""Version 2, on behalf of somebody else."""
_TCP4, _TCP6 = 0x11, 0x21


class ProxyProtocol(IntEnum):
    """A version of it: a line of text, or binary."""

    V1 = 1
    V2 = 2


def is_proxy_protocol(value: object) -> TypeGuard[int]:
    """Whether JSON names a version."""
    return isinstance(value, int) and not isinstance(value, bool) and value in tuple(ProxyProtocol)


def parse_proxy_protocol(value: object) -> ProxyProtocol | None:
    """Give the version out of JSON, ``None`` for null.

    :raises Invalid: it is neither 1 nor 2.
    """
    if value is None:
        return None
    if not is_proxy_protocol(value):
        message = "proxyProtocol must be 1 or 2, the version of the PROXY protocol, or null for none"
        raise Invalid(message)
    return ProxyProtocol(value)


def header(version: ProxyProtocol, visitor: Endpoint, visited: Endpoint) -> bytes:
    """Give what a server is to read before anything else.

    :param visitor: the far end of the visitor's connection.
    :param visited: the near one: two ends of one socket, so their addresses are of one family.
    """
    # Where one socket takes IPv4 and IPv6, IPv4 looks like ::ffff:192.0.2.1 (RFC 4291, section 2.5.5.2).
    source, destination = _plain(visitor.host), _plain(visited.host)
    if version is ProxyProtocol.V1:
        family = "TCP4" if isinstance(source, IPv4Address) else "TCP6"
        return f"PROXY {family} {source} {destination} {visitor.port} {visited.port}\r\n".encode()
    kind = _TCP4 if isinstance(source, IPv4Address) else _TCP6
    ends = source.packed + destination.packed + struct.pack("!HH", visitor.port, visited.port)
    return SIGNATURE + struct.pack("!BBH", _PROXY, kind, len(ends)) + ends


def _plain(host: IPAddress) -> IPAddress:
    if isinstance(host, IPv4Address):
        return host
    # A zone (fe80::1%eth0) means something on this machine only.
    return host.ipv4_mapped or IPv6Address(int(host))

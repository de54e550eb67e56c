"""This machine's own addresses and ports (proc(5), socket(7))."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from sys import intern
from typing import Any

IPV4 = Path("/proc/net/fib_trie")
IPV6 = Path("/proc/net/if_inet6")
_LOCAL = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL")


def own_addresses(ipv4: Path = IPV4, ipv6: Path = IPV6) -> frozenset[IPv4Address | IPv6Address]:
    """Give every address of this machine's interfaces; none where the kernel does not say."""
    four = _LOCAL.findall(_text(ipv4))
    six = [line.split()[0] for line in _text(ipv6).splitlines() if line]
    return frozenset([ip_address(text) for text in four] + [IPv6Address(int(text, 16)) for text in six])


def counted_as(peer: Any) -> str:
    """Give the name under which a peer's connections are counted: IPv4 by its address, IPv6 by its network.

    An IPv6 client has at least a /64 network (RFC 6177), and any address in it.

    :param peer: an address as sockets or Twisted tell it; of what is none, everything counts as one.
    """
    host = peer if isinstance(peer, str) else getattr(peer, "host", "")
    if ":" in host:
        # A socket for both versions shows IPv4 clients so.
        host = host[7:] if host.startswith("::ffff:") else _network(host)
    # Thousands of connections, and few addresses.
    return intern(host)


def _network(host: str) -> str:
    return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:8].hex()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def can_bind(address: IPv4Address | IPv6Address, port: int) -> bool:
    """Whether a TCP port of this machine is free right now."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        # As Twisted's listeners do: connections that just ended are not in the way.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((str(address), port))
            trial.listen(1)
        except OSError:
            return False
    return True

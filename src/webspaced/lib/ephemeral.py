"""The kernel's range for outgoing connections, which must not meet the ports that we listen on (ip-sysctl.rst)."""

from __future__ import annotations

from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
RESERVED = Path("/proc/sys/net/ipv4/ip_local_reserved_ports")


def ephemeral_ports(path: Path = RANGE) -> range:
    """Give the ports that the kernel gives to outgoing connections; empty where it does not say."""
    try:
        first, last = path.read_text().split()
        return range(int(first), int(last) + 1)
    except (OSError, ValueError):
        return range(0)


def reserved_ports(path: Path = RESERVED) -> frozenset[int]:
    """Give the ports that the kernel leaves out of its range because somebody asked for that."""
    try:
        parts = [part.partition("-") for part in path.read_text().strip().split(",") if part]
        return frozenset(port for first, _, last in parts for port in range(int(first), int(last or first) + 1))
    except (OSError, ValueError):
        return frozenset()


def collision_advice(ours: range, ephemeral: range, reserved: frozenset[int]) -> str | None:
    """Give the line to type where an outgoing connection could take one of our ports, else ``None``."""
    start, stop = max(ours.start, ephemeral.start), min(ours.stop, ephemeral.stop)
    if start >= stop or reserved.issuperset(range(start, stop)):
        return None
    return f"sysctl -w net.ipv4.ip_local_reserved_ports={start}-{stop - 1}"

"""Subnets, bridges and packet filters of an LXD of our own."""

import ipaddress
import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

TABLES = ("lxd", "incus")
PREFIXES = ("00:16:3e:", "10:66:6a:")
"""Of the hardware addresses that LXD and Incus give (https://documentation.ubuntu.com/lxd/en/latest/reference/devices_nic/)."""
PLUGGING_SECONDS = 1.0
"""A cable that somebody's container is about to get is plugged in by then."""


def free_subnet() -> str:
    """A /24 under 10.0.0.0/8 that no route of this machine touches; by chance, so that two seekers differ."""
    listing = subprocess.run(["ip", "-4", "route", "show", "table", "all"], capture_output=True, text=True, check=True)
    taken = [found for line in listing.stdout.splitlines() for found in _networks(line)]
    while True:
        # Low numbers are what people and container tools choose.
        candidate = ipaddress.ip_network(f"10.{random.randrange(64, 224)}.{random.randrange(1, 255)}.0/24")  # noqa: S311
        if not any(candidate.overlaps(network) for network in taken):
            return str(candidate)


def _networks(line: str) -> list[ipaddress.IPv4Network]:
    """The network of one line of `ip route`, the default route not counted."""
    words = line.split()
    destination = words[1] if words[0] in {"local", "broadcast", "unreachable", "blackhole"} else words[0]
    try:
        network = ipaddress.IPv4Network(destination, strict=False)
    except ValueError:
        return []
    return [network] if network.prefixlen else []


def bridge_definition(name: str, subnet: str, *, nat: bool, reserved: bool = False) -> dict[str, object]:
    """A managed bridge: DHCP for IPv4, no IPv6, and a way out of the machine only with `nat`.

    `reserved`: all but the last few addresses are given to nobody who merely asks: webspaced writes one on each NIC.
    """
    network = ipaddress.IPv4Network(subnet)
    dynamic = {"ipv4.dhcp.ranges": f"{network[-5]}-{network[-2]}"} if reserved else {}
    return {
        "name": name,
        "type": "bridge",
        "config": {
            "ipv4.address": f"{network[1]}/{network.prefixlen}",
            "ipv4.nat": "true" if nat else "false",
            "ipv6.address": "none",
            # Nobody asks for them, and two projects may have instances of one name, as tests side by side do.
            "dns.mode": "none",
            **dynamic,
        },
    }


def remove_bridge(name: str) -> None:
    """Remove a bridge, what is plugged into it and the chains that LXD or Incus made for it; idempotent."""
    plugs = Path("/sys/class/net") / name / "brif"
    for plug in plugs.iterdir() if plugs.is_dir() else ():
        # When a container's monitor is killed, its end of the cable comes back to the machine, and would stay.
        _quietly("ip", "link", "delete", plug.name)
    _quietly("ip", "link", "delete", name)
    for table in TABLES:
        chains = _chains(table)
        for chain in [chain for chain in chains if chain.endswith(f".{name}")]:
            _quietly("nft", "delete", "chain", "inet", table, chain)
        if chains and not _chains(table):
            # The last one out: an empty table is nobody's.
            _quietly("nft", "delete", "table", "inet", table)


def remove_loose_cables() -> None:
    """Remove the veth pairs of a daemon that was killed before it moved one end into the container; idempotent.

    Others' daemons may be starting a container just now: only what stays loose for a second is removed.
    """
    loose = loose_cables(_veths())
    if loose:
        time.sleep(PLUGGING_SECONDS)
        for name in loose & loose_cables(_veths()):
            _quietly("ip", "link", "delete", name)


def loose_cables(veths: list[dict[str, Any]]) -> set[str]:
    """Give one end's name of each pair of LXD's or Incus's that has both ends here, and neither plugged into anything.

    `veths` is what `ip -json link show type veth` says.
    """
    free = {veth["ifname"]: veth for veth in veths if "master" not in veth}
    pairs = [(veth, free[veth["link"]]) for veth in free.values() if veth.get("link") in free]
    ours = [pair for pair in pairs if any(end["address"].startswith(PREFIXES) for end in pair)]
    return {min(one["ifname"], other["ifname"]) for one, other in ours}


def _veths() -> list[dict[str, Any]]:
    listing = subprocess.run(
        ["ip", "-json", "link", "show", "type", "veth"], capture_output=True, text=True, check=False
    )
    veths: list[dict[str, Any]] = json.loads(listing.stdout or "[]")
    # Older versions print empty objects for what is of another type.
    return [veth for veth in veths if veth]


def _chains(table: str) -> list[str]:
    listing = subprocess.run(
        ["nft", "--json", "list", "table", "inet", table], capture_output=True, text=True, check=False
    )
    if listing.returncode:
        return []
    items: list[dict[str, Any]] = json.loads(listing.stdout)["nftables"]
    return [item["chain"]["name"] for item in items if "chain" in item]


def _quietly(*command: str) -> None:
    subprocess.run(command, check=False, capture_output=True)

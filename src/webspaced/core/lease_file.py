"""Reading who has which address from dnsmasq's lease file, or from the same as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from math import inf, isnan
from typing import Any

from webspaced.core.instance import IPAddress
from webspaced.core.json_text import parse as parse_json
from webspaced.core.ownership import Lease
from webspaced.errors import Invalid

_MAC = re.compile(r"(?:[0-9a-f]{2}-)?([0-9a-f]{2}(?::[0-9a-f]{2}){5})")


def read_lease_file(text: str, now: float) -> Sequence[Lease]:
    """Read ``expiry mac address name client-id`` on each line (``lease_update_file`` in dnsmasq's ``src/lease.c``).

    Lines that are none are left out, such as one that is being written. So are DHCPv6 leases, after the line ``duid``:
    they name no hardware address.

    :param now: seconds since the epoch; an expiry of 0 is never. One that is over counts as long as nobody else has the
        address: a clock that jumps, or a machine that slept, takes no container off the network.
    """
    found: list[tuple[Lease, float]] = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["duid"]:
            break
        lease = _lease(words[2], words[1]) if len(words) >= 4 else None  # noqa: PLR2004
        if lease is not None and (until := _until(words[0])) is not None:
            found.append((lease, until))
    return _counting(found, now)


def read_lease_list(text: str | bytes, now: float) -> Sequence[Lease]:
    """Read a JSON list of objects with ``address``, ``hwaddr`` and perhaps ``expires``; ``now`` as above.

    :raises Invalid: it is no such list.
    """
    try:
        document = parse_json(text)
    except ValueError as error:
        message = "the list of leases is not JSON"
        raise Invalid(message) from error
    if not isinstance(document, list):
        message = "the list of leases is not a list"
        raise Invalid(message)
    return _counting(list(_listed(document)), now)


def _listed(document: Sequence[Any]) -> Iterator[tuple[Lease, float]]:
    for each in document:
        if isinstance(each, Mapping):
            until = _until(str(each.get("expires", 0)))
            lease = _lease(str(each.get("address", "")), str(each.get("hwaddr", "")))
            if lease is not None and until is not None:
                yield lease, until


def _counting(found: Sequence[tuple[Lease, float]], now: float) -> Sequence[Lease]:
    """Give the valid leases, and those that are over where neither the address nor its holder has a later one."""
    counting: list[Lease] = []
    addresses: set[IPAddress] = set()
    holders: set[tuple[str, int]] = set()
    for lease, until in sorted(found, key=lambda each: -each[1]):
        holder = (lease.mac, lease.address.version)
        if until > now or not (lease.address in addresses or holder in holders):
            counting.append(lease)
            addresses.add(lease.address)
            holders.add(holder)
    return counting


def _lease(address: str, mac: str) -> Lease | None:
    hardware = _MAC.fullmatch(mac.lower())
    try:
        return Lease(address=ip_address(address), mac=hardware[1]) if hardware else None
    except ValueError:
        return None


def _until(expiry: str) -> float | None:
    try:
        until = float(expiry)
    except ValueError:
        return None
    return None if isnan(until) else until or inf

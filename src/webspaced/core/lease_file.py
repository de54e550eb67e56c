"""Reading who has which address from dnsmasq's lease file, or from the same as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from webspaced.core.ownership import Lease
from webspaced.errors import Invalid

_MAC = re.compile(r"(?:[0-9a-f]{2}-)?([0-9a-f]{2}(?::[0-9a-f]{2}){5})")


def read_lease_file(text: str, now: float) -> Sequence[Lease]:
    """Read ``expiry mac address name client-id`` on each line (``lease_update_file`` in dnsmasq's ``src/lease.c``).

    Lines that are none are left out, such as one that is being written. So are DHCPv6 leases, after the line ``duid``:
    they name no hardware address.

    :param now: seconds since the epoch; an expiry of 0 is never.
    """
    found = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["duid"]:
            break
        lease = _lease(words[2], words[1]) if len(words) >= 4 else None  # noqa: PLR2004
        if lease is not None and _is_valid(words[0], now):
            found.append(lease)
    return found


def read_lease_list(text: str | bytes, now: float) -> Sequence[Lease]:
    """Read a JSON list of objects with ``address``, ``hwaddr`` and perhaps ``expires``.

    :raises Invalid: it is no such list.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        message = "the list of leases is not JSON"
        raise Invalid(message) from error
    if not isinstance(document, list):
        message = "the list of leases is not a list"
        raise Invalid(message)
    return list(_listed(document, now))


def _listed(document: Sequence[Any], now: float) -> Iterator[Lease]:
    for each in document:
        if isinstance(each, Mapping) and _is_valid(str(each.get("expires", 0)), now):
            lease = _lease(str(each.get("address", "")), str(each.get("hwaddr", "")))
            if lease is not None:
                yield lease


def _lease(address: str, mac: str) -> Lease | None:
    hardware = _MAC.fullmatch(mac.lower())
    try:
        return Lease(address=ip_address(address), mac=hardware[1]) if hardware else None
    except ValueError:
        return None


def _is_valid(expiry: str, now: float) -> bool:
    try:
        until = float(expiry)
    except ValueError:
        return False
    return until == 0 or until > now

"""What is told of the plan: to webspaced (``webspaces.leases``), and to whoever looks for who had an address when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from attrs import frozen

from webspaced.core.instance import IPAddress
from webspaced.router.plan import Reservation

_GIVEN = re.compile(r"dnsmasq-dhcp(?:\[\d+\])?: (?:\d+ )?(DHCPACK|DHCPREPLY|DHCPRELEASE)\((\S+)\) (\S+) ([0-9a-f:]+)(?: |$)")


def leases(reservations: Iterable[Reservation]) -> list[dict[str, str]]:
    """Give the list that :func:`webspaced.core.lease_file.read_lease_list` reads; no entry ends."""
    return [
        {"address": str(address), "hwaddr": each.mac, "instance": each.instance, "project": each.project}
        for each in reservations
        for address in _addresses(each)
    ]


def _addresses(reservation: Reservation) -> Iterator[IPAddress]:
    yield reservation.address
    if reservation.address6 is not None:
        yield reservation.address6


def changes(before: Sequence[Reservation], after: Sequence[Reservation]) -> Iterator[Mapping[str, Any]]:
    """Give a record for each address that somebody has no more, and then for each that somebody has now."""
    had = {(each["address"], each["hwaddr"], each["project"], each["instance"]): each for each in leases(before)}
    has = {(each["address"], each["hwaddr"], each["project"], each["instance"]): each for each in leases(after)}
    yield from ({"what": "withdrawn", **each} for key, each in had.items() if key not in has)
    yield from ({"what": "assigned", **each} for key, each in has.items() if key not in had)


@frozen
class Given:
    """dnsmasq's word that it gave an address, or took it back. With DHCPv6 the client is a DUID."""

    what: str
    address: IPAddress
    client: str


WORDS = {"DHCPACK": "given", "DHCPREPLY": "given", "DHCPRELEASE": "given back"}


def read_line(line: str) -> Given | None:
    """Read one line of dnsmasq's log; most tell of something else."""
    found = _GIVEN.search(line)
    if found is None:
        return None
    try:
        return Given(WORDS[found[1]], ip_address(found[3]), found[4])
    except ValueError:
        return None

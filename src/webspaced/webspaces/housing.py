"""Giving each new webspace an address of its own, where LXD manages the network.

The dynamic range is a pool that any container can empty, and a lease is what a container asked for; an address on the NIC is
LXD's word, and known before the first start.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, ip_address
from itertools import chain, islice

from attrs import frozen

from webspaced.core.address import AddressRule
from webspaced.core.instance import Instance
from webspaced.core.ownership import fixed_addresses
from webspaced.errors import Conflict
from webspaced.webspaces.ownership import Ownership

Devices = Mapping[str, Mapping[str, str]]
MOST_TRIED = 1 << 16
"""So many addresses of a network are looked at before it counts as full."""


@frozen(kw_only=True)
class Site:
    """Where addresses are given: the profile's NIC, its network's subnet, and the ranges that DHCP gives out by itself."""

    nic: str
    device: Mapping[str, str]
    subnet: IPv4Network
    dynamic: tuple[tuple[IPv4Address, IPv4Address], ...] = ()

    def pieces(self) -> tuple[Sequence[range], Sequence[range]]:
        """Give the subnet's addresses as numbers: those that DHCP gives to nobody by itself, and those that it may."""
        begin, end = int(self.subnet.network_address), int(self.subnet.broadcast_address) + 1
        static, dynamic = [], []
        for first, last in sorted((int(first), int(last)) for first, last in self.dynamic):
            static.append(range(begin, min(max(begin, first), end)))
            dynamic.append(range(max(begin, first), min(last + 1, end)))
            begin = max(begin, min(last + 1, end))
        return [each for each in (*static, range(begin, end)) if each], [each for each in dynamic if each]


def ranges_of(text: str) -> tuple[tuple[IPv4Address, IPv4Address], ...]:
    """Read LXD's ``ipv4.dhcp.ranges``, such as ``10.0.0.2-10.0.0.99,10.0.0.120-10.0.0.200``."""
    pairs = (part.strip().partition("-") for part in text.split(",") if "-" in part)
    return tuple((IPv4Address(first.strip()), IPv4Address(last.strip())) for first, _, last in pairs)


class Housing:
    """Chooses addresses. Without a site (``None``) it gives none."""

    def __init__(self, pick: Callable[[int], int] = secrets.randbelow) -> None:
        self._pick = pick
        self._site: Site | None = None
        self._ownership: Ownership | None = None
        self._rule: AddressRule | None = None
        self._promised: set[IPv4Address] = set()

    def prepare(self, site: Site | None, rule: AddressRule, ownership: Ownership) -> None:
        """Say where addresses are given, once LXD told."""
        self._site, self._rule, self._ownership = site, rule, ownership

    async def look(self) -> None:
        """Read anew which addresses are taken."""
        if self._site is not None and self._ownership is not None:
            await self._ownership.renew()

    @contextmanager
    def devices(self) -> Iterator[Devices]:
        """Hold an address while an instance is created, and give the devices that have it; none where none is given.

        A device of its own replaces the profile's, so that it has all that stands there.
        """
        if self._site is None:
            yield {}
            return
        address = self._free(self._site)
        self._promised.add(address)
        try:
            yield {self._site.nic: {**self._site.device, "ipv4.address": str(address)}}
        finally:
            self._promised.discard(address)

    def is_anothers(self, instance: Instance) -> bool:
        """Whether the address on an instance's NIC is another one's, as a copy's is: LXD starts neither of the two then."""
        if self._site is None or self._ownership is None:
            return False
        fixed = fixed_addresses(instance, self._site.nic)
        return bool(fixed) and not self._ownership.owned(instance, fixed)

    def is_taken(self, devices: Devices) -> bool:
        """Whether somebody else has the address by now."""
        texts = [device["ipv4.address"] for device in devices.values()]
        return self._ownership is not None and any(self._ownership.taken(ip_address(text)) for text in texts)

    def _free(self, site: Site) -> IPv4Address:
        static, dynamic = site.pieces()
        for address in islice(chain(self._candidates(static), self._candidates(dynamic)), MOST_TRIED):
            if self._is_free(address):
                return address
        message = f"no address of {site.subnet} is free for a new webspace"
        raise Conflict(message)

    def _is_free(self, address: IPv4Address) -> bool:
        rule, ownership = self._rule, self._ownership
        if rule is None or ownership is None or address in self._promised:
            return False
        return rule.allows(address) and not ownership.taken(address)

    def _candidates(self, pieces: Sequence[range]) -> Iterator[IPv4Address]:
        """Give all addresses of the pieces, beginning anywhere."""
        count = sum(map(len, pieces))
        start = self._pick(count) if count else 0
        turned = chain(_without(pieces, start), chain.from_iterable(pieces))
        return map(IPv4Address, islice(turned, count))


def _without(pieces: Sequence[range], first: int) -> Iterator[int]:
    """Give the numbers of the pieces but for so many at their beginning."""
    for piece in pieces:
        yield from piece[first:]
        first = max(0, first - len(piece))

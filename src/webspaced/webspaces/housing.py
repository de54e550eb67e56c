"""Giving each new webspace an address of its own, where LXD manages the network.

The dynamic range is a pool that any container can empty, and a lease is what a container asked for; an address on the NIC is
LXD's word, and known before the first start.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, ip_address

from attrs import frozen

from webspaced.core.address import AddressRule
from webspaced.core.instance import Instance
from webspaced.core.ownership import fixed_addresses
from webspaced.errors import Conflict
from webspaced.webspaces.ownership import Ownership

Devices = Mapping[str, Mapping[str, str]]
MOST_TRIED = 1 << 17
"""So many addresses of a network are looked at before it counts as full."""


@frozen(kw_only=True)
class Site:
    """Where addresses are given: the profile's NIC, its network's subnet, and the ranges that DHCP gives out by itself."""

    nic: str
    device: Mapping[str, str]
    subnet: IPv4Network
    dynamic: tuple[tuple[IPv4Address, IPv4Address], ...] = ()

    def is_dynamic(self, address: IPv4Address) -> bool:
        """Whether DHCP may give an address to anybody."""
        return any(first <= address <= last for first, last in self.dynamic)


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
        dynamic: IPv4Address | None = None
        for address in self._candidates(site.subnet):
            if not self._is_free(address):
                continue
            if not site.is_dynamic(address):
                return address
            dynamic = dynamic or address
        if dynamic is None:
            message = f"no address of {site.subnet} is free for a new webspace"
            raise Conflict(message)
        return dynamic

    def _is_free(self, address: IPv4Address) -> bool:
        rule, ownership = self._rule, self._ownership
        if rule is None or ownership is None or address in self._promised:
            return False
        return rule.allows(address) and not ownership.taken(address)

    def _candidates(self, subnet: IPv4Network) -> Iterable[IPv4Address]:
        count = subnet.num_addresses
        start = self._pick(count)
        return (subnet[(start + offset) % count] for offset in range(min(count, MOST_TRIED)))

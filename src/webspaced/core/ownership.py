"""Whose an address is (design decision 1): what LXD and the DHCP server say, and never what a container says of itself.

A container's root can put any address on any interface, and ``/state`` reports them all. So that only tells whether an
address that its owner has is there yet; the owner is found here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_address

from attrs import Factory, define, frozen

from webspaced.core.instance import Instance, IPAddress
from webspaced.lib.multimap import Multimap

ADDRESS_KEY = "user._webspaced_address"
"""The address that the operator's DHCP server gives an instance, where LXD does not manage the network."""


@frozen(kw_only=True)
class Lease:
    """An address that a DHCP server gave a hardware address (lower case). ``location``: the cluster member that says so."""

    address: IPAddress
    mac: str
    location: str = ""


def fixed_addresses(instance: Instance, nic: str) -> tuple[IPAddress, ...]:
    """Give the addresses that are written on a NIC, else in the key for networks where LXD takes none there."""
    device = instance.expanded_devices.get(nic, {})
    written = [device.get("ipv4.address", ""), device.get("ipv6.address", "")]
    found = tuple(_addresses(written))
    return found or tuple(_addresses([instance.config.get(ADDRESS_KEY, "")]))


def _addresses(texts: Iterable[str]) -> Iterator[IPAddress]:
    for text in texts:
        try:
            yield ip_address(text)
        except ValueError:
            # "none", or nothing: there is no such address.
            continue


def _has_like(fixed: Iterable[IPAddress], address: IPAddress) -> bool:
    return any(each.version == address.version for each in fixed)


def _order(address: IPAddress) -> tuple[int, int]:
    return address.version, int(address)


Place = tuple[str, IPAddress]
"""An address, and the cluster member on whose own bridge it lies (empty where all members share one network)."""
Identity = tuple[str, str]


@define
class Owners:
    """Who owns which address: by what is written on NICs, then by leases.

    ``local``: whether each cluster member has a bridge of its own with the same subnet, as LXD's managed bridges are.
    """

    nic: str
    local: bool = False
    _fixed: Multimap[Place, Identity] = Factory(Multimap)
    _born: dict[Identity, str] = Factory(dict)
    _anywhere: Multimap[IPAddress, Identity] = Factory(Multimap)
    _leased: Mapping[Place, frozenset[str]] = Factory(dict)
    _leased_anywhere: frozenset[IPAddress] = frozenset()
    _by_mac: dict[str, list[Place]] = Factory(dict)

    def note(self, instance: Instance) -> frozenset[Place]:
        """Take what LXD says of an instance, and give the places whose owner may be another one now."""
        self._born[instance.identity] = instance.created_at
        places = frozenset(self.place(instance, each) for each in fixed_addresses(instance, self.nic))
        return self._give(instance.identity, places)

    def forget(self, identity: Identity) -> frozenset[Place]:
        """Say that an instance is gone; gives places as :meth:`note` does."""
        self._born.pop(identity, None)
        return self._give(identity, frozenset())

    def _give(self, identity: Identity, places: frozenset[Place]) -> frozenset[Place]:
        before = self._fixed.keys_of(identity)
        self._fixed.give(identity, places)
        self._anywhere.give(identity, [address for _, address in places])
        return before ^ places

    def renew(self, leases: Iterable[Lease]) -> frozenset[Place]:
        """Take all leases there are, and give the places that are another hardware address's now."""
        before, after = self._leased, dict[Place, frozenset[str]]()
        for lease in leases:
            place = (lease.location if self.local else "", lease.address)
            # The lease files of two members, or of two families, are not one transaction.
            after[place] = after.get(place, frozenset()) | {lease.mac}
        self._leased = after
        self._leased_anywhere = frozenset(address for _, address in after)
        self._by_mac = {}
        for place, macs in after.items():
            for mac in macs:
                self._by_mac.setdefault(mac, []).append(place)
        return frozenset(place for place in before.keys() | after.keys() if before.get(place) != after.get(place))

    def owned(self, instance: Instance, shown: Collection[IPAddress]) -> tuple[IPAddress, ...]:
        """Give those of the addresses that an instance shows which are its own, in the same order."""
        fixed = fixed_addresses(instance, self.nic)
        mac = instance.nic_mac(self.nic)
        return tuple(each for each in shown if self._owns(instance, each, fixed, mac))

    def _owns(self, instance: Instance, address: IPAddress, fixed: Collection[IPAddress], mac: str | None) -> bool:
        place = self.place(instance, address)
        holders = self._fixed.owners(place)
        if holders:
            # LXD refuses the same address on two NICs of a network; keys of ours can be copied, and a copy is younger.
            return instance.identity == min(holders, key=lambda holder: (self._born.get(holder, ""), holder))
        if _has_like(fixed, address):
            return False
        return mac is not None and self._leased.get(place) == frozenset({mac})

    def is_told(self, instance: Instance, address: IPAddress) -> bool:
        """Whether an address of this family is written for an instance: then it has no other one of that family."""
        return _has_like(fixed_addresses(instance, self.nic), address)

    def is_leased(self, instance: Instance, address: IPAddress) -> bool:
        """Whether somebody has a lease of an address there where an instance is."""
        return bool(self._leased.get(self.place(instance, address)))

    def is_claimed(self, place: Place) -> bool:
        """Whether anybody has a place, by a NIC or by a lease."""
        return bool(self._leased.get(place) or self._fixed.owners(place))

    def is_free(self, instance: Instance, address: IPAddress) -> bool:
        """Whether an address is nobody's there where an instance is, which was not told to have another one."""
        return not (self.is_claimed(self.place(instance, address)) or self.is_told(instance, address))

    def expected(self, instance: Instance) -> tuple[IPAddress, ...]:
        """Give the addresses that an instance owns, whether they are up or not, IPv4 first."""
        mac = instance.nic_mac(self.nic)
        location = instance.location if self.local else ""
        leased = [at for where, at in self._by_mac.get(mac or "", ()) if where == location]
        return self.owned(instance, sorted({*fixed_addresses(instance, self.nic), *leased}, key=_order))

    def taken(self, address: IPAddress) -> bool:
        """Whether anybody anywhere has an address by a NIC or a lease."""
        return address in self._leased_anywhere or bool(self._anywhere.owners(address))

    def place(self, instance: Instance, address: IPAddress) -> Place:
        """Give the place of an address there where an instance is."""
        return (instance.location if self.local else "", address)


@define
class Keepers:
    """Who had an address by a lease, in its incarnation: it stays theirs until somebody else is told to have it.

    Whoever can send DHCP messages in another's name can end its lease, and would take it from its visitors.
    """

    _of: dict[IPAddress, dict[Place, tuple[Identity, str]]] = Factory(dict)
    _kept: dict[Identity, set[Place]] = Factory(dict)

    def keep(self, place: Place, instance: Instance) -> None:
        """Say that an instance has the lease of a place."""
        self.drop(place)
        self._of.setdefault(place[1], {})[place] = (instance.identity, instance.incarnation)
        self._kept.setdefault(instance.identity, set()).add(place)

    def keeps(self, place: Place, instance: Instance) -> bool:
        """Whether an instance was the last one to have the lease of a place, and has run since."""
        return self._of.get(place[1], {}).get(place) == (instance.identity, instance.incarnation)

    def kept(self, instance: Instance) -> list[IPAddress]:
        """Give what an instance keeps."""
        return [place[1] for place in self._kept.get(instance.identity, ()) if self.keeps(place, instance)]

    def anybody(self, address: IPAddress) -> bool:
        """Whether anybody anywhere keeps an address."""
        return address in self._of

    def drop(self, place: Place) -> None:
        """Say that a place may be somebody else's."""
        places = self._of.get(place[1], {})
        if place not in places:
            return
        identity, _ = places.pop(place)
        self._kept[identity].discard(place)
        if not places:
            del self._of[place[1]]
        if not self._kept[identity]:
            del self._kept[identity]

    def only(self, identity: Identity, shown: Collection[IPAddress]) -> None:
        """Say that an instance uses no more than these."""
        for place in list(self._kept.get(identity, ())):
            if place[1] not in shown:
                self.drop(place)

    def forget(self, identity: Identity) -> None:
        """Say that an instance is gone, or does not run."""
        self.only(identity, ())


@define
class FirstCome:
    """Who had an address first, where nobody can be asked: one address of each family in each incarnation.

    That keeps one container from taking what others have, and not from taking first what nobody has at the moment.
    """

    _holders: dict[IPAddress, tuple[Identity, str]] = Factory(dict)
    _held: dict[Identity, dict[int, IPAddress]] = Factory(dict)

    def owned(self, instance: Instance, shown: Collection[IPAddress]) -> tuple[IPAddress, ...]:
        """Give those of the addresses that an instance shows which are its own, in the same order."""
        self._release(instance, frozenset(shown))
        held = self._held.setdefault(instance.identity, {})
        for address in shown:
            if address.version not in held and address not in self._holders:
                held[address.version] = address
                self._holders[address] = (instance.identity, instance.incarnation)
        return tuple(address for address in shown if held.get(address.version) == address)

    def forget(self, identity: Identity) -> None:
        """Say that an instance is gone, or does not run."""
        for address in self._held.pop(identity, {}).values():
            del self._holders[address]

    def _release(self, instance: Instance, shown: Collection[IPAddress]) -> None:
        for version, address in list(self._held.get(instance.identity, {}).items()):
            if address not in shown or self._holders[address][1] != instance.incarnation:
                del self._held[instance.identity][version]
                del self._holders[address]

"""The address plan: who has which address, as a function of what LXD says.

An address is decided once and kept on the instance, so that whoever computes the plan later computes the same. An address
that the NIC has is LXD's word and stays; one in :data:`~webspaced.core.ownership.ADDRESS_KEY` is ours or the operator's; who
has neither gets one, which is to be written to that key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

from attrs import Factory, define, frozen

from webspaced.core.instance import Instance
from webspaced.core.ownership import ADDRESS_KEY, fixed_addresses
from webspaced.router.lan import Lan, Span

Identity = tuple[str, str]


@frozen(kw_only=True)
class Seat:
    """One instance's NIC on the LAN, with the addresses that are written for it.

    ``by_nic``: whether the IPv4 address stands on the NIC, where only LXD's administrators change it.
    """

    project: str
    instance: str
    mac: str
    created_at: str = ""
    address: IPv4Address | None = None
    address6: IPv6Address | None = None
    by_nic: bool = False

    @property
    def identity(self) -> Identity:
        """Tells it from every other instance: project and name."""
        return self.project, self.instance

    @property
    def seniority(self) -> tuple[str, Identity]:
        """The order in which claims count: a copy is younger than what it was copied from."""
        return self.created_at, self.identity


@frozen(kw_only=True)
class Reservation:
    """An address, or one of each family, that a hardware address has, and the name that leads to it."""

    mac: str
    address: IPv4Address
    address6: IPv6Address | None = None
    project: str = "default"
    instance: str = ""


@frozen(kw_only=True)
class Plan:
    """Who has which address.

    - ``decided``: those whose address is to be written to their instance, because nothing stands there, or something that
      cannot be;
    - ``without``: those that get none, and why.
    """

    reservations: tuple[Reservation, ...] = ()
    decided: tuple[Reservation, ...] = ()
    without: tuple[tuple[Seat, str], ...] = ()


def seat_of(instance: Instance, bridge: str) -> Seat | None:
    """Give an instance's first NIC on a bridge, by the device's name; ``None`` if there is none with a hardware address."""
    for nic in sorted(instance.expanded_devices):
        device = instance.expanded_devices[nic]
        if device.get("type") == "nic" and bridge in (device.get("parent"), device.get("network")):
            mac = instance.nic_mac(nic)
            return None if mac is None else _seat(instance, nic, mac)
    return None


def _seat(instance: Instance, nic: str, mac: str) -> Seat:
    told = fixed_addresses(instance, nic)
    return Seat(
        project=instance.project,
        instance=instance.name,
        mac=mac,
        created_at=instance.created_at,
        address=next((each for each in told if isinstance(each, IPv4Address)), None),
        address6=next((each for each in told if isinstance(each, IPv6Address)), None),
        by_nic=any(instance.expanded_devices[nic].get(f"ipv{version}.address") for version in (4, 6)),
    )


def make_plan(
    seats: Iterable[Seat], lan: Lan, resting: Collection[IPv4Address] = (), held: Mapping[str, IPv4Address] | None = None
) -> Plan:
    """Compute the plan.

    :param resting: addresses that nobody new may get yet. Who has one written for it keeps it.
    :param held: who had which address in the plan before, by hardware address. What was decided and could not be written to
        LXD yet is decided so again, and nobody else gets it.
    """
    before = held or {}
    planning = _Planning(lan, before, frozenset(resting).union(before.values()))
    present = sorted(seats, key=lambda each: each.seniority)
    # What stands on a NIC is not ours to change; then the oldest claim counts.
    for seat in [*(each for each in present if each.by_nic), *(each for each in present if not each.by_nic)]:
        planning.take_written(seat)
    for seat in planning.undecided:
        planning.decide(seat)
    return planning.plan()


@define
class _Planning:
    lan: Lan
    held: Mapping[str, IPv4Address]
    unavailable: frozenset[IPv4Address]
    undecided: list[Seat] = Factory(list)
    _macs: set[str] = Factory(set)
    _taken: set[IPv4Address | IPv6Address] = Factory(set)
    _given: list[Reservation] = Factory(list)
    _decided: list[Reservation] = Factory(list)
    _without: list[tuple[Seat, str]] = Factory(list)

    def plan(self) -> Plan:
        given = sorted(self._given, key=lambda each: each.address)
        return Plan(reservations=tuple(given), decided=tuple(self._decided), without=tuple(self._without))

    def take_written(self, seat: Seat) -> None:
        if seat.mac in self._macs:
            self._without.append((seat, "another instance has its hardware address"))
            return
        self._macs.add(seat.mac)
        if seat.address is None or not self._may_have(seat.address):
            self._refuse(seat)
        else:
            self._give(seat, seat.address)

    def _refuse(self, seat: Seat) -> None:
        if seat.by_nic and seat.address is not None:
            self._without.append((seat, f"the address on its NIC, {seat.address}, cannot be its own"))
        else:
            self.undecided.append(seat)

    def decide(self, seat: Seat) -> None:
        own = self.held.get(seat.mac)
        if own is None or own not in self.lan.plan or not self._may_get(own):
            free = (each for each in candidates(seat.mac, self.lan.plan) if each not in self.unavailable)
            own = next(filter(self._may_get, free), None)
        if own is None:
            self._without.append((seat, "no address is free"))
            return
        self._decided.append(self._give(seat, own))

    def _may_have(self, address: IPv4Address | IPv6Address) -> bool:
        return address not in self._taken and self.lan.allows(address)

    def _may_get(self, address: IPv4Address) -> bool:
        strange = self.lan.strangers is not None and address in self.lan.strangers
        return self._may_have(address) and not strange

    def _give(self, seat: Seat, address: IPv4Address) -> Reservation:
        wished = (seat.address6, self.lan.companion(address))
        address6 = next((each for each in wished if each is not None and self._may_have(each)), None)
        given = Reservation(mac=seat.mac, address=address, address6=address6, project=seat.project, instance=seat.instance)
        self._taken |= {each for each in (address, address6) if each is not None}
        self._given.append(given)
        return given


def candidates(mac: str, span: Span) -> Iterator[IPv4Address]:
    """Give all addresses of a span, beginning where a hardware address points: the same one for whoever computes it.

    Neighbours in time are far apart, so that an address that was given up is seldom the next to be given.
    """
    start = int.from_bytes(hashlib.sha256(mac.encode()).digest()[:8], "big") % len(span)
    numbers = range(int(span.first), int(span.last) + 1)
    yield from map(IPv4Address, numbers[start:])
    yield from map(IPv4Address, numbers[:start])


@define
class Rests:
    """Addresses that were somebody's a moment ago: until dnsmasq has forgotten them, it gives them to nobody else.

    ``lease``: seconds for which dnsmasq remembers, at most. Times are of one monotonic clock.
    """

    lease: float
    _until: dict[IPv4Address, float] = Factory(dict)
    _whose: dict[IPv4Address, str] = Factory(dict)

    def replaced(self, before: Sequence[Reservation], after: Sequence[Reservation], now: float) -> None:
        """Say that one plan took the place of another."""
        kept = {(each.mac, each.address) for each in after}
        for gone in before:
            if (gone.mac, gone.address) not in kept:
                self._until[gone.address], self._whose[gone.address] = now + self.lease, gone.mac
        # Who comes back, as after a rename, has what dnsmasq remembers.
        self.forgotten([address for mac, address in kept if self._whose.get(address) == mac])

    @property
    def addresses(self) -> frozenset[IPv4Address]:
        """What rests."""
        return frozenset(self._until)

    def over(self, now: float) -> frozenset[IPv4Address]:
        """Give what need not rest once dnsmasq has been started anew."""
        return frozenset(address for address, until in self._until.items() if until <= now)

    def blocks(self, reservations: Iterable[Reservation]) -> frozenset[IPv4Address]:
        """Give what rests and was written for somebody else meanwhile: dnsmasq must forget it at once."""
        return frozenset(each.address for each in reservations) & self.addresses

    def forgotten(self, addresses: Iterable[IPv4Address]) -> None:
        """Say that dnsmasq knows nothing of these any more."""
        for address in addresses:
            self._until.pop(address, None)
            self._whose.pop(address, None)


def host_names(reservation: Reservation, home: str, domain: str) -> tuple[str, ...]:
    """Give the names of an instance, the full one first.

    Those of the project ``home`` have no project in their name; other projects may have instances of the same names.
    """
    label = reservation.instance.lower()
    if reservation.project == home:
        return f"{label}.{domain}", label
    return f"{label}.{reservation.project.lower()}.{domain}", f"{label}.{reservation.project.lower()}"


__all__ = ["ADDRESS_KEY", "Plan", "Reservation", "Rests", "Seat", "candidates", "host_names", "make_plan", "seat_of"]

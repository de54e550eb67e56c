"""Which of a container's addresses may be a backend (design decision 1).

A container's root can put any address on any interface and LXD reports them all, so an address counts only if it is on
the NIC with the hardware address that LXD gave it, of global scope, inside the networks of webspaces, not reserved, and
its own (:mod:`webspaced.core.ownership`). Everything else on it is ignored, whatever sorts first.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from itertools import islice

from attrs import frozen

from webspaced.core.instance import InstanceState, IPAddress

MOST_ADDRESSES = 32
"""So many of a container's addresses are read; whoever shows more harms nobody else."""


@frozen
class Endpoint:
    """A TCP endpoint of a backend."""

    host: IPAddress
    port: int

    def __str__(self) -> str:
        """Give ``host:port``, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if self.host.version == 6 else f"{self.host}:{self.port}"  # noqa: PLR2004


@frozen(kw_only=True)
class AddressRule:
    """The networks in which webspaces have their addresses, and the addresses there that are somebody else's."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    reserved: frozenset[IPAddress] = frozenset()
    loopback: bool = False
    """Whether containers may have loopback addresses: those of the simulator do."""

    def allows(self, address: IPAddress) -> bool:
        """Whether a container of a webspace may have this address at all."""
        if getattr(address, "scope_id", None) is not None:
            # fe80::1%eth0 and the like: the scope would make it unequal to what is reserved.
            return False
        if address in self.reserved or address.is_multicast or address.is_link_local:
            return False
        if address.is_loopback and not self.loopback:
            return False
        return any(
            address.version == network.version and address in network and address not in _edges(network)
            for network in self.networks
        )

    def claims(self, state: InstanceState, mac: str | None) -> tuple[IPAddress, ...]:
        """Give the allowed addresses on the NIC with this hardware address, in LXD's order, IPv4 first.

        Several interfaces may show the same hardware address (root can set it): the first addresses of all of them count.
        """
        if mac is None:
            return ()
        addresses = (
            address
            for interface in state.interfaces
            if interface.mac == mac
            for address, scope in interface.addresses
            if scope == "global"
        )
        found = [address for address in islice(addresses, MOST_ADDRESSES) if self.allows(address)]
        return tuple(sorted(dict.fromkeys(found), key=lambda address: address.version))


def _edges(network: IPv4Network | IPv6Network) -> tuple[IPAddress, ...]:
    # The network's own address and the broadcast address belong to no container (a /31 or /32 has neither).
    return (network.network_address, network.broadcast_address) if network.num_addresses > 2 else ()  # noqa: PLR2004

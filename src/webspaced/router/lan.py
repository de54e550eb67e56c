"""The network that the router serves, as a value: what each rule, file and plan is made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from attrs import field, frozen

from webspaced.core.instance import IPAddress


@frozen
class Span:
    """IPv4 addresses from ``first`` to ``last``, both included; as text ``10.0.0.2-10.0.0.99``."""

    first: IPv4Address
    last: IPv4Address

    @classmethod
    def parse(cls, text: str) -> Span:
        """Read the text form.

        :raises ValueError: it is no such text, or the first address is greater than the last.
        """
        first, dash, last = text.partition("-")
        try:
            span = cls(IPv4Address(first.strip()), IPv4Address(last.strip()))
        except ValueError:
            raise ValueError("must be two IPv4 addresses such as 10.0.0.2-10.0.0.99") from None
        if not dash or span.first > span.last:
            raise ValueError("must be two IPv4 addresses, the lower one first")
        return span

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def __contains__(self, address: IPv4Address) -> bool:
        return self.first <= address <= self.last

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __iter__(self) -> Iterator[IPv4Address]:
        return map(IPv4Address, range(int(self.first), int(self.last) + 1))


@frozen(kw_only=True)
class Lan:
    """The containers' network.

    - ``interface``: the router's end of it; ``router``, ``router6``: the router's addresses there, with the network;
    - ``plan``: where instances get their addresses; ``strangers``: where others do, if they get any;
    - ``infrastructure``: addresses of others that belong to the platform (Traefik, webspaced, LXD's members).
    """

    interface: str
    router: IPv4Interface
    router6: IPv6Interface | None = None
    plan: Span
    strangers: Span | None = None
    infrastructure: Sequence[IPAddress] = ()
    reserved: frozenset[IPAddress] = field(init=False)
    """What no instance may have: the router's addresses and those of the infrastructure."""

    @reserved.default
    def _reserved(self) -> frozenset[IPAddress]:
        return frozenset((*self.routers, *self.infrastructure))

    @property
    def network(self) -> IPv4Network:
        """The IPv4 subnet."""
        return self.router.network

    @property
    def network6(self) -> IPv6Network | None:
        """The IPv6 subnet, if there is one."""
        return None if self.router6 is None else self.router6.network

    @property
    def routers(self) -> tuple[IPAddress, ...]:
        """The router's own addresses."""
        return (self.router.ip,) if self.router6 is None else (self.router.ip, self.router6.ip)


    def allows(self, address: IPAddress) -> bool:
        """Whether an instance may have an address."""
        if address in self.reserved:
            return False
        if isinstance(address, IPv6Address):
            return self.network6 is not None and address in self.network6
        edges = (self.network.network_address, self.network.broadcast_address)
        return address in self.network and address not in edges

    def companion(self, address: IPv4Address) -> IPv6Address | None:
        """Give the IPv6 address that goes with an IPv4 address: its 32 bits at the end of the subnet.

        Nothing has to be kept for it, and no two are the same. A subnet that is smaller than that has none.
        """
        if self.network6 is None or self.network6.prefixlen > 96:  # noqa: PLR2004  (bits that leave room for 32)
            return None
        found = IPv6Address(int(self.network6.network_address) | int(address))
        return found if self.allows(found) else None

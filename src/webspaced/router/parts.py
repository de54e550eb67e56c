"""The pure values of the router, as the settings say."""

from __future__ import annotations

from collections.abc import Sequence

from webspaced.core.lease import LeaseTimes
from webspaced.router.dnsmasq import Folders, Names, Offer
from webspaced.router.guards import Guarding
from webspaced.router.lan import Lan
from webspaced.router.plan import Reservation
from webspaced.router.rules import Limits
from webspaced.router.settings import Settings


def lan_of(settings: Settings) -> Lan:
    """Give the network."""
    router, dhcp = settings.router, settings.dhcp
    return Lan(
        interface=router.interface,
        router=router.address,
        router6=router.address6,
        plan=dhcp.plan,
        strangers=dhcp.strangers,
        infrastructure=router.infrastructure,
    )


def names_of(settings: Settings) -> Names:
    """Give how names are answered."""
    dns, home = settings.dns, settings.lxd.projects[0] if settings.lxd.projects else "default"
    return Names(domain=dns.domain, home=home, port=dns.port, upstreams=dns.upstreams, rebinding=dns.rebinding)


def offer_of(settings: Settings) -> Offer:
    """Give what DHCP tells."""
    dhcp = settings.dhcp
    return Offer(lease=dhcp.lease, mtu=dhcp.mtu, options=dhcp.options)


def limits_of(settings: Settings) -> Limits:
    """Give what the router refuses."""
    guards = settings.guards
    return Limits(
        connections=guards.connections,
        bandwidth=guards.bandwidth,
        ports=guards.refused_ports,
        refused=guards.refused,
        allowed=guards.allowed,
        apart=guards.apart,
    )


def guarding_of(settings: Settings, bound: Sequence[Reservation] | None) -> Guarding:
    """Give what LXD's members refuse."""
    return Guarding(ports=settings.guards.ports, apart=settings.guards.apart, bound=bound)


def folders_of(settings: Settings) -> Folders:
    """Give where dnsmasq's files are."""
    return Folders(root=settings.data_dir / "dnsmasq")


def times_of(settings: Settings) -> LeaseTimes:
    """Give the Lease's times.

    Who has it stops well before another one may take it, and the other one looks so often that both together take no longer
    than was asked for.
    """
    whole = settings.leadership.takeover
    return LeaseTimes(duration=0.8 * whole, deadline=0.5 * whole, pause=0.2 * whole)

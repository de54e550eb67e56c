"""Which addresses and names can be a webspace's, and whose they are, as the operator and LXD say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from webspaced.core.address import AddressRule
from webspaced.core.guards import guards_lacking, unmanaged_advice
from webspaced.core.instance import IPAddress
from webspaced.errors import Invalid
from webspaced.interfaces import ILeases
from webspaced.leases import leases_from
from webspaced.lib.addresses import own_addresses
from webspaced.lxd.network import ProfileNetwork
from webspaced.settings import Settings
from webspaced.settings.webspaces import RESERVED_NAMES
from webspaced.webspaces.claims import ClaimRules
from webspaced.webspaces.housing import Site, ranges_of
from webspaced.webspaces.ownership import Ownership


@frozen(kw_only=True)
class Ground:
    """What follows from the webspaces' network: which addresses count, whose they are, where new ones are given (``None``:
    nowhere), and what the operator should know.
    """

    rule: AddressRule
    ownership: Ownership
    site: Site | None
    advice: Sequence[str]


def ground_of(
    reactor: Any, settings: Settings, network: ProfileNetwork, managed: ILeases, *, loopback: bool
) -> Ground:
    """Give what follows from a network. ``managed`` asks LXD for its leases."""
    return Ground(
        rule=address_rule(settings, network, loopback=loopback),
        ownership=ownership_of(reactor, settings, network, managed),
        site=site_of(settings, network),
        advice=tuple(advice_of(settings, network)),
    )


def address_rule(settings: Settings, network: ProfileNetwork, *, loopback: bool) -> AddressRule:
    """Give the rule for backend addresses: the operator's networks, else the managed bridge's; no helper's address.

    :raises Invalid: LXD does not manage the bridge, and ``webspaces.networks`` is not set.
    """
    reserved: list[IPAddress] = [
        *own_addresses(),
        *network.gateways,
        *settings.webspaces.reserved_addresses,
        settings.traefik.boot_address,
        *_literal_addresses(_helper_hosts(settings)),
    ]
    return AddressRule(
        networks=settings.webspaces.networks or network.networks,
        reserved=frozenset(reserved),
        loopback=loopback,
    )


def check_own_addresses(settings: Settings, can_bind: Callable[[IPAddress, int], bool]) -> None:
    """See to it that visitors' listeners have addresses of this machine; a single port that is taken is another matter.

    :param can_bind: whether a port of an address can be bound; port 0 is any.
    :raises Invalid: the machine lacks one, by its setting.
    """
    forwards = settings.webspaces.ports.listen_address
    given = [("traefik.boot_address", str(settings.traefik.boot_address)), ("webspaces.ports.listen_address", forwards)]
    for key, text in given:
        for address in _literal_addresses((text,)):
            if not can_bind(address, 0):
                message = f"{key} is {address}, which is no address of this machine: nothing can be listened to there"
                raise Invalid(message)


def _helper_hosts(settings: Settings) -> Iterable[str]:
    http, traefik, metrics = settings.http, settings.traefik, settings.metrics.listen_address
    return (
        *([] if metrics is None else [metrics.host]),
        http.listen_address.host,
        http.internal_address.host,
        traefik.http_address.host,
        traefik.https_address.host,
        settings.webspaces.ports.listen_address,
    )


def _literal_addresses(hosts: Iterable[str]) -> Iterable[IPAddress]:
    for host in hosts:
        try:
            yield ip_address(host)
        except ValueError:
            # A name, or empty for every interface.
            continue


def ownership_of(reactor: Any, settings: Settings, network: ProfileNetwork, managed: ILeases) -> Ownership:
    """Give who knows whose an address is: LXD where it manages the network, else the operator's source, else nobody."""
    source = settings.webspaces.leases
    if network.managed:
        leases: ILeases | None = managed
    else:
        leases = leases_from(reactor, source) if source else None
    # Over HTTPS nobody can say from which member's bridge we look.
    here = "" if settings.lxd.url.startswith("https:") else network.here
    return Ownership(network.nic, leases, local=network.local, here=here)


def site_of(settings: Settings, network: ProfileNetwork) -> Site | None:
    """Give where new webspaces get an address of their own; ``None`` if they get none."""
    device = network.profile.devices.get(network.nic, {})
    subnets = [each for each in network.networks if isinstance(each, IPv4Network)]
    dhcp = network.config.get("ipv4.dhcp", "true") != "false"
    if not (settings.webspaces.fixed_addresses and network.managed and subnets and dhcp) or "ipv4.address" in device:
        return None
    if network.config.get("ipv4.address", "none") == "none":
        return None
    return Site(
        nic=network.nic, device=device, subnet=subnets[0], dynamic=ranges_of(network.config.get("ipv4.dhcp.ranges", ""))
    )


def advice_of(settings: Settings, network: ProfileNetwork) -> Iterable[str]:
    """Give what an operator should know of the webspaces' profile and network, with the commands to type."""
    profile = network.profile
    client = f"lxc --project {settings.lxd.project}" if settings.lxd.project != "default" else "lxc"
    yield from guards_lacking(profile.name, profile.config, profile.devices, network.nic, network.managed, client)
    if not network.managed:
        yield unmanaged_advice(network.name, has_source=settings.webspaces.leases is not None)


def claim_rules(settings: Settings) -> ClaimRules:
    """Give what webspaces can claim; the labels of the service's own hosts below its domain are reserved."""
    ports, names = settings.webspaces.ports, settings.webspaces.reserved_names
    return ClaimRules(
        domain=settings.webspaces.domain,
        ports=range(ports.start, ports.end + 1),
        reserved=frozenset({*(RESERVED_NAMES if names is None else names), *_own_labels(settings)}),
    )


def _own_labels(settings: Settings) -> Iterable[str]:
    urls = (settings.traefik.webspaced_url, settings.iam.url, settings.lxd.url)
    named = [urlsplit(url).hostname or "" for url in urls if url]
    for host in (*named, *_helper_hosts(settings)):
        label, dot, domain = host.lower().rstrip(".").partition(".")
        if dot and domain == settings.webspaces.domain:
            yield label

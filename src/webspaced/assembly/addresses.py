"""Which addresses and names can be a webspace's, and whose they are, as the operator and LXD say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from webspaced.core.address import AddressRule
from webspaced.core.guards import guards_lacking, unknown_member_advice, unmanaged_advice
from webspaced.core.instance import IPAddress
from webspaced.errors import Invalid
from webspaced.interfaces import ILeases
from webspaced.lib.addresses import own_addresses
from webspaced.lxd.network import ProfileNetwork
from webspaced.network.leases import leases_from
from webspaced.settings import Settings
from webspaced.settings.webspaces import RESERVED_NAMES
from webspaced.webspaces.claims import ClaimRules
from webspaced.webspaces.filters import FilterRule
from webspaced.webspaces.housing import Site, ranges_of
from webspaced.webspaces.ownership import Ownership


@frozen(kw_only=True)
class Ground:
    """What follows from the webspaces' network: which addresses count, whose they are, where new ones are given (``None``:
    nowhere), which filters their own NICs need (``None``: nobody can say), and what the operator should know.
    """

    rule: AddressRule
    ownership: Ownership
    site: Site | None
    filters: FilterRule | None
    advice: Sequence[str]


def ground_of(
    reactor: Any, settings: Settings, network: ProfileNetwork, managed: ILeases, *, loopback: bool
) -> Ground:
    """Give what follows from a network. ``managed`` asks LXD for its leases."""
    return Ground(
        rule=address_rule(settings, network, loopback=loopback),
        ownership=ownership_of(reactor, settings, network, managed),
        site=site_of(settings, network),
        filters=FilterRule(nic=network.nic, client=_client(settings)) if network.managed else None,
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
    return Ownership(network.nic, leases, local=network.local, here=reached_member(settings, network))


def reached_member(settings: Settings, network: ProfileNetwork) -> str | None:
    """Give the cluster member whose bridge we reach, where each has its own; empty if they need not be told apart.

    ``None``: the same address may be at each of them, and nobody can say which one is meant here.
    """
    if not network.local:
        return ""
    if settings.lxd.member:
        return settings.lxd.member
    url = urlsplit(settings.lxd.url)
    literal = _literal_addresses([url.hostname or ""])
    if url.scheme != "https" or url.hostname == "localhost" or own_addresses().intersection(literal):
        return network.here
    return None if network.alike else ""


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
    yield from guards_lacking(
        profile.name, profile.config, profile.devices, network.nic, network.managed, _client(settings)
    )
    if not network.managed:
        yield unmanaged_advice(network.name, has_source=settings.webspaces.leases is not None)
    if reached_member(settings, network) is None:
        yield unknown_member_advice(network.name)


def _client(settings: Settings) -> str:
    return f"lxc --project {settings.lxd.project}" if settings.lxd.project != "default" else "lxc"


def claim_rules(settings: Settings) -> ClaimRules:
    """Give what webspaces can claim; the labels of the service's own hosts below its domain are reserved."""
    ports, names = settings.webspaces.ports, settings.webspaces.reserved_names
    return ClaimRules(
        domain=settings.webspaces.domain,
        ports=range(ports.start, ports.end + 1),
        reserved=frozenset({*(RESERVED_NAMES if names is None else names), *_own_labels(settings)}),
    )


def _own_labels(settings: Settings) -> Iterable[str]:
    traefik = settings.traefik
    urls = (
        traefik.webspaced_url, traefik.probe_url, settings.iam.url, settings.lxd.url, settings.webspaces.leases,
        # A member of that name would be where the operator's pages are.
        *settings.http.cors.allowed_origins,
    )  # fmt: skip
    named = [urlsplit(url).hostname or "" for url in urls if url]
    for host in (*named, *_helper_hosts(settings)):
        label, dot, domain = host.lower().rstrip(".").partition(".")
        if dot and domain == settings.webspaces.domain:
            yield label

"""Which addresses can be a webspace's, as the operator and LXD say: what the pure rule in ``core`` is made of."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from webspaced.core.address import AddressRule
from webspaced.core.instance import IPAddress
from webspaced.lib.addresses import own_addresses
from webspaced.lxd.instances import ProfileNetwork
from webspaced.settings import Settings


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


def _helper_hosts(settings: Settings) -> Iterable[str]:
    http, traefik = settings.http, settings.traefik
    return (
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

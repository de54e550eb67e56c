"""Which addresses can be a webspace's, as the operator and LXD say: what the pure rule in ``core`` is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address

from webspaced.core.address import AddressRule
from webspaced.core.instance import IPAddress
from webspaced.errors import Invalid
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

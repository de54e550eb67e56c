"""The network of the webspaces' profile: its subnets, who has which address there, and what guards it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface, ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attrs import field, frozen
from zope.interface import implementer

from webspaced.core.instance import IPAddress
from webspaced.core.ownership import Lease
from webspaced.errors import NotFound, RemoteError
from webspaced.interfaces import ILeases
from webspaced.lxd import parse
from webspaced.lxd.client import LxdClient
from webspaced.lxd.read import read

NO_ADDRESS = ("none", "auto", "")
FORBIDDEN = 403


@frozen(kw_only=True)
class Profile:
    """The webspaces' profile: its keys, and its devices by name."""

    name: str
    config: Mapping[str, str] = field(factory=dict)
    devices: Mapping[str, Mapping[str, str]] = field(factory=dict)


@frozen(kw_only=True)
class ProfileNetwork:
    """The NIC of the webspaces' profile: its device name, and what a managed bridge says of its subnets.

    ``config`` are the network's keys. ``here``: the cluster member that answers, where LXD is a cluster. ``local``: whether
    each member of one has a bridge of its own that others do not reach, and ``alike``: with the same subnet on all of them.
    """

    nic: str
    networks: tuple[IPv4Network | IPv6Network, ...]
    gateways: tuple[IPAddress, ...]
    name: str = ""
    managed: bool = True
    config: Mapping[str, str] = field(factory=dict)
    profile: Profile = Profile(name="")
    here: str = ""
    local: bool = False
    alike: bool = False


async def profile_network(client: LxdClient, profile: str) -> ProfileNetwork:
    """Find the NIC that every webspace gets from the profile, and the subnets of its bridge if LXD manages it.

    :raises NotFound: there is no such profile, or it has no NIC.
    """
    try:
        document = (await client.get(f"/profiles/{profile}")).metadata
    except NotFound as error:
        message = f"LXD has no profile {profile} (webspaces.lxd_profile): create one with a NIC and a root disk"
        raise NotFound(message) from error
    known = Profile(name=profile, config=document.get("config") or {}, devices=document.get("devices") or {})
    nics = sorted(name for name, device in known.devices.items() if device.get("type") == "nic")
    if not nics:
        message = f"the LXD profile {profile} has no network interface"
        raise NotFound(message)
    # The first by name is eth0 wherever there is one.
    return await _network(client, nics[0], known)


async def _network(client: LxdClient, nic: str, profile: Profile) -> ProfileNetwork:
    device = profile.devices[nic]
    bridge = device.get("network") or device.get("parent") or ""
    try:
        document = (await client.get(f"/networks/{bridge}")).metadata
    except NotFound:
        document = {}
    config = document.get("config") or {}
    told = [
        ip_interface(config[key])
        for key in ("ipv4.address", "ipv6.address")
        if config.get(key, "none") not in NO_ADDRESS
    ]
    present = await _present_addresses(client, bridge)
    managed = bool(document.get("managed"))
    # A restricted certificate is not told the configuration. A bridge that LXD does not manage may be a LAN with
    # more in it than webspaces: webspaces.networks is required then.
    subnets = told or (present if managed else [])
    local = managed and _is_local(document)
    here = await _member(client) if local else ""
    return ProfileNetwork(
        nic=nic,
        networks=tuple(dict.fromkeys(ip_network(interface.network) for interface in subnets)),
        gateways=tuple(dict.fromkeys(interface.ip for interface in [*told, *present])),
        name=bridge,
        managed=managed,
        config=config,
        profile=profile,
        here=here,
        local=bool(here),
        # Of a network's addresses there is one for all members.
        alike=bool(here and told),
    )


def _is_local(document: Mapping[str, Any]) -> bool:
    """Whether a network ends at its cluster member: a bridge that neither a fan nor an interface joins with the others'."""
    config = document.get("config") or {}
    joined = config.get("bridge.mode") == "fan" or config.get("bridge.external_interfaces")
    return document.get("type") == "bridge" and not joined


async def _member(client: LxdClient) -> str:
    environment = (await client.get("")).metadata.get("environment") or {}
    return str(environment.get("server_name") or "") if environment.get("server_clustered") else ""


async def _present_addresses(client: LxdClient, bridge: str) -> list[IPv4Interface | IPv6Interface]:
    """Give what the host's own end of the bridge has now: never a webspace's."""
    try:
        state = (await client.get(f"/networks/{bridge}/state")).metadata
    except (NotFound, RemoteError):
        return []
    entries = [entry for entry in state.get("addresses") or () if entry.get("scope") == "global"]
    return [ip_interface(f"{entry['address']}/{entry['netmask']}") for entry in entries]


@implementer(ILeases)
class NetworkLeases:
    """What LXD says of a network that it manages: leases, and what is written on NICs, of all projects that may be seen.

    Source: ``GET /1.0/networks/{name}/leases`` (https://documentation.ubuntu.com/lxd/en/latest/api/), for bridges and OVN.
    """

    def __init__(self, client: LxdClient, network: str) -> None:
        self._client = client
        self._network = network

    async def leases(self) -> Sequence[Lease]:
        network = await self._client.get(f"/networks/{self._network}")
        users = read(lambda: _projects_of(network.metadata))
        found: list[Lease] = []
        for project in sorted({self._client.project, *users}):
            try:
                found += await self._leases_of(project)
            except (NotFound, RemoteError) as error:
                hidden = isinstance(error, NotFound) or error.code == FORBIDDEN
                if project == self._client.project or not hidden:
                    raise
        return found

    async def _leases_of(self, project: str) -> list[Lease]:
        reply = await self._client.get(f"/networks/{self._network}/leases", project=project)
        told = read(lambda: [parse.lease(each) for each in reply.metadata])
        return [lease for lease in told if lease is not None]


def _projects_of(network: Mapping[str, Any]) -> set[str]:
    """Give the projects of what uses a network, by ``/1.0/instances/<name>?project=<project>`` and the like."""
    queries = (parse_qs(urlsplit(path).query) for path in network.get("used_by") or ())
    return {query["project"][0] for query in queries if query.get("project")} | {"default"}

"""LXD in the terms of webspaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface, ip_network
from typing import TypeVar

from attrs import frozen
from zope.interface import implementer

from webspaced.core.creation import Progress, progress_of
from webspaced.core.instance import Image, Instance, InstanceState, IPAddress, NewInstance
from webspaced.errors import NotFound, RemoteError
from webspaced.interfaces import IInstances
from webspaced.lxd import parse
from webspaced.lxd.client import LxdClient
from webspaced.webspaces.patience import insist

T = TypeVar("T")

CREATE_TIMEOUT = 600.0
"""Seconds: an image may have to be unpacked on a slow disk."""
STATE_TIMEOUT = 60.0
LARGEST_STATE = 512 * 1024
"""Bytes: a container's root decides how many interfaces and addresses it has, and all of them are told."""
"""Seconds: a start whose init is missing fails only after 5."""


@frozen(kw_only=True)
class ProfileNetwork:
    """The NIC of the webspaces' profile: its device name, and what a managed bridge says of its subnets."""

    nic: str
    networks: tuple[IPv4Network | IPv6Network, ...]
    gateways: tuple[IPAddress, ...]


def _read(read: Callable[[], T]) -> T:
    """Read a document; what is not of the documented shape is LXD's error, and not ours."""
    try:
        return read()
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = "LXD's answer is not what its API describes"
        raise RemoteError(message, 0) from error


@implementer(IInstances)
class LxdInstances:
    """See :class:`webspaced.interfaces.IInstances`."""

    def __init__(self, client: LxdClient) -> None:
        self._client = client

    async def list_all(self) -> Sequence[Instance]:
        listed: list[Instance] = []
        await self.go_through(listed.append)
        return listed

    async def go_through(self, told: Callable[[Instance], None]) -> None:
        await self._client.each("/instances", lambda each: told(_read(lambda: parse.instance(each))), recursion="1")

    async def get(self, name: str) -> Instance:
        reply = await self._client.get(f"/instances/{name}")
        return _read(lambda: parse.instance(reply.metadata, reply.etag))

    async def state(self, name: str) -> InstanceState:
        reply = await self._client.get(f"/instances/{name}/state", largest=LARGEST_STATE)
        return _read(lambda: parse.state(reply.metadata))

    async def images(self) -> Sequence[Image]:
        reply = await self._client.get("/images", recursion="1")
        return _read(lambda: [parse.image(each) for each in reply.metadata if each.get("type") != "virtual-machine"])

    async def create(self, new: NewInstance, told: Callable[[Progress], None] | None = None) -> None:
        def heard(metadata: object) -> None:
            progress = progress_of(metadata)
            if progress is not None and told is not None:
                told(progress)

        body = {
            "name": new.name,
            "type": "container",
            "source": {"type": "image", "fingerprint": new.fingerprint},
            "profiles": [new.profile],
            "config": dict(new.config),
        }
        await self._client.operate("POST", "/instances", body, timeout=CREATE_TIMEOUT, told=heard if told else None)

    async def start(self, name: str) -> None:
        await self._put_state(name, "start", STATE_TIMEOUT)

    async def stop(self, name: str, timeout: float, *, force: bool) -> None:
        # LXD's own bound ends a graceful stop; ours is later, so that LXD's answer is the one that counts.
        await self._put_state(name, "stop", timeout + STATE_TIMEOUT, timeout=round(timeout), force=force)

    async def resume(self, name: str) -> None:
        await self._put_state(name, "unfreeze", STATE_TIMEOUT)

    async def delete(self, name: str) -> None:
        await self._client.operate("DELETE", f"/instances/{name}", timeout=CREATE_TIMEOUT)

    async def configure(self, name: str, changes: Mapping[str, str], etag: str) -> None:
        async def patch() -> None:
            await self._client.send("PATCH", f"/instances/{name}", {"config": dict(changes)}, etag=etag)

        # Refused, too, until LXD is done with a stop.
        await insist(self._client.clock, patch)

    async def _put_state(self, name: str, action: str, deadline: float, **more: object) -> None:
        body = {"action": action, "timeout": round(deadline), "force": False, "stateful": False, **more}
        await self._client.operate("PUT", f"/instances/{name}/state", body, timeout=deadline)


async def profile_network(client: LxdClient, profile: str) -> ProfileNetwork:
    """Find the NIC that every webspace gets from the profile, and the subnets of its bridge if LXD manages it.

    :raises NotFound: there is no such profile, or it has no NIC.
    """
    try:
        devices = (await client.get(f"/profiles/{profile}")).metadata.get("devices") or {}
    except NotFound as error:
        message = f"LXD has no profile {profile} (webspaces.lxd_profile): create one with a NIC and a root disk"
        raise NotFound(message) from error
    nics = sorted(name for name, device in devices.items() if device.get("type") == "nic")
    if not nics:
        message = f"the LXD profile {profile} has no network interface"
        raise NotFound(message)
    # The first by name is eth0 wherever there is one.
    device = devices[nics[0]]
    bridge = device.get("network") or device.get("parent") or ""
    return await _bridge_network(client, nics[0], bridge)


async def _bridge_network(client: LxdClient, nic: str, bridge: str) -> ProfileNetwork:
    try:
        document = (await client.get(f"/networks/{bridge}")).metadata
    except NotFound:
        document = {}
    config = document.get("config") or {}
    told = [
        ip_interface(config[key])
        for key in ("ipv4.address", "ipv6.address")
        if config.get(key, "none") not in ("none", "auto", "")
    ]
    present = await _present_addresses(client, bridge)
    # A restricted certificate is not told the configuration. A bridge that LXD does not manage may be a LAN with
    # more in it than webspaces: webspaces.networks is required then.
    subnets = told or (present if document.get("managed") else [])
    return ProfileNetwork(
        nic=nic,
        networks=tuple(dict.fromkeys(ip_network(interface.network) for interface in subnets)),
        gateways=tuple(dict.fromkeys(interface.ip for interface in [*told, *present])),
    )


async def _present_addresses(client: LxdClient, bridge: str) -> list[IPv4Interface | IPv6Interface]:
    """Give what the host's own end of the bridge has now: never a webspace's."""
    try:
        state = (await client.get(f"/networks/{bridge}/state")).metadata
    except (NotFound, RemoteError):
        return []
    entries = [entry for entry in state.get("addresses") or () if entry.get("scope") == "global"]
    return [ip_interface(f"{entry['address']}/{entry['netmask']}") for entry in entries]

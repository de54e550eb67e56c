"""What LXD says of an instance, as values. Times and sizes keep LXD's units."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeAlias

from attrs import field, frozen

IPAddress: TypeAlias = IPv4Address | IPv6Address


class Status(enum.IntEnum):
    """Codes of https://documentation.ubuntu.com/lxd/en/latest/rest-api/ that an instance can be in."""

    STOPPED = 102
    RUNNING = 103
    STARTING = 106
    STOPPING = 107
    FREEZING = 109
    FROZEN = 110
    ERROR = 112
    READY = 113

    @classmethod
    def _missing_(cls, value: object) -> Status:  # noqa: ARG003
        # A code that this version does not know says nothing that could be acted on.
        return cls.ERROR

    @property
    def runs(self) -> bool:
        """Whether its processes run (a frozen instance's do not)."""
        return self in (Status.RUNNING, Status.READY)


@frozen(kw_only=True)
class Instance:
    """One instance of the list, or of its own page (only then with an ``etag``)."""

    name: str
    status: Status
    config: Mapping[str, str] = field(repr=False)
    expanded_devices: Mapping[str, Mapping[str, str]] = field(repr=False)
    created_at: str = ""
    last_used_at: str = ""
    location: str = "none"
    project: str = "default"
    etag: str = field(default="", repr=False)
    protected: frozenset[str] = frozenset()
    """What the operator forbids LXD to do with it; see :mod:`webspaced.core.protection`."""

    @property
    def identity(self) -> tuple[str, str]:
        """Tells it from every other instance of the server: project and name."""
        return self.project, self.name

    @property
    def untold(self) -> bool:
        """Whether LXD lists nothing but its name, because the cluster member that has it is away."""
        return self.status is Status.ERROR and not self.config

    @property
    def incarnation(self) -> str:
        """Tells one start of one container from every other: LXD stamps ``last_used_at`` at each start, reboots included."""
        return f"{self.config.get('volatile.uuid') or self.created_at} {self.last_used_at}"

    def nic_mac(self, nic: str) -> str | None:
        """Give the hardware address that LXD gave a NIC device, in lower case."""
        device = self.expanded_devices.get(nic, {})
        mac = device.get("hwaddr") or self.config.get(f"volatile.{nic}.hwaddr")
        return mac.lower() if mac else None


@frozen(kw_only=True)
class Interface:
    """A network interface as the instance's own root arranged it: nothing here can be trusted."""

    name: str
    mac: str
    addresses: tuple[tuple[IPAddress, str], ...]
    """Pairs of address and scope (``global``, ``link``, ``local``)."""


@frozen(kw_only=True)
class InstanceState:
    """An instance's ``/state``: ``document`` is LXD's own JSON, for what only the API shows."""

    status: Status
    interfaces: tuple[Interface, ...] = ()
    document: Mapping[str, Any] = field(factory=dict, repr=False)


@frozen(kw_only=True)
class Image:
    """An image of LXD's store. ``size`` is in bytes; ``aliases`` are pairs of name and description."""

    fingerprint: str
    aliases: tuple[tuple[str, str], ...]
    properties: Mapping[str, str]
    size: int


@frozen(kw_only=True)
class NewInstance:
    """What is to be created: a container of an image under a profile, with configuration keys and devices of its own."""

    name: str
    fingerprint: str
    profile: str
    config: Mapping[str, str] = field(repr=False)
    devices: Mapping[str, Mapping[str, str]] = field(factory=dict)

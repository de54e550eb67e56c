"""The things that LXD has: instances, images, profiles, networks, projects. Data, and what follows from it."""

from __future__ import annotations

import enum
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from attrs import Factory, define, field

from webspaced.testing.lxd.timings import Behaviour

NEVER_USED = "1970-01-01T00:00:00Z"
IDMAP = (
    '[{"Isuid":true,"Isgid":false,"Hostid":100000,"Nsid":0,"Maprange":10000001},'
    '{"Isuid":false,"Isgid":true,"Hostid":100000,"Nsid":0,"Maprange":10000001}]'
)


class Phase(enum.Enum):
    """What an instance's processes do."""

    STOPPED = "Stopped"
    RUNNING = "Running"
    FROZEN = "Frozen"
    DEAD = "dead, and LXD is not done with it"

    @property
    def alive(self) -> bool:
        """Whether there are processes."""
        return self in (Phase.RUNNING, Phase.FROZEN)


@define(eq=False, kw_only=True)
class Image:
    """An image with its aliases (name to description)."""

    fingerprint: str
    behaviour: Behaviour
    aliases: dict[str, str] = Factory(dict)
    properties: dict[str, str] = Factory(dict)
    size: int = 1_034_425
    type: str = "container"
    uploaded_at: str = NEVER_USED


@define(eq=False, kw_only=True)
class Profile:
    """A profile of a project."""

    name: str
    config: dict[str, str] = Factory(dict)
    devices: dict[str, dict[str, str]] = Factory(dict)
    description: str = ""


@define(eq=False, kw_only=True)
class Network:
    """A bridge; unmanaged ones have no configuration."""

    name: str
    config: dict[str, str] = Factory(dict)
    managed: bool = True


@define(eq=False, kw_only=True)
class Project:
    """A project; features that are off are the default project's."""

    name: str
    config: dict[str, str] = Factory(dict)
    description: str = ""

    def has(self, feature: str) -> bool:
        """Whether the project has its own images, profiles or networks."""
        return self.config.get(f"features.{feature}") == "true"


@define(eq=False, kw_only=True)
class Instance:
    """A container. ``busy`` is LXD's own lock on it: what LXD is doing to it now, or empty."""

    name: str
    project: str
    behaviour: Behaviour
    address: IPv4Address
    created_at: str
    profiles: list[str]
    config: dict[str, str]
    devices: dict[str, dict[str, str]] = Factory(dict)
    description: str = ""
    ephemeral: bool = False
    architecture: str = "x86_64"
    location: str = "none"
    last_used_at: str = NEVER_USED
    phase: Phase = Phase.STOPPED
    busy: str = ""
    waiters: list[Any] = Factory(list)
    """Operations that are to end as the one that keeps it busy does."""
    closing: Any = None
    """What LXD does once its processes are gone and all is cleaned up."""
    deadline: Any = None
    """The call that ends a graceful stop in failure."""
    forced: bool = False
    """Whether a graceful stop was overtaken by a forced one."""
    joined: list[Any] = Factory(list)
    """Forced stops that overtook a graceful restart."""
    up_at: float = 0.0
    pid: int = 0
    received: int = 0
    """Bytes that came to it since its start."""
    sent: int = 0
    used: float = 0.0
    """Seconds of processor time since its start."""
    has_address: bool = False
    extra: list[IPv4Interface] = Factory(list)
    """Addresses that its root added."""
    files: dict[str, Any] = Factory(dict)
    passwords: dict[str, str] = Factory(dict)
    """What ``chpasswd`` was told."""
    installed: set[str] = Factory(set)
    """Programs that its image, or a package manager, put there."""
    enabled: set[str] = Factory(set)
    """Services that start at boot."""
    has_lists: bool = False
    """Whether its package lists were fetched."""
    log: bytearray | None = None
    """What it wrote on its console; ``None`` before the first start."""
    untold: bool = False
    """Whether LXD cannot tell its state now: its monitor is slow."""
    gone: bool = False
    version: int = 0
    rendered: tuple[Any, str] = field(default=(None, ""))
    """The last document with what it was made from: lists of many instances are mostly unchanged ones."""

    def changed(self) -> None:
        """Note that documents and ETag are no longer what they were."""
        self.version += 1

    def set_keys(self, **keys: str | None) -> None:
        """Set configuration keys (``__`` for a dot); ``None`` removes one."""
        for name, value in keys.items():
            self.set_key(name.replace("__", "."), value)

    def set_key(self, name: str, value: str | None) -> None:
        """Set a configuration key, or remove it."""
        if value is None:
            self.config.pop(name, None)
        else:
            self.config[name] = value
        self.changed()

    @property
    def system(self) -> str:
        """What it runs, as its image's properties say: small letters."""
        return self.config.get("image.os", "busybox").lower()

    @property
    def heeds(self) -> bool:
        """Whether a graceful stop reaches its first process."""
        return self.behaviour.heeds and "lxc.signal.halt" not in self.config.get("raw.lxc", "")

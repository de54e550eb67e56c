"""An LXD without HTTP: what it has, what it does when asked, and what happens behind its back.

All of it stands on one clock. Methods that the API calls raise :class:`ApiError` at once or begin an operation; those under
"behind its back" act at once and are for tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from heapq import heappop, heappush
from ipaddress import IPv4Address, IPv4Interface, ip_interface
from typing import Any

from twisted.internet.interfaces import IReactorTime

from webspaced.testing.lxd.agenda import Agenda
from webspaced.testing.lxd.errors import ApiError, no_instance
from webspaced.testing.lxd.events import Events
from webspaced.testing.lxd.files import furnish
from webspaced.testing.lxd.flavour import LXD, Flavour
from webspaced.testing.lxd.metrics import Metrics
from webspaced.testing.lxd.operations import Operation, Operations
from webspaced.testing.lxd.power import Insides, Power
from webspaced.testing.lxd.things import IDMAP, Image, Instance, Network, Phase, Profile, Project
from webspaced.testing.lxd.timings import SYSTEMS, VARIANTS, Behaviour, Timings

BRIDGE = "simbr0"
FIRST_ADDRESS = 10
"""The last number of the first container's address, in the bridge's subnet."""
FEATURES = ("images", "networks", "profiles", "storage.volumes")


class Several:
    """Insides in parts, each told of everything."""

    def __init__(self, *parts: Insides) -> None:
        self.parts = list(parts)

    def began(self, instance: Instance) -> None:
        """See :class:`Insides`."""
        for each in self.parts:
            each.began(instance)

    def ended(self, instance: Instance) -> None:
        """See :class:`Insides`."""
        for each in self.parts:
            each.ended(instance)

    def halted(self, instance: Instance) -> None:
        """See :class:`Insides`."""
        for each in self.parts:
            each.halted(instance)

    def went_on(self, instance: Instance) -> None:
        """See :class:`Insides`."""
        for each in self.parts:
            each.went_on(instance)


class Machine:
    """See the module. ``gateway`` is the bridge's own address with its subnet."""

    def __init__(
        self,
        clock: IReactorTime,
        flavour: Flavour = LXD,
        timings: Timings | None = None,
        gateway: str = "10.7.0.1/24",
        *insides: Insides,
    ) -> None:
        self.flavour = flavour
        self.timings = timings or Timings()
        self.insides = Several(*insides)
        self.agenda = Agenda(clock)
        self.events = Events(flavour, self.agenda.now)
        self.operations = Operations(clock, self.timings.operation_kept, self.agenda.now, self.events.operation)
        self.power = Power(self.agenda, flavour, self.timings, self.operations, self.events, self.insides)
        self.power.in_use = self._name_in_use
        self.power.clash = self.clashing_address
        self.projects = {"default": Project(name="default", config={f"features.{each}": "true" for each in FEATURES})}
        self.instances: dict[tuple[str, str], Instance] = {}
        self.images: dict[tuple[str, str], Image] = {}
        self.profiles: dict[tuple[str, str], Profile] = {}
        self.networks: dict[str, Network] = {}
        self.certificates: dict[str, dict[str, Any]] = {}
        self.members: dict[str, bool] = {}
        """Members of a cluster by name, and whether each is online; empty on a single machine."""
        self.memory_total, self.memory_used, self.memory_of_each = 24 << 30, 1 << 30, 1_155_072
        """Bytes: of the machine, taken by all else, and taken by each container that runs or is frozen."""
        self.metrics = Metrics(self.timings.metrics_kept)
        self.profiles_version = 0
        self.gateway = IPv4Interface(gateway)
        self._count = 0
        self._freed: list[IPv4Address] = []
        self._next = FIRST_ADDRESS - 1
        self._housed = False
        """Whether any address was ever written on a NIC: else the next one is always free."""
        self._furnish()

    def _furnish(self) -> None:
        """Have what the project's private LXDs have: a bridge, two profiles, the tiny images."""
        self.networks[BRIDGE] = Network(
            name=BRIDGE,
            config={"ipv4.address": str(self.gateway), "ipv4.nat": "false", "ipv6.address": "none"},
        )
        self.profiles["default", "default"] = Profile(name="default", description=f"Default {self.product} profile")
        self.profiles["default", "webspace"] = Profile(
            name="webspace",
            description="webspaces",
            config={"boot.autostart": "false"},
            devices={
                "eth0": {"name": "eth0", "network": BRIDGE, "type": "nic"},
                "root": {"path": "/", "pool": "default", "type": "disk"},
            },
        )
        for variant, behaviour in VARIANTS.items():
            self.add_image(variant, behaviour, system=SYSTEMS.get(variant, "busybox"))

    @property
    def product(self) -> str:
        """The server's name as it writes it."""
        return "LXD" if self.flavour.name == "lxd" else "Incus"

    def add_image(self, alias: str, behaviour: Behaviour, project: str = "default", system: str = "busybox") -> str:
        """Have an image whose containers behave so; gives its fingerprint. ``system`` decides on package managers."""
        fingerprint = hashlib.sha256(f"{project} {alias}".encode()).hexdigest()
        self.images[project, fingerprint] = Image(
            fingerprint=fingerprint,
            behaviour=behaviour,
            aliases={alias: ""},
            properties={"description": f"tiny {alias}", "os": system, "release": "1"},
            uploaded_at=self.agenda.now(),
        )
        return fingerprint

    # --- finding things

    def project(self, name: str) -> Project:
        """Give a project."""
        if name not in self.projects:
            raise ApiError(404, "Project not found")
        return self.projects[name]

    def home(self, project: str, feature: str) -> str:
        """Give the project whose images, profiles or networks a project uses."""
        known = self.projects.get(project)
        return project if known is not None and known.has(feature) else "default"

    def instance(self, name: str, project: str = "default") -> Instance:
        """Give an instance; an :class:`ApiError` if there is none or its member is away."""
        instance = self.instances.get((project, name))
        if instance is None:
            if project not in self.projects and self.flavour.full_events:
                raise ApiError(404, "Project not found")
            raise no_instance(self.flavour.name, name, project)
        if not self.members.get(instance.location, True):
            raise ApiError(500, f'Cluster member "{instance.location}" is offline')
        return instance

    def listed(self, project: str | None) -> list[Instance]:
        """Give the instances of a project, or of all."""
        return [each for each in self.instances.values() if project is None or each.project == project]

    def profile(self, name: str, project: str = "default") -> Profile:
        """Give a profile."""
        try:
            return self.profiles[self.home(project, "profiles"), name]
        except KeyError:
            text = "Profile not found" if self.flavour.full_events else "Fetch profile: Profile not found"
            raise ApiError(404, text) from None

    def image(self, fingerprint: str, project: str = "default") -> Image | None:
        """Give an image by its fingerprint or the beginning of it."""
        home = self.home(project, "images")
        found = [each for (owner, full), each in self.images.items() if owner == home and full.startswith(fingerprint)]
        return found[0] if fingerprint and len(found) == 1 else None

    def aliased(self, alias: str, project: str = "default") -> Image | None:
        """Give an image by an alias."""
        home = self.home(project, "images")
        return next((each for (owner, _), each in self.images.items() if owner == home and alias in each.aliases), None)

    def _name_in_use(self, instance: Instance) -> bool:
        return any(
            each.name == instance.name and each is not instance and each.phase is not Phase.STOPPED
            for each in self.instances.values()
        )

    # --- making and removing

    def begin(self, description: str, instance: str, project: str, **more: Any) -> Operation:
        """Begin an operation about an instance."""
        suffix = "" if project == "default" else f"?project={project}"
        resources = {"instances": [f"/1.0/instances/{instance}{suffix}"]}
        if self.flavour.both_resources and not description.endswith(("ting instance", "ping instance", "zing instance")):
            resources = {"containers": [f"/1.0/containers/{instance}{suffix}"], **resources}
        return self.operations.begin(description, project, resources, **more)

    def add(
        self,
        name: str,
        behaviour: Behaviour = VARIANTS["fast"],
        *,
        project: str = "default",
        profiles: Iterable[str] = ("webspace",),
        config: Mapping[str, str] | None = None,
        location: str = "none",
        running: bool = False,
    ) -> Instance:
        """Have an instance, at once and without an event."""
        self._count += 1
        tail = f"{self._count:06x}"
        mac = f"{self.flavour.hwaddr_prefix}:{tail[:2]}:{tail[2:4]}:{tail[4:]}"
        instance = self.instances[project, name] = Instance(
            name=name,
            project=project,
            behaviour=behaviour,
            address=self._free_address(),
            created_at=self.agenda.now(),
            profiles=list(profiles),
            location=location,
            config={
                "volatile.apply_template": "create",
                "volatile.eth0.hwaddr": mac,
                "volatile.idmap.base": "0",
                "volatile.idmap.next": IDMAP,
                "volatile.last_state.idmap": "[]",
                **(config or {}),
                "volatile.uuid": f"{self._count:08x}-0000-4000-8000-000000000000",
            },
        )
        furnish(instance)
        if running:
            self.power.boot_now(instance)
        return instance

    def _free_address(self) -> IPv4Address:
        # The lowest: a new instance may get a deleted one's address at once.
        taken = {each.address for each in self.instances.values()} if self._housed else set()
        while self._freed:
            address = heappop(self._freed)
            if address not in taken:
                return address
        while True:
            self._next += 1
            address = self.gateway.network.network_address + self._next
            if address >= self.gateway.network.broadcast_address:
                raise ApiError(500, "No available dynamic address")
            if address not in taken:
                return address

    def house(self, instance: Instance) -> None:
        """Give an instance the address that is written on its NIC, if one is."""
        text = self.expanded_devices(instance).get("eth0", {}).get("ipv4.address", "")
        if text and IPv4Address(text) != instance.address:
            self._housed = True
            if instance.address not in self._fixed():
                heappush(self._freed, instance.address)
            instance.address = IPv4Address(text)

    def clashing_address(self, instance: Instance, devices: Mapping[str, Any] | None = None) -> str:
        """Give the address on an instance's NIC (or among other devices for it) that another one's NIC has, or nothing."""
        own = self.expanded_devices(instance) if devices is None else devices
        address: str = own.get("eth0", {}).get("ipv4.address", "") if self._housed else ""
        others = (each for each in self.instances.values() if each is not instance)
        taken = {self.expanded_devices(each).get("eth0", {}).get("ipv4.address") for each in others} if address else set()
        return address if address in taken else ""

    def _fixed(self) -> set[IPv4Address]:
        texts = (self.expanded_devices(each).get("eth0", {}).get("ipv4.address") for each in self.instances.values())
        return {IPv4Address(text) for text in texts if text}

    def discard(self, instance: Instance) -> None:
        """Remove one, whatever it does, without an event."""
        if instance.phase.alive:
            self.power.die(instance, noticed=False)
        instance.gone = True
        heappush(self._freed, instance.address)
        del self.instances[instance.project, instance.name]

    def tell(self, action: str, instance: Instance, **more: Any) -> None:
        """Send a lifecycle event about an instance."""
        self.events.lifecycle(
            action,
            f"/1.0/instances/{instance.name}",
            instance.project,
            name=instance.name,
            location=instance.location,
            **more,
        )

    # --- behind its back

    def crash(self, name: str, project: str = "default") -> None:
        """End all its processes, as a kernel out of memory does; a power-off inside looks the same."""
        self.power.die(self.instances[project, name])

    power_off = crash

    def start(self, name: str, project: str = "default") -> None:
        """Have a stopped one run, at once: somebody else started it."""
        instance = self.instances[project, name]
        self.power.boot_now(instance)
        self.tell("instance-started", instance)

    def freeze(self, name: str, project: str = "default") -> None:
        """Halt a running one, at once: somebody else froze it."""
        instance = self.instances[project, name]
        self.power.halt(instance)
        self.tell("instance-paused", instance)

    def set_keys(self, name: str, keys: Mapping[str, str], project: str = "default") -> None:
        """Change configuration keys (an empty value removes one): somebody else did."""
        instance = self.instances[project, name]
        instance.config = {key: value for key, value in {**instance.config, **keys}.items() if value != ""}
        instance.changed()
        self.tell("instance-updated", instance, asked=False)

    def rename(self, name: str, new: str, project: str = "default") -> None:
        """Give one another name: somebody else did."""
        instance = self.instances[project, new] = self.instances.pop((project, name))
        instance.name = new
        instance.set_key("volatile.apply_template", "rename")
        self.tell("instance-renamed", instance, context={"old_name": name})

    def copy(self, name: str, new: str, project: str = "default") -> Instance:
        """Copy one, with all that is configured of it: somebody else did."""
        copy = self.duplicate(self.instances[project, name], new, project, {})
        self.tell("instance-created", copy, context={"storage-pool": "default", "type": "container"})
        return copy

    def duplicate(self, origin: Instance, name: str, project: str, config: Mapping[str, str]) -> Instance:
        """Have a copy, without an event: all of the configuration except what LXD keeps for itself."""
        kept = {key: value for key, value in origin.config.items() if not key.startswith("volatile.")}
        copy = self.add(
            name,
            origin.behaviour,
            project=project,
            profiles=origin.profiles,
            config={**kept, **config},
            location=origin.location,
        )
        copy.installed, copy.enabled = set(origin.installed), set(origin.enabled)
        copy.devices, copy.files = deepcopy(origin.devices), deepcopy(origin.files)
        self.house(copy)
        copy.set_key("volatile.apply_template", "copy")
        if "volatile.base_image" in origin.config:
            copy.set_key("volatile.base_image", origin.config["volatile.base_image"])
        return copy

    def remove(self, name: str, project: str = "default") -> None:
        """Delete one, whatever it does: somebody else did."""
        instance = self.instances[project, name]
        self.discard(instance)
        self.tell("instance-deleted", instance)

    def reboot(self, name: str, project: str = "default") -> None:
        """Let it restart itself from inside."""
        self.power.reboot(self.instances[project, name])

    def add_address(self, name: str, address: str, project: str = "default") -> None:
        """Let its root add an address (``10.7.0.66/24``) to its interface, until it stops."""
        interface = ip_interface(address)
        assert isinstance(interface, IPv4Interface)  # noqa: S101  (the bridge has IPv4 alone)
        self.instances[project, name].extra.append(interface)

    def killed(self, *, finish: bool = False) -> None:
        """LXD died: operations are lost; what they were for is dropped, or with ``finish`` still done."""
        self.operations.drop()
        self.events.subscribers.clear()
        if not finish:
            self.agenda.drop()
            for instance in self.instances.values():
                self.power.interrupted(instance)

    def came_back(self) -> None:
        """LXD starts what ran, unless ``boot.autostart`` says no."""
        for instance in self.instances.values():
            ran = instance.config.get("volatile.last_state.power") == "RUNNING"
            if instance.phase is Phase.STOPPED and not instance.busy and ran:
                if self.expanded(instance).get("boot.autostart") == "false":
                    continue
                self.power.boot_now(instance)

    def expanded(self, instance: Instance) -> dict[str, str]:
        """Give an instance's configuration with that of its profiles."""
        return {**self._merged(instance, "config"), **instance.config}

    def expanded_devices(self, instance: Instance) -> dict[str, dict[str, str]]:
        """Give an instance's devices with those of its profiles."""
        return {**self._merged(instance, "devices"), **instance.devices}

    def _merged(self, instance: Instance, what: str) -> dict[str, Any]:
        home = self.home(instance.project, "profiles")
        merged: dict[str, Any] = {}
        for name in instance.profiles:
            merged |= getattr(self.profiles[home, name], what)
        return merged

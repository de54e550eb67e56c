"""Creating, copying, changing, renaming and deleting instances, as the API asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from webspaced.core.protection import DELETE, protections
from webspaced.testing.lxd.documents import etag
from webspaced.testing.lxd.errors import ApiError, Failed
from webspaced.testing.lxd.machine import Machine
from webspaced.testing.lxd.operations import Operation
from webspaced.testing.lxd.things import Image, Instance, Phase

SLOW_CREATION = 1.0
"""Seconds; of what is faster, the real ones tell nothing either."""
_NAME = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
# What LXD knows of configuration keys, as far as it matters whether a key exists.
_KEYS = re.compile(
    r"(?:user|volatile|image|environment|limits|boot|security|raw|linux|nvidia|migration|snapshots|cluster|cloud-init|agent)\..+"
    r"|placement"
)
_DEVICES = frozenset({
    "none", "nic", "disk", "unix-char", "unix-block", "usb", "gpu", "infiniband", "proxy", "unix-hotplug", "tpm", "pci",
})  # fmt: skip


class Changes:
    """Changes a machine's instances. Everything is given as the JSON of a request has it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    # --- create

    def create(self, body: Mapping[str, Any], project: str) -> Operation:
        """Begin to create an instance from an image, empty, or as a copy."""
        machine = self._machine
        if project not in machine.projects:
            raise ApiError(404, "Failed loading project: Project not found")
        name = _text(body, "name") or f"made-up-name-{len(machine.instances)}"
        _check_name(name)
        source = body.get("source") or {}
        kind = source.get("type", "")
        if kind == "copy":
            return self._copy(name, source, body, project)
        if kind not in ("image", "none"):
            raise ApiError(400, f"Unknown source type {kind}")
        profiles = body.get("profiles")
        profiles = ["default"] if profiles is None else profiles
        for profile in profiles:
            if (machine.home(project, "profiles"), profile) not in machine.profiles:
                raise ApiError(500, f'Requested profile "{profile}" doesn\'t exist')
        image = self._image(source, project)
        operation = machine.begin("Creating instance", name, project)
        if kind == "image" and image is None:
            machine.operations.fail(operation, Failed("Image not provided for instance creation"))
            return operation
        self._make(operation, name, project, image, dict(body))
        return operation

    def _image(self, source: Mapping[str, Any], project: str) -> Image | None:
        machine = self._machine
        alias = source.get("alias")
        if not alias:
            return machine.image(source.get("fingerprint") or "", project)
        image = machine.aliased(alias, project)
        if image is None and not machine.flavour.missing_alias_in_operation:
            raise ApiError(404, "Image alias not found")
        return image

    def _make(self, operation: Operation, name: str, project: str, image: Image | None, body: dict[str, Any]) -> None:
        machine = self._machine
        config = _strings(body.get("config"))
        unknown = _unknown_key(config)
        if unknown:
            text = f"Failed creating instance record: Unknown configuration key: {unknown}"
            machine.operations.fail(operation, Failed(text))
        elif self._taken(name, project):
            machine.operations.fail(operation, Failed(self._clash()))
        else:
            properties = {} if image is None else {f"image.{key}": value for key, value in image.properties.items()}
            base = {} if image is None else {"volatile.base_image": image.fingerprint}
            instance = machine.add(
                name,
                *(() if image is None else (image.behaviour,)),
                project=project,
                profiles=["default"] if body.get("profiles") is None else body["profiles"],
                config={**properties, **config, **base},
                location=self._member(),
            )
            instance.devices = body.get("devices") or {}
            machine.house(instance)
            instance.description = body.get("description") or ""
            instance.busy = "create"
            # The event comes before the operation is done.
            machine.tell("instance-created", instance, context={"storage-pool": "default", "type": "container"})
            start = body.get("start") is True
            undo = self._undone(instance)
            self._unpack(operation)
            self._after(operation, machine.timings.create, lambda: self._made(instance, start, operation), undo)

    def _unpack(self, operation: Operation) -> None:
        """Tell now and then how far it is, as the real ones do of an image that takes a while."""

        def told(percent: int) -> None:
            if operation.over:
                return
            stage = "create_instance_from_image_unpack"
            text = f"{self._machine.flavour.unpacking}: {percent}% (120.99MB/s)"
            progress = {"percent": str(percent), "speed": "120987297", "stage": stage}
            operation.metadata = {f"{stage}_progress": text, "progress": progress}

        seconds = self._machine.timings.create
        for percent in range(10, 100, 10) if seconds >= SLOW_CREATION else ():
            self._machine.agenda.later(seconds * percent / 100, told, percent)

    def _made(self, instance: Instance, start: bool, operation: Operation) -> None:
        instance.busy = ""
        if start:
            operation.waits_on = True
            self._machine.power.start(instance, operation)

    def _member(self) -> str:
        """Give the cluster's member with the fewest instances; ``none`` on a single machine."""
        online = [name for name, is_online in self._machine.members.items() if is_online]
        load = [each.location for each in self._machine.instances.values()]
        return min(online, key=load.count, default="none")

    def _clash(self) -> str:
        prefix = "Failed creating instance record: Add instance info to the database: "
        if self._machine.flavour.full_events:
            failed = "UNIQUE constraint failed: instances.project_id, instances.name"
            return f'{prefix}Failed to create "instances" entry: {failed}'
        return prefix + 'This "instances" entry already exists'

    def _taken(self, name: str, project: str) -> bool:
        return (project, name) in self._machine.instances

    def _copy(self, name: str, source: Mapping[str, Any], body: Mapping[str, Any], project: str) -> Operation:
        machine = self._machine
        origin_name, origin_project = source.get("source") or "", source.get("project") or project
        origin = machine.instances.get((origin_project, origin_name))
        if origin is None:
            text = f'Failed to fetch instance "{origin_name}" in project "{origin_project}": Instance not found'
            raise ApiError(404, text)
        operation = machine.begin("Creating instance", name, project)
        if self._taken(name, project):
            machine.operations.fail(operation, Failed(self._clash()))
            return operation
        copy = machine.duplicate(origin, name, project, _strings(body.get("config")))
        if body.get("profiles") is not None:
            copy.profiles = list(body["profiles"])
        copy.busy = "create"
        machine.tell("instance-created", copy, context={"storage-pool": "default", "type": "container"})
        self._after(operation, machine.timings.copy, lambda: self._made(copy, False, operation), self._undone(copy))
        return operation

    # --- update

    def patch(self, instance: Instance, body: Mapping[str, Any], if_match: str) -> None:
        """Merge a change into an instance. The caller answers when the time for it has passed."""
        self._check_etag(instance, if_match)
        config = _strings(body.get("config"))
        wanted = {**instance.config, **config}
        wanted = {key: value for key, value in wanted.items() if value != ""}
        devices = {**instance.devices, **(body.get("devices") or {})}
        self._check(wanted, devices, body.get("profiles"), instance)
        self._apply(instance, wanted, devices, body)

    def put(self, instance: Instance, body: Mapping[str, Any], if_match: str) -> Operation:
        """Begin to replace an instance's configuration, except what LXD keeps for itself if it is missing."""
        self._check_etag(instance, if_match)
        config = {key: value for key, value in _strings(body.get("config")).items() if value != ""}
        profiles = body.get("profiles")
        for profile in profiles or ():
            self._machine.profile(profile, instance.project)
        operation = self._machine.begin("Updating instance", instance.name, instance.project)
        devices = body.get("devices") or {}
        try:
            self._check(config, devices, profiles, instance)
        except ApiError as error:
            self._machine.operations.fail(operation, Failed(error.text))
            return operation

        def effect() -> None:
            defaults = {"description": "", "ephemeral": False, "profiles": []}
            self._apply(instance, config, devices, {**defaults, **body}, asked=True)

        self._after(operation, self._machine.timings.update, effect)
        return operation

    def _check_etag(self, instance: Instance, if_match: str) -> None:
        current = etag(instance)
        given = if_match.strip('"')
        if given and given != current:
            raise ApiError(412, f"ETag doesn't match: {current} vs {given}")

    def _check(
        self, config: Mapping[str, str], devices: Mapping[str, Any], profiles: list[str] | None, instance: Instance
    ) -> None:
        for profile in profiles or ():
            if (self._machine.home(instance.project, "profiles"), profile) not in self._machine.profiles:
                raise ApiError(404, "Profile not found")
        if unknown := _unknown_key(config):
            raise ApiError(500, f"Invalid config: Unknown configuration key: {unknown}")
        for name, device in devices.items():
            if device.get("type") not in _DEVICES:
                text = f'Device validation failed for "{name}": Failed loading device "{name}": Unsupported device type'
                raise ApiError(500, f"Invalid devices: {text}")
        if address := self._machine.clashing_address(instance, devices):
            text = f'Failed update validation for device "eth0": IP address "{address}" already defined on another NIC'
            raise ApiError(409, text)
        if instance.busy:
            doing = "stop" if instance.phase is Phase.DEAD else instance.busy
            text = f'Failed to create instance update operation: Instance is busy running a "{doing}" operation'
            raise ApiError(500, text)

    def _apply(
        self,
        instance: Instance,
        config: dict[str, str],
        devices: dict[str, Any],
        body: Mapping[str, Any],
        *,
        asked: bool = False,
    ) -> None:
        instance.config, instance.devices = config, devices
        self._machine.house(instance)
        for name in ("description", "ephemeral", "profiles"):
            if body.get(name) is not None:
                setattr(instance, name, body[name])
        instance.changed()
        self._machine.tell("instance-updated", instance, asked=asked)

    # --- rename and delete

    def rename(self, instance: Instance, body: Mapping[str, Any]) -> Operation:
        """Begin to rename a stopped instance."""
        machine = self._machine
        new = _text(body, "name")
        _check_name(new)
        taken = self._taken(new, instance.project)
        if taken and not machine.flavour.full_events:
            raise ApiError(409, f'Name "{new}" already in use')
        operation = machine.begin("Renaming instance", instance.name, instance.project)
        shown_running = instance.phase.alive or (instance.phase is Phase.DEAD and machine.flavour.dead_shows_running)
        if shown_running or instance.busy:
            who = "instance" if machine.flavour.full_events else "container"
            machine.operations.fail(operation, Failed(f"Renaming of running {who} not allowed"))
        elif taken:
            machine.operations.fail(operation, Failed("Instance name is already in use"))
        else:
            self._after(operation, machine.timings.rename, lambda: self._renamed(instance, new))
        return operation

    def delete(self, instance: Instance) -> Operation:
        """Begin to delete a stopped instance."""
        machine = self._machine
        if instance.phase.alive or (instance.phase is Phase.DEAD and machine.flavour.dead_shows_running):
            raise ApiError(400, "Instance is running")
        operation = machine.begin("Deleting instance", instance.name, instance.project)
        if instance.busy:
            text = f'Failed to create instance delete operation: Instance is busy running a "{instance.busy}" operation'
            machine.operations.fail(operation, Failed(text))
        elif DELETE in protections(machine.expanded(instance)):
            machine.operations.fail(operation, Failed("Container is protected"))
        else:
            instance.busy = "delete"
            self._after(operation, machine.timings.delete, lambda: self._deleted(instance), lambda: self._idle(instance))
        return operation

    def _renamed(self, instance: Instance, new: str) -> None:
        if self._taken(new, instance.project):
            raise Failed("Instance name is already in use")
        self._machine.rename(instance.name, new, instance.project)

    def _deleted(self, instance: Instance) -> None:
        if instance.gone:
            raise Failed("Instance not found", 404)
        instance.busy = ""
        self._machine.remove(instance.name, instance.project)

    def _undone(self, instance: Instance) -> Callable[[], None]:
        """Give what removes what a failed creation had made."""

        def undo() -> None:
            if not instance.gone:
                self._machine.remove(instance.name, instance.project)

        return undo

    def _idle(self, instance: Instance) -> None:
        instance.busy = ""

    def _after(
        self,
        operation: Operation,
        seconds: float,
        effect: Callable[[], None],
        undo: Callable[[], None] = lambda: None,
    ) -> None:
        """Do something later and end the operation with it, unless that did so itself. ``undo``: if it is doomed."""

        def act() -> None:
            try:
                if operation.doom:
                    undo()
                    raise Failed(operation.doom)  # noqa: TRY301
                effect()
            except Failed as failed:
                self._machine.operations.fail(operation, failed)
            else:
                if not operation.waits_on:
                    self._machine.operations.succeed(operation)

        self._machine.agenda.later(seconds, act)


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name) or ""
    if not isinstance(value, str):
        raise ApiError(400, f"json: cannot unmarshal into Go struct field InstancesPost.{name} of type string")
    return value


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ApiError(400, "Invalid instance name: Name can only contain alphanumeric and hyphen characters")


def _strings(config: Any) -> dict[str, str]:
    if config is None:
        return {}
    if not isinstance(config, dict) or not all(isinstance(value, str) for value in config.values()):
        raise ApiError(400, "json: cannot unmarshal number into Go struct field InstancePut.config of type string")
    return config


def _unknown_key(config: Mapping[str, str]) -> str | None:
    return next((key for key in config if not _KEYS.fullmatch(key)), None)

"""The JSON documents of the API: what they are made of and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from webspaced.testing.lxd.flavour import Flavour
from webspaced.testing.lxd.machine import Machine
from webspaced.testing.lxd.things import NEVER_USED, Image, Instance, Network, Phase, Profile, Project

CODES = {"Stopped": 102, "Running": 103, "Frozen": 110, "Error": 112}
_NO_COUNTERS = {
    f"{what}_{way}": 0
    for what, way in (
        ("bytes", "received"), ("bytes", "sent"), ("packets", "received"), ("packets", "sent"), ("errors", "received"),
        ("errors", "sent"), ("packets_dropped", "outbound"), ("packets_dropped", "inbound"),
    )
}  # fmt: skip
_LOOPBACK = {
    "addresses": [
        {"family": "inet", "address": "127.0.0.1", "netmask": "8", "scope": "local"},
        {"family": "inet6", "address": "::1", "netmask": "128", "scope": "local"},
    ],
    "counters": _NO_COUNTERS,
    "hwaddr": "",
    "host_name": "",
    "mtu": 65536,
    "state": "up",
    "type": "loopback",
}
MEMORY = 1_155_072
PROCESSES = 5


def dump(value: Any) -> str:
    """Give JSON as the API writes it."""
    return json.dumps(value, separators=(",", ":"))


def etag(instance: Instance) -> str:
    """Give what changes whenever what can be configured changes, which starts and stops do as well (not freezing)."""
    seen = (instance.architecture, instance.config, instance.devices, instance.ephemeral, instance.profiles)
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def tag_of(document: Any) -> str:
    """Give the ETag of anything else."""
    return hashlib.sha256(dump(document).encode()).hexdigest()


def status(instance: Instance, flavour: Flavour, *, reachable: bool = True) -> str:
    """Give the name of an instance's status."""
    if not reachable or instance.untold:
        return "Error"
    if instance.phase is Phase.DEAD:
        # In the first half of a restart, and if it ended as soon as it had begun, it counts as stopped on both.
        shown = flavour.dead_shows_running and instance.busy == "stop" and not instance.behaviour.crashes
        return "Running" if shown else "Stopped"
    return str(instance.phase.value)


def instance_document(instance: Instance, machine: Machine) -> str:
    """Give an instance's document, as JSON."""
    reachable = machine.members.get(instance.location, True)
    key = (instance.version, machine.profiles_version, instance.phase, reachable, instance.name, instance.untold)
    if instance.rendered[0] != key:
        shown = status(instance, machine.flavour, reachable=reachable)
        document = {
            "architecture": instance.architecture,
            "config": instance.config,
            "devices": instance.devices,
            "ephemeral": instance.ephemeral,
            "profiles": instance.profiles,
            "stateful": False,
            "description": instance.description,
            "created_at": instance.created_at,
            "expanded_config": machine.expanded(instance),
            "expanded_devices": machine.expanded_devices(instance),
            "name": instance.name,
            "status": shown,
            "status_code": CODES[shown],
            "last_used_at": instance.last_used_at,
            "location": instance.location,
            "type": "container",
            "project": instance.project,
        }
        instance.rendered = (key, dump(document))
    return str(instance.rendered[1])


def full_document(instance: Instance, machine: Machine) -> str:
    """Give an instance's document with its state, as ``recursion=2`` lists it, as JSON."""
    state = dump(state_document(instance, machine)) if machine.members.get(instance.location, True) else "null"
    return f'{instance_document(instance, machine)[:-1]},"backups":null,"state":{state},"snapshots":null}}'


def state_document(instance: Instance, machine: Machine) -> dict[str, Any]:
    """Give an instance's ``/state``."""
    alive = instance.phase.alive
    shown = status(instance, machine.flavour)
    document: dict[str, Any] = {
        "status": shown,
        "status_code": CODES[shown],
        "disk": {},
        "memory": _memory(alive, machine.flavour),
        "network": _network(instance, machine) if alive else None,
        "pid": instance.pid,
        "processes": PROCESSES if alive else 0,
        "cpu": {"usage": round(instance.used * 1e9) if alive else 0},
    }
    if machine.flavour.full_events:
        document["cpu"]["allocated_time"] = 2_000_000_000 if alive else 0
        document |= {"started_at": instance.last_used_at if alive else "0001-01-01T00:00:00Z", "os_info": None}
    return document


def resources_document(machine: Machine) -> dict[str, Any]:
    """Give what the machine has, as far as it is modelled: memory, in bytes."""
    alive = sum(each.phase.alive for each in machine.instances.values())
    used = machine.memory_used + alive * machine.memory_of_each
    return {"memory": {"nodes": [], "hugepages_total": 0, "used": used, "total": machine.memory_total}}


def _memory(alive: bool, flavour: Flavour) -> dict[str, int]:
    memory = {"usage": MEMORY * alive, "usage_peak": 2 * MEMORY * alive, "swap_usage": 0, "swap_usage_peak": 0}
    return memory | ({"total": 24_684_084_000 * alive} if flavour.full_events else {})


def _network(instance: Instance, machine: Machine) -> dict[str, Any]:
    netmask = str(machine.gateway.network.prefixlen)
    own = [(str(instance.address), netmask)] if instance.has_address else []
    extra = [(str(each.ip), str(each.network.prefixlen)) for each in instance.extra]
    addresses = [
        {"family": "inet", "address": address, "netmask": mask, "scope": "global"} for address, mask in [*own, *extra]
    ]
    return {
        "eth0": {
            "addresses": addresses,
            "counters": {**_NO_COUNTERS, "bytes_received": instance.received, "bytes_sent": instance.sent},
            "hwaddr": instance.config.get("volatile.eth0.hwaddr", ""),
            "host_name": instance.config.get("volatile.eth0.host_name", ""),
            "mtu": 1500,
            "state": "up",
            "type": "broadcast",
        },
        "lo": _LOOPBACK,
    }


def image_document(image: Image) -> dict[str, Any]:
    """Give an image's document."""
    return {
        "auto_update": False,
        "properties": image.properties,
        "public": False,
        "expires_at": "1970-01-01T00:00:00Z",
        "profiles": ["default"],
        "aliases": [{"name": name, "description": text} for name, text in image.aliases.items()],
        "architecture": "x86_64",
        "cached": False,
        "filename": "",
        "fingerprint": image.fingerprint,
        "size": image.size,
        "type": image.type,
        "created_at": "2023-11-14T22:13:20Z",
        "last_used_at": "0001-01-01T00:00:00Z",
        "uploaded_at": image.uploaded_at,
    }


def alias_document(name: str, image: Image) -> dict[str, Any]:
    """Give an alias's document."""
    return {"description": image.aliases[name], "target": image.fingerprint, "name": name, "type": image.type}


def profile_document(profile: Profile, machine: Machine, project: str) -> dict[str, Any]:
    """Give a profile's document."""
    users = [each for each in machine.listed(None) if profile.name in each.profiles and _home(machine, each) == project]
    document: dict[str, Any] = {
        "config": profile.config,
        "description": profile.description,
        "devices": profile.devices,
        "name": profile.name,
        "used_by": [path(each) for each in users],
    }
    return document | ({"project": project} if machine.flavour.full_events else {})


def _home(machine: Machine, instance: Instance) -> str:
    return machine.home(instance.project, "profiles")


def network_document(network: Network, machine: Machine) -> dict[str, Any]:
    """Give a network's document."""
    document: dict[str, Any] = {
        "config": network.config,
        "description": "",
        "name": network.name,
        "type": "bridge",
        "used_by": [path(each) for each in machine.listed(None)] if network.managed else [],
        "managed": network.managed,
        "status": "Created" if network.managed else "",
        "locations": [*machine.members] or ["none"] if network.managed else None,
    }
    return document | ({"project": "default"} if machine.flavour.full_events else {})


def leases_document(machine: Machine, project: str) -> list[dict[str, Any]]:
    """Give the leases of the bridge for the instances of a project; a dynamic one outlives a stop."""
    leases = []
    for instance in machine.listed(project):
        fixed = machine.expanded_devices(instance).get("eth0", {}).get("ipv4.address")
        if not fixed and instance.last_used_at == NEVER_USED:
            continue
        leases.append({
            "hostname": instance.name,
            "hwaddr": instance.config.get("volatile.eth0.hwaddr", ""),
            "address": fixed or str(instance.address),
            "type": "static" if fixed else "dynamic",
            "location": "none" if instance.location == "none" else instance.location,
        })
    return leases


def project_document(project: Project, machine: Machine) -> dict[str, Any]:
    """Give a project's document."""
    used = [path(each) for each in machine.listed(project.name)]
    used += [f"/1.0/images/{each.fingerprint}" for (owner, _), each in machine.images.items() if owner == project.name]
    used += [f"/1.0/profiles/{name}" for owner, name in machine.profiles if owner == project.name]
    return {"config": project.config, "description": project.description, "name": project.name, "used_by": used}


def path(instance: Instance) -> str:
    """Give where an instance is, as lists and ``used_by`` have it."""
    suffix = "" if instance.project == "default" else f"?project={instance.project}"
    return f"/1.0/instances/{instance.name}{suffix}"


def server_document(machine: Machine, project: str, auth: str) -> Mapping[str, Any]:
    """Give ``/1.0``; who is not trusted sees less."""
    flavour = machine.flavour
    document: dict[str, Any] = {
        "api_extensions": EXTENSIONS,
        "api_status": "stable",
        "api_version": "1.0",
        "auth": auth,
        "public": False,
        "auth_methods": ["tls"],
    }
    if auth == "trusted":
        document["config"] = {"images.auto_update_interval": "0"}
        document["environment"] = {
            "addresses": [],
            "architectures": ["x86_64", "i686"],
            "certificate": "",
            "certificate_fingerprint": "",
            "driver": "lxc",
            "driver_version": "5.0.2",
            "firewall": "nftables",
            "kernel": "Linux",
            "kernel_architecture": "x86_64",
            "kernel_version": "6.1.0",
            "os_name": "Debian GNU/Linux",
            "os_version": "12",
            "project": project,
            "server": flavour.name,
            "server_clustered": bool(machine.members),
            "server_event_mode": "full-mesh",
            "server_name": next(iter(machine.members), "simulated"),
            "server_pid": 1,
            "server_version": flavour.version,
            "storage": "dir",
            "storage_version": "1",
        }
    return document


EXTENSIONS = [
    "container_last_used_at", "etag", "patch", "network", "container_exec_recording", "container_exec_signal_handling",
    "console", "event_lifecycle", "clustering", "projects", "container_full", "event_location", "instances",
    "api_filtering", "instance_all_projects", "certificate_project", "certificate_token", "event_project",
    "event_lifecycle_requestor_address",
]  # fmt: skip

"""LXD's JSON as values of ``core``. Nothing here trusts what a container's root can arrange."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from itertools import islice
from typing import Any

from webspaced.core.instance import Image, Instance, InstanceState, Interface, IPAddress, Status
from webspaced.core.ownership import Lease
from webspaced.core.protection import protections

MOST_READ = 64
"""So many addresses of an interface are read: a container's root can put thousands there."""
MOST_INTERFACES = 64


def instance(document: Mapping[str, Any], etag: str = "") -> Instance:
    """Read an element of ``/1.0/instances?recursion=1``, or ``/1.0/instances/<name>``."""
    return Instance(
        name=document["name"],
        status=Status(document["status_code"]),
        # Null for an instance of a cluster member that is away.
        config=document["config"] or {},
        expanded_devices=document.get("expanded_devices") or {},
        created_at=document.get("created_at", ""),
        last_used_at=document.get("last_used_at", ""),
        location=document.get("location", "none"),
        project=document.get("project", "default"),
        etag=etag,
        protected=protections(document.get("expanded_config") or {}),
    )


def state(document: Mapping[str, Any]) -> InstanceState:
    """Read ``/1.0/instances/<name>/state``. A stopped instance has no network there."""
    return InstanceState(
        status=Status(document["status_code"]),
        interfaces=tuple(_interface(name, nic) for name, nic in islice(_network(document).items(), MOST_INTERFACES)),
        document=document,
    )


def lease(document: Mapping[str, Any]) -> Lease | None:
    """Read an element of ``/1.0/networks/<name>/leases``; those of the network itself belong to nobody."""
    address, mac = _address(document.get("address", "")), document.get("hwaddr", "").lower()
    return Lease(address=address, mac=mac, location=document.get("location", "none")) if address and mac else None


def _network(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return document.get("network") or {}


def _interface(name: str, document: Mapping[str, Any]) -> Interface:
    addresses = [
        (address, entry.get("scope", ""))
        for entry in (document.get("addresses") or ())[:MOST_READ]
        if (address := _address(entry.get("address", ""))) is not None
    ]
    return Interface(name=name, mac=document.get("hwaddr", "").lower(), addresses=tuple(addresses))


def _address(text: str) -> IPAddress | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def image(document: Mapping[str, Any]) -> Image:
    """Read an element of ``/1.0/images?recursion=1``."""
    return Image(
        fingerprint=document["fingerprint"],
        aliases=tuple((alias["name"], alias.get("description", "")) for alias in document.get("aliases") or ()),
        properties=document.get("properties") or {},
        size=document.get("size", 0),
    )

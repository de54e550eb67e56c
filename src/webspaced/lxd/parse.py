"""LXD's JSON as values of ``core``. Nothing here trusts what a container's root can arrange."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from webspaced.core.instance import Image, Instance, InstanceState, Interface, IPAddress, Status


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
        etag=etag,
    )


def state(document: Mapping[str, Any]) -> InstanceState:
    """Read ``/1.0/instances/<name>/state``. A stopped instance has no network there."""
    return InstanceState(
        status=Status(document["status_code"]),
        interfaces=tuple(_interface(name, nic) for name, nic in (document.get("network") or {}).items()),
        document=document,
    )


def _interface(name: str, document: Mapping[str, Any]) -> Interface:
    addresses = [
        (address, entry.get("scope", ""))
        for entry in document.get("addresses") or ()
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

"""Values in the shapes of the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from webspaced.core.certificate import Certificate
from webspaced.core.instance import Image, InstanceState, Status
from webspaced.core.webspace import Webspace
from webspaced.webspaces.conditions import Kind
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.sleeper import Rest

MOST_SHOWN = 32
"""Interfaces, and addresses of each: root of a container can make thousands."""


def webspace(value: Webspace, conditions: Mapping[Kind, str]) -> dict[str, Any]:
    """Give the contract's Webspace object; where something is wrong with it now, also what."""
    told = [{"kind": kind.value, "detail": detail} for kind, detail in conditions.items()]
    return {**value.to_json(), **({"conditions": told} if told else {})}


def certificate(value: Certificate) -> dict[str, Any]:
    """Give what is told of a certificate that a member brought: nothing of its key."""
    return {
        "uploaded": True,
        "names": list(value.names),
        "issuer": value.issuer,
        "fingerprint": value.fingerprint,
        "notBefore": rfc3339(value.not_before),
        "notAfter": rfc3339(value.not_after),
    }


def rfc3339(seconds: float) -> str:
    """Give a time in seconds since the epoch as the API writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def image(value: Image) -> dict[str, Any]:
    """Give the contract's Image object."""
    return {
        "aliases": [{"name": name, "description": description} for name, description in value.aliases],
        "fingerprint": value.fingerprint,
        "properties": dict(value.properties),
        "size": value.size,
    }


def state(observed: Observed, value: InstanceState, rest: Rest, now: float) -> dict[str, Any]:
    """Give the contract's State object; every field is present, whether the webspace runs or not.

    :param now: seconds since the epoch, for the uptime.
    """
    document = value.document
    # One that dozes has not ended, and works as soon as somebody wants it to.
    runs = value.status.runs or (observed.dozes and value.status is Status.FROZEN)
    return {
        "running": runs,
        "uptime": _uptime(observed.instance.last_used_at, now) if runs else 0,
        "depth": rest.depth.value,
        "lastActive": rfc3339(rest.last_active),
        "sleepsAt": None if rest.sleeps_at is None else rfc3339(rest.sleeps_at),
        "wakesAt": None if rest.wakes_at is None else rfc3339(rest.wakes_at),
        "usage": {
            "cpu": _number(document.get("cpu"), "usage"),
            "disks": {name: _number(disk, "usage") for name, disk in (document.get("disk") or {}).items()},
            "memory": _number(document.get("memory"), "usage"),
            "processes": max(0, _number(document, "processes")),
        },
        "networkInterfaces": dict(islice(_interfaces(document.get("network") or {}), MOST_SHOWN)),
    }


def _interfaces(network: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, _interface(nic)) for name, nic in network.items() if nic.get("type") != "loopback")


def _interface(nic: Mapping[str, Any]) -> dict[str, Any]:
    counters = nic.get("counters") or {}
    return {
        "mac": nic.get("hwaddr", ""),
        "mtu": nic.get("mtu", 0),
        "state": nic.get("state", ""),
        "counters": {
            "bytesReceived": _number(counters, "bytes_received"),
            "bytesSent": _number(counters, "bytes_sent"),
            "packetsReceived": _number(counters, "packets_received"),
            "packetsSent": _number(counters, "packets_sent"),
        },
        "addresses": [
            {key: str(entry.get(key, "")) for key in ("family", "address", "netmask", "scope")}
            for entry in islice(nic.get("addresses") or (), MOST_SHOWN)
        ],
    }


def _number(document: Any, key: str) -> int:
    value = document.get(key, 0) if isinstance(document, Mapping) else 0
    return value if isinstance(value, int) else 0


def _uptime(started: str, now: float) -> int:
    """Give whole seconds since an RFC 3339 time with LXD's nanoseconds, which Python reads only up to microseconds."""
    seconds, _, fraction = started.rstrip("Z").partition(".")
    try:
        since = datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}+00:00")
    except ValueError:
        return 0
    return max(0, int(now - since.timestamp()))

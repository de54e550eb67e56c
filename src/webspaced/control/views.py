"""What the operator is shown, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, frozen

from webspaced.core.routes import Route
from webspaced.http.views import rfc3339
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.sleeper import Rest


@frozen(kw_only=True)
class Standing:
    """How the daemon stands: whether it is ready, leads, and hears LXD; what waits, and what is wrong for all."""

    version: str
    ready: bool
    leads: bool
    leader: str
    """The name of the daemon that leads; empty where none is known."""
    lxd: bool
    boots_under_way: int
    waiting_for_room: int
    routes_to_write: int
    trouble: str


def status(standing: Standing, everybody: Iterable[Observed], conditions: Conditions) -> dict[str, Any]:
    """Give the daemon's state, with webspaces by depth and wish, and how often there is which condition."""
    depths, wishes, kinds = Counter[str](), Counter[str](), Counter[str]()
    for observed in everybody:
        depths[observed.depth.value] += 1
        wishes[observed.webspace.desired.wish.value] += 1
    # Also of those that cannot be read.
    for told_of in conditions.everybody().values():
        kinds.update(kind.value for kind in told_of)
    told = asdict(standing)
    return {**told, "webspaces": dict(depths), "desired": dict(wishes), "conditions": dict(kinds)}


def webspace(observed: Observed, rest: Rest, conditions: Mapping[Kind, str], memory: int | None) -> dict[str, Any]:
    """Give a webspace; ``memory`` in bytes, ``None`` where it is not known or it is stopped."""
    return {
        "id": observed.uid,
        "user": observed.username,
        "instance": observed.name,
        "location": observed.instance.location,
        "depth": observed.depth.value,
        "desired": observed.webspace.desired.to_json(),
        "lastActive": rfc3339(rest.last_active),
        "memory": memory,
        "addresses": [str(each) for each in observed.addresses],
        "conditions": _conditions(conditions),
    }


def unreadable(uid: int, name: str, conditions: Mapping[Kind, str]) -> dict[str, Any]:
    """Give a webspace of which nothing is known but that LXD has something of that name."""
    return {
        "id": uid, "user": None, "instance": name, "location": "", "depth": "unknown", "desired": {"desired": "unknown"},
        "lastActive": None, "memory": None, "addresses": [], "conditions": _conditions(conditions),
    }  # fmt: skip


def _conditions(conditions: Mapping[Kind, str]) -> list[dict[str, str]]:
    return [{"kind": kind.value, "detail": detail} for kind, detail in conditions.items()]


def route(value: Route | None) -> dict[str, Any] | None:
    """Give a route; nothing of certificates' keys."""
    if value is None:
        return None
    return {
        "hosts": list(value.hosts),
        "backend": str(value.backend),
        "protocol": value.protocol.value,
        "passthrough": value.passthrough,
        "challenges": None if value.challenges is None else str(value.challenges),
        "certificates": [host for each in value.certificates for host in each.hosts],
    }

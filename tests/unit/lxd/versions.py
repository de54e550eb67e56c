"""What versions of LXD say that are not at hand: made from their API documents, not recorded.

Sources: ``doc/rest-api.md``, ``doc/events.md`` and ``doc/api-extensions.md`` of the branches stable-4.0 and stable-5.21 and
of 6.x (https://documentation.ubuntu.com/lxd/). LXD 5.0 and Incus 6.0 are tested for real.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

_OLD = ["etag", "patch", "container_last_used_at", "projects", "event_lifecycle", "instances"]
_NEW = [*_OLD, "certificate_token", "instance_ready_state", "event_project", "event_lifecycle_name_and_project"]


@frozen(kw_only=True)
class Version:
    """One version's documents, about an instance ``ws-u7`` that runs at 10.7.0.5.

    ``trust`` are the members of ``POST /1.0/certificates`` that a token is sent in. ``events`` are lifecycle events
    (metadata only) with the names of the instances that they are about.
    """

    root: dict[str, Any]
    trust: tuple[str, ...]
    instance: dict[str, Any]
    events: tuple[tuple[dict[str, Any], tuple[str, ...]], ...]
    incarnation: str

    def trusting(self, token: str) -> dict[str, str]:
        """Give these members with a token in them."""
        return dict.fromkeys(self.trust, token)


def _root(version: str, extensions: list[str], auth: str = "trusted") -> dict[str, Any]:
    environment = {"server": "lxd", "server_version": version, "server_clustered": False, "project": "default"}
    return {
        "api_extensions": extensions,
        "api_status": "stable",
        "api_version": "1.0",
        "auth": auth,
        "auth_methods": ["tls"],
        "config": {},
        "environment": environment,
        "public": False,
    }


_INSTANCE = {
    "architecture": "x86_64",
    "config": {"user._webspaced": '{"user":7}', "volatile.eth0.hwaddr": "00:16:3e:1c:94:38"},
    "created_at": "2026-02-16T01:05:05Z",
    "description": "",
    "devices": {},
    "ephemeral": False,
    "expanded_config": {},
    "expanded_devices": {"eth0": {"name": "eth0", "nictype": "bridged", "parent": "lxdbr0", "type": "nic"}},
    "last_used_at": "2026-02-17T01:05:05.123456789Z",
    "location": "none",
    "name": "ws-u7",
    "profiles": ["webspace"],
    "stateful": False,
    "status": "Running",
    "status_code": 103,
    "type": "container",
}

_UUID = {"volatile.uuid": "0d8ab1f4-1b4f-4a57-8e36-3b7f8a9ed1a4"}

STATE = {
    "status": "Running",
    "status_code": 103,
    "disk": {},
    "memory": {"usage": 73248768, "usage_peak": 77785600, "swap_usage": 0, "swap_usage_peak": 0},
    "network": {
        "eth0": {
            "addresses": [
                {"family": "inet", "address": "10.7.0.5", "netmask": "24", "scope": "global"},
                {"family": "inet6", "address": "fe80::216:3eff:feec:65a8", "netmask": "64", "scope": "link"},
            ],
            "counters": {"bytes_received": 33942, "bytes_sent": 30810, "packets_received": 402, "packets_sent": 178},
            "hwaddr": "00:16:3e:1c:94:38",
            "host_name": "vethBWTSU5",
            "mtu": 1500,
            "state": "up",
            "type": "broadcast",
        },
    },
    "pid": 29911,
    "processes": 3,
    "cpu": {"usage": 4986019722},
}

LXD_4_0 = Version(
    root=_root("4.0.9", _OLD),
    # Incus cannot be told from it by its extensions, and reads the other.
    trust=("password", "trust_token"),
    instance={key: value for key, value in _INSTANCE.items() if key not in ("description", "type")},
    events=(
        ({"action": "container-started", "source": "/1.0/containers/ws-u7"}, ("ws-u7",)),
        ({"action": "container-shutdown", "source": "/1.0/containers/ws-u7", "context": None}, ("ws-u7",)),
        (
            {"action": "container-renamed", "source": "/1.0/containers/ws-u7", "context": {"new_name": "ws-u8"}},
            ("ws-u7", "ws-u8"),
        ),
        ({"action": "container-snapshot-created", "source": "/1.0/containers/ws-u7/snapshots/s"}, ("ws-u7",)),
    ),
    # Before LXD 4.20 instances had no UUID.
    incarnation="2026-02-16T01:05:05Z 2026-02-17T01:05:05.123456789Z",
)

LXD_5_21 = Version(
    root=_root("5.21.3", [*_NEW, "explicit_trust_token"]),
    trust=("trust_token",),
    instance={**_INSTANCE, "config": {**_INSTANCE["config"], **_UUID}, "project": "default"},  # type: ignore[dict-item]
    events=(
        (
            {
                "action": "instance-started", "source": "/1.0/instances/ws-u7", "name": "ws-u7", "project": "default",
                "requestor": {"username": "root", "protocol": "unix", "address": ""},
            },
            ("ws-u7",),
        ),
        (
            {
                "action": "instance-renamed", "source": "/1.0/instances/ws-u8?project=web", "name": "ws-u8",
                "project": "web", "context": {"old_name": "ws-u7"},
            },
            ("ws-u8", "ws-u7"),
        ),
        ({"action": "instance-ready", "source": "/1.0/instances/ws-u7", "name": "ws-u7", "project": "default"}, ("ws-u7",)),
        ({"action": "network-updated", "source": "/1.0/networks/lxdbr0", "name": "lxdbr0", "project": "default"}, ()),
    ),
    incarnation=f"{_UUID['volatile.uuid']} 2026-02-17T01:05:05.123456789Z",
)  # fmt: skip

LXD_6 = Version(
    root=_root("6.3", [*_NEW, "explicit_trust_token", "access_management", "instances_state_os_info"]),
    trust=("trust_token",),
    # A system that has told LXD that it is up is "Ready".
    instance={**LXD_5_21.instance, "status": "Ready", "status_code": 113},
    events=LXD_5_21.events,
    incarnation=LXD_5_21.incarnation,
)

VERSIONS = {"4.0": LXD_4_0, "5.21": LXD_5_21, "6.x": LXD_6}

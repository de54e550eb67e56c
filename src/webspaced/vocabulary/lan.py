"""Events of the container network."""

from __future__ import annotations

from collections.abc import Mapping

from webspaced.vocabulary.event import Event, broke, info, warn

GROUPS: Mapping[str, tuple[Event, ...]] = {
    "The container network": (
        warn("lan.announce-failed", "Where an address is could not be told on the LAN.", "address", "error"),
        broke("lan.broke", "The network is not looked after for the moment, by a mistake of webspaced's own."),
        warn("lan.cluster-lost", "Peers could not be listed, and stay as they are.", "what", "error"),
        warn("lan.hook-failed", "A hook failed.", "what", "error"),
        warn("lan.name-lost", "The addresses of a name are not found, and stay as they are.", "host", "error"),
        warn("lan.pass-failed", "The network is not as it is wanted.", "error"),
        info("lan.written", "Something was written to the kernel.", "count", "peers"),
    ),
}  # fmt: skip

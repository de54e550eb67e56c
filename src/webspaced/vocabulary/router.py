"""The events of the router of the containers' network (:mod:`webspaced.router`)."""

from __future__ import annotations

from collections.abc import Mapping

from webspaced.vocabulary.event import Event, broke, debug, error, info, warn

GROUPS: Mapping[str, tuple[Event, ...]] = {
    "The router": (
        error(
            "router.address-kept",
            "The router's address could not be given up, and another router may have it, too.",
            "error",
        ),
        broke("router.duty-broke", "Nobody sees to whether this router serves, by a mistake of its own."),
        error("router.files-failed", "The files of dnsmasq cannot be written; the next change tries again.", "error"),
        broke("router.lease-broke", "The router no longer stands for its Lease, by a mistake of its own."),
        error("router.log-failed", "The log of who had which address cannot be written.", "error"),
        warn("router.lxd-failed", "LXD could not be read; what was known stays.", "error"),
        warn("router.no-address", "An instance gets no address.", "instance", "project", "error"),
        warn("router.not-announced", "The LAN could not be told where the router's address is.", "error"),
        broke("router.plan-broke", "The plan of addresses is not kept, by a mistake of the router's own."),
        info("router.resting", "This router serves no more."),
        warn("router.rules-changed", "Somebody else changed the router's rules, which are put back."),
        debug("router.server-asked", "A line of dnsmasq about one question for an address.", "line"),
        broke("router.server-broke", "Nobody supervises dnsmasq, by a mistake of the router's own."),
        warn("router.server-ended", "The server dnsmasq ended and is started again.", "error"),
        info("router.server-line", "A line of dnsmasq.", "line"),
        info("router.serving", "This router serves from now on."),
        warn("router.serving-failed", "This router is to serve, and cannot yet.", "error"),
    ),
}

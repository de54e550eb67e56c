"""The figures of the router."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import define

from webspaced.base.families import Reading, one
from webspaced.base.metric import Metric, Sort
from webspaced.router.duty import Duty
from webspaced.router.firewall import Firewall
from webspaced.router.keeper import Keeper
from webspaced.router.records import Given
from webspaced.router.server import Dnsmasq

_METRICS = (
    Metric("webspaced_router_serving", Sort.GAUGE, "Whether this router serves (1) or stands by (0)."),
    Metric("webspaced_router_reservations", Sort.GAUGE, "Instances that have an address of their own."),
    Metric("webspaced_router_without_address", Sort.GAUGE, "Instances that get none; the log says why."),
    Metric("webspaced_router_resting_addresses", Sort.GAUGE, "Addresses that nobody new gets yet."),
    Metric("webspaced_router_addresses_given_total", Sort.COUNTER, "How often dnsmasq gave an address, renewals included."),
    Metric("webspaced_router_dnsmasq_starts_total", Sort.COUNTER, "How often dnsmasq was started."),
    Metric("webspaced_router_rules_loads_total", Sort.COUNTER, "How often the rules were loaded."),
    Metric(
        "webspaced_router_refused_packets_total", Sort.COUNTER,
        "Packets that the rules refused since they were loaded; of a connection only the first ones count.", ("reason",),
    ),
)  # fmt: skip
CATALOGUE: Final = {each.name: each for each in _METRICS}


@define
class Figures:
    """Reads them."""

    keeper: Keeper
    server: Dnsmasq
    firewall: Firewall
    duty: Duty
    given: int = 0

    def count(self, given: Given) -> None:
        """Count one address that was given."""
        self.given += given.what == "given"

    def read(self) -> Iterator[Reading]:
        """Give what each says now."""
        plan = self.keeper.plan
        yield one("webspaced_router_serving", self.duty.is_serving)
        yield one("webspaced_router_reservations", len(plan.reservations))
        yield one("webspaced_router_without_address", len(plan.without))
        yield one("webspaced_router_resting_addresses", self.keeper.resting)
        yield one("webspaced_router_addresses_given_total", self.given)
        yield one("webspaced_router_dnsmasq_starts_total", self.server.starts)
        yield one("webspaced_router_rules_loads_total", self.firewall.loads)
        yield Reading("webspaced_router_refused_packets_total", {(r,): float(n) for r, n in self.firewall.refused.items()})

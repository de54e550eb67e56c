"""Who has what only one webspace can have: external ports and host names (design decision 15).

Documents in LXD can be restored, copied and renamed behind webspaced's back, so two of them may name the same thing. Each
claim carries the time of its grant, and the latest grant wins: whoever was given it last was given it when the other did
not have it. The same function judges at a write and at a start.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from attrs import evolve, field, frozen

Key: TypeAlias = int | str
"""What is claimed: an external port, or a host name."""
_PORT = re.compile(r"[0-9]{1,5}")
LAST_TIME = 1e11
"""Seconds since the epoch, in the year 5138: what lies beyond is no time of a grant: none could be later by little."""

AHEAD = 3600.0
"""Seconds in the future in which the date of a grant may lie: clocks that differ by more are set wrong."""
FIRST_TIME = 1_735_689_600.0
"""The begin of 2025, in seconds since the epoch: a clock that says less was never set, and nothing is judged by it."""


def believed(granted: float, now: float) -> float:
    """Give the time of a grant; 0, as if it had none, where it lies in the future: the clock was wrong when it was made."""
    return 0.0 if now >= FIRST_TIME and granted > now + AHEAD else granted


def _freeze_ports(times: Mapping[int, float]) -> Mapping[int, float]:
    return MappingProxyType(dict(sorted(times.items())))


def _freeze_domains(times: Mapping[str, float]) -> Mapping[str, float]:
    return MappingProxyType(dict(sorted(times.items())))


@frozen(kw_only=True)
class Grants:
    """When a webspace was given what it has, in seconds since the epoch; 0 for what was given before grants were kept."""

    ports: Mapping[int, float] = field(default=MappingProxyType({}), converter=_freeze_ports)
    domains: Mapping[str, float] = field(default=MappingProxyType({}), converter=_freeze_domains)
    name: float = 0.0
    """Of the default domain."""
    boot: Mapping[int, float] = field(default=MappingProxyType({}), converter=_freeze_ports)
    """Of the boot port; a number that was written beside the document has none."""
    lost: frozenset[str] = frozenset()
    """Domains that were granted to another webspace since: no claims of this one's until they are proved again."""

    def of_port(self, port: int) -> float:
        """Give the time of a port's grant."""
        return self.ports.get(port, 0.0)

    def of_domain(self, domain: str) -> float:
        """Give the time of a domain's grant."""
        return self.domains.get(domain, 0.0)

    def of_boot_port(self, port: int | None) -> float:
        """Give the time of a boot port's grant."""
        return 0.0 if port is None else self.boot.get(port, 0.0)

    def with_port(self, port: int, granted: float) -> Grants:
        """Give this with the grant of one more port."""
        return evolve(self, ports={**self.ports, port: granted})

    def with_domain(self, domain: str, granted: float) -> Grants:
        """Give this with the grant of one more domain."""
        return evolve(self, domains={**self.domains, domain: granted}, lost=self.lost - {domain})

    def with_lost(self, domains: Iterable[str]) -> Grants:
        """Give this with domains that another webspace has now."""
        return evolve(self, lost=self.lost | frozenset(domains))

    def only(self, ports: Collection[int], domains: Collection[str]) -> Grants:
        """Give this without the grants of what the webspace does not have."""
        return evolve(
            self,
            ports={port: at for port, at in self.ports.items() if port in ports},
            domains={name: at for name, at in self.domains.items() if name in domains},
            lost=self.lost & frozenset(domains),
        )

    def to_json(self) -> dict[str, Any]:
        """Give what is kept in the document."""
        members = {
            "ports": {str(port): at for port, at in self.ports.items()},
            "domains": dict(self.domains),
            "name": self.name,
            "boot": {str(port): at for port, at in self.boot.items()},
            "lost": sorted(self.lost),
        }
        return {name: value for name, value in members.items() if value}


def load_grants(document: object, ports: Collection[int], domains: Collection[str]) -> Grants:
    """Read what :meth:`Grants.to_json` gave; what is none counts as given before grants were kept."""
    members = document if isinstance(document, dict) else {}
    times = members.get("ports"), members.get("domains")
    lost = members.get("lost")
    of_ports, of_domains = (each if isinstance(each, dict) else {} for each in times)
    return Grants(
        ports={port: at for port in ports if (at := _time(of_ports.get(str(port))))},
        domains={name: at for name in domains if (at := _time(of_domains.get(name)))},
        name=_time(members.get("name")),
        boot=_load_boot(members.get("boot")),
        lost=frozenset(name for name in domains if isinstance(lost, list) and name in lost),
    )


def _load_boot(document: object) -> dict[int, float]:
    members = document if isinstance(document, dict) else {}
    times = {text: at for text, value in members.items() if _PORT.fullmatch(text) and (at := _time(value))}
    return {int(text): at for text, at in times.items()}


def _time(value: object) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 < value < LAST_TIME else 0.0  # type: ignore[arg-type, operator]


@frozen(kw_only=True)
class Claim:
    """One webspace's claim. ``born`` is LXD's time of the instance's creation, a text that sorts."""

    uid: int
    granted: float
    born: str = ""


def winner(claims: Iterable[Claim]) -> Claim | None:
    """Give the claim that counts: the latest grant.

    Between grants of the same time, such as those from before they were kept, the older instance wins (a copy is the
    younger one), then the smaller id.
    """
    ordered = sorted(claims, key=lambda claim: (-claim.granted, claim.born, claim.uid))
    return ordered[0] if ordered else None

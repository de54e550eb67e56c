"""Rules of a webspace's routers, and their priorities among all routers that one Traefik has.

Traefik tries the router with the highest priority first; where none is given that is the length of the rule
(https://doc.traefik.io/traefik/reference/routing-configuration/http/routing/rules-and-priority/). With many domains a
webspace's rule would be longer than what an ACME solver has for one of them. So each router has the priority of a rule for
its shortest host alone, less one: below whatever else names one of its hosts, above a catch-all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

CHALLENGES = "/.well-known/acme-challenge/"
"""Where HTTP-01 looks (RFC 8555 section 8.3)."""
LEAST = 17
"""More than a catch-all has, such as HostRegexp(`.+`), however short a host is."""
MOST = 40
"""Less than the rule of Traefik's own for challenges has, where these may pass it by: 44."""
CHALLENGE_PRIORITY = 50
"""More than that, as these are the webspace's own; less than a solver has, whose rule names a host and a token."""
_HOST = re.compile(r"`([^`]*)`")


def any_of(matcher: str, hosts: Iterable[str]) -> str:
    """Give a rule: ``Host`` or ``HostSNI`` is one of these."""
    return " || ".join(f"{matcher}(`{host}`)" for host in hosts)


def priority(matcher: str, hosts: Iterable[str]) -> int:
    """Give the priority of a router that has the rule :func:`any_of` of these."""
    return max(LEAST, min([MOST, *(len(any_of(matcher, (host,))) - 1 for host in hosts)]))


def challenges_of(hosts: Iterable[str]) -> str:
    """Give a rule: a challenge for one of these."""
    return f"({any_of('Host', hosts)}) && PathPrefix(`{CHALLENGES}`)"


def unnamed(hosts: Iterable[str]) -> str:
    """Give a rule: the host is one of these, without Traefik's noticing which.

    Whatever a TLS router's rule names by ``Host`` is no longer passed through to anybody.
    """
    return any_of("HostRegexp", (f"^{host.replace('.', '[.]')}$" for host in hosts))


def hosts_in(rule: str) -> list[str]:
    """Give the hosts that a rule of :func:`any_of` names."""
    return _HOST.findall(rule)

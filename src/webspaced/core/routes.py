"""Which route a webspace should have: a function of what LXD says, the settings and readiness (design decision 1)."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping

from attrs import field, frozen

from webspaced.core.address import Endpoint
from webspaced.core.instance import IPAddress
from webspaced.core.protocol import Protocol

CHALLENGED = 80
"""The port of a container on which ACME challenges by plain HTTP are answered (RFC 8555 section 8.3)."""


class Readiness(enum.Enum):
    """What is known of one port in one incarnation of a container."""

    UNKNOWN = "unknown"
    READY = "ready"
    NEVER = "never"
    """It did not answer within the bound: visitors are told at once, after one try."""


@frozen(kw_only=True)
class ServedCertificate:
    """A certificate of a member's own, and at which hosts Traefik shows it: PEM, the certificate first, then its chain."""

    hosts: tuple[str, ...]
    chain: str = field(repr=False)
    key: str = field(repr=False)


@frozen(kw_only=True)
class Route:
    """How visitors reach a webspace: the names that lead to it, and the one backend. Only checked values get in here."""

    name: str
    hosts: tuple[str, ...]
    backend: Endpoint
    passthrough: bool = False
    """TLS goes through to the container untouched (SNI), instead of HTTP that Traefik terminated."""
    protocol: Protocol = Protocol.HTTP
    """What the backend speaks where TLS is not passed through."""
    challenges: Endpoint | None = None
    """Where ACME challenges by plain HTTP go where it is."""
    certificates: tuple[ServedCertificate, ...] = ()
    """In the order of their hosts; the other hosts have automatic ones."""

    @property
    def automatic(self) -> tuple[str, ...]:
        """Give the hosts whose certificates are not their member's own."""
        own = {host for each in self.certificates for host in each.hosts}
        return tuple(host for host in self.hosts if host not in own)


@frozen(kw_only=True)
class Standing:
    """What decides where a webspace's route leads.

    ``address`` is the verified address of a running webspace, else ``None``; ``readiness`` that of its web port;
    ``diverted``: visitors go through webspaced (it is being stopped).
    """

    name: str
    hosts: tuple[str, ...]
    http_port: int
    passthrough: bool
    boot: Endpoint
    address: IPAddress | None
    readiness: Readiness
    diverted: bool = False
    protocol: Protocol = Protocol.HTTP
    certificates: tuple[ServedCertificate, ...] = ()


def wanted_route(standing: Standing, published: Endpoint | None, taken: Collection[IPAddress] = ()) -> Route:
    """Give the route that a webspace should have now.

    :param published: the backend that its route names already: with readiness unknown (after a restart of webspaced) a
        direct route that is still right stays.
    :param taken: addresses that another webspace's route named a moment ago; Traefik may still send its visitors there.
    """
    return Route(
        name=standing.name,
        hosts=standing.hosts,
        backend=_direct(standing, published, taken) or standing.boot,
        passthrough=standing.passthrough,
        protocol=Protocol.HTTP if standing.passthrough else standing.protocol,
        # Always by the boot port, which tells plain HTTP from TLS: they are few, and this stays as it is.
        challenges=standing.boot if standing.passthrough else None,
        # With passthrough the container has its own.
        certificates=() if standing.passthrough else standing.certificates,
    )


def _direct(standing: Standing, published: Endpoint | None, taken: Collection[IPAddress]) -> Endpoint | None:
    if standing.address is None or standing.diverted:
        return None
    direct = Endpoint(standing.address, standing.http_port)
    if standing.readiness is Readiness.UNKNOWN:
        return direct if published == direct else None
    free = published == direct or standing.address not in taken
    return direct if standing.readiness is Readiness.READY and free else None


@frozen(kw_only=True)
class Difference:
    """What must be written to make the actual routes the wanted ones."""

    put: Mapping[str, Route]
    remove: frozenset[str]

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.put or self.remove)


def difference(actual: Mapping[str, Route], wanted: Mapping[str, Route]) -> Difference:
    """Compare by name; orphans are removed because they are not wanted."""
    return Difference(
        put={name: route for name, route in wanted.items() if actual.get(name) != route},
        remove=frozenset(actual.keys() - wanted.keys()),
    )

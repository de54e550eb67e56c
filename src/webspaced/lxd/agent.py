"""Connections to LXD for HTTP and WebSockets: its unix socket, or TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import define
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IReactorUNIX, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent, IAgentEndpointFactory
from zope.interface import implementer

from webspaced.errors import Unavailable
from webspaced.lxd.tls import Identities, connection_creator

log = Logger()

# Where distributions put the socket; Incus first, as a machine with both has moved on.
KNOWN_SOCKETS = (
    "/run/incus/unix.socket",
    "/var/lib/incus/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/lib/lxd/unix.socket",
)
CONNECT_TIMEOUT = 5.0
HTTPS_PORT = 8443


def find_socket(url: str, candidates: Iterable[str] = KNOWN_SOCKETS) -> str:
    """Give the path of LXD's unix socket.

    :param url: ``unix://`` and a path, or empty to search where distributions put it.
    :raises Unavailable: none of the known places has one.
    """
    if url:
        return url.removeprefix("unix://")
    for path in candidates:
        if Path(path).is_socket():
            return path
    message = f"no LXD or Incus found: none of {', '.join(candidates)} exists (set lxd.url to its socket)"
    raise Unavailable(message)


@implementer(IAgentEndpointFactory)
@define
class UnixEndpoints:
    """Leads every URI to one unix socket."""

    reactor: IReactorUNIX
    path: str

    def endpointForURI(self, uri: URI) -> UNIXClientEndpoint:
        """Give the socket, whatever the host of the URI."""
        return UNIXClientEndpoint(self.reactor, self.path, timeout=CONNECT_TIMEOUT)


@implementer(IAgentEndpointFactory)
@define
class TlsEndpoints:
    """Leads every URI to one server over TLS, whatever its scheme says."""

    reactor: Any
    host: str
    port: int
    creator: IOpenSSLClientConnectionCreator

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Give the server, whatever the host of the URI."""
        plain = HostnameEndpoint(self.reactor, self.host, self.port, timeout=CONNECT_TIMEOUT)
        return wrapClientTLS(self.creator, plain)


def endpoints_for(reactor: Any, url: str, identities: Identities) -> IAgentEndpointFactory:
    """Give the way to LXD: ``https://host[:port]``, ``unix://path``, or empty for a local socket.

    :raises Unavailable: there is no local socket.
    :raises Invalid: a certificate or key cannot be used.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname is None:
        return UnixEndpoints(reactor, find_socket(url))
    if identities.insecure and identities.server is None:
        log.warn(
            "LXD's certificate is NOT verified (lxd.tls.allow_insecure): whoever is on the way can be LXD",
            event="lxd.unverified",
        )
    return TlsEndpoints(reactor, parts.hostname, parts.port or HTTPS_PORT, connection_creator(parts.hostname, identities))


class Connections:
    """Kept connections to one LXD: a boot makes a dozen requests."""

    def __init__(
        self, reactor: Any, endpoints: IAgentEndpointFactory, identities: Identities | None = None
    ) -> None:
        self.endpoints = endpoints
        self._identities = identities
        self._pool = HTTPConnectionPool(reactor, persistent=True)
        self._pool.maxPersistentPerHost = 16
        self.agent: IAgent = Agent.usingEndpointFactory(reactor, endpoints, self._pool)
        self.suspect = False
        """Whether LXD has shown no sign of life since :meth:`lost`."""

    def renewed(self, identities: Identities) -> Callable[[], None]:
        """Give what makes new connections with these identities; those in use go on.

        :raises Invalid: a certificate or key cannot be used.
        """
        endpoints = self.endpoints
        if not isinstance(endpoints, TlsEndpoints) or identities == self._identities:
            return lambda: None
        creator = connection_creator(endpoints.host, identities)

        def put() -> None:
            self._identities, endpoints.creator = identities, creator
            self._pool.closeCachedConnections()

        return put

    def lost(self) -> None:
        """Use none of the idle connections again: the machine at their other end may be gone without a word."""
        self.suspect = True
        self._pool.closeCachedConnections()

    def found(self) -> None:
        """LXD is there."""
        self.suspect = False

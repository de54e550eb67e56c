"""Connections to LXD's unix socket for HTTP and WebSockets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IReactorUNIX
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent, IAgentEndpointFactory
from zope.interface import implementer

from webspaced.errors import Unavailable

# Where distributions put the socket; Incus first, as a machine with both has moved on.
KNOWN_SOCKETS = (
    "/run/incus/unix.socket",
    "/var/lib/incus/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/lib/lxd/unix.socket",
)
CONNECT_TIMEOUT = 5.0


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


def unix_agent(reactor: Any, endpoints: IAgentEndpointFactory) -> IAgent:
    """Give an agent that keeps its connections: a boot makes a dozen requests."""
    pool = HTTPConnectionPool(reactor, persistent=True)
    pool.maxPersistentPerHost = 16
    agent: IAgent = Agent.usingEndpointFactory(reactor, endpoints, pool)
    return agent

"""Kept connections to the API server, over TLS with both sides' certificates."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from OpenSSL import SSL, crypto
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.ssl import (
    optionsForClientTLS,
)
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent, IAgentEndpointFactory
from zope.interface import implementer

from webspaced.errors import Invalid
from webspaced.kube.access import Access
from webspaced.lib.pem import own_options, trust_roots

CONNECT_TIMEOUT = 5.0
KEPT = 32
IDLE = 60
"""Seconds for which an idle connection is kept: the API server closes it after 90, and a write must not meet that."""


@implementer(IAgentEndpointFactory)
class ApiEndpoints:
    """Leads every URI to the one API server."""

    def __init__(self, reactor: Any, access: Access) -> None:
        """:raises Invalid: the URL, a certificate or the key cannot be used."""
        parts = urlsplit(access.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            message = f"the cluster's server {access.url!r} is no http or https URL"
            raise Invalid(message)
        self._reactor = reactor
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._creator = _creator(parts.hostname, access) if parts.scheme == "https" else None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Give the server, whatever the host of the URI."""
        plain = self._plain()
        return plain if self._creator is None else wrapClientTLS(self._creator, plain)

    def _plain(self) -> IStreamClientEndpoint:
        # In a pod it is an address, and no thread need look that up.
        kind: Any = HostnameEndpoint
        if isIPAddress(self._host):
            kind = TCP4ClientEndpoint
        elif isIPv6Address(self._host):
            kind = TCP6ClientEndpoint
        return kind(self._reactor, self._host, self._port, timeout=CONNECT_TIMEOUT)  # type: ignore[no-any-return]


def _creator(host: str, access: Access) -> IOpenSSLClientConnectionCreator:
    try:
        own = own_options(access.certificate, access.key)
        return optionsForClientTLS(access.server_name or host, trust_roots(access.ca), extraCertificateOptions=own)
    except (SSL.Error, crypto.Error, ValueError) as error:
        # Its text could be a part of the key.
        message = f"a certificate or the key for the cluster {access.url} cannot be used"
        raise Invalid(message) from error


class Connections:
    """An agent, and the connections that it keeps."""

    def __init__(self, reactor: Any, access: Access) -> None:
        self._pool = HTTPConnectionPool(reactor, persistent=True)
        self._pool.maxPersistentPerHost = KEPT
        self._pool.cachedConnectionTimeout = IDLE
        self.agent: IAgent = Agent.usingEndpointFactory(reactor, ApiEndpoints(reactor, access), self._pool)

    async def close(self) -> None:
        """Close what is idle."""
        await self._pool.closeCachedConnections()

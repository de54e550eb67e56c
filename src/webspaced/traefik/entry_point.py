"""Asking Traefik, at an entry point, what it has taken up: webspaced's own router answers there for a generation's host."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.interfaces import ITraefik
from webspaced.lib.unverified_tls import UnverifiedConnections
from webspaced.traefik.render import SENTINEL_HOST, SENTINEL_STATUS, generation_host
from webspaced.webspaces.probe import ask_head, client_endpoint

TIMEOUT = 0.5
"""Seconds for a connection, and for an answer."""
REDIRECTIONS = range(300, 400)
USUAL_PORTS = {"http": 80, "https": 443}


@implementer(ITraefik)
class EntryPoint:
    """See :class:`webspaced.interfaces.ITraefik`. Over TLS nobody has to prove who they are: nothing secret is said."""

    def __init__(self, reactor: Any, url: str) -> None:
        """:param url: where the entry point is, of which only scheme, host and port count."""
        parts = urlsplit(url)
        self._reactor = reactor
        self._is_secure = parts.scheme == "https"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or USUAL_PORTS[parts.scheme]

    async def has(self, generation: int) -> bool | None:
        status = await self._status(generation_host(generation))
        # Who redirects everything, before any router is asked, does not tell. Others may have a page for what nobody has.
        return None if status is None or status in REDIRECTIONS else status == SENTINEL_STATUS

    async def has_any(self) -> bool | None:
        status = await self._status(SENTINEL_HOST)
        return None if status is None or status in REDIRECTIONS else status == SENTINEL_STATUS

    async def _status(self, host: str) -> int | None:
        return await ask_head(self._reactor, self._endpoint(host), host, TIMEOUT)

    def _endpoint(self, host: str) -> IStreamClientEndpoint:
        return wrapClientTLS(UnverifiedConnections(host.encode()), self.bare) if self._is_secure else self.bare

    @property
    def bare(self) -> IStreamClientEndpoint:
        """Give what connects to it, without TLS."""
        try:
            return client_endpoint(self._reactor, Endpoint(ip_address(self._host), self._port), TIMEOUT)
        except ValueError:
            endpoint: IStreamClientEndpoint = HostnameEndpoint(
                self._reactor, self._host.encode(), self._port, timeout=TIMEOUT
            )
            return endpoint

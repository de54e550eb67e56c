"""What the domain name system says of a domain (RFC 1035), asked through twisted.names without a cache of our own.

A member who has just added a record wants it to be seen at once; how long others remember that there was none is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import TimeoutError as QueryTimeout
from twisted.logger import Logger
from twisted.names import dns
from twisted.names.client import Resolver
from twisted.names.error import DNSNameError, DomainError, ResolverError
from zope.interface import implementer

from webspaced.errors import Unavailable
from webspaced.interfaces import IDomainRecords
from webspaced.settings import Address

RESOLV_CONF = "/etc/resolv.conf"
TIMEOUTS = (1, 2, 4)
"""Seconds for each try of a query."""


def resolver_for(reactor: Any, servers: Sequence[Address]) -> Callable[[], Resolver]:
    """Give what makes a resolver that asks these servers, or those of the system if there are none."""

    def make() -> Resolver:
        addresses = [(server.host, server.port) for server in servers]
        resolv = None if addresses else RESOLV_CONF
        return Resolver(resolv=resolv, servers=addresses or None, timeout=TIMEOUTS, reactor=reactor)

    return make


@implementer(IDomainRecords)
class DomainRecords:
    """See :class:`webspaced.interfaces.IDomainRecords`."""

    log = Logger()

    def __init__(self, make_resolver: Callable[[], Resolver]) -> None:
        # Made at the first question: until then nobody needs the system's configuration.
        self._make = make_resolver
        self._resolver: Resolver | None = None

    def ask(self, make_resolver: Callable[[], Resolver]) -> None:
        """Ask other servers from now on."""
        self._make, self._resolver = make_resolver, None

    async def texts(self, domain: str) -> Sequence[str]:
        """See :meth:`webspaced.interfaces.IDomainRecords.texts`."""
        if self._resolver is None:
            self._resolver = self._make()
        try:
            answers, _, _ = await self._resolver.lookupText(domain, TIMEOUTS)
        except DNSNameError:
            return []
        except (DomainError, ResolverError, QueryTimeout, OSError) as error:
            # A detail: who asked is told, and may ask about a domain of their own that never answers as often as they like.
            self.log.debug("DNS does not tell of {domain}: {error!r}", event="dns.failed", domain=domain, error=error)
            message = f"the DNS servers do not tell anything of {domain} now"
            raise Unavailable(message, retry_after=5.0) from error
        # A long text comes in pieces; an alias brings its own record along.
        return [b"".join(a.payload.data).decode("ascii", "replace") for a in answers if a.type == dns.TXT]

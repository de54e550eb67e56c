"""TLS with whoever answers, for where nobody has to prove anything."""

from __future__ import annotations

from typing import Any

from OpenSSL.SSL import Connection
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions
from zope.interface import implementer


@implementer(IOpenSSLClientConnectionCreator)
class UnverifiedConnections:
    """Makes TLS connections to a host of which no proof is wanted."""

    def __init__(self, host: bytes) -> None:
        self._host = host
        self._context = CertificateOptions(verify=False).getContext()

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Connection:
        """Give a connection that names its host: one address may serve several."""
        connection = Connection(self._context, None)
        connection.set_tlsext_host_name(self._host)
        return connection

"""Both sides' identities on the way to an LXD over HTTPS (https://documentation.ubuntu.com/lxd/en/latest/authentication/).

LXD signs its own certificate, for no name in particular, so the usual check (a known CA, the right name) is the exception
here: the exact certificate is pinned, or a CA is given where LXD runs in PKI mode. Who presents the wrong certificate is
:class:`~webspaced.errors.Distrusted`, and hears no request of ours.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from attrs import field, frozen
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    CertificateOptions,
    optionsForClientTLS,
)
from twisted.logger import Logger
from zope.interface import implementer

from webspaced.errors import Invalid
from webspaced.lib.pem import certificates, own_options, trust_roots
from webspaced.settings import LxdTls


@frozen(kw_only=True)
class Identities:
    """PEM texts: whom to trust (``server`` is one certificate, ``ca`` may be several), and who we are."""

    server: str | None = None
    ca: str | None = None
    client: str | None = None
    client_key: str | None = field(default=None, repr=False)
    insecure: bool = False
    """Trust whoever answers, where no certificate is pinned."""

    @classmethod
    def by(cls, tls: LxdTls) -> Identities:
        """Give what the settings say."""
        return cls(
            server=tls.server_cert,
            ca=tls.ca,
            client=tls.client_cert,
            client_key=tls.client_key,
            insecure=tls.allow_insecure,
        )


def connection_creator(host: str, identities: Identities) -> IOpenSSLClientConnectionCreator:
    """Give what makes TLS connections to an LXD at this host.

    The exact certificate if there is one, else a CA (the given one, or the system's) and the host's name or address.

    :raises Invalid: a text is not PEM, or key and certificate do not belong together.
    """
    try:
        if identities.server is not None:
            return _Pinned(host, _context(identities), certificates(identities.server)[0])
        if identities.insecure:
            return _Unverified(host, _context(identities))
        own = own_options(identities.client, identities.client_key)
        return optionsForClientTLS(host, trust_roots(identities.ca), extraCertificateOptions=own)
    except (SSL.Error, crypto.Error, ValueError) as error:
        message = f"lxd.tls: a certificate or key cannot be used: {_said(error)}"
        raise Invalid(message) from error


def _context(identities: Identities) -> SSL.Context:
    context: SSL.Context = CertificateOptions(**own_options(identities.client, identities.client_key)).getContext()
    return context


def openssl_says(error: SSL.Error | crypto.Error) -> str:
    """Give the reason in OpenSSL's words."""
    first = error.args[0] if error.args else []
    return ", ".join(reason for *_, reason in first if reason)


def _said(error: Exception) -> str:
    """Give the reason; never a part of the text itself."""
    if isinstance(error, SSL.Error | crypto.Error):
        return openssl_says(error) or "it is not PEM"
    return str(error)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Connections to whoever answers."""

    def __init__(self, host: str, context: SSL.Context) -> None:
        self._context = context
        self._name = None if _is_address(host) else host.encode("ascii")

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """See Twisted's interface."""
        connection = SSL.Connection(self._context, None)
        if self._name is not None:
            # RFC 6066 section 3: no addresses.
            connection.set_tlsext_host_name(self._name)
        return connection


class _Pinned(_Unverified):
    """Connections to the one holder of a certificate, whatever name or issuer it bears, expired or not."""

    log = Logger()

    def __init__(self, host: str, context: SSL.Context, expected: crypto.X509) -> None:
        super().__init__(host, context)
        self._expected = expected.digest("sha256")
        self._wrong = b""
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)

    def _verify(self, _connection: SSL.Connection, shown: crypto.X509, _error: int, depth: int, _ok: int) -> bool:
        # The holder's own certificate counts, depth 0; whoever may have issued it does not.
        if depth > 0:
            return True
        digest = shown.digest("sha256")
        if digest not in {self._expected, self._wrong}:
            self._wrong = digest
            self.log.error(
                "LXD shows the certificate {shown}, and lxd.tls.server_cert is {expected}",
                event="lxd.certificate-other",
                shown=digest.decode(),
                expected=self._expected.decode(),
            )
        return digest == self._expected


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

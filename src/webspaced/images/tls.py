"""The server's own certificate, read again when its file changes: whoever renews it need not tell us."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.logger import Logger
from zope.interface import implementer

from webspaced.errors import Invalid
from webspaced.lib.pem import own_options


@implementer(IOpenSSLServerConnectionCreator)
class OwnCertificate:
    """For `twisted.protocols.tls.TLSMemoryBIOFactory`.

    Plain HTTP on a port of it is an error of OpenSSL's, and closes the connection at once: LXD and Incus ask so for each
    file before they ask by TLS.
    """

    log = Logger()

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read both; ``Invalid`` if they are none."""
        self._paths = (certificate, key)
        self._stamp = self._stamped()
        try:
            self._context = self._read()
        except _WRONG as error:
            message = f"http.tls: the certificate or its key cannot be used: {error}"
            raise Invalid(message) from error

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """Give a connection with the certificate as it is now."""
        stamp = self._stamped()
        if stamp != self._stamp:
            self._stamp = stamp
            self._renew()
        return SSL.Connection(self._context, None)

    def _renew(self) -> None:
        try:
            self._context = self._read()
        except _WRONG as error:
            # One of the two is written before the other.
            self.log.warn("the new certificate cannot be used, and the old one goes on: {error}",
                          event="images.certificate-refused", error=str(error))  # fmt: skip
        else:
            self.log.info("the new certificate is used", event="images.certificate-renewed")

    def _read(self) -> SSL.Context:
        certificate, key = (path.read_text(encoding="utf-8") for path in self._paths)
        context: SSL.Context = CertificateOptions(**own_options(certificate, key)).getContext()
        return context

    def _stamped(self) -> tuple[object, ...]:
        return tuple(_stamp(path) for path in self._paths)


_WRONG = (OSError, ValueError, SSL.Error, crypto.Error)


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size

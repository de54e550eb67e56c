"""Certificates and keys as PEM texts, made into what Twisted's TLS takes."""

from __future__ import annotations

import re
from typing import Any

from OpenSSL import crypto
from twisted.internet.ssl import Certificate, TLSVersion, platformTrust, trustRootFromCertificates

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def certificates(text: str) -> list[crypto.X509]:
    """Give the certificates of a text, at least one; ``ValueError`` or OpenSSL's own errors."""
    found = [crypto.load_certificate(crypto.FILETYPE_PEM, each.encode()) for each in _CERTIFICATE.findall(text)]
    if not found:
        message = "there is no certificate in the text"
        raise ValueError(message)
    return found


def trust_roots(authorities: str | None) -> Any:
    """Give whom to trust: the CAs of a text, or without one the system's."""
    if authorities is None:
        return platformTrust()
    return trustRootFromCertificates([Certificate(each) for each in certificates(authorities)])


def own_options(certificate: str | None, key: str | None) -> dict[str, Any]:
    """Give Twisted's options for our own certificate (with those that lead to its CA) and key."""
    options: dict[str, Any] = {"raiseMinimumTo": TLSVersion.TLSv1_2}
    if certificate is None or key is None:
        return options
    own, *chain = certificates(certificate)
    # Without a passphrase OpenSSL would ask the terminal for that of an encrypted key.
    private = crypto.load_privatekey(crypto.FILETYPE_PEM, key.encode(), passphrase=b"")
    return {**options, "certificate": own, "privateKey": private, "extraCertChain": chain}

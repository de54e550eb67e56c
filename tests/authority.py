"""A certificate authority for tests."""

from __future__ import annotations

import datetime as dt
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM
DAY = dt.timedelta(days=1)


class Authority:
    """Issues certificates. ``certificate`` is its own, PEM."""

    def __init__(self, name: str) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP384R1())
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        own = self._begun(self._name, self._key).add_extension(constraints, critical=True)
        self.certificate = own.sign(self._key, hashes.SHA384()).public_bytes(PEM)

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        return builder.serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + DAY)

    def issue(self, name: str, address: str | None = None) -> tuple[bytes, bytes]:
        """Give a certificate and its key, both PEM: a server's at an address, or a client's."""
        key = ec.generate_private_key(ec.SECP384R1())
        builder = self._begun(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if address else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if address:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
            builder = builder.add_extension(names, critical=False)
        secret = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return builder.sign(self._key, hashes.SHA384()).public_bytes(PEM), secret

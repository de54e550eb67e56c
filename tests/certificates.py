"""Certificates as members bring them, and such as they should not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = 86400.0
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


@frozen(kw_only=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    private: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(PEM).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key(self) -> str:
        return self.key_as(PKCS8, serialization.NoEncryption())

    def key_as(self, form: Any, encryption: Any = None) -> str:
        secret: bytes = self.private.private_bytes(PEM, form, encryption or serialization.NoEncryption())
        return secret.decode()

    @property
    def common_name(self) -> str:
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def issue(
    *names: str,
    by: Issued | None = None,
    begins: float = 0.0,
    ends: float | None = None,
    common_name: str | None = None,
    addresses: Sequence[str] = (),
    is_authority: bool | None = False,
    client: bool = False,
    private: Any = None,
) -> Issued:
    """Issue a certificate, by itself if by nobody else. Without an end it ends a year from now; times since the epoch."""
    private = private or ec.generate_private_key(ec.SECP256R1())
    if ends is None:
        ends = dt.datetime.now(dt.UTC).timestamp() + 365 * DAY
    first = common_name if common_name is not None else (names[0] if names else "somebody")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, first)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(by.certificate.subject if by else subject)
    builder = builder.public_key(private.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(_time(begins)).not_valid_after(_time(ends))
    told = [*map(x509.DNSName, names), *(x509.IPAddress(ip_address(each)) for each in addresses)]
    if told:
        builder = builder.add_extension(x509.SubjectAlternativeName(told), critical=False)
    if is_authority is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    if client:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    signer = by.private if by else private
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Issued(certificate=builder.sign(signer, algorithm), private=private)


def authority(name: str = "authority", by: Issued | None = None, **more: Any) -> Issued:
    """Give who issues."""
    return issue(common_name=name, is_authority=True, by=by, **more)


def _time(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)

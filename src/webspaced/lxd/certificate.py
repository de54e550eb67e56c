"""Making the certificate by which LXD knows webspaced."""

from __future__ import annotations

import datetime as dt
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from webspaced.errors import Conflict
from webspaced.lib.trusted import spot

# As LXD's own clients do.
VALIDITY = dt.timedelta(days=3650)


def make_certificate(name: str, now: dt.datetime) -> tuple[bytes, bytes]:
    """Give a new self-signed client certificate and its key, both PEM. ``name`` is for people who list certificates."""
    key = ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "webspaced"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # LXD's clock may be a little behind ours.
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA384())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem), secret


def write_certificate(certificate: Path, key: Path, now: dt.datetime) -> None:
    """Make a certificate and its key in new files; the key is readable by its owner only.

    :raises Conflict: one of the files exists: LXD may trust what is in it.
    :raises Invalid: somebody else's link is on the way.
    """
    with spot(certificate, make=True) as shown_at, spot(key, make=True) as secret_at:
        for path, where in ((certificate, shown_at), (key, secret_at)):
            if where.exists():
                message = f"{path} exists already; remove it first, or name another file"
                raise Conflict(message)
        shown, secret = make_certificate(f"webspaced@{socket.gethostname()}"[:64], now)
        # Whose directory it is runs webspaced, and has to read them.
        secret_at.create(secret, 0o600, secret_at.owner())
        shown_at.create(shown, 0o644, shown_at.owner())

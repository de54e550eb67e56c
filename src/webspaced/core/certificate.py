"""Certificates that members bring for domains of their own: which are accepted, and what is told of them.

Sources: RFC 5280 (chains), RFC 7468 (PEM), RFC 9525 (names). Nothing here tells a key: not a ``repr``, not an error's text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

from attrs import field, frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, PublicKeyAlgorithmOID

from webspaced.core.brief import sentence, shown
from webspaced.core.names import is_domain
from webspaced.errors import Invalid

LARGEST_CHAIN, LARGEST_KEY = 16 * 1024, 8 * 1024
"""Characters of PEM. A chain with keys of 4096 bits has 7,000; all of it is in LXD's list and in Traefik's routes."""
MOST_CERTIFICATES = 6
MOST_NAMES = 100
"""As many as the large authorities put on one."""
SMALLEST_RSA, LARGEST_RSA = 2048, 4096
"""Bits. Below, browsers refuse it; above, each handshake costs Traefik so much that others would notice."""
CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""What Go's TLS has, and so Traefik; beside it has Ed25519."""
_KINDS = (PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5, PublicKeyAlgorithmOID.EC_PUBLIC_KEY, PublicKeyAlgorithmOID.ED25519)
_BROKEN = (
    ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.DuplicateExtension, x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip
"""What `cryptography` raises of things that it cannot read."""
_PEM = serialization.Encoding.PEM
_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@frozen(kw_only=True)
class Certificate:
    """A certificate with its key and chain, all of them PEM. Times are in seconds since the epoch."""

    chain: str = field(repr=False)
    """The certificate itself, then who signed it."""
    key: str = field(repr=False)
    """PKCS #8."""
    names: tuple[str, ...]
    """The DNS names that it is for, wildcards among them."""
    shown_for: tuple[str, ...] = field(repr=False)
    """The names for which Traefik would show it: its common name, too."""
    issuer: str
    fingerprint: str
    """SHA-256, hexadecimal."""
    not_before: float
    not_after: float

    def covers(self, domain: str) -> bool:
        """Whether it is for a domain. A wildcard stands for one label (RFC 9525 section 6.3)."""
        return domain in self.names or wildcard_over(domain) in self.names


def wildcard_over(domain: str) -> str:
    """Give the one wildcard that covers a domain."""
    return f"*.{domain.partition('.')[2]}"


def accept(chain: str, key: str, domain: str, now: float) -> Certificate:
    """Give what a member brings for a domain, checked.

    :param chain: PEM, the certificate first, then its chain.
    :param now: seconds since the epoch.
    :raises Invalid: it cannot be served; the text says why, and nothing of the key.
    """
    certificate = understand(chain, key)
    if not certificate.covers(domain):
        message = f"the certificate is not for {domain}, but for {_listed(certificate.names)}"
        raise Invalid(message)
    with _understood("the certificate"):
        _check_dates(x509.load_pem_x509_certificates(certificate.chain.encode()), now)
    with _understood("the key"):
        _check_works(_load_key(certificate.key), certificate)
    return certificate


def understand(chain: str, key: str) -> Certificate:
    """Give what is kept, or brought, checked but for its dates.

    :raises Invalid: Traefik could not serve it.
    """
    with _understood("the certificate"):
        certificates = _load_chain(chain)
        leaf = certificates[0]
        _check_kind(leaf)
        _check_use(leaf)
        _check_links(certificates)
        names = _names(leaf)
        shown_for = _shown_for(leaf, names)
        told = sentence(leaf.issuer.rfc4514_string())
        begin, end = (each.timestamp() for each in (leaf.not_valid_before_utc, leaf.not_valid_after_utc))
    with _understood("the key"):
        private = _load_key(key)
        if private.public_key() != leaf.public_key():
            message = "the key is not the certificate's"
            raise Invalid(message)
        secret = private.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Certificate(
        chain="".join(each.public_bytes(_PEM).decode() for each in certificates),
        key=secret.decode(),
        names=names,
        shown_for=shown_for,
        issuer=told,
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        not_before=begin,
        not_after=end,
    )


def beyond(shown_for: Iterable[str], domains: Iterable[str], service: str) -> list[str]:
    """Give those names of a certificate that are not for somebody to show who has these domains.

    Traefik shows a certificate for every name that is on it, whoever's: so each must be one of the domains, lie below one,
    or be the wildcard that covers one; and none may be the service's own.
    """
    own = frozenset(domains)
    wildcards = frozenset(map(wildcard_over, own))
    return [name for name in shown_for if _is_services(name, service) or not (name in wildcards or _is_below(name, own))]


def _is_services(name: str, service: str) -> bool:
    return name == service or name.endswith(f".{service}") or name == wildcard_over(service)


def _is_below(name: str, domains: frozenset[str]) -> bool:
    labels = name.removeprefix("*.").split(".")
    return any(".".join(labels[n:]) in domains for n in range(len(labels)))


@contextmanager
def _understood(what: str) -> Iterator[None]:
    """Make an error of ours of what cannot be read: the library's own may repeat what it read."""
    try:
        yield
    except _BROKEN:
        message = f"{what} cannot be read"
        raise Invalid(message) from None


def _listed(names: Sequence[str]) -> str:
    few = ", ".join(map(shown, names[:3]))
    return f"{few} and {len(names) - 3} more" if len(names) > 3 else few  # noqa: PLR2004


def _bytes(text: str, longest: int, what: str) -> bytes:
    if len(text) > longest:
        message = f"the {what} has more than {longest} characters"
        raise Invalid(message)
    if not text.isascii():
        message = f"the {what} is not PEM"
        raise Invalid(message)
    return text.encode()


def _load_chain(text: str) -> list[x509.Certificate]:
    content = _bytes(text, LARGEST_CHAIN, "certificate")
    if b"PRIVATE KEY-----" in content:
        message = "the certificate has a private key beside it: that belongs into key"
        raise Invalid(message)
    count = content.count(b"-----BEGIN CERTIFICATE-----")
    if not count:
        message = "the certificate is not PEM: it has no BEGIN CERTIFICATE"
        raise Invalid(message)
    if count > MOST_CERTIFICATES:
        message = f"the certificate has a chain of more than {MOST_CERTIFICATES}"
        raise Invalid(message)
    return x509.load_pem_x509_certificates(content)


def _load_key(text: str) -> _Key:
    content = _bytes(text, LARGEST_KEY, "key")
    if b"PRIVATE KEY-----" not in content:
        message = "the key is not PEM: it has no BEGIN PRIVATE KEY"
        raise Invalid(message)
    if b"ENCRYPTED" in content:
        message = "the key is encrypted: take its passphrase away, as Traefik cannot ask for it"
        raise Invalid(message)
    # OpenSSL's own check takes 0.4 s for 4096 bits, in which nobody else would be served. What is asked is whether it
    # signs for the certificate, and that is tried.
    key = serialization.load_pem_private_key(content, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        message = "the key is of a kind that Traefik cannot serve: RSA, ECDSA and Ed25519 are"
        raise Invalid(message)
    return key


def _check_works(key: _Key, certificate: Certificate) -> None:
    """Sign something: a key whose parts do not belong together may still look like the certificate's."""
    public, text = x509.load_pem_x509_certificate(certificate.chain.encode()).public_key(), b"webspaced"
    if isinstance(key, rsa.RSAPrivateKey) and isinstance(public, rsa.RSAPublicKey):
        public.verify(key.sign(text, padding.PKCS1v15(), hashes.SHA256()), text, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(key.sign(text, ec.ECDSA(hashes.SHA256())), text, ec.ECDSA(hashes.SHA256()))
    elif isinstance(key, ed25519.Ed25519PrivateKey) and isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(key.sign(text), text)


def _check_kind(leaf: x509.Certificate) -> None:
    public = leaf.public_key()
    if isinstance(public, rsa.RSAPublicKey) and not SMALLEST_RSA <= public.key_size <= LARGEST_RSA:
        message = f"the key is of {public.key_size} bits: RSA needs {SMALLEST_RSA} to {LARGEST_RSA}"
        raise Invalid(message)
    is_other_curve = isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name not in CURVES
    if is_other_curve or leaf.public_key_algorithm_oid not in _KINDS:
        message = "the key is of a kind that Traefik cannot serve: RSA, ECDSA (P-256, P-384, P-521) and Ed25519 are"
        raise Invalid(message)


def _check_use(leaf: x509.Certificate) -> None:
    if _is_authority(leaf):
        message = "the first certificate is an authority's (basicConstraints CA:TRUE), which browsers refuse of a server"
        raise Invalid(message)
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}.intersection(uses):
        message = "the certificate is not for servers (extendedKeyUsage)"
        raise Invalid(message)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _check_links(chain: Sequence[x509.Certificate]) -> None:
    """See to it that each certificate is signed by the next one (RFC 8446 section 4.4.2)."""
    for number, (signed, signer) in enumerate(pairwise(chain), 2):
        try:
            signed.verify_directly_issued_by(signer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            message = f"certificate {number} of the chain has not signed the one before it: the order is the own one first"
            raise Invalid(message) from None
        if not _is_authority(signer):
            message = f"certificate {number} of the chain is no authority's"
            raise Invalid(message)


def _check_dates(chain: Sequence[x509.Certificate], now: float) -> None:
    for number, each in enumerate(chain, 1):
        which = "the certificate" if number == 1 else f"certificate {number} of the chain"
        begin, end = each.not_valid_before_utc, each.not_valid_after_utc
        if now < begin.timestamp():
            message = f"{which} is not valid before {begin:%Y-%m-%dT%H:%M:%SZ}"
            raise Invalid(message)
        if now >= end.timestamp():
            message = f"{which} has ended: {end:%Y-%m-%dT%H:%M:%SZ}"
            raise Invalid(message)


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        told = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        told = x509.SubjectAlternativeName([])
    if told.get_values_for_type(x509.IPAddress):
        # Traefik would show it to whoever names no host.
        message = "the certificate is for IP addresses, which no webspace has"
        raise Invalid(message)
    names = tuple(dict.fromkeys(name.lower() for name in told.get_values_for_type(x509.DNSName)))
    if not names or len(names) > MOST_NAMES:
        message = f"the certificate must be for 1 to {MOST_NAMES} DNS names (subjectAltName)"
        raise Invalid(message)
    for name in names:
        if not is_domain(name.removeprefix("*.")):
            # Traefik puts all names of one together with commas, and takes asterisks anywhere.
            message = f"the certificate is for {shown(name)}, which is no DNS name"
            raise Invalid(message)
    return names


def _shown_for(leaf: x509.Certificate, names: tuple[str, ...]) -> tuple[str, ...]:
    common = [str(each.value).lower().rstrip(".") for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    for name in common:
        if name not in names and ("*" in name or "," in name):
            message = f"the certificate's common name {shown(name)} is none of its DNS names"
            raise Invalid(message)
    return tuple(dict.fromkeys([*names, *(name for name in common if is_domain(name) and "." in name)]))

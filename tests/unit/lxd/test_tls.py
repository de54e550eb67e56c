"""Handshakes in memory: the real contexts on both sides, no sockets."""

from __future__ import annotations

import contextlib
import datetime as dt
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from webspaced.errors import Invalid
from webspaced.lxd.certificate import make_certificate
from webspaced.lxd.tls import Identities, connection_creator

NOW = dt.datetime.now(dt.UTC)
HOUR = dt.timedelta(hours=1)


class Party:
    """A certificate with its key, self-signed or signed by another."""

    def __init__(self, name: str, *, by: Party | None = None, ca: bool = False, expired: bool = False) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = by or self
        end = NOW - HOUR if expired else NOW + HOUR
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 2 * HOUR)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("10.0.0.1"))]), critical=False
            )
            .sign(issuer.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        pem = serialization.Encoding.PEM
        return self.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


class Protocol:
    """What Twisted's own creators ask of a connection, and tell of a name that does not fit."""

    failure: Failure | None = None
    factory: Any = SimpleNamespace(wrappedFactory=None)

    def failVerification(self, failure: Failure) -> None:
        self.failure = failure


def server_side(party: Party, *chain: Party) -> SSL.Connection:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(crypto.X509.from_cryptography(party.certificate))
    context.use_privatekey(crypto.PKey.from_cryptography_key(party.key))
    for each in chain:
        context.add_extra_chain_cert(crypto.X509.from_cryptography(each.certificate))
    # As LXD: a certificate is asked for, and looked at later.
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    connection = SSL.Connection(context, None)
    connection.set_accept_state()
    return connection


def _step(end: SSL.Connection, other: SSL.Connection) -> bool:
    """Take one step of a handshake; whether this end is done."""
    done = True
    try:
        end.do_handshake()
    except SSL.WantReadError:
        done = False
    with contextlib.suppress(SSL.WantReadError):
        other.bio_write(end.bio_read(65536))
    return done


class HandshakeCase(SynchronousTestCase):
    def shake(self, host: str, identities: Identities, server: Party, *chain: Party) -> SSL.Connection:
        """Give the server's end after a handshake; the client's refusal is raised."""
        protocol = Protocol()
        client = connection_creator(host, identities).clientConnectionForTLS(protocol)
        client.set_connect_state()
        self.client, other = client, server_side(server, *chain)
        for _ in range(10):
            if _step(client, other) & _step(other, client):
                break
        else:
            self.fail("no end of the handshake")
        if protocol.failure is not None:
            protocol.failure.raiseException()
        return other

    def refused(self, host: str, identities: Identities, server: Party, *chain: Party) -> None:
        with self.assertRaises(Exception) as caught:
            self.shake(host, identities, server, *chain)
        self.assertNotIsInstance(caught.exception, AssertionError)


class PinnedTests(HandshakeCase):
    def setUp(self) -> None:
        self.server = Party("lxd")
        self.pinned = Identities(server=self.server.pem)

    def test_the_certificate_itself_whatever_the_name_says(self) -> None:
        self.shake("somewhere.else", self.pinned, self.server)

    def test_even_when_it_has_expired(self) -> None:
        old = Party("lxd", expired=True)
        self.shake("lxd", Identities(server=old.pem), old)

    def test_or_a_ca_issued_it(self) -> None:
        ca = Party("ca", ca=True)
        issued = Party("lxd", by=ca)
        self.shake("lxd", Identities(server=issued.pem), issued, ca)

    def test_another_of_the_same_name_is_refused(self) -> None:
        self.refused("lxd", self.pinned, Party("lxd"))

    def test_one_that_the_pinned_key_signed_is_refused(self) -> None:
        ca = Party("lxd", ca=True)
        self.refused("lxd", Identities(server=ca.pem), Party("lxd", by=ca), ca)

    def test_one_with_the_pinned_one_in_its_chain_is_refused(self) -> None:
        self.refused("lxd", self.pinned, Party("lxd"), self.server)

    def test_a_ca_beside_it_changes_nothing(self) -> None:
        ca = Party("ca", ca=True)
        self.refused("lxd", Identities(server=self.server.pem, ca=ca.pem), Party("lxd", by=ca), ca)

    def test_our_own_certificate_is_shown_with_its_chain(self) -> None:
        ca = Party("ca", ca=True)
        client = Party("client", by=ca)
        ours = Identities(server=self.server.pem, client=client.pem + ca.pem, client_key=client.key_pem)
        end = self.shake("lxd", ours, self.server)
        self.assertEqual(end.get_peer_certificate().to_cryptography(), client.certificate)
        # On a server's side the chain is the rest.
        self.assertEqual([each.to_cryptography() for each in end.get_peer_cert_chain()], [ca.certificate])

    def test_a_name_is_asked_for_and_an_address_is_not(self) -> None:
        self.assertEqual(self.shake("lxd.example", self.pinned, self.server).get_servername(), b"lxd.example")
        self.assertIsNone(self.shake("10.0.0.9", self.pinned, self.server).get_servername())


class CaTests(HandshakeCase):
    def setUp(self) -> None:
        self.ca = Party("ca", ca=True)
        self.trusting = Identities(ca=self.ca.pem)

    def test_its_own_under_the_right_name_or_address(self) -> None:
        server = Party("lxd.example", by=self.ca)
        self.shake("lxd.example", self.trusting, server)
        self.shake("10.0.0.1", self.trusting, server)

    def test_a_wrong_name_or_address_is_refused(self) -> None:
        server = Party("lxd.example", by=self.ca)
        self.refused("other.example", self.trusting, server)
        self.refused("10.0.0.2", self.trusting, server)

    def test_an_expired_one_is_refused(self) -> None:
        self.refused("lxd.example", self.trusting, Party("lxd.example", by=self.ca, expired=True))

    def test_somebody_elses_is_refused(self) -> None:
        self.refused("lxd.example", self.trusting, Party("lxd.example", by=Party("ca", ca=True)))

    def test_without_any_the_systems_cas_count(self) -> None:
        self.refused("lxd.example", Identities(), Party("lxd.example", by=self.ca))

    def test_several_may_be_trusted(self) -> None:
        both = Identities(ca=Party("other", ca=True).pem + self.ca.pem)
        self.shake("lxd.example", both, Party("lxd.example", by=self.ca))


class InsecureTests(HandshakeCase):
    def test_a_pinned_certificate_counts_all_the_same(self) -> None:
        pinned = Identities(insecure=True, server=Party("lxd").pem)
        self.refused("lxd", pinned, Party("whoever"))

    def test_anybody_is_trusted(self) -> None:
        self.shake("lxd", Identities(insecure=True), Party("whoever", expired=True))


class MistakeTests(SynchronousTestCase):
    def said(self, **identities: str) -> str:
        return str(self.assertRaises(Invalid, connection_creator, "lxd", Identities(**identities)))

    def test_what_is_no_certificate(self) -> None:
        self.assertIn("no certificate", self.said(server="-----BEGIN NOTHING-----"))
        broken = "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----"
        self.assertIn("cannot be used", self.said(ca=broken))

    def test_an_encrypted_key_is_a_mistake_and_asks_nobody(self) -> None:
        party = Party("one")
        pem = serialization.Encoding.PEM
        secret = serialization.BestAvailableEncryption(b"passphrase")
        key = party.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, secret).decode()
        self.assertIn("cannot be used", self.said(server=party.pem, client=party.pem, client_key=key))

    def test_a_key_of_another_certificate(self) -> None:
        one, other = Party("one"), Party("other")
        said = self.said(server=one.pem, client=one.pem, client_key=other.key_pem)
        self.assertIn("cannot be used", said)
        self.assertNotIn("PRIVATE", said)


class CertificateTests(SynchronousTestCase):
    def test_it_is_a_clients_and_no_ca(self) -> None:
        pem, key = make_certificate("webspaced@here", NOW)
        made = x509.load_pem_x509_certificate(pem)
        self.assertFalse(made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
        self.assertLess(made.not_valid_before_utc, NOW)
        self.assertGreater(made.not_valid_after_utc, NOW + dt.timedelta(days=3600))
        loaded = serialization.load_pem_private_key(key, None)
        self.assertEqual(loaded.public_key(), made.public_key())

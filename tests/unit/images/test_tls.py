"""The server's own certificate, and its renewal while it runs."""

from __future__ import annotations

import contextlib
from pathlib import Path

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from tests.authority import Authority
from webspaced.errors import Invalid
from webspaced.images.tls import OwnCertificate


class CertificateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.certificate, self.key = Path(self.mktemp()), Path(self.mktemp())
        self.issue()

    def issue(self) -> bytes:
        """Write another certificate; gives it."""
        certificate, key = Authority("a test").issue("images", "127.0.0.1")
        self.certificate.write_bytes(certificate)
        self.key.write_bytes(key)
        return certificate

    def shown(self, own: OwnCertificate) -> bytes:
        """What a client would be shown."""
        server = own.serverConnectionForTLS(None)
        client = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
        client.set_connect_state()
        server.set_accept_state()
        for _ in range(6):
            for one, other in ((client, server), (server, client)):
                with contextlib.suppress(SSL.WantReadError):
                    one.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(one.bio_read(65536))
        found = client.get_peer_certificate(as_cryptography=True)
        assert found is not None
        return found.fingerprint(found.signature_hash_algorithm)  # type: ignore[no-any-return,arg-type]

    def test_a_renewed_one_is_used(self) -> None:
        own = OwnCertificate(self.certificate, self.key)
        before = self.shown(own)
        self.assertEqual(self.shown(own), before)
        self.issue()
        self.assertNotEqual(self.shown(own), before)

    def test_one_that_does_not_fit_its_key_is_not(self) -> None:
        own = OwnCertificate(self.certificate, self.key)
        before = self.shown(own)
        self.certificate.write_bytes(Authority("another").issue("images", "127.0.0.1")[0])
        self.assertEqual(self.shown(own), before)
        self.certificate.unlink()
        self.assertEqual(self.shown(own), before)

    def test_without_any_there_is_no_start(self) -> None:
        self.key.write_text("junk")
        self.assertRaises(Invalid, OwnCertificate, self.certificate, self.key)
        self.key.unlink()
        self.assertRaises(Invalid, OwnCertificate, self.certificate, self.key)

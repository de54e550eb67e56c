"""Whose certificate is accepted: handshakes in memory."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface.verify import verifyObject

from webspaced.iam.agent import UnverifiedHTTPS, iamd_agent

HOST = "iam.example.org"


def self_signed() -> tuple[Any, Any]:
    """Give key and certificate of a server that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(tz=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.DNSName(HOST)])
    return key, builder.add_extension(names, critical=False).sign(key, hashes.SHA256())


class HandshakeTests(SynchronousTestCase):
    def setUp(self) -> None:
        key, certificate = self_signed()
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_privatekey(key)
        context.use_certificate(certificate)
        self.asked_for: list[bytes | None] = []
        context.set_tlsext_servername_callback(lambda connection: self.asked_for.append(connection.get_servername()))
        self.server = SSL.Connection(context, None)
        self.server.set_accept_state()

    def handshake(self, policy: Any) -> None:
        """Connect, or raise what the client says."""
        creator = policy.creatorForNetloc(HOST.encode(), 443)
        verifyObject(IOpenSSLClientConnectionCreator, creator)
        protocol = mock.Mock()
        client = creator.clientConnectionForTLS(protocol)
        client.set_app_data(protocol)
        client.set_connect_state()
        for _ in range(5):
            for one, other in ((client, self.server), (self.server, client)):
                with contextlib.suppress(SSL.WantReadError):
                    one.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(one.bio_read(65536))

    def test_one_that_nobody_vouches_for_is_refused(self) -> None:
        error = self.assertRaises(SSL.Error, self.handshake, BrowserLikePolicyForHTTPS())
        self.assertIn("certificate verify failed", repr(error))

    def test_unless_the_operator_wants_it(self) -> None:
        verifyObject(IPolicyForHTTPS, UnverifiedHTTPS())
        self.handshake(UnverifiedHTTPS())
        # One address may serve several names.
        self.assertEqual(self.asked_for, [HOST.encode()])
        self.assertEqual(self.server.get_state_string(), b"SSL negotiation finished successfully")


class AgentTests(SynchronousTestCase):
    def test_it_verifies_unless_told_otherwise_and_says_so_loudly(self) -> None:
        for insecure, policy in ((False, BrowserLikePolicyForHTTPS), (True, UnverifiedHTTPS)):
            with capturedLogs() as events, mock.patch("webspaced.iam.agent.Agent") as agent:
                iamd_agent(MemoryReactorClock(), insecure=insecure)
            self.assertIs(type(agent.call_args.kwargs["contextFactory"]), policy)
            warned = [e for e in events if e["log_level"] is LogLevel.warn and "iam.allow_insecure" in e["log_format"]]
            self.assertEqual(len(warned), insecure)

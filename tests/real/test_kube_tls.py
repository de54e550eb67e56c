"""Whom the client of Kubernetes trusts, and how it shows who it is, over real connections."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.ssl import Certificate, CertificateOptions, KeyPair, PrivateCertificate, trustRootFromCertificates
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from tests.authority import Authority
from tests.contracts.kube_base import service
from webspaced.errors import Unavailable
from webspaced.kube.access import Access, fixed_token
from webspaced.kube.agent import Connections
from webspaced.kube.client import KubeClient
from webspaced.kube.resources import SERVICE
from webspaced.testing.kube import KubeEmulator


class TlsTests(TestCase):
    timeout = 300

    def setUp(self) -> None:
        self.kube = KubeEmulator(reactor)
        self.authority = Authority("cluster")
        self.ca = self.authority.certificate.decode()

    def listen(self, **more: Any) -> None:
        certificate, key = self.authority.issue("server", "127.0.0.1")
        own = PrivateCertificate.fromCertificateAndKeyPair(Certificate.loadPEM(certificate), KeyPair.load(key, 1))
        options = CertificateOptions(privateKey=own.privateKey.original, certificate=own.original, **more)
        port = reactor.listenSSL(0, Site(self.kube), options, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.url = f"https://127.0.0.1:{port.getHost().port}"

    async def ask(self, **how: Any) -> Any:
        access = Access(url=self.url, namespace="webspaces", token=fixed_token(None), **how)
        connections = Connections(reactor, access)
        self.addCleanup(lambda: Deferred.fromCoroutine(connections.close()))
        return await KubeClient(connections.agent, reactor, access).create(SERVICE, "webspaces", service())

    async def refused(self, **how: Any) -> None:
        with self.assertRaises(Unavailable):
            await self.ask(**how)

    async def test_the_clusters_authority(self) -> None:
        self.listen()
        self.assertEqual((await self.ask(ca=self.ca))["metadata"]["name"], "one")

    async def test_any_other_hears_nothing(self) -> None:
        self.listen()
        await self.refused(ca=Authority("other").certificate.decode())
        await self.refused()
        await self.refused(ca=self.ca, server_name="other.example")
        self.assertEqual(list(self.kube.asked), [])

    async def test_our_own_certificate(self) -> None:
        self.listen(trustRoot=trustRootFromCertificates([Certificate.loadPEM(self.authority.certificate)]))
        await self.refused(ca=self.ca)
        certificate, key = (each.decode() for each in self.authority.issue("me"))
        self.assertEqual((await self.ask(ca=self.ca, certificate=certificate, key=key))["metadata"]["name"], "one")

"""The iamd provider over real connections keeps the contract, and trusts no certificate that nobody vouches for."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.ssl import CertificateOptions, KeyPair
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from tests.contracts.identity import MEMBERS, IdentityContract
from webspaced.errors import Unavailable
from webspaced.iam.agent import iamd_agent
from webspaced.iam.client import IamdClient
from webspaced.iam.iamd import IamdIdentity
from webspaced.testing.iamd import Iamd

OWN = 1000


class LoopbackCase(TestCase):
    timeout = 300

    def setUp(self) -> None:
        self.iamd = Iamd()
        for member in MEMBERS:
            self.iamd.add(member["id"], **{key: value for key, value in member.items() if key != "id"})
        self.iamd.add(OWN, "webspaced", is_admin=True)

    def connect(self, scheme: str, host: str, listening: Any, *, insecure: bool = False) -> IamdIdentity:
        self.addCleanup(listening.stopListening)
        agent = iamd_agent(reactor, insecure=insecure)
        self.addCleanup(agent._pool.closeCachedConnections)
        base = f"{scheme}://{host}:{listening.getHost().port}/v1"
        self.client = IamdClient(agent, reactor, base)
        return self.fresh()

    def fresh(self) -> IamdIdentity:
        """Give a provider that remembers nothing."""
        return IamdIdentity(self.client, reactor, self.iamd.token(OWN), reactor.seconds)

    def site(self) -> Site:
        site = Site(self.iamd.resource())
        site.noisy = False
        return site


class LoopbackContractTests(IdentityContract, LoopbackCase):
    def setUp(self) -> None:
        super().setUp()
        self.identity = self.connect("http", "127.0.0.1", reactor.listenTCP(0, self.site(), interface="127.0.0.1"))

    def drive(self, test: Coroutine[Any, Any, None]) -> Deferred[None]:
        return Deferred.fromCoroutine(test)

    def token(self, uid: int) -> str:
        claims = {"iat": 0, "nbf": 0, "exp": 2.0**33}
        return self.iamd.token(uid, **claims)

    def refused_token(self) -> str:
        return self.iamd.token(1, lifetime=-1)

    def rename(self, uid: int, username: str) -> None:
        self.iamd.accounts[uid].username = username
        self.identity = self.fresh()

    def remove(self, uid: int) -> None:
        del self.iamd.accounts[uid]
        self.identity = self.fresh()


class CertificateTests(LoopbackCase):
    def listening(self) -> Any:
        certificate = KeyPair.generate(size=2048).selfSignedCert(1, commonName="localhost")
        options = CertificateOptions(
            privateKey=certificate.privateKey.original, certificate=certificate.original
        )
        return reactor.listenSSL(0, self.site(), options, interface="127.0.0.1")

    async def test_one_that_nobody_vouches_for(self) -> None:
        identity = self.connect("https", "localhost", self.listening())
        with self.assertRaises(Unavailable):
            await identity.by_id(1)
        self.assertEqual(self.iamd.asked, [])
        # OpenSSL's callback logs what it did not like.
        self.flushLoggedErrors()

    async def test_unless_the_operator_wants_it(self) -> None:
        identity = self.connect("https", "localhost", self.listening(), insecure=True)
        self.assertEqual((await identity.by_id(1)).username, "alice")

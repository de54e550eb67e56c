"""The real Traefik reads what the store writes to the emulator: no cluster is needed."""

from __future__ import annotations

import secrets

from twisted.internet import reactor
from twisted.protocols.policies import WrappingFactory
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from tests.real.kubernetes import KubernetesTraefik
from tests.stack import free_port
from webspaced.kube.access import Access, fixed_token
from webspaced.testing.kube import KubeEmulator


class EmulatedTests(KubernetesTraefik, TestCase):
    timeout = 300
    namespace = "webspaces"

    async def setUp(self) -> None:
        self.token = secrets.token_hex(16)
        self.kube = KubeEmulator(reactor, self.token)
        self.api_port = free_port()
        await self.start_server()
        self.addCleanup(self.stop_server)
        await super().setUp()

    def access(self) -> Access:
        return Access(url=f"http://127.0.0.1:{self.api_port}", namespace=self.namespace, token=fixed_token(self.token))

    def traefik_access(self) -> dict[str, str]:
        return {"endpoint": f"http://127.0.0.1:{self.api_port}", "token": self.token}

    async def stop_server(self) -> None:
        await self.port.stopListening()
        for connection in list(self.site.protocols):
            connection.transport.abortConnection()

    async def start_server(self) -> None:
        self.site = WrappingFactory(Site(self.kube))
        self.port = reactor.listenTCP(self.api_port, self.site, interface="127.0.0.1")

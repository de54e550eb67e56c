"""The emulator in memory, reached by the real client."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from tests.unit.timing import Time
from webspaced.kube.access import Access, fixed_token
from webspaced.kube.agent import Connections
from webspaced.kube.client import KubeClient
from webspaced.lib.deferreds import sleep
from webspaced.testing.kube import KubeEmulator
from webspaced.testing.network import MemoryReactor

TOKEN = "a-token"
PORT = 6443


class EmulatedCase(SynchronousTestCase):
    """Sets ``clock``, ``reactor``, ``kube`` (the emulator), ``client`` and ``stranger``."""

    namespace = "webspaces"

    def setUp(self) -> None:
        self.clock = Time()
        self.reactor = MemoryReactor(self.clock)
        self.kube = KubeEmulator(self.clock, TOKEN)
        site = Site(self.kube, reactor=self.reactor, timeout=None)
        self.port = self.reactor.listenTCP(PORT, site, interface="127.0.0.1")
        self.client, self.stranger = (self.client_with(token) for token in (TOKEN, "another"))

    def access(self, token: str = TOKEN) -> Access:
        return Access(url=f"http://127.0.0.1:{PORT}", namespace=self.namespace, token=fixed_token(token))

    def client_with(self, token: str) -> KubeClient:
        access = self.access(token)
        return KubeClient(Connections(self.reactor, access).agent, self.clock, access)

    def drive(self, test: Coroutine[Any, Any, Any]) -> Any:
        return self.clock.result_of(test)

    def sleep(self, seconds: float) -> Deferred[None]:
        return sleep(self.clock, seconds)

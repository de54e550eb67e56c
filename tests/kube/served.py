"""Test cases on the real API server of this run."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tests.kube_server import KubeServer, shared_server
from webspaced.kube.access import Access, fixed_token
from webspaced.kube.agent import Connections
from webspaced.kube.client import KubeClient
from webspaced.lib.deferreds import sleep


class ServedCase(TestCase):
    """Sets ``server``, ``namespace`` (the test's own), ``client`` (who may do everything) and ``stranger``."""

    timeout = 300
    server: KubeServer

    def setUp(self) -> None:
        self.server = shared_server()
        self.namespace = self.server.namespace()
        self.client, self.stranger = (self.client_with(token) for token in (self.server.tokens["admin"], "another"))

    def access(self, token: str) -> Access:
        return Access(
            url=self.server.url,
            namespace=self.namespace,
            token=fixed_token(token),
            ca=self.server.authority.read_text(),
        )

    def client_with(self, token: str) -> KubeClient:
        access = self.access(token)
        connections = Connections(reactor, access)
        self.addCleanup(lambda: Deferred.fromCoroutine(connections.close()))
        return KubeClient(connections.agent, reactor, access)

    def drive(self, test: Coroutine[Any, Any, None]) -> Deferred[None]:
        return Deferred.fromCoroutine(test)

    def sleep(self, seconds: float) -> Deferred[None]:
        return sleep(reactor, seconds)

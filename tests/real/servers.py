"""The real LXD and the real Incus of this run, reached by webspaced's client in the real reactor."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import ssl
from collections.abc import Coroutine
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from harness import tiny_image
from harness.rest import Rest
from tests.alone import alone_with
from tests.stack import INCUS_VARIABLE, LXD_VARIABLE, free_port, lxd_of_this_run
from webspaced.lib.deferreds import sleep
from webspaced.lxd.agent import Connections, UnixEndpoints
from webspaced.lxd.client import LxdClient

__all__ = ["INCUS_VARIABLE", "LXD_VARIABLE", "ServerCase"]


class ServerCase(TestCase):
    """A project of its own in a real server, emptied and removed afterwards."""

    timeout = 300
    variable = LXD_VARIABLE
    https_port: int | None = None

    def setUp(self) -> None:
        server = self.server = lxd_of_this_run(self.variable)
        self.project = f"t{secrets.token_hex(4)}"
        # Other tests use the same bridge, on which names are unique.
        self.name = f"c-{self.project}"
        body = {"name": self.project, "config": {"features.images": "false", "features.profiles": "false"}}
        server.rest.ask("POST", "/1.0/projects", body)
        self.addCleanup(server.rest.ask, "DELETE", f"/1.0/projects/{self.project}")
        with alone_with(server.directory, "images"):
            self.fingerprint = tiny_image.import_image(server.rest, "fast", "fast")
        self.rest = Rest(server.socket, self.project)
        self.endpoints = UnixEndpoints(reactor, str(server.socket))
        self.agent = Connections(reactor, self.endpoints).agent
        self.addCleanup(self.agent._pool.closeCachedConnections)
        self.client = LxdClient(self.agent, reactor, self.project)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.cleared()))

    async def cleared(self) -> None:
        """Remove what the test left."""
        raise NotImplementedError

    def drive(self, test: Coroutine[Any, Any, None]) -> Deferred[None]:
        return Deferred.fromCoroutine(test)

    def sleep(self, seconds: float) -> Deferred[None]:
        return sleep(reactor, seconds)

    async def crash(self) -> None:
        """Kill the container's first process, from the host."""
        state = await deferToThread(self.rest.get, f"/1.0/instances/{self.name}/state")
        assert state["pid"] > 1, "0 would be ourselves"
        os.kill(state["pid"], signal.SIGKILL)

    async def untrusted(self, path: str) -> tuple[int, Any]:
        """Ask over HTTPS, without a certificate."""
        return await deferToThread(self._ask_untrusted, path)

    def _ask_untrusted(self, path: str) -> tuple[int, Any]:
        if self.https_port is None:
            alone = alone_with(self.server.directory, "trust")
            alone.__enter__()
            self.addCleanup(alone.__exit__, None, None, None)
            self.https_port = free_port()
            config = {"images.auto_update_interval": "0"}
            ask = self.server.rest.ask
            ask("PUT", "/1.0", {"config": {**config, "core.https_address": f"127.0.0.1:{self.https_port}"}})
            self.addCleanup(ask, "PUT", "/1.0", {"config": config})
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.https_port, context=context, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        document = json.loads(response.read())
        connection.close()
        return response.status, document

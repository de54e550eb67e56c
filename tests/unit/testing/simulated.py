"""The simulator in memory, reached by the real client."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time
from webspaced.lib.deferreds import sleep
from webspaced.lxd.agent import Connections, UnixEndpoints
from webspaced.lxd.client import LxdClient
from webspaced.testing.lxd.flavour import LXD, Flavour
from webspaced.testing.lxd.simulator import SimulatedLxd
from webspaced.testing.network import MemoryReactor


class SimulatedCase(SynchronousTestCase):
    """Sets ``clock``, ``reactor``, ``lxd`` (the simulator) and ``client``."""

    flavour: Flavour = LXD

    def setUp(self) -> None:
        self.clock = Time()
        self.reactor = MemoryReactor(self.clock)
        self.lxd = SimulatedLxd(self.reactor, flavour=self.flavour)
        self.lxd.startService()
        self.endpoints = UnixEndpoints(self.reactor, self.lxd.socket)
        self.agent = Connections(self.reactor, self.endpoints).agent
        self.client = LxdClient(self.agent, self.reactor, "default")

    def drive(self, test: Coroutine[Any, Any, None]) -> None:
        self.clock.result_of(test)

    def sleep(self, seconds: float) -> Deferred[None]:
        return sleep(self.clock, seconds)

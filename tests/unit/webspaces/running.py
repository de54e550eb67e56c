"""A world with one webspace that runs and is routed to directly."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import World

DIRECT = "10.7.0.10:80"


class RunningCase(SynchronousTestCase):
    """Gives the world as ``w`` and the container of webspace 1 as ``container``."""

    def setUp(self) -> None:
        self.w = World()
        self.container = self.w.webspace(1, running=True)
        self.w.start()
        self.w.clock.run_for(2)
        self.assertEqual(self.w.store.backend("ws-u1"), DIRECT)

"""What tests of falling asleep share."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.fake_instances import Container
from tests.unit.timing import Watched, watch
from tests.unit.world import CHOICES, World
from webspaced.core.instance import Status
from webspaced.core.sleep import SleepRules

RULES = SleepRules(doze_after=60, stop_after=600, least=60, allow=frozenset(CHOICES.sleep), max_awake=3600)
LOOK = 30.0


class SleepCase(SynchronousTestCase):
    """A world with webspaces that run, and looks every 30 seconds."""

    rules = RULES

    def setUp(self) -> None:
        self.set_up()

    def set_up(self, *uids: int, **more: Any) -> None:
        self.w = World(sleep=self.rules, **more)
        for uid in uids or (1,):
            self.w.webspace(uid, running=True)
        self.w.start()
        self.w.clock.run_for(2)
        self.container = self.w.lxd.containers["ws-u1"]

    def look(self) -> None:
        self.w.clock.result_of(self.w.sleeper.look())

    def let(self, seconds: float) -> None:
        """Let time go by, with all that looks now and then."""
        until = self.w.clock.seconds() + seconds
        while self.w.clock.seconds() < until:
            self.w.clock.run_for(min(LOOK, until - self.w.clock.seconds()))
            self.look()
        self.w.clock.run_for(5)

    def dozing(self) -> Container:
        """Have webspace 1 doze."""
        self.let(90)
        self.assertEqual(self.container.status, Status.FROZEN)
        self.assertTrue(self.w.seen(1).dozes)
        self.w.lxd.calls.clear()
        return self.container

    def visit(self, uid: int = 1) -> Watched:
        return watch(self.w.ready(uid))

    def visited(self, uid: int = 1) -> str:
        return str(self.w.clock.result_of(self.w.ready(uid)))

    def calls(self) -> list[str]:
        return [call for call, _ in self.w.calls("start", "stop", "force", "freeze", "resume", "configure")]

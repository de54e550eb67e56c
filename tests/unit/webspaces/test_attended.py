"""Terminals keep their webspace awake while somebody uses them, and wake it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from tests.unit.webspaces.sleeping import SleepCase
from webspaced.core.command import Size
from webspaced.core.instance import Status
from webspaced.webspaces.attended import AttendedScreen, AttendedTerminal


class Recorder:
    """A terminal or a screen that remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.ended: Deferred[int] = Deferred()

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.asked.append((name, arguments))


class AttendedTests(SleepCase):
    def setUp(self) -> None:
        super().setUp()
        self.inner = Recorder()
        self.terminal = AttendedTerminal(self.w.activity, 1, self.inner)
        self.screen = AttendedScreen(self.w.activity, 1, self.inner)

    def test_everything_is_handed_on(self) -> None:
        self.terminal.write(b"a")
        self.terminal.resize(Size(width=80, height=24))
        self.terminal.signal(15)
        self.terminal.registerProducer(None, True)
        self.terminal.unregisterProducer()
        self.terminal.close()
        self.screen.write(b"b")
        self.screen.registerProducer(None, True)
        self.screen.unregisterProducer()
        names = [name for name, _ in self.inner.asked]
        both = ["registerProducer", "unregisterProducer"]
        self.assertEqual(names, ["write", "resize", "signal", *both, "close", "write", *both])
        self.assertIs(self.terminal.ended, self.inner.ended)

    def test_what_is_typed_and_shown_is_activity(self) -> None:
        for use in (self.terminal.write, self.screen.write):
            for _ in range(6):
                use(b"x")
                self.let(30)
            self.assertEqual(self.container.status, Status.RUNNING)

    def test_a_silent_one_lets_it_doze_and_typing_wakes_it(self) -> None:
        self.dozing()
        self.terminal.write(b"x")
        self.w.clock.run_for(1)
        self.assertEqual(self.container.status, Status.RUNNING)
        self.assertEqual(self.inner.asked, [("write", (b"x",))])

    def test_who_leaves_wakes_it_so_that_what_runs_there_can_end(self) -> None:
        self.dozing()
        self.terminal.close()
        self.w.clock.run_for(1)
        self.assertEqual(self.container.status, Status.RUNNING)

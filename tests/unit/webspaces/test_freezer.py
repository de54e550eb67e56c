"""Whose freeze it is, when something goes wrong in that moment or right after it."""

from __future__ import annotations

from tests.unit.webspaces.sleeping import LOOK, SleepCase
from webspaced.core.instance import Status
from webspaced.core.sleep import DOZING_KEY, doze_mark, is_doze_mark
from webspaced.errors import Refused, RemoteError


class MarkTests(SleepCase):
    def test_a_mark_is_of_one_start_and_of_one_doze(self) -> None:
        mark = doze_mark("a 1", "x")
        self.assertNotEqual(mark, doze_mark("a 1", "y"))
        for start, is_its in (("a 1", True), ("a 2", False), ("", False)):
            self.assertIs(is_doze_mark(mark, start), is_its)
        self.assertFalse(is_doze_mark(None, "a 1"))

    def test_what_others_freeze_right_after_a_wake_is_theirs(self) -> None:
        self.dozing()
        self.visited()
        self.w.lxd.pause("ws-u1")
        self.assertTrue(self.container.config[DOZING_KEY])
        self.w.clock.run_for(0.05)
        visit = self.visit()
        self.w.clock.run_for(5)
        self.assertIsInstance(visit.error, Refused)
        self.assertEqual((self.container.status, self.calls().count("resume")), (Status.FROZEN, 1))

    def test_the_next_doze_is_webspaceds_own_again(self) -> None:
        for _ in range(3):
            self.dozing()
            self.visited()
            self.w.activity.note(1)


class RestartTests(SleepCase):
    """It restarts itself just as it is frozen: LXD freezes the new one."""

    def setUp(self) -> None:
        super().setUp()
        freeze = self.w.lxd.freeze

        async def freezing(name: str) -> None:
            self.w.lxd.reboot(name)
            await freeze(name)
            self.patch(self.w.lxd, "freeze", freeze)
            self.frozen()

        self.patch(self.w.lxd, "freeze", freezing)

    def frozen(self) -> None:
        """Is called when it is."""

    def test_it_is_thawed(self) -> None:
        self.let(70)
        self.assertEqual((self.container.status, self.calls().count("resume")), (Status.RUNNING, 1))
        self.visited()


class FailingTests(RestartTests):
    """LXD fails right after that."""

    failing = "get"

    def frozen(self) -> None:
        self.w.lxd.listeners.clear()
        self.w.lxd.fail_next(self.failing, *[RemoteError("database is locked", 500)] * 1000)

    def test_it_is_thawed(self) -> None:
        self.let(70)
        self.assertEqual(self.container.status, Status.FROZEN)
        self.w.lxd.fail_no_more()
        self.let(LOOK)
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_it_is_thawed_once_and_what_others_freeze_then_is_theirs(self) -> None:
        self.test_it_is_thawed()
        self.w.clock.result_of(self.w.registry.look(1))
        self.look()
        self.w.lxd.pause("ws-u1")
        self.w.clock.result_of(self.w.registry.look(1))
        self.let(90)
        self.assertEqual(self.container.status, Status.FROZEN)

    def test_while_lxd_works_on_it_it_is_left_alone(self) -> None:
        self.let(70)
        self.w.lxd.fail_no_more()
        self.w.lxd.busy.add("ws-u1")
        self.let(LOOK)
        self.assertEqual(self.container.status, Status.FROZEN)
        self.w.lxd.busy.clear()
        self.let(LOOK)
        self.assertEqual(self.container.status, Status.RUNNING)


class NotThawedTests(FailingTests):
    failing = "resume"



"""Who is active by what LXD tells, which may be some seconds old, or of the time before a start."""

from __future__ import annotations

from attrs import evolve

from tests.unit.webspaces.sleeping import LOOK, RULES, SleepCase
from webspaced.core.instance import Status


class StartTests(SleepCase):
    """LXD tells the same for eight seconds, also of one that was stopped and started meanwhile."""

    rules = evolve(RULES, doze_after=32, stop_after=0, least=1)

    def test_what_was_used_before_a_start_is_no_activity_after_it(self) -> None:
        for started_by_webspaced in (True, False):
            self.set_up()
            self.w.lxd.use("ws-u1", sent=5000, received=5000, cpu=1)
            self.w.clock.run_for(10)
            self.look()
            self.w.lxd.crash("ws-u1")
            if started_by_webspaced:
                self.w.clock.run_for(1)
                # Of one that is stopped nothing is kept.
                self.look()
                self.visited()
            else:
                self.w.lxd.power_on("ws-u1")
                self.w.clock.run_for(0.1)
            self.w.lxd.containers["ws-u1"].usage = evolve(self.container.usage, sent=90, received=90, cpu=0.1)
            for _ in range(34):
                self.look()
                self.w.clock.run_for(1)
            self.w.clock.run_for(2)
            self.assertIs(self.container.status, Status.FROZEN, started_by_webspaced)

    def test_what_is_used_after_it_is(self) -> None:
        self.w.lxd.crash("ws-u1")
        self.w.clock.run_for(2)
        self.visited()
        for _ in range(20):
            self.w.lxd.use("ws-u1", sent=500, received=500)
            self.w.clock.run_for(5)
            self.look()
        self.assertIs(self.container.status, Status.RUNNING)


class LittleTests(SleepCase):
    """Floors are of a minute; looks are more often."""

    def use_for(self, seconds: int, sent: int) -> None:
        for _ in range(int(seconds // LOOK)):
            self.w.lxd.use("ws-u1", sent=sent)
            self.w.clock.run_for(LOOK)
            self.look()
        self.w.clock.run_for(5)

    def test_what_comes_again_and_again_is_added_up(self) -> None:
        self.use_for(600, 290)
        self.assertIs(self.container.status, Status.RUNNING)

    def test_what_is_below_the_floor_of_a_minute_is_not_activity_however_long_it_lasts(self) -> None:
        self.use_for(120, 140)
        self.assertIs(self.container.status, Status.FROZEN)


class AskedTests(SleepCase):
    """Before it falls asleep it is asked itself, which was done long ago."""

    def test_what_it_did_since_then_is_known_already_and_does_not_keep_it_awake_anew(self) -> None:
        self.dozing()
        self.visited()
        self.w.lxd.use("ws-u1", sent=50_000, received=50_000, cpu=3)
        self.w.clock.run_for(1)
        self.let(60)
        self.let(LOOK)
        self.let(LOOK)
        self.assertIs(self.container.status, Status.FROZEN)

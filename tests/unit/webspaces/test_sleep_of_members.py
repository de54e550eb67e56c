"""What members say of the sleep of their webspaces."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from tests.contracts.fake_instances import Timings
from tests.unit.webspaces.sleeping import LOOK, RULES, SleepCase
from tests.unit.world import DEFAULTS
from webspaced.core.boot import Hold
from webspaced.core.instance import Status
from webspaced.core.sleep import Depth, Sleep
from webspaced.errors import Forbidden


class MemberTests(SleepCase):
    def configure(self, **config: Any) -> None:
        self.w.clock.result_of(self.w.documents.change(1, lambda each: each.with_config(evolve(DEFAULTS, **config))))

    def test_never_stopped(self) -> None:
        self.configure(sleep=Sleep.DOZE)
        self.let(5000)
        self.assertEqual(self.container.status, Status.FROZEN)

    def test_later(self) -> None:
        self.configure(sleep_after=300.0)
        self.let(290)
        self.assertEqual(self.container.status, Status.RUNNING)
        self.let(60)
        self.assertEqual(self.container.status, Status.FROZEN)

    def test_kept_awake_for_a_while(self) -> None:
        until = self.w.clock.result_of(self.w.sleeper.keep_awake(1, 1000))
        self.assertEqual(self.w.sleeper.rest(self.w.seen(1)).sleeps_at, until)
        self.let(900)
        self.assertEqual(self.container.status, Status.RUNNING)
        self.let(200)
        self.assertNotEqual(self.container.status, Status.RUNNING)

    def test_one_that_dozes_is_woken_to_be_kept_awake(self) -> None:
        self.dozing()
        self.w.clock.result_of(self.w.sleeper.keep_awake(1, 1000))
        self.assertEqual(self.container.status, Status.RUNNING)
        self.w.clock.result_of(self.w.sleeper.keep_awake(1, 0))
        self.let(90)
        self.assertEqual(self.container.status, Status.FROZEN)

    def test_a_member_who_says_so_while_it_falls_asleep_keeps_it_awake(self) -> None:
        self.w.clock.run_for(LOOK)
        self.look()
        self.w.clock.run_for(LOOK)
        self.look()
        self.w.clock.run_for(0.5)
        self.w.clock.result_of(self.w.sleeper.keep_awake(1, 1000))
        self.w.clock.run_for(10)
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_a_member_who_says_so_while_it_is_being_frozen_has_it_woken(self) -> None:
        self.w.lxd.timings = Timings(freeze=0.2)
        self.w.clock.run_for(LOOK)
        self.look()
        self.w.clock.run_for(LOOK)
        self.look()
        self.w.clock.run_until(lambda: self.w.booter.memory(1).hold is Hold.DOZING)
        self.w.clock.result_of(self.w.sleeper.keep_awake(1, 1000))
        self.let(LOOK)
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_one_that_dozes_and_is_to_be_awake_from_now_on_is_woken(self) -> None:
        self.w.sleeper.rules = evolve(RULES, allow=RULES.allow | {"awake"})
        self.dozing()
        self.configure(sleep=Sleep.AWAKE)
        self.let(LOOK)
        self.assertEqual(self.container.status, Status.RUNNING)

    def test_no_longer_than_is_allowed(self) -> None:
        self.assertRaises(Forbidden, self.w.clock.result_of, self.w.sleeper.keep_awake(1, 3601))
        self.w.sleeper.rules = evolve(RULES, allow=frozenset())
        self.assertRaises(Forbidden, self.w.clock.result_of, self.w.sleeper.keep_awake(1, 1))

    def test_what_is_told(self) -> None:
        rest = self.w.sleeper.rest(self.w.seen(1))
        self.assertEqual((rest.depth, rest.sleeps_at), (Depth.AWAKE, rest.last_active + 60))
        self.dozing()
        rest = self.w.sleeper.rest(self.w.seen(1))
        self.assertEqual((rest.depth, rest.sleeps_at), (Depth.DOZING, rest.last_active + 600))
        self.let(600)
        rest = self.w.sleeper.rest(self.w.seen(1))
        self.assertEqual((rest.depth, rest.sleeps_at), (Depth.ASLEEP, None))

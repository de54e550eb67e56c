"""How many are let in when memory is short no more; a wake that waits for no look."""

from __future__ import annotations

from tests.unit.timing import watch
from tests.unit.webspaces.sleeping import SleepCase
from webspaced.core.instance import Status
from webspaced.lib.deferreds import sleep
from webspaced.webspaces.memory import MemoryLimits, MemoryWatch

WAITING = (2, 3, 4)


class AllowedTests(SleepCase):
    def test_no_more_than_memory_has_room_for(self) -> None:
        self.w.clock.result_of(self.w.reconciler.full_pass())
        for uid in WAITING:
            self.w.webspace(uid)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        watching = MemoryWatch(
            self.w.registry, self.w.lxd, self.w.host, self.w.room, MemoryLimits(low=0.1, high=0.15, pressure=0), local=False
        )
        self.w.lxd.memory_total, self.w.lxd.memory_of_each, self.w.lxd.memory_taken = 1000, 20, 900
        self.w.clock.result_of(watching.look())
        visits = [watch(self.w.ready(uid)) for uid in WAITING]
        self.w.clock.run_for(2)
        self.assertEqual(self.running(), 1)
        self.w.lxd.memory_taken = 700
        self.w.clock.result_of(watching.look())
        self.w.clock.run_for(3)
        # There are 180 above the bound; for all that is known, the one that runs takes 720.
        self.assertEqual(self.running(), 1 + 1)
        for _ in range(10):
            self.w.clock.result_of(watching.look())
            self.w.clock.run_for(3)
        self.assertTrue(all(visit.done for visit in visits))

    def test_so_many_are_stopped_at_a_time_as_make_enough_of_it(self) -> None:
        for free, high, stopped in ((0.09, 0.2, 1), (0.0, 0.4, 2), (0.11, 0.4, 0)):
            self.set_up(1, 2, 3, 4)
            self.let(90)
            limits = MemoryLimits(low=0.1, high=high, pressure=0)
            watching = MemoryWatch(self.w.registry, self.w.lxd, self.w.host, self.w.room, limits, local=False)
            # Each takes a fifth of it, as far as can be told.
            self.w.lxd.memory_total, self.w.lxd.memory_of_each = 1000, 200
            self.w.lxd.memory_taken = int(1000 * (1 - free)) - 800
            self.w.clock.result_of(watching.look())
            self.w.clock.run_for(4)
            self.assertEqual(len(self.w.calls("stop")), stopped, free)

    def running(self) -> int:
        return sum(each.status is Status.RUNNING for each in self.w.lxd.containers.values())


class QuickWakeTests(SleepCase):
    def test_a_visitor_does_not_wait_for_a_look_at_what_lxd_has_just_said(self) -> None:
        self.dozing()
        get = self.w.lxd.get

        async def slow(name: str) -> object:
            await sleep(self.w.clock, 5.0)
            return await get(name)

        self.patch(self.w.lxd, "get", slow)
        visit = self.visit()
        self.w.clock.run_for(1)
        self.assertTrue(visit.value)
        self.w.clock.run_for(20)
        self.assertTrue(self.w.seen(1).runs)

    def test_a_look_that_began_before_the_wake_does_not_have_the_last_word(self) -> None:
        self.dozing()
        get = self.w.lxd.get

        async def late(name: str) -> object:
            instance = await get(name)
            await sleep(self.w.clock, 0.05)
            return instance

        self.patch(self.w.lxd, "get", late)
        # LXD's event of the wake is lost, as events may be.
        self.w.lxd.listeners.clear()
        self.w.registry.look(1)
        visit = self.visit()
        self.w.clock.run_for(1)
        self.assertTrue(visit.value)
        self.w.clock.run_for(20)
        self.assertTrue(self.w.seen(1).runs)

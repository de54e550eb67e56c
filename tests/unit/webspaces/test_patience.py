from tests.unit.webspaces.test_booter import BooterCase as _Case
from webspaced.core.instance import Status


class LongStopTests(_Case):
    def test_a_long_stop_leaves_the_stop_window_its_own_patience_even_if_the_first_start_came_too_early(self) -> None:
        self.world()
        container = self.w.lxd.containers["ws-u1"]
        self.w.lxd._change(container, Status.STOPPING)
        waiting = self.boot()
        self.w.clock.run_for(10)
        self.w.lxd.crash("ws-u1")
        self.w.clock.run_for(5)
        self.assertTrue(waiting.value)

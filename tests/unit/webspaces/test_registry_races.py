"""What is looked at while a pass is under way wins over it."""

from typing import Any

from tests.unit.timing import watch
from tests.unit.webspaces.test_registry import RegistryCase as _Case
from webspaced.core.webspace import KEY
from webspaced.webspaces.conditions import Kind


class RaceTests(_Case):
    def _reading_slowly(self) -> Any:
        """Its addresses are being read when the container ends and is looked at."""
        self.put(1, running=True)
        self.sync()
        slow = self.lxd._pass

        async def passing(seconds: float) -> None:
            call = self.lxd.calls[-1][0]
            await slow(1.0 if call == "state" else seconds)

        self.lxd._pass = passing
        reading = watch(self.registry.read_addresses())
        self.clock.run_for(0.5)
        self.assertEqual(self.lxd.calls[-1], ("state", "ws-u1"))
        return reading

    def test_a_stop_that_is_looked_at_while_the_address_is_read_wins(self) -> None:
        reading = self._reading_slowly()
        self.lxd.crash("ws-u1")
        self.clock.result_of(self.registry.look(1))
        self.assertFalse(self.registry.get(1).runs)
        self.clock.run_for(5)
        self.assertTrue(reading.done)
        self.assertFalse(self.registry.get(1).runs)

    def test_a_deletion_that_is_looked_at_while_the_address_is_read_wins(self) -> None:
        self._reading_slowly()
        self.lxd.remove("ws-u1")
        self.clock.result_of(self.registry.look(1))
        self.clock.run_for(5)
        self.assertIsNone(self.registry.get(1))

    def test_one_that_becomes_unreadable_has_the_condition_at_once(self) -> None:
        self.put(1)
        self.sync()
        self.lxd.set_keys("ws-u1", **{KEY: "{"})
        self.look(1)
        self.assertIn(Kind.UNREADABLE, self.conditions.of(1))

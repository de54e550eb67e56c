"""What is looked at while a pass is under way wins over it."""

from typing import Any

from tests.unit.timing import watch
from tests.unit.webspaces.test_registry import RegistryCase as _Case
from webspaced.core.webspace import KEY
from webspaced.errors import RemoteError
from webspaced.webspaces.conditions import Kind


class RaceTests(_Case):
    def _sync_with_a_slow_state(self) -> Any:
        """The list said running; its state is being read when the container ends and is looked at."""
        self.put(1, running=True)
        slow = self.lxd._pass

        async def passing(seconds: float) -> None:
            call = self.lxd.calls[-1][0]
            await slow(1.0 if call == "state" else seconds)

        self.lxd._pass = passing
        syncing = watch(self.registry.sync())
        self.clock.run_for(0.5)
        self.assertEqual(self.lxd.calls[-1], ("state", "ws-u1"))
        return syncing

    def test_a_stop_that_is_looked_at_while_a_pass_reads_the_address_wins(self) -> None:
        syncing = self._sync_with_a_slow_state()
        self.lxd.crash("ws-u1")
        self.clock.result_of(self.registry.look(1))
        self.assertFalse(self.registry.get(1).runs)
        self.clock.run_for(5)
        self.assertTrue(syncing.done)
        self.assertFalse(self.registry.get(1).runs)

    def test_a_deletion_that_is_looked_at_while_a_pass_reads_the_address_wins(self) -> None:
        self._sync_with_a_slow_state()
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

    def test_a_stranger_that_claims_an_address_later_takes_it_from_the_webspace(self) -> None:
        self.put(1, running=True)
        self.sync()
        stranger = self.lxd.put("builder", running=True)
        stranger.extra.append((self.lxd.containers["ws-u1"].address, "global"))
        self.clock.advance(1)
        self.sync()
        self.assertIsNone(self.address(1))
        self.assertIn(Kind.ADDRESS_CLASH, self.conditions.of(1))

    def test_a_stranger_whose_state_cannot_be_read_does_not_stop_the_pass(self) -> None:
        self.put(1, running=True)
        self.lxd.put("builder", running=True)
        self.lxd.fail_next("state", RemoteError("stopping", 500))
        self.sync()
        self.assertEqual(self.address(1), "10.7.0.10")

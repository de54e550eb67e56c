"""The fake of instances' insides keeps the contract that the simulator and the real servers keep."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.fake_insides import FakeInsides
from tests.contracts.fake_instances import FakeInstances
from tests.contracts.set_up import SetUpContract
from tests.unit.timing import Time


class FakeInsidesTests(SetUpContract, SynchronousTestCase):
    name = "ws-u1"

    def setUp(self) -> None:
        self.clock = Time()
        self.lxd = FakeInstances(self.clock)
        self.insides = FakeInsides(self.clock, self.lxd)

    def drive(self, test: Coroutine[Any, Any, None]) -> None:
        self.clock.result_of(test)

    async def create(self) -> None:
        self.lxd.put(self.name)

    async def create_and_start(self) -> None:
        self.lxd.put(self.name, running=True)

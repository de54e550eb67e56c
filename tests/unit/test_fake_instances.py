"""The fake LXD keeps the contract that the real one keeps."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.fake_instances import FINGERPRINT, NIC, FakeInstances, Timings
from tests.contracts.instances import InstancesContract
from tests.unit.timing import Time, watch
from webspaced.core.instance import NewInstance, Status
from webspaced.errors import RemoteError, Unavailable
from webspaced.lib.deferreds import sleep


class FakeContractTests(InstancesContract, SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.instances = FakeInstances(self.clock)
        self.fingerprint, self.nic = FINGERPRINT, NIC
        self.leases, self.device = self.instances, {"type": "nic", "network": "bridge"}

    async def free_address(self) -> str:
        return "10.7.0.200"

    def drive(self, test: Coroutine[Any, Any, None]) -> None:
        self.clock.result_of(test)

    def sleep(self, seconds: float) -> Deferred[None]:
        return sleep(self.clock, seconds)


class BesideTheContractTests(SynchronousTestCase):
    """What the other tests lean on."""

    def setUp(self) -> None:
        self.clock = Time()
        self.lxd = FakeInstances(self.clock)
        self.container = self.lxd.put("ws-u1")

    def test_a_start_within_the_stop_window_is_refused(self) -> None:
        self.lxd.power_on("ws-u1")
        self.clock.result_of(self.lxd.stop("ws-u1", 5, force=True))
        self.clock.advance(0.6)
        self.assertRaises(RemoteError, self.clock.result_of, self.lxd.start("ws-u1"))
        self.clock.advance(0.1)
        self.clock.result_of(self.lxd.start("ws-u1"))

    def test_a_graceful_stop_past_its_time_fails_and_it_runs_on(self) -> None:
        self.lxd.timings = Timings(stop=20)
        self.lxd.power_on("ws-u1")
        self.assertRaises(RemoteError, self.clock.result_of, self.lxd.stop("ws-u1", 5, force=False))
        self.assertIs(self.container.status, Status.RUNNING)

    def test_away_fails_what_is_under_way_and_what_comes(self) -> None:
        starting = watch(self.lxd.start("ws-u1"))
        self.clock.advance(0.01)
        self.lxd.go_away()
        self.assertIsInstance(starting.error, Unavailable)
        self.assertRaises(Unavailable, self.clock.result_of, self.lxd.list_all())
        self.clock.advance(10)
        self.assertIs(self.container.status, Status.STOPPED)
        self.lxd.come_back()
        self.clock.result_of(self.lxd.start("ws-u1"))

    def test_away_may_finish_what_is_under_way(self) -> None:
        starting = watch(self.lxd.start("ws-u1"))
        self.clock.advance(0.01)
        self.lxd.go_away(finish=True)
        self.assertIsInstance(starting.error, Unavailable)
        self.clock.advance(10)
        self.assertIs(self.container.status, Status.RUNNING)

    def test_a_deleted_ones_address_is_given_again(self) -> None:
        address = self.container.address
        self.lxd.remove("ws-u1")
        self.assertEqual(self.lxd.put("ws-u2").address, address)

    def test_a_creation_that_is_given_up_is_cancelled_and_a_start_goes_on(self) -> None:
        new = NewInstance(name="ws-u2", fingerprint=FINGERPRINT, profile="p", config={})
        creating, starting = watch(self.lxd.create(new)), watch(self.lxd.start("ws-u1"))
        self.clock.advance(0.01)
        creating.deferred.cancel()
        starting.deferred.cancel()
        self.clock.advance(10)
        self.assertEqual(list(self.lxd.containers), ["ws-u1"])
        self.assertIs(self.container.status, Status.RUNNING)

    def test_a_name_that_clashes_late(self) -> None:
        creating = watch(self.lxd.create(NewInstance(name="ws-u2", fingerprint=FINGERPRINT, profile="p", config={})))
        self.clock.advance(0.01)
        self.lxd.put("ws-u2")
        self.clock.run_for(1)
        self.assertIsInstance(creating.error, RemoteError)

"""An LXD that is not done with a container's end: it refuses deletions, or says that it runs and cannot tell its state."""

from __future__ import annotations

from tests.unit.webspaces.test_booter import BooterCase
from tests.unit.webspaces.test_service import ServiceCase
from webspaced.core.instance import Instance, InstanceState, Status
from webspaced.errors import BootFailed, RemoteError, Unavailable

BUSY = RemoteError("Instance is busy", 400)
WINDOW = 0.6


class DeletionTests(ServiceCase):
    def test_it_is_deleted_once_lxd_is_done(self) -> None:
        self.do(self.create())
        self.w.lxd.fail_next("delete", *[BUSY] * 8)
        self.do(self.w.service.delete(1))
        self.assertEqual(self.w.lxd.containers, {})

    def test_a_forced_stop_that_is_refused_while_it_ends(self) -> None:
        self.do(self.create())
        self.do(self.w.power.boot(1))
        self.w.lxd.fail_next("stop", BUSY)
        self.w.lxd.fail_next("force", *[BUSY] * 8)
        self.do(self.w.power.shut_down(1))
        self.assertEqual(self.w.lxd.containers["ws-u1"].status, Status.STOPPED)

    def test_its_state_cannot_be_told(self) -> None:
        self.do(self.create())
        self.w.lxd.fail_next("state", BUSY)
        self.fails(Unavailable, self.w.service.state(1))


class IncusTests(BooterCase):
    """Dead containers run, as Incus tells it, until it is done with them."""

    def setUp(self) -> None:
        self.world()
        self.reads = 0
        lxd = self.w.lxd
        self.get, self.state, self.start = lxd.get, lxd.state, lxd.start
        self.patch(lxd, "get", self.slow_get)
        self.patch(lxd, "state", self.slow_state)
        self.patch(lxd, "start", self.slow_start)
        self.done_at = 0.0

    def ending(self) -> bool:
        return self.w.clock.seconds() < self.done_at

    def end(self, name: str = "ws-u1") -> None:
        self.done_at = self.w.clock.seconds() + WINDOW
        self.w.lxd.crash(name)
        self.w.clock.callLater(WINDOW, self.w.lxd._tell, name)

    async def slow_get(self, name: str) -> Instance:
        container = self.w.lxd.containers[name]
        present, container.status = container.status, Status.RUNNING if self.ending() else container.status
        try:
            return await self.get(name)
        finally:
            container.status = present

    async def slow_state(self, name: str) -> InstanceState:
        self.reads += 1
        if self.ending():
            raise RemoteError("Invalid PID", 500)
        return await self.state(name)

    async def slow_start(self, name: str) -> None:
        if self.ending():
            raise RemoteError("The instance is already running", 500)
        await self.start(name)

    def test_one_that_is_dead_when_its_visitor_comes_is_started(self) -> None:
        self.booted()
        self.end()
        self.w.clock.run_for(0.01)
        self.w.lxd._tell("ws-u1")
        # As after a restart of webspaced: its address is not known.
        self.w.registry._seen.clear()
        self.assertEqual(self.booted(), "10.7.0.10")

    def test_a_start_that_is_refused_first(self) -> None:
        # Nobody has told yet that it is said to run: the first start is refused, and the next look finds it running.
        self.done_at = WINDOW
        self.w.clock.callLater(WINDOW, self.w.lxd._tell, "ws-u1")
        self.assertEqual(self.booted(), "10.7.0.10")
        self.assertGreater(self.reads, 1)

    def test_one_that_ends_right_after_its_start_has_failed(self) -> None:
        waiting = self.boot()
        self.w.clock.run_for(0.3)
        self.end()
        self.w.clock.run_for(5)
        self.assertIsInstance(waiting.error, BootFailed)
        self.assertIn("stopped again", str(waiting.error))
        self.assertEqual(self.starts(), 1)


class RivalTests(BooterCase):
    def test_one_whose_addresses_cannot_be_read_keeps_nobody_down(self) -> None:
        self.world(1, 2)
        self.booted(1)
        rival = self.w.lxd.containers["ws-u1"]
        self.w.lxd.containers["ws-u2"].extra.append((rival.address, "global"))
        state = self.w.lxd.state

        async def unreadable(name: str) -> InstanceState:
            if name == "ws-u1":
                raise BUSY
            return await state(name)

        self.patch(self.w.lxd, "state", unreadable)
        self.assertEqual(self.booted(2), "10.7.0.11")

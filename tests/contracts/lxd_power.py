"""Every transition of an instance's run state, its errors and its events."""

from __future__ import annotations

from typing import Any

from tests.contracts.lxd_api import GRACE, LxdApi, contract

UNHEEDING = {"raw.lxc": "lxc.signal.halt = SIGUSR2"}
"""Has graceful stops send a signal that the image's first process does not know."""


class PowerContract(LxdApi):
    """Starts, stops, restarts, freezes."""

    @contract
    async def test_a_start(self) -> None:
        await self.create()
        before, tag = await self.instance(), await self.etag()
        self.assertEqual(before["status"], "Stopped")
        self.assertEqual(await self.put_state("start"), 200)
        after = await self.instance()
        self.assertEqual((after["status"], after["status_code"]), ("Running", 103))
        self.assertEqual(after["config"]["volatile.last_state.power"], "RUNNING")
        self.assertNotEqual(after["last_used_at"], before["last_used_at"])
        self.assertNotEqual(await self.etag(), tag)

    @contract
    async def test_during_a_start_it_counts_as_stopped_and_another_start_joins(self) -> None:
        await self.create()
        operations = [await self.put_state_begun("start") for _ in range(2)]
        status = await self.status()
        in_time = await self.goes_on(operations[0])
        codes = [self.code_of(await self.waited(each)) for each in operations]
        if in_time:
            self.assertEqual((status, codes), ("Stopped", [200, 200]))
        else:
            self.assertEqual(codes[0], 200)
            self.late("the start was over")

    @contract
    async def test_a_start_of_a_running_one_fails(self) -> None:
        await self.create_and_start()
        self.assertEqual(await self.put_state("start"), self.failed(500))

    @contract
    async def test_what_a_stopped_one_refuses(self) -> None:
        await self.create()
        self.assertEqual(await self.put_state("stop", force=True), self.failed(400))
        self.assertEqual(await self.put_state("stop"), self.failed(400))
        self.assertEqual(await self.put_state("restart", force=True), self.failed(400))
        self.assertEqual(await self.put_state("freeze"), self.failed(500))
        self.assertEqual(await self.put_state("unfreeze"), self.failed(500))

    @contract
    async def test_what_is_no_action(self) -> None:
        await self.create()
        self.assertEqual(await self.put_state("dance"), 400)
        self.assertEqual(await self.outcome("PUT", f"/instances/{self.name}/state", {}), 400)
        self.assertEqual(await self.outcome("PUT", f"/instances/{self.name}/state", b"{"), 400)

    @contract
    async def test_in_the_stop_window_it_is_neither_here_nor_there(self) -> None:
        await self.create_and_start()
        stop = await self.put_state_begun("stop", force=True)
        await self.in_the_window()
        self.assertEqual(self.code_of(await self.waited(stop)), 200)
        self.assertEqual((await self.instance())["config"]["volatile.last_state.power"], "STOPPED")
        self.assertEqual(await self.put_state("start"), 200)

    async def dead(self) -> None:
        """Wait until its processes have ended."""

        async def gone() -> bool:
            return "volatile.eth0.host_name" not in (await self.instance())["config"]

        await self.until("its processes are gone", gone)

    async def in_the_window(self) -> None:
        """See what it is like after the processes ended and before the server is done."""
        await self.dead()
        instance = await self.instance()
        state = await self.raw("GET", f"/instances/{self.name}/state")
        started = await self.put_state("start")
        if started == 200:
            self.late("the window was over before the start")
            self.assertEqual(await self.put_state("stop", force=True), 200)
        elif (await self.instance())["config"]["volatile.last_state.power"] != "RUNNING":
            self.late("the window was over before the end of the look")
        else:
            self.assertEqual(instance["status"], "Running" if self.flavour.dead_shows_running else "Stopped")
            self.assertEqual(state.status, 500 if self.flavour.dead_shows_running else 200)
            self.assertEqual(started, self.failed(500))

    @contract
    async def test_a_second_stop_in_the_window(self) -> None:
        await self.create_and_start()
        operations = [await self.put_state_begun("stop", force=True), await self.put_state_begun("stop", force=True)]
        in_time = await self.goes_on(operations[0])
        codes = [self.code_of(await self.waited(each)) for each in operations]
        self.assertIn(200, codes)
        if not in_time:
            self.late("the first stop was over")
        elif self.flavour.stops_join:
            self.assertEqual(codes, [200, 200])

    @contract
    async def test_a_crash_has_a_stop_window_too(self) -> None:
        await self.create_and_start()
        await self.crash()
        await self.in_the_window()
        # No operation tells when it is over: it shows as stopped a moment before.
        await self.stopped()
        await self.started_again()

    @contract
    async def test_in_the_window_nothing_can_be_changed(self) -> None:
        await self.create_and_start()
        stop = await self.put_state_begun("stop", force=True)
        await self.dead()
        code = await self.outcome("PATCH", f"/instances/{self.name}", {"config": {"user.a": "b"}})
        if await self.goes_on(stop):
            self.assertEqual(code, 500)
        else:
            self.late("the stop was over")
        self.assertEqual(self.code_of(await self.waited(stop)), 200)

    async def heeding(self) -> None:
        """Wait until its first process heeds signals: before that the kernel drops them, and nobody is told."""
        await self.until("there is an address", self.state_with_address)

    @contract
    async def test_a_graceful_stop(self) -> None:
        await self.create_and_start()
        await self.heeding()
        tag = await self.etag()
        self.assertEqual(await self.put_state("stop"), 200)
        self.assertEqual(await self.status(), "Stopped")
        self.assertNotEqual(await self.etag(), tag)

    @contract
    async def test_a_graceful_stop_past_its_time_fails_and_it_runs_on(self) -> None:
        await self.create_and_start(config=UNHEEDING)
        self.assertEqual(await self.put_state("stop", timeout=1), self.failed(500))
        self.assertEqual(await self.status(), "Running")
        self.assertEqual(await self.put_state("stop", force=True), 200)

    async def stopping(self) -> str:
        """Begin a graceful stop that comes to nothing by itself, and come back when it has the instance."""
        operation = await self.put_state_begun("stop", timeout=600)

        async def taken() -> bool:
            nonlocal operation
            # Nothing can be changed then, and a change to what is there already tells nobody.
            if await self.outcome("PATCH", f"/instances/{self.name}", {"config": {}}) == 500:
                return True
            if not await self.goes_on(operation):
                # The change had the instance first, and the stop was refused for it.
                operation = await self.put_state_begun("stop", timeout=600)
            return False

        await self.until("it has the instance", taken)
        return operation

    @contract
    async def test_a_forced_stop_overtakes_a_graceful_one(self) -> None:
        await self.create_and_start(config=UNHEEDING)
        graceful = await self.stopping()
        heard = await self.listen()
        self.assertEqual(await self.put_state("start"), self.failed(500))
        self.assertEqual(await self.put_state("stop", force=True), 200)
        self.assertEqual(self.code_of(await self.waited(graceful)), 200)
        # Two of LXD's goroutines tell them: a busy machine lets either be first.
        self.assertEqual(sorted(await self.actions(heard, 2)), ["instance-shutdown", "instance-stopped"])

    @contract
    async def test_a_forced_stop_overtakes_a_graceful_restart_which_goes_on(self) -> None:
        await self.create_and_start(config=UNHEEDING)
        restart = await self.put_state_begun("restart", timeout=600)
        # Nothing tells that it has the instance, which it has as soon as its goroutine had a turn.
        await self.sleep(1)
        stopped = await self.put_state("stop", force=True)
        if stopped != 200:
            # Whoever looks whether it is stopped finds that it runs.
            self.assertEqual(stopped, self.failed(500))
            self.late("it was started again before the stop was over")
        self.assertEqual(self.code_of(await self.waited(restart)), 200)
        self.assertEqual(await self.status(), "Running")

    @contract
    async def test_a_crash_ends_a_graceful_stop_well(self) -> None:
        await self.create_and_start(config=UNHEEDING)
        graceful = await self.stopping()
        heard = await self.listen()
        await self.crash()
        self.assertEqual(self.code_of(await self.waited(graceful)), 200)
        self.assertEqual(await self.actions(heard, 1), ["instance-shutdown"])

    @contract
    async def test_restarts(self) -> None:
        await self.create_and_start()
        used = {(await self.instance())["last_used_at"]}
        for force in (True, False):
            await self.heeding()
            self.assertEqual(await self.put_state("restart", force=force), 200)
            self.assertEqual(await self.status(), "Running")
            used.add((await self.instance())["last_used_at"])
        self.assertEqual(len(used), 3)

    @contract
    async def test_freezing_and_thawing(self) -> None:
        await self.create_and_start()
        before = await self.instance()
        self.assertEqual(await self.put_state("freeze"), 200)
        frozen = await self.instance()
        self.assertEqual((frozen["status"], frozen["status_code"]), ("Frozen", 110))
        self.assertEqual(frozen["config"], before["config"])
        self.assertEqual(await self.put_state("freeze"), self.failed(500))
        self.assertEqual(await self.put_state("start"), self.failed(500))
        self.assertEqual(await self.put_state("unfreeze"), 200)
        self.assertEqual(await self.instance(), before)
        self.assertEqual(await self.put_state("unfreeze"), self.failed(500))

    @contract
    async def test_a_frozen_one_is_stopped_and_restarted_by_force(self) -> None:
        await self.create_and_start()
        for action, ended in (("restart", "Running"), ("stop", "Stopped")):
            self.assertEqual(await self.put_state("freeze"), 200)
            self.assertEqual(await self.put_state(action, force=True), 200)
            self.assertEqual(await self.status(), ended)

    # --- the state document

    @contract
    async def test_the_state_of_a_stopped_one(self) -> None:
        await self.create()
        state = (await self.raw("GET", f"/instances/{self.name}/state")).metadata
        self.assertEqual((state["status"], state["status_code"], state["network"], state["pid"]), ("Stopped", 102, None, 0))
        self.assertEqual(state["processes"], 0)

    @contract
    async def test_the_state_of_a_running_one(self) -> None:
        await self.create_and_start()
        state = await self.until("there is an address", self.state_with_address)
        self.assertEqual((state["status"], state["status_code"]), ("Running", 103))
        self.assertTrue(state["pid"] and state["processes"] and state["memory"]["usage"])
        nic, loopback = state["network"]["eth0"], state["network"]["lo"]
        self.assertEqual(nic["hwaddr"], (await self.instance())["config"]["volatile.eth0.hwaddr"])
        (address,) = [each for each in nic["addresses"] if each["family"] == "inet"]
        self.assertEqual(sorted(address), ["address", "family", "netmask", "scope"])
        self.assertEqual((address["scope"], nic["type"], nic["state"]), ("global", "broadcast", "up"))
        self.assertEqual({each["scope"] for each in loopback["addresses"]}, {"local"})
        self.assertIn("bytes_received", nic["counters"])

    async def state_with_address(self) -> Any:
        answer = await self.raw("GET", f"/instances/{self.name}/state")
        nic = ((answer.metadata or {}).get("network") or {}).get("eth0") or {}
        shown = any(each["scope"] == "global" for each in nic.get("addresses") or ())
        return answer.metadata if shown else None

    # --- events

    async def told_by(self, *actions: tuple[str, dict[str, Any]]) -> list[str]:
        """Give the events of some actions."""
        heard = await self.listen()
        for action, more in actions:
            self.assertEqual(await self.put_state(action, **more), 200)
        return await self.actions(heard, len(actions))

    @contract
    async def test_events_of_start_and_forced_stop(self) -> None:
        await self.create()
        told = await self.told_by(("start", {}), ("stop", {"force": True}))
        self.assertEqual(told, ["instance-started", "instance-stopped"])

    @contract
    async def test_events_of_a_graceful_stop(self) -> None:
        await self.create_and_start()
        await self.heeding()
        self.assertEqual(await self.told_by(("stop", {"timeout": GRACE})), ["instance-shutdown"])

    @contract
    async def test_events_of_freezing(self) -> None:
        await self.create_and_start()
        told = await self.told_by(("freeze", {}), ("unfreeze", {}))
        self.assertEqual(told, ["instance-paused", "instance-resumed"])

    @contract
    async def test_the_event_of_a_restart(self) -> None:
        await self.create_and_start()
        self.assertEqual(await self.told_by(("restart", {"force": True})), ["instance-restarted"])

    @contract
    async def test_failed_actions_tell_nothing(self) -> None:
        await self.create()
        heard = await self.listen()
        self.assertNotEqual(await self.put_state("stop", force=True), 200)
        self.assertEqual(await self.put_state("start"), 200)
        self.assertEqual(await self.actions(heard, 1), ["instance-started"])

    @contract
    async def test_a_crash_looks_like_a_shutdown_that_nobody_asked_for(self) -> None:
        await self.create_and_start()
        heard = await self.listen()
        await self.crash()
        self.assertEqual(await self.actions(heard, 1), ["instance-shutdown"])
        self.assertNotIn("requestor", heard()[0])

    @contract
    async def test_a_reboot_inside(self) -> None:
        await self.create_and_start()
        await self.heeding()
        before = await self.instance()
        heard = await self.listen()
        body = {"command": ["kill", "-TERM", "1"], "wait-for-websocket": False}
        await self.raw("POST", f"/instances/{self.name}/exec", body)
        wanted = ["instance-exec", "instance-shutdown", "instance-restarted"]
        if not self.flavour.reboot_says_shutdown:
            wanted.remove("instance-shutdown")
        self.assertEqual(await self.actions(heard, len(wanted)), wanted)
        after = await self.instance()
        self.assertEqual(after["status"], "Running")
        self.assertNotEqual(after["last_used_at"], before["last_used_at"])

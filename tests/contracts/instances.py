"""What every :class:`webspaced.interfaces.IInstances` does: run on the fake in the fast tier, and on the real LXD.

The tests are coroutines; a subclass says how they are run.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from webspaced.core.instance import Instance, InstanceState, NewInstance, Status
from webspaced.core.ownership import fixed_addresses
from webspaced.core.sleep import Usage
from webspaced.core.usage import usage_of
from webspaced.errors import Changed, NotFound, RemoteError, WebspacedError
from webspaced.interfaces import IInstances, ILeases

NAME = "ws-u1"
GRACE = 120.0
STEP, STEPS = 0.05, 1200


def contract(test: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], Any]:
    """Let the subclass run a test that is a coroutine."""

    @wraps(test)
    def run(self: Any) -> Any:
        return self.drive(test(self))

    return run


class InstancesContract:
    """Mixed into a trial test case that sets ``instances`` and ``fingerprint``."""

    instances: IInstances
    leases: ILeases
    device: Mapping[str, str]
    """The NIC as the profile has it."""
    fingerprint: str
    nic: str
    name = NAME
    assertEqual: Any
    assertNotEqual: Any
    assertIn: Any
    assertTrue: Any
    fail: Any

    def drive(self, test: Coroutine[Any, Any, None]) -> Any:
        """Run a coroutine as a test."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> Deferred[None]:
        """Let time go by."""
        raise NotImplementedError

    async def free_address(self) -> str:
        """Give an address of the network that nobody has."""
        raise NotImplementedError

    # --- helpers

    def new(self, **more: Any) -> NewInstance:
        keys = {"user._webspaced": '{"user": 1}', "user._webspaced_boot_port": "20001"}
        return NewInstance(**{
            "name": self.name, "fingerprint": self.fingerprint, "profile": "webspace", "config": keys, **more,
        })  # fmt: skip

    async def refused(self, kind: type[Exception], work: Any) -> Exception:
        try:
            await work
        except kind as error:
            return error
        return self.fail(f"no {kind.__name__}")

    async def create_and_start(self) -> Instance:
        await self.instances.create(self.new())
        await self.instances.start(self.name)
        return await self.instances.get(self.name)

    async def address_shown(self) -> InstanceState:
        for _ in range(STEPS):
            state = await self.instances.state(self.name)
            if any(scope == "global" for nic in state.interfaces for _, scope in nic.addresses):
                return state
            await self.sleep(STEP)
        return self.fail("no address")

    async def started_again(self) -> None:
        """Start as webspaced does after a stop: LXD may be busy with the last one for a moment."""
        for _ in range(STEPS):
            try:
                await self.instances.start(self.name)
            except RemoteError:
                await self.sleep(STEP)
            else:
                return
        self.fail("it does not start again")

    # --- creating

    @contract
    async def test_a_created_one_is_stopped_and_has_its_keys(self) -> None:
        await self.instances.create(self.new())
        instance = await self.instances.get(self.name)
        self.assertEqual((instance.name, instance.status), (self.name, Status.STOPPED))
        self.assertEqual(instance.config["user._webspaced"], '{"user": 1}')
        self.assertTrue(instance.nic_mac(self.nic))
        self.assertTrue(instance.created_at)

    @contract
    async def test_the_list_says_the_same_without_etags(self) -> None:
        await self.instances.create(self.new())
        (listed,) = await self.instances.list_all()
        got = await self.instances.get(self.name)
        self.assertEqual(listed.etag, "")
        self.assertNotEqual(got.etag, "")
        self.assertEqual((listed.incarnation, listed.config, listed.status), (got.incarnation, got.config, got.status))
        self.assertEqual(listed.nic_mac(self.nic), got.nic_mac(self.nic))

    @contract
    async def test_a_name_that_is_taken_fails_and_harms_nobody(self) -> None:
        await self.instances.create(self.new())
        await self.refused(RemoteError, self.instances.create(self.new(config={"user._webspaced": "other"})))
        self.assertEqual((await self.instances.get(self.name)).config["user._webspaced"], '{"user": 1}')

    @contract
    async def test_an_image_that_is_not_there_leaves_nothing(self) -> None:
        await self.refused(WebspacedError, self.instances.create(self.new(fingerprint="0" * 64)))
        self.assertEqual(list(await self.instances.list_all()), [])

    @contract
    async def test_images_name_what_can_be_used(self) -> None:
        self.assertIn(self.fingerprint, [image.fingerprint for image in await self.instances.images()])

    @contract
    async def test_what_is_not_there_is_not_found(self) -> None:
        missing = "ws-u404"
        for work in (
            self.instances.get(missing),
            self.instances.state(missing),
            self.instances.start(missing),
            self.instances.stop(missing, GRACE, force=False),
            self.instances.stop(missing, GRACE, force=True),
            self.instances.resume(missing),
            self.instances.delete(missing),
            self.instances.configure(missing, {"user.a": "b"}, ""),
        ):
            await self.refused(NotFound, work)

    # --- running

    @contract
    async def test_a_start_changes_status_etag_and_incarnation(self) -> None:
        await self.instances.create(self.new())
        before = await self.instances.get(self.name)
        await self.instances.start(self.name)
        after = await self.instances.get(self.name)
        self.assertTrue(after.status.runs)
        self.assertNotEqual(before.etag, after.etag)
        self.assertNotEqual(before.incarnation, after.incarnation)

    @contract
    async def test_a_running_one_shows_its_address_on_lxds_hardware_address(self) -> None:
        instance = await self.create_and_start()
        state = await self.address_shown()
        macs = [nic.mac for nic in state.interfaces if any(scope == "global" for _, scope in nic.addresses)]
        self.assertEqual(macs, [instance.nic_mac(self.nic)])
        self.assertTrue(state.status.runs)

    @contract
    async def test_a_stopped_one_shows_no_address(self) -> None:
        await self.instances.create(self.new())
        state = await self.instances.state(self.name)
        self.assertEqual((state.status, state.interfaces), (Status.STOPPED, ()))

    @contract
    async def test_a_start_of_a_running_one_is_refused(self) -> None:
        await self.create_and_start()
        error = await self.refused(RemoteError, self.instances.start(self.name))
        self.assertTrue(not isinstance(error, Changed))

    @contract
    async def test_two_starts_at_once_both_work(self) -> None:
        await self.instances.create(self.new())
        await gatherResults([Deferred.fromCoroutine(self.instances.start(self.name)) for _ in range(2)])
        self.assertTrue((await self.instances.get(self.name)).status.runs)

    @contract
    async def test_a_graceful_stop(self) -> None:
        running = await self.create_and_start()
        await self.address_shown()
        await self.instances.stop(self.name, GRACE, force=False)
        stopped = await self.instances.get(self.name)
        self.assertEqual(stopped.status, Status.STOPPED)
        self.assertNotEqual(stopped.etag, running.etag)
        self.assertEqual((await self.instances.state(self.name)).interfaces, ())

    @contract
    async def test_a_forced_stop(self) -> None:
        await self.create_and_start()
        await self.instances.stop(self.name, GRACE, force=True)
        self.assertEqual((await self.instances.get(self.name)).status, Status.STOPPED)

    @contract
    async def test_a_stop_of_a_stopped_one_is_refused(self) -> None:
        await self.instances.create(self.new())
        await self.refused(RemoteError, self.instances.stop(self.name, GRACE, force=False))
        await self.refused(RemoteError, self.instances.stop(self.name, GRACE, force=True))

    @contract
    async def test_after_a_stop_it_starts_again_within_a_moment_as_another_incarnation(self) -> None:
        first = await self.create_and_start()
        await self.instances.stop(self.name, GRACE, force=True)
        await self.started_again()
        again = await self.instances.get(self.name)
        self.assertTrue(again.status.runs)
        self.assertNotEqual(first.incarnation, again.incarnation)

    @contract
    async def test_a_frozen_one_is_resumed_as_the_same_incarnation(self) -> None:
        running = await self.create_and_start()
        await self.instances.freeze(self.name)
        self.assertEqual((await self.instances.get(self.name)).status, Status.FROZEN)
        await self.instances.resume(self.name)
        resumed = await self.instances.get(self.name)
        self.assertTrue(resumed.status.runs)
        self.assertEqual(resumed.incarnation, running.incarnation)

    @contract
    async def test_a_frozen_one_can_be_stopped_by_force(self) -> None:
        await self.create_and_start()
        await self.instances.freeze(self.name)
        await self.instances.stop(self.name, GRACE, force=True)
        self.assertEqual((await self.instances.get(self.name)).status, Status.STOPPED)

    @contract
    async def test_what_does_not_run_is_not_frozen_and_what_is_frozen_not_again(self) -> None:
        await self.instances.create(self.new())
        await self.refused(RemoteError, self.instances.freeze(self.name))
        await self.instances.start(self.name)
        await self.instances.freeze(self.name)
        await self.refused(RemoteError, self.instances.freeze(self.name))

    # --- what they use

    async def used(self, true: Callable[[Mapping[str, Usage]], bool]) -> Mapping[str, Usage]:
        """Give what is told of usage once something is true of it: the same is told for some seconds."""
        for _ in range(STEPS):
            told = await self.instances.usages(self.nic)
            if true(told):
                return told
            await self.sleep(STEP)
        return self.fail(f"{self.name} among {dict(told)}")

    @contract
    async def test_what_runs_or_is_frozen_tells_what_it_uses_and_what_is_stopped_does_not(self) -> None:
        await self.create_and_start()
        await self.address_shown()
        running = (await self.used(lambda told: self.name in told))[self.name]
        await self.instances.freeze(self.name)
        frozen = (await self.used(lambda told: self.name in told))[self.name]
        self.assertTrue(frozen.cpu >= running.cpu and frozen.sent >= running.sent)
        told = usage_of((await self.instances.state(self.name)).document, self.nic)
        self.assertTrue(told.sent >= running.sent and told.received >= running.received, (told, running))
        await self.instances.stop(self.name, GRACE, force=True)
        await self.used(lambda told: self.name not in told)

    @contract
    async def test_the_machine_has_memory(self) -> None:
        memory = await self.instances.memory("none")
        self.assertTrue(0 <= memory.used < memory.total, memory)

    @contract
    async def test_a_start_of_a_frozen_one_is_refused(self) -> None:
        await self.create_and_start()
        await self.instances.freeze(self.name)
        await self.refused(RemoteError, self.instances.start(self.name))

    @contract
    async def test_a_resume_of_one_that_is_stopped_is_refused(self) -> None:
        await self.instances.create(self.new())
        await self.refused(RemoteError, self.instances.resume(self.name))

    # --- whose an address is

    def housed(self, address: str) -> dict[str, dict[str, str]]:
        """Give a NIC of an instance's own with an address."""
        return {self.nic: {**self.device, "ipv4.address": address}}

    async def leased(self) -> dict[str, str]:
        """Give the addresses of hardware addresses, those of other tests' instances as well."""
        return {lease.mac: str(lease.address) for lease in await self.leases.leases()}

    @contract
    async def test_what_one_shows_is_leased_to_its_hardware_address(self) -> None:
        instance = await self.create_and_start()
        state = await self.address_shown()
        mac = instance.nic_mac(self.nic)
        shown = [str(at) for nic in state.interfaces if nic.mac == mac for at, scope in nic.addresses if scope == "global"]
        self.assertIn((await self.leased())[mac], shown)

    @contract
    async def test_an_address_on_the_nic_is_known_before_the_start_and_shown_after_it(self) -> None:
        address = await self.free_address()
        await self.instances.create(self.new(devices=self.housed(address)))
        instance = await self.instances.get(self.name)
        self.assertEqual([str(at) for at in fixed_addresses(instance, self.nic)], [address])
        self.assertEqual((await self.leased())[instance.nic_mac(self.nic)], address)
        await self.instances.start(self.name)
        shown = await self.address_shown()
        self.assertIn(address, [str(at) for nic in shown.interfaces for at, _ in nic.addresses])

    @contract
    async def test_devices_are_given_beside_the_others_and_by_etag(self) -> None:
        await self.instances.create(self.new())
        instance, address = await self.instances.get(self.name), await self.free_address()
        await self.refused(Changed, self.instances.give_devices(self.name, self.housed(address), '"0000"'))
        await self.instances.give_devices(self.name, self.housed(address), instance.etag)
        after = await self.instances.get(self.name)
        self.assertEqual(after.expanded_devices[self.nic]["ipv4.address"], address)
        self.assertEqual(after.config["user._webspaced"], '{"user": 1}')

    @contract
    async def test_one_that_nothing_is_done_to_is_not_busy(self) -> None:
        await self.instances.create(self.new())
        for name in (self.name, "ws-u999"):
            self.assertEqual(await self.instances.others_work(name, sessions=True), "")
        # What we do ourselves is no reason to wait.
        starting = Deferred.fromCoroutine(self.instances.start(self.name))
        # The server lists it a moment before its number reaches who asked for it.
        while await self.instances.others_work(self.name):
            self.assertFalse(starting.called)
        await starting
        self.assertEqual(await self.instances.others_work(self.name), "")

    @contract
    async def test_what_an_operator_protects_is_not_deleted(self) -> None:
        await self.instances.create(self.new())
        etag = (await self.instances.get(self.name)).etag
        await self.instances.configure(self.name, {"security.protection.delete": "true"}, etag)
        found = await self.instances.get(self.name)
        self.assertEqual(found.protected, frozenset({"delete"}))
        await self.refused(RemoteError, self.instances.delete(self.name))
        await self.instances.configure(self.name, {"security.protection.delete": ""}, found.etag)
        self.assertEqual((await self.instances.get(self.name)).protected, frozenset())
        await self.instances.delete(self.name)

    @contract
    async def test_the_instances_of_other_projects_are_others(self) -> None:
        await self.instances.create(self.new())
        others: list[Instance] = []
        await self.instances.go_through_others(others.append)
        self.assertEqual([each for each in others if each.name == self.name], [])

    # --- changing and deleting

    @contract
    async def test_a_new_one_has_no_snapshots(self) -> None:
        await self.instances.create(self.new())
        self.assertEqual(await self.instances.has_snapshots(self.name), False)

    @contract
    async def test_configured_keys_are_set_beside_the_others_and_empty_ones_vanish(self) -> None:
        await self.instances.create(self.new())
        await self.instances.configure(self.name, {"user.a": "b", "user._webspaced_boot_port": ""}, "")
        config = (await self.instances.get(self.name)).config
        self.assertEqual((config["user.a"], config["user._webspaced"]), ("b", '{"user": 1}'))
        self.assertEqual(config.get("user._webspaced_boot_port"), None)

    @contract
    async def test_an_etag_that_is_right_once_is_wrong_afterwards(self) -> None:
        await self.instances.create(self.new())
        etag = (await self.instances.get(self.name)).etag
        await self.instances.configure(self.name, {"user.a": "b"}, etag)
        await self.refused(Changed, self.instances.configure(self.name, {"user.a": "c"}, etag))
        self.assertEqual((await self.instances.get(self.name)).config["user.a"], "b")

    @contract
    async def test_a_running_one_can_be_configured(self) -> None:
        instance = await self.create_and_start()
        await self.instances.configure(self.name, {"user.a": "b"}, instance.etag)
        after = await self.instances.get(self.name)
        self.assertEqual((after.config["user.a"], after.incarnation), ("b", instance.incarnation))

    @contract
    async def test_a_running_one_is_not_deleted(self) -> None:
        await self.create_and_start()
        await self.refused(RemoteError, self.instances.delete(self.name))
        self.assertTrue((await self.instances.get(self.name)).status.runs)

    @contract
    async def test_a_deleted_one_is_gone_and_its_name_is_free(self) -> None:
        await self.instances.create(self.new())
        first = await self.instances.get(self.name)
        await self.instances.delete(self.name)
        await self.refused(NotFound, self.instances.get(self.name))
        await self.instances.create(self.new())
        self.assertNotEqual((await self.instances.get(self.name)).incarnation, first.incarnation)

"""What the router reads of a real LXD and a real Incus, and the one key that it writes there."""

from __future__ import annotations

from ipaddress import IPv4Address

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.real.servers import INCUS_VARIABLE, ServerCase
from webspaced.core.ownership import ADDRESS_KEY
from webspaced.lib.deferreds import sleep
from webspaced.lxd.events import EventSubscription
from webspaced.router.instances import LxdInstances, _OfProject
from webspaced.router.plan import Reservation, Seat


class InstanceTests(ServerCase):
    """The seat of a real instance."""

    def setUp(self) -> None:
        super().setUp()
        profile = self.rest.ask("GET", "/1.0/profiles/webspace")
        (device,) = (each for each in profile["devices"].values() if each["type"] == "nic")
        self.network = device.get("parent") or device["network"]
        self.instances = LxdInstances(self.client, self.network, [self.project])

    async def cleared(self) -> None:
        for each in (await self.client.get("/instances", recursion="1")).metadata:
            await self.client.operate("DELETE", f"/instances/{each['name']}")

    async def create(self) -> None:
        source = {"type": "image", "fingerprint": self.fingerprint}
        body = {"name": self.name, "type": "container", "source": source, "profiles": ["webspace"]}
        await self.client.operate("POST", "/instances", body)

    def test_a_new_instance_has_a_seat_before_its_first_start(self) -> Deferred[None]:
        async def test() -> None:
            await self.instances.greet()
            self.assertEqual(await self.instances.all(), [])
            heard: list[str] = []
            there: Deferred[None] = Deferred()

            def connected() -> Deferred[None]:
                if not there.called:
                    there.callback(None)
                return Deferred(lambda _: None)

            listener = _OfProject(self.project, connected, lambda _project, name: heard.append(name))
            events = EventSubscription(reactor, self.endpoints, self.project, listener)  # type: ignore[arg-type]
            events.startService()
            self.addCleanup(events.stopService)
            await there
            await self.create()
            while self.name not in heard:
                await sleep(reactor, 0.01)  # type: ignore[arg-type]
            (seen,) = await self.instances.all()
            assert isinstance(seen.seat, Seat)
            self.assertEqual((seen.seat.address, seen.seat.project), (None, self.project))
            self.assertRegex(seen.seat.mac, r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")

        return self.drive(test())

    def test_its_address_is_kept_in_its_key_once(self) -> Deferred[None]:
        async def test() -> None:
            await self.create()
            seat = (await self.instances.one(self.project, self.name)).seat
            assert seat is not None
            given = Reservation(mac=seat.mac, address=IPv4Address("172.24.1.7"), project=self.project, instance=self.name)
            await self.instances.keep(given)
            self.assertEqual(
                (await self.client.get(f"/instances/{self.name}")).metadata["config"][ADDRESS_KEY], "172.24.1.7"
            )
            self.assertEqual((await self.instances.one(self.project, self.name)).seat, evolve(seat, address=given.address))

        return self.drive(test())

    def test_one_that_is_gone_has_no_seat(self) -> Deferred[None]:
        async def test() -> None:
            self.assertIsNone((await self.instances.one(self.project, "nobody")).seat)

        return self.drive(test())


class IncusInstanceTests(InstanceTests):
    """The same of Incus."""

    variable = INCUS_VARIABLE

"""A cluster member that is away: LXD lists the names of what it has, and nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import World
from webspaced.core.forward import Forward
from webspaced.core.instance import Instance, Status
from webspaced.core.user import User
from webspaced.errors import Conflict, RemoteError, Unavailable
from webspaced.webspaces.conditions import Kind


class Away:
    """Has instances of a world's LXD on a member that can be away."""

    def __init__(self, world: World) -> None:
        self.names: set[str] = set()
        self._list_all, self._get, self._state = world.lxd.list_all, world.lxd.get, world.lxd.state
        for each in ("list_all", "get", "state"):
            setattr(world.lxd, each, getattr(self, each))
        self.asked: list[str] = []

    async def list_all(self) -> Sequence[Instance]:
        return [self._untold(each) if each.name in self.names else each for each in await self._list_all()]

    def _untold(self, instance: Instance) -> Instance:
        nothing = {"config": {}, "expanded_devices": {}, "created_at": "0001", "last_used_at": "0001"}
        return evolve(instance, status=Status.ERROR, location="two", **nothing)

    async def get(self, name: str) -> object:
        self._check(name)
        return await self._get(name)

    async def state(self, name: str) -> object:
        self._check(name)
        return await self._state(name)

    def _check(self, name: str) -> None:
        self.asked.append(name)
        if name in self.names:
            raise RemoteError("Missing event connection with target cluster member", 500)


class AwayTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.away = Away(self.world)

    def restarted(self) -> World:
        """Give a new webspaced with the same LXD contents (1 runs, 2 sleeps), and the routes of the old one."""
        routes = self.world.store.routes
        self.world = World()
        self.away = Away(self.world)
        self.fill()
        self.world.store.routes = dict(routes)
        return self.world

    def fill(self) -> None:
        self.world.webspace(1, running=True)
        self.world.webspace(2)
        self.world.clock.advance(10)

    def begin(self) -> None:
        self.fill()
        self.world.start()
        self.world.clock.run_for(5)

    def full_pass(self) -> None:
        self.world.clock.result_of(self.world.reconciler.full_pass())
        self.world.clock.run_for(5)

    def backends(self) -> dict[str, str]:
        return {name: str(route.backend) for name, route in self.world.store.routes.items()}

    def test_what_was_seen_stays_as_it_was(self) -> None:
        self.begin()
        before = self.backends()
        self.assertEqual(before, {"ws-u1": "10.7.0.10:80", "ws-u2": "127.0.0.1:20002"})
        self.away.names = {"ws-u1", "ws-u2"}
        self.away.asked.clear()
        self.full_pass()
        self.assertEqual(self.backends(), before)
        # Each question would cost ten seconds.
        self.assertEqual(self.away.asked, [])
        self.assertEqual(self.world.seen(1).address, ip_address("10.7.0.10"))
        self.assertIn("two", self.world.conditions.of(1)[Kind.MEMBER_AWAY])

    def test_its_return_is_looked_for_and_seen(self) -> None:
        self.begin()
        self.away.names = {"ws-u1"}
        self.full_pass()
        self.away.names = set()
        self.world.lxd.crash("ws-u1")
        self.world.reconciler.connected_to_lxd = True
        self.world.clock.result_of(self.world.reconciler.return_of_members())
        self.world.clock.run_for(5)
        self.assertNotIn(Kind.MEMBER_AWAY, self.world.conditions.of(1))
        self.assertEqual(self.backends()["ws-u1"], "127.0.0.1:20001")
        lists = len(self.world.calls("list_all"))
        self.world.clock.result_of(self.world.reconciler.return_of_members())
        self.assertEqual(len(self.world.calls("list_all")), lists)

    def test_after_a_restart_routes_of_what_was_never_seen_stay(self) -> None:
        self.begin()
        before = self.backends()
        world = self.restarted()
        self.away.names = {"ws-u1", "ws-u2"}
        world.start()
        world.clock.run_for(5)
        self.assertEqual(self.backends(), before)
        self.away.names = set()
        self.full_pass()
        self.assertEqual(self.backends(), before)
        self.assertEqual(world.listeners.boot_ports, {1: 20001, 2: 20002})

    def test_a_kept_routes_names_are_nobody_elses(self) -> None:
        self.begin()
        world = self.restarted()
        self.away.names = {"ws-u1"}
        # Meanwhile IAM has given Alice's name to Bob.
        world.identity.members = {1: "alicia", 2: "alice"}
        world.start()
        world.clock.run_for(5)
        hosts = [host for route in world.store.routes.values() for host in route.hosts]
        self.assertEqual(len(set(hosts)), len(hosts), hosts)
        self.away.names = set()
        self.full_pass()
        self.full_pass()
        served = {name: route.hosts for name, route in world.store.routes.items()}
        self.assertEqual(served, {"ws-u1": ("alicia.example.org",), "ws-u2": ("alice.example.org",)})

    def test_an_absent_member_is_looked_for_by_the_list_alone(self) -> None:
        self.begin()
        self.away.names = {"ws-u2"}
        self.full_pass()
        self.world.reconciler.connected_to_lxd = True
        self.away.asked.clear()
        self.world.clock.result_of(self.world.reconciler.return_of_members())
        self.assertEqual(self.away.asked, [])

    def test_and_go_when_it_was_deleted_meanwhile(self) -> None:
        self.begin()
        world = self.restarted()
        self.away.names = {"ws-u1"}
        world.start()
        world.lxd.remove("ws-u1")
        self.full_pass()
        self.assertEqual(list(self.backends()), ["ws-u2"])

    def test_a_boot_port_that_a_kept_route_names_is_given_to_nobody(self) -> None:
        self.begin()
        world = self.restarted()
        self.away.names = {"ws-u2"}
        world.start()
        # Far beyond the time for which the ports of old routes rest after a start.
        for _ in range(5):
            world.clock.run_for(300)
            self.full_pass()
        with world.allocator.boot_port() as port:
            self.assertNotEqual(port, 20002)
        given = set()
        for uid in (3, 4):
            world.clock.result_of(world.service.create(User(id=uid, username=f"user{uid}"), "fast"))
            given.add(world.seen(uid).boot_port)
        self.assertNotIn(20002, given)

    def test_external_ports_are_given_again_when_all_are_known(self) -> None:
        self.begin()
        world = self.restarted()
        self.away.names = {"ws-u2"}
        world.start()
        asked = world.service.add_random_port(1, Forward(22))
        self.assertGreater(self.assertRaises(Unavailable, world.clock.result_of, asked).retry_after, 1)
        self.away.names = set()
        self.full_pass()
        self.assertIn(world.clock.result_of(world.service.add_random_port(1, Forward(22))), range(49152, 49162))

    def test_its_member_is_told_that_this_is_temporary(self) -> None:
        self.begin()
        self.away.names = {"ws-u1"}
        self.full_pass()
        error = self.assertRaises(Unavailable, self.world.clock.result_of, self.world.service.read(1))
        self.assertIn("two", str(error))
        creating = self.world.service.create(User(id=1, username="alice"), "fast")
        self.assertRaises(Conflict, self.world.clock.result_of, creating)

    def test_an_error_that_is_the_instances_own_is_no_absence(self) -> None:
        self.begin()
        self.world.lxd.fail_next("get", RemoteError("no", 500))
        self.assertRaises(RemoteError, self.world.clock.result_of, self.world.service.read(1))

    def test_a_strangers_address_is_still_its_own(self) -> None:
        stranger = self.world.lxd.put("router", running=True)
        self.world.clock.advance(10)
        self.begin()
        self.away.names = {"router"}
        self.full_pass()
        container = self.world.lxd.containers["ws-u1"]
        container.extra.append((stranger.address, "global"))
        container.address = ip_address("10.7.0.200")
        container.has_network = False
        self.full_pass()
        self.assertNotEqual(self.world.seen(1).address, stranger.address)

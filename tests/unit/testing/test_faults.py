"""What goes wrong on demand, and what happens behind webspaced's back, as the real client sees it."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.web.websocket import ConnectionRejected, WebSocketClientEndpoint

from tests.contracts.lxd_api import Socket
from tests.unit.testing.simulated import SimulatedCase
from tests.unit.timing import watch
from webspaced.core.instance import NewInstance, Status
from webspaced.errors import DeadlineExceeded, NotFound, RemoteError, Unavailable
from webspaced.lxd.agent import Connections, UnixEndpoints
from webspaced.lxd.client import LxdClient
from webspaced.lxd.events import SILENCE_LIMIT, EventSubscription
from webspaced.lxd.instances import LxdInstances
from webspaced.lxd.network import profile_network
from webspaced.testing.lxd.flavour import INCUS
from webspaced.testing.lxd.simulator import SimulatedLxd
from webspaced.testing.lxd.timings import VARIANTS, Timings

NAME = "ws-u1"
STATE = f"/1.0/instances/{NAME}/state"


class Listener:
    def __init__(self) -> None:
        self.said: list[str] = []

    def connected(self) -> Deferred[None]:
        self.said.append("connected")
        return succeed(None)

    def happened(self, name: str) -> None:
        self.said.append(name)

    def disconnected(self, reason: str) -> None:
        self.said.append("disconnected")


class FaultCase(SimulatedCase):
    def setUp(self) -> None:
        super().setUp()
        self.instances = LxdInstances(self.client)
        self.machine = self.lxd.machine
        self.one = self.machine.add(NAME)
        self.listener = Listener()

    def result(self, work: Any) -> Any:
        return self.clock.result_of(work)

    def fails(self, kind: type[Exception], work: Any) -> Exception:
        return self.assertRaises(kind, self.clock.result_of, work)

    def status(self) -> Status:
        status: Status = self.result(self.instances.get(NAME)).status
        return status

    def subscribe(self) -> None:
        subscription = EventSubscription(self.reactor, self.endpoints, "default", self.listener)
        subscription.startService()
        self.addCleanup(subscription.stopService)
        self.clock.run_for(0.1)


class InjectedTests(FaultCase):
    def test_a_refusal_comes_so_often_and_then_no_more(self) -> None:
        self.lxd.faults.refuse("GET", STATE, 503, times=2)
        for _ in range(2):
            self.fails(Unavailable, self.instances.state(NAME))
        self.result(self.instances.state(NAME))

    def test_a_refusal_is_for_its_method_and_path(self) -> None:
        self.lxd.faults.refuse("PUT", "/1.0/instances/*/state")
        self.result(self.instances.state(NAME))
        self.fails(RemoteError, self.instances.start(NAME))
        self.assertEqual(self.status(), Status.STOPPED)

    def test_a_doomed_start_fails_late_and_starts_nothing(self) -> None:
        self.lxd.faults.doom("PUT", STATE, "no more pids")
        began = self.clock.seconds()
        error = self.fails(RemoteError, self.instances.start(NAME))
        self.assertEqual((str(error), self.status()), ("no more pids", Status.STOPPED))
        self.assertTrue(self.clock.seconds() - began > self.lxd.timings.start)
        self.result(self.instances.start(NAME))

    def test_a_doomed_stop_leaves_it_running(self) -> None:
        self.machine.power.boot_now(self.one)
        self.lxd.faults.doom("PUT", STATE)
        self.fails(RemoteError, self.instances.stop(NAME, 5, force=True))
        self.assertEqual(self.status(), Status.RUNNING)

    def test_doomed_creations_and_deletions(self) -> None:
        self.lxd.faults.doom("DELETE", f"/1.0/instances/{NAME}")
        self.fails(RemoteError, self.instances.delete(NAME))
        self.result(self.instances.get(NAME))
        # It is not left busy.
        self.result(self.instances.start(NAME))
        self.lxd.faults.doom("POST", "/1.0/instances")
        image = self.lxd.machine.aliased("fast")
        assert image is not None
        new = NewInstance(name="new", fingerprint=image.fingerprint, profile="webspace", config={})
        self.fails(RemoteError, self.instances.create(new))
        self.fails(NotFound, self.instances.get("new"))
        self.result(self.instances.create(new))

    def test_an_answer_that_never_comes(self) -> None:
        self.lxd.faults.hang("GET", STATE)
        self.fails(DeadlineExceeded, self.instances.state(NAME))

    def test_a_connection_cut_in_the_middle_of_an_answer(self) -> None:
        self.lxd.faults.cut("GET", "/1.0/instances")
        self.fails(Unavailable, self.instances.list_all())
        self.assertEqual(len(self.result(self.instances.list_all())), 1)

    def test_a_lost_event(self) -> None:
        self.subscribe()
        self.lxd.faults.lose_events(1)
        self.result(self.instances.start(NAME))
        self.clock.run_for(1)
        self.assertEqual(self.listener.said, ["connected"])
        self.result(self.instances.stop(NAME, 5, force=True))
        self.clock.run_for(1)
        self.assertEqual(self.listener.said, ["connected", NAME])

    def test_a_stalled_stream_is_noticed_by_its_silence(self) -> None:
        self.subscribe()
        self.lxd.faults.stall_events()
        self.result(self.instances.start(NAME))
        self.clock.run_for(1)
        self.assertEqual(self.listener.said, ["connected"])
        self.clock.run_for(SILENCE_LIMIT + 15)
        self.assertEqual(self.listener.said, ["connected", "disconnected", "connected"])

    def test_a_stream_that_is_not_stalled_lives_on(self) -> None:
        self.subscribe()
        self.clock.run_for(10 * SILENCE_LIMIT)
        self.assertEqual(self.listener.said, ["connected"])

    def test_who_is_not_trusted_sees_little(self) -> None:
        self.lxd.api.path.trusted = False
        self.assertEqual(self.fails(RemoteError, self.instances.list_all()).code, 403)  # type: ignore[attr-defined]
        server = self.result(self.client.get("")).metadata
        self.assertEqual((server["auth"], "environment" in server), ("untrusted", False))


class BehindTheBackTests(FaultCase):
    def test_a_killed_server_is_away_and_comes_back(self) -> None:
        self.subscribe()
        self.machine.power.boot_now(self.one)
        self.lxd.kill()
        self.clock.run_for(0.1)
        self.assertEqual(self.listener.said[:2], ["connected", "disconnected"])
        self.fails(Unavailable, self.instances.list_all())
        self.lxd.come_back()
        self.clock.run_for(10)
        self.assertEqual((self.status(), self.listener.said[-1]), (Status.RUNNING, "connected"))

    def test_a_kill_loses_what_was_under_way(self) -> None:
        starting = watch(self.instances.start(NAME))
        self.clock.run_for(0.05)
        self.lxd.kill()
        self.clock.run_for(1)
        self.assertIsInstance(starting.error, Unavailable)
        self.lxd.come_back()
        self.clock.run_for(1)
        self.assertEqual((self.status(), self.machine.operations.all()), (Status.STOPPED, []))
        self.result(self.instances.start(NAME))

    def test_or_it_is_done_all_the_same(self) -> None:
        watch(self.instances.start(NAME))
        self.clock.run_for(0.05)
        self.lxd.kill(finish=True)
        self.lxd.come_back()
        self.clock.run_for(1)
        self.assertEqual(self.status(), Status.RUNNING)

    def test_what_died_meanwhile_is_started_again_unless_the_profile_says_no(self) -> None:
        other = self.machine.add("other", profiles=["default"], running=True)
        self.machine.power.boot_now(self.one)
        self.lxd.kill()
        for each in (self.one, other):
            self.machine.power.die(each, noticed=False)
        self.lxd.come_back()
        self.clock.run_for(1)
        listed = {each.name: each.status for each in self.result(self.instances.list_all())}
        self.assertEqual(listed, {NAME: Status.STOPPED, "other": Status.RUNNING})

    def test_a_member_that_is_offline(self) -> None:
        self.machine.members |= {"first": True, "second": False}
        self.one.location = "second"
        (listed,) = self.result(self.instances.list_all())
        self.assertEqual((listed.status, listed.location), (Status.ERROR, "second"))
        self.fails(RemoteError, self.instances.get(NAME))
        self.machine.members["second"] = True
        self.result(self.instances.start(NAME))

    def test_addresses_that_its_root_added_are_shown_until_it_stops(self) -> None:
        self.machine.power.boot_now(self.one)
        self.clock.run_for(1)
        self.machine.add_address(NAME, "10.7.0.66/16")
        shown = [str(address) for nic in self.result(self.instances.state(NAME)).interfaces for address, _ in nic.addresses]
        self.assertEqual(shown[:2], [str(self.one.address), "10.7.0.66"])
        self.machine.crash(NAME)
        self.assertEqual(self.one.extra, [])

    def test_a_removal_while_it_starts(self) -> None:
        starting = watch(self.instances.start(NAME))
        self.clock.run_for(0.05)
        self.machine.discard(self.one)
        self.clock.run_for(1)
        self.assertIsInstance(starting.error, NotFound if self.flavour.failures_are_errors else RemoteError)
        self.fails(NotFound, self.instances.get(NAME))

    def test_what_somebody_else_does_is_told_of(self) -> None:
        self.subscribe()
        machine = self.machine
        machine.start(NAME)
        machine.freeze(NAME)
        machine.set_keys(NAME, {"user.a": "b"})
        self.clock.run_for(0.1)
        instance = self.result(self.instances.get(NAME))
        self.assertEqual((instance.status, instance.config["user.a"]), (Status.FROZEN, "b"))
        machine.copy(NAME, "copy")
        machine.remove(NAME)
        machine.rename("copy", "renamed")
        self.clock.run_for(0.1)
        self.assertEqual(self.listener.said, ["connected", NAME, NAME, NAME, "copy", NAME, "renamed", "copy"])
        (left,) = self.result(self.instances.list_all())
        self.assertEqual((left.name, left.status, left.config["user.a"]), ("renamed", Status.STOPPED, "b"))

    def test_a_shutdown_that_takes_longer_than_its_timeout(self) -> None:
        slow = SimulatedLxd(self.reactor, "/slow", timings=Timings(shutdown=3))
        slow.startService()
        slow.machine.add(NAME, running=True)
        connections = Connections(self.reactor, UnixEndpoints(self.reactor, slow.socket))
        client = LxdClient(connections.agent, self.reactor, "default")
        instances = LxdInstances(client)
        self.fails(RemoteError, instances.stop(NAME, 1, force=False))
        self.assertEqual(self.result(instances.get(NAME)).status, Status.RUNNING)
        # It was asked to, and does so in the end.
        self.clock.run_for(3)
        self.assertEqual(self.result(instances.get(NAME)).status, Status.STOPPED)
        self.result(instances.start(NAME))
        self.clock.run_for(10)
        self.assertEqual(self.result(instances.get(NAME)).status, Status.RUNNING)

    def test_a_sockets_secret_is_good_for_once(self) -> None:
        self.machine.start(NAME)
        body = {"command": ["cat"], "wait-for-websocket": True}
        reply = self.result(self.client.send("POST", f"/instances/{NAME}/exec", body))
        secret = reply.metadata["metadata"]["fds"]["0"]
        url = f"ws://lxd{reply.operation}/websocket?secret={secret}"
        first = self.result(WebSocketClientEndpoint(self.endpoints, url).connect(Socket()))
        self.fails(ConnectionRejected, WebSocketClientEndpoint(self.endpoints, url).connect(Socket()))
        self.assertFalse(first.closed)

    def test_a_freed_address_is_given_again(self) -> None:
        address = self.one.address
        self.machine.discard(self.one)
        self.assertEqual(self.machine.add("ws-u2").address, address)

    def test_the_profiles_network_is_found(self) -> None:
        network = self.result(profile_network(self.client, "webspace"))
        found = (network.nic, str(network.networks[0]), str(network.gateways[0]))
        self.assertEqual(found, ("eth0", "10.7.0.0/16", "10.7.0.1"))

    def test_a_creation_that_crashes_at_its_start(self) -> None:
        image = self.machine.aliased("crash")
        assert image is not None
        new = NewInstance(name="ws-u2", fingerprint=image.fingerprint, profile="webspace", config={})
        self.result(self.instances.create(new))
        self.result(self.instances.start("ws-u2"))
        self.assertEqual(self.result(self.instances.get("ws-u2")).status, Status.STOPPED)
        self.fails(RemoteError, self.instances.start("ws-u2"))

    def test_every_request_is_noted(self) -> None:
        self.result(self.instances.get(NAME))
        self.assertEqual(self.lxd.asked[-1], ("GET", f"/1.0/instances/{NAME}?project=default"))

    def test_events_are_json_that_names_the_instance(self) -> None:
        self.result(self.instances.start(NAME))
        self.assertEqual(json.dumps(self.machine.events.sent[-1]["source"]), f'"/1.0/instances/{NAME}"')

    def test_every_variant_has_an_image(self) -> None:
        aliases = {alias for image in self.result(self.instances.images()) for alias, _ in image.aliases}
        self.assertEqual(aliases, set(VARIANTS))


class IncusBehindTheBackTests(BehindTheBackTests):
    flavour = INCUS

"""What runs in simulated containers, as visitors see it: in memory, and on real loopback sockets."""

from __future__ import annotations

import tempfile
from ipaddress import ip_address
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionRefusedError, TimeoutError  # noqa: A004
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from tests.unit.testing.simulated import SimulatedCase
from webspaced.core.address import Endpoint
from webspaced.core.instance import NewInstance
from webspaced.core.probing import Answer, Ask
from webspaced.lxd.agent import Connections, UnixEndpoints
from webspaced.lxd.client import LxdClient
from webspaced.lxd.instances import LxdInstances
from webspaced.testing.lxd.simulator import LOOPBACK_PORTS, SimulatedLxd
from webspaced.testing.lxd.timings import VARIANTS, Timings
from webspaced.webspaces.probe import PortProbe

AT_ONCE = Timings(create=0, start=0, death=0, cleanup=0, delete=0, address=0, port=0, request=0, accept=0, state=0)


class Visit(Protocol):
    transport: Any

    def __init__(self) -> None:
        self.got = b""
        self.over: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Any = None) -> None:
        self.over.callback(self.got)


def visit(any_reactor: Any, host: str, port: int, timeout: float = 5) -> Any:
    return TCP4ClientEndpoint(any_reactor, host, port, timeout).connect(Factory.forProtocol(Visit))


class MemoryTests(SimulatedCase):
    def have(self, variant: str, *, after: float = 1.0) -> str:
        self.one = self.lxd.machine.add("ws-u1", VARIANTS[variant], running=True)
        self.clock.run_for(after)
        return str(self.one.address)

    def get(self, host: str, head: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
        end = self.clock.result_of(visit(self.reactor, host, 80))
        end.transport.write(head)
        answer: bytes = self.clock.result_of(end.over)
        return answer

    def test_the_web_server_says_the_hosts_name(self) -> None:
        answer = self.get(self.have("fast"))
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\nws-u1\n"), answer)

    def test_and_nothing_else(self) -> None:
        host = self.have("fast")
        self.assertIn(b" 404 ", self.get(host, b"GET /other HTTP/1.1\r\n\r\n"))
        self.assertTrue(self.get(host, b"HEAD / HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n"))

    def test_the_echo_service(self) -> None:
        end = self.clock.result_of(visit(self.reactor, self.have("fast"), 7))
        end.transport.write(b"hello")
        self.clock.settle()
        self.assertEqual(end.got, b"hello")

    def test_before_the_address_is_there_syns_are_lost(self) -> None:
        host = self.have("fast", after=0.05)
        self.assertRaises(TimeoutError, self.clock.result_of, visit(self.reactor, host, 80, 0.05))

    def test_a_slow_one_refuses_at_first(self) -> None:
        host = self.have("slow")
        self.assertRaises(ConnectionRefusedError, self.clock.result_of, visit(self.reactor, host, 80))
        self.clock.run_for(2)
        self.assertIn(b"ws-u1", self.get(host))

    def test_a_warming_one_says_503_at_first(self) -> None:
        host = self.have("warming")
        probe = PortProbe(self.reactor)
        endpoint = Endpoint(ip_address(host), 80)
        self.assertEqual(self.clock.result_of(probe.ask(endpoint, Ask.HTTP, "x")), Answer.NOT_YET)
        self.clock.run_for(2)
        self.assertEqual(self.clock.result_of(probe.ask(endpoint, Ask.HTTP, "x")), Answer.GOOD)

    def test_one_that_never_opens_refuses_and_one_without_address_is_silent(self) -> None:
        host = self.have("never")
        self.assertRaises(ConnectionRefusedError, self.clock.result_of, visit(self.reactor, host, 80))
        self.lxd.machine.discard(self.one)
        host = self.have("nonet")
        self.assertRaises(TimeoutError, self.clock.result_of, visit(self.reactor, host, 80))

    def test_a_crash_resets_connections_and_frees_the_address(self) -> None:
        host = self.have("fast")
        end = self.clock.result_of(visit(self.reactor, host, 7))
        self.lxd.machine.crash("ws-u1")
        self.clock.run_for(0.1)
        self.assertTrue(end.over.called)
        self.assertRaises(TimeoutError, self.clock.result_of, visit(self.reactor, host, 80))

    def test_a_frozen_one_takes_connections_and_says_nothing(self) -> None:
        host = self.have("fast")
        old = self.clock.result_of(visit(self.reactor, host, 7))
        self.lxd.machine.power.halt(self.one)
        new = self.clock.result_of(visit(self.reactor, host, 7))
        for end in (old, new):
            end.transport.write(b"x")
        self.clock.run_for(5)
        self.assertEqual((old.got, new.got), (b"", b""))
        self.clock.result_of(self.client.operate("PUT", "/instances/ws-u1/state", {"action": "unfreeze"}))
        self.clock.settle()
        self.assertEqual((old.got, new.got), (b"x", b"x"))

    def test_containers_go_on_while_lxd_is_away(self) -> None:
        host = self.have("fast")
        self.lxd.kill()
        self.assertIn(b"ws-u1", self.get(host))

    def test_an_end_leaves_nothing_behind(self) -> None:
        self.have("fast")
        self.clock.result_of(LxdInstances(self.client).list_all())
        self.lxd.stopService()
        # The client's pool looks after its connections for four minutes.
        self.clock.run_for(300)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SocketTests(TestCase):
    """On a real reactor: a UNIX socket, and loopback addresses that anybody may bind."""

    timeout = 30

    async def _life(self) -> bytes:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        lxd = SimulatedLxd(reactor, directory.name, timings=AT_ONCE)
        lxd.startService()
        self.addCleanup(lxd.stopService)
        agent = Connections(reactor, UnixEndpoints(reactor, lxd.socket)).agent
        self.addCleanup(agent._pool.closeCachedConnections)
        instances = LxdInstances(LxdClient(agent, reactor, "default"))
        image = lxd.machine.aliased("fast")
        assert image is not None
        new = NewInstance(name="ws-u1", fingerprint=image.fingerprint, profile="webspace", config={})
        await instances.create(new)
        await instances.start("ws-u1")
        (nic, _loopback) = (await instances.state("ws-u1")).interfaces
        ((address, _scope),) = nic.addresses
        self.assertTrue(str(address).startswith("127.64."))
        end = await visit(reactor, str(address), LOOPBACK_PORTS.web)
        end.transport.write(b"GET / HTTP/1.1\r\n\r\n")
        answer: bytes = await end.over
        await instances.stop("ws-u1", 5, force=True)
        return answer

    def test_a_whole_life(self) -> Deferred[None]:
        living = Deferred.fromCoroutine(self._life())
        return living.addCallback(lambda answer: self.assertIn(b"ws-u1", answer))

"""What runs inside containers: an address after a while, a web server and an echo service, as in the tiny images.

They are listeners of the reactor that the simulator runs on: in memory on the containers' own addresses, on a real reactor
on loopback addresses. Containers go on while LXD is away, so nothing here is LXD's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Factory, define, frozen
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory as ProtocolFactory
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from webspaced.testing.lxd.things import Instance
from webspaced.testing.lxd.timings import Timings
from webspaced.testing.network import MemoryReactor

LONGEST_HEAD = 1 << 16


@frozen
class Ports:
    """The ports of the two services."""

    web: int = 80
    echo: int = 7


PACKET, PACKETS = 66, 5
"""Bytes around what a packet carries, and packets that a connection takes beside."""
WORK = 0.001
"""Seconds of processor time that a request takes."""


@define(eq=False)
class _Life:
    """One incarnation of a container: what it has open."""

    instance: Instance
    calls: list[IDelayedCall] = Factory(list)
    ports: list[Any] = Factory(list)
    connections: set[Any] = Factory(set)
    frozen: bool = False


class _Service(Protocol):
    """A connection to a container."""

    transport: Any

    def __init__(self, life: _Life) -> None:
        self._life = life

    def connectionMade(self) -> None:
        self._life.connections.add(self.transport)
        self.count(received=PACKETS * PACKET, sent=PACKETS * PACKET)

    def count(self, received: int = 0, sent: int = 0) -> None:
        """Count bytes of the network's, and the work that they make."""
        instance = self._life.instance
        instance.received += received
        instance.sent += sent
        instance.used += WORK

    def connectionLost(self, reason: Failure = Failure(Exception())) -> None:  # noqa: B008
        self._life.connections.discard(self.transport)


class Echo(_Service):
    """Sends back what it gets."""

    def connectionMade(self) -> None:
        super().connectionMade()
        # A peer that reads nothing stops us from reading, as with a real cat.
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        self.count(received=PACKET + len(data), sent=PACKET + len(data))
        self.transport.write(data)


class Web(_Service):
    """Answers one request with a host's name, or 503 while ``status`` says so."""

    def __init__(self, life: _Life, name: str, status: Callable[[], str]) -> None:
        super().__init__(life)
        self._name = name
        self._status = status
        self._head = b""

    def dataReceived(self, data: bytes) -> None:
        if self._head is None:
            return
        self.count(received=PACKET + len(data))
        self._head += data
        if b"\r\n\r\n" in self._head or len(self._head) > LONGEST_HEAD:
            self._answer(*self._head.split(b" ", 2)[:2])

    def _answer(self, verb: bytes = b"", path: bytes = b"") -> None:
        status = self._status()
        if status == "200 OK" and path.split(b"?")[0] not in (b"/", b"/index.html"):
            status = "404 Not Found"
        body = f"{self._name}\n" if status == "200 OK" else "not yet\n"
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        answer = (head if verb == b"HEAD" else head + body).encode()
        self.count(sent=PACKET + len(answer))
        self.transport.write(answer)
        self._head = b""
        self.transport.loseConnection()


class Containers:
    """Gives running instances their addresses and services on a reactor."""

    def __init__(self, reactor: Any, timings: Timings, ports: Ports | None = None) -> None:
        self._reactor = reactor
        self._timings = timings
        self._ports = ports or Ports()
        self._lives: dict[Instance, _Life] = {}
        self._memory = reactor if isinstance(reactor, MemoryReactor) else None

    def began(self, instance: Instance) -> None:
        """See :class:`Insides`."""
        instance.received = instance.sent = 0
        instance.used = WORK
        life = self._lives[instance] = _Life(instance)
        behaviour = instance.behaviour
        if not behaviour.address:
            return
        self._later(life, self._timings.address, lambda: self._addressed(instance))
        soonest = max(self._timings.port, self._timings.address)
        if behaviour.web is not None:
            warm_at = self._reactor.seconds() + soonest + behaviour.warm

            def web() -> Protocol:
                return Web(life, instance.name, lambda: self._web_status(warm_at))

            self._later(life, soonest + behaviour.web, lambda: self._open(instance, life, self._ports.web, web))
        if behaviour.echo is not None:
            self._later(
                life, soonest + behaviour.echo, lambda: self._open(instance, life, self._ports.echo, lambda: Echo(life))
            )

    def _web_status(self, warm_at: float) -> str:
        return "200 OK" if self._reactor.seconds() >= warm_at else "503 Service Unavailable"

    def _later(self, life: _Life, seconds: float, work: Callable[[], None]) -> None:
        life.calls.append(self._reactor.callLater(seconds, work))

    def _addressed(self, instance: Instance) -> None:
        instance.has_address = True
        if self._memory is not None:
            self._memory.up.add(str(instance.address))

    def _open(self, instance: Instance, life: _Life, port: int, build: Callable[[], Protocol]) -> None:
        factory = ProtocolFactory.forProtocol(build)
        factory.noisy = False
        for address in (instance.address, *(each.ip for each in instance.extra)):
            try:
                listening = self._reactor.listenTCP(port, factory, interface=str(address))
            except CannotListenError:
                # Somebody else has that address: on a bridge, too, only one gets the packets.
                continue
            life.ports.append(listening)
            if life.frozen:
                listening.stopReading()

    def ended(self, instance: Instance) -> None:
        """See :class:`Insides`."""
        instance.has_address = False
        if self._memory is not None:
            self._memory.up.discard(str(instance.address))
        life = self._lives.pop(instance, None)
        if life is None:
            return
        for call in life.calls:
            if call.active():
                call.cancel()
        for port in life.ports:
            port.stopListening()
        for connection in tuple(life.connections):
            connection.abortConnection()

    def halted(self, instance: Instance) -> None:
        """See :class:`Insides`. The kernel goes on taking connections, and nothing answers."""
        life = self._lives[instance]
        life.frozen = True
        for each in (*life.ports, *life.connections):
            _pause(each)

    def went_on(self, instance: Instance) -> None:
        """See :class:`Insides`."""
        life = self._lives[instance]
        life.frozen = False
        for each in (*life.ports, *life.connections):
            each.startReading()

    def stop(self) -> None:
        """Close everything."""
        for instance in list(self._lives):
            self.ended(instance)


def _pause(each: Any) -> None:
    each.stopReading()

"""An LXD that can be reached: on a UNIX socket of whatever reactor it is given, in memory or real."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Site

from webspaced.testing.lxd.api import Api
from webspaced.testing.lxd.console import Consoles
from webspaced.testing.lxd.execs import Execs
from webspaced.testing.lxd.flavour import LXD, Flavour
from webspaced.testing.lxd.insides import Containers, Ports
from webspaced.testing.lxd.machine import Machine
from webspaced.testing.lxd.timings import Timings
from webspaced.testing.network import MemoryReactor

SOCKET = "unix.socket"
BACKLOG = 4096
"""Connections that may wait to be accepted, as with LXD, which is in Go: net.core.somaxconn."""
LOOPBACK_GATEWAY = "127.64.0.1/16"
LOOPBACK_PORTS = Ports(web=8080, echo=7007)
"""Ports that an ordinary user may bind."""
MEMORY_GATEWAY = "10.7.0.1/16"


class _Channel(HTTPChannel):
    """A connection that its door knows."""

    def connectionMade(self) -> None:
        super().connectionMade()
        self.factory.opened(self.transport)


class _Door(Site):
    """Accepts connections, and can end all of them as the death of a process does."""

    protocol: Any = _Channel
    noisy = False

    def __init__(self, resource: IResource, reactor: Any) -> None:
        # No time-out: LXD has none on its UNIX socket, and every one would be a call on the test's clock.
        super().__init__(resource, reactor=reactor, timeout=None)
        self._transports: list[Any] = []

    def buildProtocol(self, addr: IAddress | None) -> Any:
        # A UNIX peer has no name, which Twisted's request wants.
        return super().buildProtocol(IPv4Address("TCP", "127.0.0.1", 0))

    def log(self, request: Any) -> None:
        """Keep no access log: :attr:`SimulatedLxd.asked` tells what was asked."""

    def opened(self, transport: Any) -> None:
        """Remember a connection."""
        self._transports = [each for each in self._transports if not each.disconnected]
        self._transports.append(transport)

    def slam(self) -> None:
        """Reset all connections."""
        transports, self._transports = self._transports, []
        for transport in transports:
            transport.abortConnection()


class SimulatedLxd(Service):
    """A service that is an LXD, or an Incus.

    ``socket`` is where its API is. ``machine`` is what it has and what happens behind its back, ``faults`` what is to go
    wrong. Killing it leaves its containers running.

    :param reactor: a :class:`MemoryReactor`, or a real one: then containers are listeners on loopback addresses.
    :param directory: where the socket lies.
    """

    def __init__(
        self,
        reactor: Any,
        directory: Path | str = "/simulated",
        *,
        flavour: Flavour = LXD,
        timings: Timings | None = None,
        gateway: str = "",
        ports: Ports | None = None,
    ) -> None:
        in_memory = self._in_memory = isinstance(reactor, MemoryReactor)
        self.socket = str(Path(directory) / SOCKET)
        self.timings = timings or Timings()
        self.containers = Containers(reactor, self.timings, ports or (Ports() if in_memory else LOOPBACK_PORTS))
        subnet = gateway or (MEMORY_GATEWAY if in_memory else LOOPBACK_GATEWAY)
        self.machine = Machine(reactor, flavour, self.timings, subnet, self.containers)
        self.execs = Execs(self.machine, reactor)
        self.consoles = Consoles(self.machine)
        self.machine.insides.parts += [self.execs, self.consoles]
        self.api = Api(reactor, self.machine, self.execs, self.consoles)
        self.faults = self.api.faults
        self._reactor = reactor
        self._door = _Door(self.api.app.resource(), reactor)
        self._listening: Any = None
        self._starting: Any = None
        if in_memory:
            reactor.silent.append(IPv4Interface(subnet).network)

    @property
    def asked(self) -> Sequence[tuple[str, str]]:
        """The last requests: method and URL."""
        return self.api.path.asked

    def startService(self) -> None:
        """Begin to listen."""
        super().startService()
        self._listen()

    def _listen(self) -> None:
        self._starting = None
        if not self._in_memory:
            # Left by a simulator that was killed.
            Path(self.socket).unlink(missing_ok=True)
        self._listening = self._reactor.listenUNIX(self.socket, self._door, BACKLOG, mode=0o600)

    def stopService(self) -> Deferred[None]:
        """End, with all containers; fires once the socket is gone."""
        super().stopService()
        closed = self.kill()
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None
        self.containers.stop()
        return closed

    def kill(self, *, finish: bool = False) -> Deferred[None]:
        """Die as by SIGKILL. What was begun is dropped, or with ``finish`` still done by the containers' monitors."""
        if self._listening is None:
            return succeed(None)
        closed: Deferred[None] = maybeDeferred(self._listening.stopListening)
        self._listening = None
        self.machine.killed(finish=finish)
        self._door.slam()
        return closed

    def come_back(self) -> None:
        """Start after a kill; it answers a moment later."""
        if self._listening is None and self._starting is None:
            self._starting = self._reactor.callLater(self.timings.daemon_start, self._back)

    def _back(self) -> None:
        self.machine.came_back()
        self._listen()

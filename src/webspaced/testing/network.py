"""A TCP and UNIX network in memory that is also a reactor, on a clock that the test moves.

A whole daemon can be built on it: what it listens on and connects to meets here, and nothing takes real time. Bytes
travel in turns (``callLater(0)``), all that is due at once in one turn. Addresses in a *silent* network that nobody has
swallow SYNs, as those of stopped containers do: the attempt is tried again after 1, 3 and 7 seconds, as Linux does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import cycle
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.base import BaseConnector
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import (
    CannotListenError,
    ConnectError,
    ConnectionRefusedError,  # noqa: A004
    UserError,
)
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IDelayedCall,
    IListeningPort,
    IReactorFromThreads,
    IReactorTCP,
    IReactorTime,
    IReactorUNIX,
)
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import ClientFactory, Factory
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from webspaced.testing.wires import Wire, pair

SYN_AGAIN = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Pauses between tries of an unanswered SYN (tcp(7), tcp_syn_retries)."""
EPHEMERAL = range(32768, 61000)
WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104
NAMES = {"localhost": "127.0.0.1"}

Key = tuple[str, int] | str


@implementer(IListeningPort)
class MemoryPort:
    """A listener."""

    def __init__(self, network: MemoryReactor, key: Key, address: IAddress, factory: Factory) -> None:
        self.key = key
        self.factory = factory
        self._network = network
        self._address = address
        self._reading = True
        self._backlog: list[Wire] = []

    def startListening(self) -> None:
        """Bind; :class:`CannotListenError` if somebody has that address."""
        self._network.bind(self.key, self)
        self.factory.doStart()

    def stopListening(self) -> Deferred[None]:
        """Unbind; connections stay, those that nobody took are reset."""
        if self._network.unbind(self.key, self):
            self.factory.doStop()
            for wire in self._backlog:
                wire.drop()
        return succeed(None)

    def take(self, wire: Wire) -> None:
        """Get a connection, now or once this reads again."""
        if not self._reading:
            self._backlog.append(wire)
            return
        protocol = self.factory.buildProtocol(wire.getPeer())
        if protocol is None:
            wire.drop()
        else:
            wire.begin(protocol)

    def stopReading(self) -> None:
        """Take no connection for a while: they wait, connected."""
        self._reading = False

    def startReading(self) -> None:
        """Take connections again."""
        self._reading = True
        waiting, self._backlog = self._backlog, []
        for wire in waiting:
            self.take(wire)

    def getHost(self) -> IAddress:
        return self._address


@implementer(IConnector)
class MemoryConnector(BaseConnector):
    """An outgoing connection."""

    transport: Any

    def __init__(self, network: Any, key: Key, peer: IAddress, factory: ClientFactory[Any], timeout: float) -> None:
        super().__init__(factory, timeout, network)
        self._network = network
        self._peer = peer
        self._key = key
        self._retry: IDelayedCall | None = None
        self._tries = 0

    def _makeTransport(self) -> Any:
        # Until there is a connection, the attempt stands for the transport: Twisted asks it to fail, nothing else.
        self._tries = 0
        self._network.turns(self.attempt)
        return self

    def getDestination(self) -> IAddress:
        return self._peer

    def stopConnecting(self) -> None:
        """Give up."""
        if self.state != "connecting":
            raise UserError
        self.failIfNotConnected(UserError())

    def failIfNotConnected(self, error: Exception) -> None:
        """End the attempt with an error, if it is still one."""
        if self.state == "connecting":
            self._cancel_retry()
            self.connectionFailed(Failure(error))

    def _cancel_retry(self) -> None:
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None

    def attempt(self) -> None:
        """Send a SYN."""
        self._retry = None
        if self.state != "connecting":
            return
        port = self._network.listener(self._key)
        if port is not None:
            self._connect(port)
        elif self._network.swallows(self._key):
            pause = SYN_AGAIN[min(self._tries, len(SYN_AGAIN) - 1)]
            self._tries += 1
            self._retry = self._network.callLater(pause, self.attempt)
        else:
            self.failIfNotConnected(self._network.refusal(self._key))

    def _connect(self, port: MemoryPort) -> None:
        network = self._network
        ours = network.own_address(self._peer)
        near = Wire(network, network.turns, ours, self._peer)
        far = Wire(network, network.turns, self._peer, ours)
        pair(near, far)
        network.opened(self._key, far)
        # The kernel takes the connection; the listener may look at it later.
        port.take(far)
        client = self.buildProtocol(self._peer)
        self.transport = near
        if client is None:
            near.drop()
            self.connectionLost(Failure(CONNECTION_DONE))
        else:
            near.begin(client, self.connectionLost)


@implementer(IReactorTime, IReactorTCP, IReactorUNIX, IReactorFromThreads)
class MemoryReactor:
    """See the module. ``clock`` is moved by the test; ``silent`` are networks whose free addresses swallow SYNs."""

    def __init__(self, clock: Clock | None = None, silent: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        self.clock = clock or Clock()
        self.silent = list(silent)
        self.up: set[str] = set()
        """Addresses in silent networks that somebody has: closed ports there refuse."""
        self.running = True
        self.stopped = False
        self.connections: dict[Key, list[Wire]] = {}
        self._listening: dict[Key, MemoryPort] = {}
        self._paths: set[str] = set()
        self._due: list[Callable[[], None]] = []
        # As of a kernel: numbers come again, when those who had them have long gone.
        self._ephemeral = cycle(EPHEMERAL)
        self._triggers: dict[object, tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {}

    # --- time

    def seconds(self) -> float:
        return self.clock.seconds()

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> IDelayedCall:  # noqa: A002
        return self.clock.callLater(delay, callable, *args, **kwargs)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        return self.clock.getDelayedCalls()

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.advance(seconds)

    def turns(self, work: Callable[[], None]) -> None:
        """Do something in the next turn."""
        if not self._due:
            self.clock.callLater(0, self._turn)
        self._due.append(work)

    def _turn(self) -> None:
        due, self._due = self._due, []
        for work in due:
            work()

    # --- listening and connecting

    def listenTCP(self, port: int, factory: Factory, backlog: int = 50, interface: str = "") -> MemoryPort:
        number = port or next(self._ephemeral)
        listening = MemoryPort(self, (interface, number), _address(interface or "0.0.0.0", number), factory)  # noqa: S104
        listening.startListening()
        return listening

    def connectTCP(
        self, host: str, port: int, factory: ClientFactory[Any], timeout: float = 30, bindAddress: Any = None
    ) -> MemoryConnector:
        name = NAMES.get(host, host)
        return self._connect((name, port), _address(name, port), factory, timeout)

    def listenUNIX(
        self, address: str, factory: Factory, backlog: int = 50, mode: int = 0o666, wantPID: bool = False
    ) -> MemoryPort:
        self._paths.add(address)
        listening = MemoryPort(self, address, UNIXAddress(address.encode()), factory)
        listening.startListening()
        return listening

    def connectUNIX(
        self, address: str, factory: ClientFactory[Any], timeout: float = 30, checkPID: bool = False
    ) -> MemoryConnector:
        return self._connect(address, UNIXAddress(address.encode()), factory, timeout)

    def _connect(self, key: Key, peer: IAddress, factory: ClientFactory[Any], timeout: float) -> MemoryConnector:
        connector = MemoryConnector(self, key, peer, factory, timeout)
        connector.connect()
        return connector

    # --- what ports and connectors ask

    def bind(self, key: Key, port: MemoryPort) -> None:
        """Give an address to a listener."""
        if self.taken(key):
            host, number = key if isinstance(key, tuple) else ("", key)
            raise CannotListenError(host, number, OSError("Address already in use"))
        self._listening[key] = port

    def taken(self, key: Key) -> bool:
        """Whether a listener has this address, or every one of its port."""
        if isinstance(key, str):
            return key in self._listening
        host, number = key
        if key in self._listening or self._is_silent(host):
            # Who has an address in a silent network is a machine of its own.
            return key in self._listening
        others = [other[0] for other in self._listening if isinstance(other, tuple) and other[1] == number]
        ours = [other for other in others if not self._is_silent(other)]
        return bool(ours) and (host in WILDCARDS or any(other in WILDCARDS for other in ours))

    def unbind(self, key: Key, port: MemoryPort) -> bool:
        """Take an address from a listener; whether it had it."""
        if self._listening.get(key) is not port:
            return False
        del self._listening[key]
        return True

    def listener(self, key: Key) -> MemoryPort | None:
        """Give who listens where a connection goes."""
        exact = self._listening.get(key)
        if exact is not None or isinstance(key, str) or self._is_silent(key[0]):
            return exact
        return next((self._listening[host, key[1]] for host in WILDCARDS if (host, key[1]) in self._listening), None)

    def swallows(self, key: Key) -> bool:
        """Whether nobody answers there at all."""
        return not isinstance(key, str) and key[0] not in self.up and self._is_silent(key[0])

    def _is_silent(self, host: str) -> bool:
        if host in WILDCARDS:
            return False
        address = ip_address(host)
        return any(address in network for network in self.silent)

    def refusal(self, key: Key) -> ConnectError:
        """Give the error of a connection that nobody takes."""
        if isinstance(key, str) and key not in self._paths:
            return ConnectError(osError=2, string="No such file or directory")
        return ConnectionRefusedError()

    def own_address(self, peer: IAddress) -> IAddress:
        """Give the near address of an outgoing connection."""
        if isinstance(peer, UNIXAddress):
            return UNIXAddress(None)
        kind: Any = type(peer)
        host = "127.0.0.1" if isinstance(peer, IPv4Address) else "::1"
        return kind("TCP", host, next(self._ephemeral))  # type: ignore[no-any-return]

    def opened(self, key: Key, wire: Wire) -> None:
        """Remember the far end of a connection, for who cuts it."""
        alive = [each for each in self.connections.get(key, ()) if not each.disconnected]
        self.connections[key] = [*alive, wire]

    def cut(self, key: Key) -> None:
        """Reset all connections to an address, as when its machine dies."""
        for wire in self.connections.pop(key, ()):
            wire.abortConnection()

    # --- the rest of a reactor, as far as a daemon needs it

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:  # noqa: A002
        self.clock.callLater(0, callable, *args, **kwargs)

    def callWhenRunning(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:  # noqa: A002
        """Call at once: it runs."""
        callable(*args, **kwargs)

    def addSystemEventTrigger(
        self, phase: str, eventType: str, callable: Callable[..., Any], *args: Any, **kwargs: Any  # noqa: A002
    ) -> object:
        """Have something done at a shutdown; gives what removes it."""
        handle = object()
        self._triggers[handle] = (phase, callable, args, kwargs)
        return handle

    def removeSystemEventTrigger(self, triggerID: object) -> None:
        """Forget a trigger."""
        del self._triggers[triggerID]

    def fireSystemEvent(self, phase: str) -> None:
        """Call the triggers of a phase (``before``, ``during`` or ``after``)."""
        for due, callable, args, kwargs in list(self._triggers.values()):  # noqa: A001
            if due == phase:
                callable(*args, **kwargs)

    def stop(self) -> None:
        """Remember that it was asked to stop; the test decides what then happens."""
        self.stopped = True
        self.running = False

    def addReader(self, reader: object) -> None:
        """Accept a descriptor that there is nothing to read from here."""

    addWriter = removeReader = removeWriter = addReader


def _address(host: str, port: int) -> IAddress:
    kind: Any = IPv6Address if ":" in host else IPv4Address
    return kind("TCP", host, port)  # type: ignore[no-any-return]

"""A process on the network in memory: a reactor of its own, so that all of it can be killed at once.

After :meth:`Process.kill` its ports are closed, its connections are reset and none of its calls ever comes. Its memory is
still that of the test: when Python frees it, ``finally`` blocks of what was waiting run. So the process keeps what was its
own for as long as it is kept itself, and whatever such a block asks for then never happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorFromThreads,
    IReactorTCP,
    IReactorTime,
    IReactorUNIX,
)
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from webspaced.testing.network import MemoryConnector, MemoryPort, MemoryReactor
from webspaced.testing.wires import Wire

FEW = 64


@implementer(IReactorTime, IReactorTCP, IReactorUNIX, IReactorFromThreads)
class Process:
    """One process's share of a :class:`MemoryReactor`."""

    def __init__(self, network: MemoryReactor) -> None:
        self.network = network
        self.alive = True
        self.running = True
        self.stopped = False
        """Whether it asked for its own end."""
        self._calls: list[IDelayedCall] = []
        self._ports: list[MemoryPort] = []
        self._connectors: list[MemoryConnector] = []
        self._remains: list[object] = []

    def kill(self) -> None:
        """End it as SIGKILL does."""
        self.alive = self.running = False
        for call in self._calls:
            self._silence(call)
        for connector in self._connectors:
            self._abandon(connector)
        for port in self._ports:
            for wire in self.network.connections.get(port.key, ()):
                self._reset(wire)
            port.stopListening()

    def _silence(self, call: Any) -> None:
        """Let a call never come; who has it can still cancel it."""
        if call.active():
            self._remains.append((call.func, call.args, call.kw))
            call.func, call.args, call.kw = _nothing, (), {}
            # The clock forgets it; who has it does not see a difference.
            call.canceller(call)
            call.canceller = call.resetter = _nothing

    def _reset(self, wire: Wire) -> None:
        if not wire.disconnected:
            self._remains.append((wire.protocol, list(wire.on_gone)))
            wire.protocol = _Nobody()
            wire.on_gone.clear()
            wire.abortConnection()

    def _abandon(self, connector: MemoryConnector) -> None:
        factory: Any = connector.factory
        if connector.state == "disconnected":
            return
        factory.clientConnectionFailed = factory.clientConnectionLost = _nothing
        self._remains.append(factory)
        if connector.state == "connecting":
            connector.stopConnecting()
        elif isinstance(connector.transport, Wire):
            self._reset(connector.transport)

    # --- its share of a reactor

    def seconds(self) -> float:
        return self.network.seconds()

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> IDelayedCall:  # noqa: A002
        call = self.network.callLater(delay, callable, *args, **kwargs)
        if not self.alive:
            self._silence(call)
        if len(self._calls) > FEW:
            self._calls = [each for each in self._calls if each.active()]
        self._calls.append(call)
        return call

    def getDelayedCalls(self) -> list[IDelayedCall]:
        return [call for call in self._calls if call.active()]

    def listenTCP(self, port: int, factory: Factory, backlog: int = 50, interface: str = "") -> MemoryPort:
        return self._kept(self.network.listenTCP(port, factory, backlog, interface))

    def listenUNIX(
        self, address: str, factory: Factory, backlog: int = 50, mode: int = 0o666, wantPID: bool = False
    ) -> MemoryPort:
        return self._kept(self.network.listenUNIX(address, factory, backlog, mode))

    def _kept(self, port: MemoryPort) -> MemoryPort:
        if not self.alive:
            port.stopListening()
        self._ports.append(port)
        return port

    def connectTCP(self, *args: Any, **kwargs: Any) -> MemoryConnector:
        return self._remembered(self.network.connectTCP(*args, **kwargs))

    def connectUNIX(self, *args: Any, **kwargs: Any) -> MemoryConnector:
        return self._remembered(self.network.connectUNIX(*args, **kwargs))

    def _remembered(self, connector: MemoryConnector) -> MemoryConnector:
        if len(self._connectors) > FEW:
            self._connectors = [each for each in self._connectors if each.state != "disconnected"]
        self._connectors.append(connector)
        if not self.alive:
            self._abandon(connector)
        return connector

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:  # noqa: A002
        self.callLater(0, callable, *args, **kwargs)

    def callWhenRunning(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:  # noqa: A002
        callable(*args, **kwargs)

    def addSystemEventTrigger(self, *_args: Any, **_kwargs: Any) -> object:
        """Accept what is to be done at a shutdown; the test shuts down."""
        return object()

    def removeSystemEventTrigger(self, _handle: object) -> None:
        """Accept that it is not to be done."""

    def addReader(self, _reader: object) -> None:
        """Accept a descriptor that there is nothing to read from here."""

    addWriter = removeReader = removeWriter = addReader

    def stop(self) -> None:
        """Remember that it asked to end."""
        self.stopped = True


class _Nobody(Protocol):
    """Stands for a protocol of a dead process."""


def _nothing(*_: object) -> None:
    """Nothing."""

"""Connections in memory."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.core.probing import Ask
from webspaced.core.waiting import Phase
from webspaced.forward.hangup import IHangups
from webspaced.interfaces import IBootGate, IWakeLook

ENDPOINT = Endpoint(ip_address("10.7.0.10"), 22)


class Wire(StringTransport):
    """A transport that remembers how it was ended, and like Twisted's holds ends back while it has a producer."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[str] = []

    def loseConnection(self) -> None:
        assert self.producer is None, "Twisted would wait for the producer"
        self.ends.append("close")

    def loseWriteConnection(self) -> None:
        assert self.producer is None, "Twisted would wait for the producer"
        self.ends.append("half")

    def abortConnection(self) -> None:
        self.ends.append("reset")

    def unregisterProducer(self) -> None:
        # Twisted's transports do not mind when there is none.
        self.producer = None

    def setTcpKeepAlive(self, enabled: bool) -> None:
        pass

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass


@implementer(IBootGate)
class FakeGate:
    """Opens when the test says so: ``asked`` holds what was asked and the Deferred of each."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[int, int, Ask], Deferred[Endpoint]]] = []
        self.cancelled: list[int] = []
        self.suspected: list[tuple[Endpoint, bool, Ask]] = []
        self.suspect_error: Exception | None = None
        self.now: Endpoint | None = None
        """What is ready at once."""

    def ready_now(self, uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Endpoint | None:
        return self.now

    def ready(self, uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Deferred[Endpoint]:
        number = len(self.asked)
        answer: Deferred[Endpoint] = Deferred(lambda _: self.cancelled.append(number))
        self.asked.append(((uid, port, asks), answer))
        return answer

    async def suspect(self, uid: int, endpoint: Endpoint, *, refused: bool, asks: Ask = Ask.CONNECTION) -> None:
        self.suspected.append((endpoint, refused, asks))
        if self.suspect_error is not None:
            raise self.suspect_error

    def open(self, number: int = -1, endpoint: Endpoint = ENDPOINT) -> None:
        self.asked[number][1].callback(endpoint)


@implementer(IWakeLook)
class FakeLook:
    """Says that all of some webspaces sleep (``asleep``), or doze (``dozing``)."""

    def __init__(self, *asleep: int) -> None:
        self.asleep = set(asleep)
        self.dozing: set[int] = set()

    def wakes(self, uid: int) -> bool:
        return uid in self.asleep | self.dozing

    def boots(self, uid: int) -> bool:
        return uid in self.asleep

    def phase(self, uid: int) -> Phase:
        return Phase.QUEUED


@implementer(IHangups)
class FakeHangups:
    """Tells of a hang-up when the test says so."""

    def __init__(self) -> None:
        self.by_transport: dict[int, tuple[Callable[[], None], bool]] = {}

    @property
    def watched(self) -> int:
        return len(self.by_transport)

    def watch(self, transport: Any, gone: Callable[[], None], *, half: bool) -> None:
        assert id(transport) not in self.by_transport, "epoll(7) would refuse"
        self.by_transport[id(transport)] = (gone, half)

    def unwatch(self, transport: Any) -> None:
        self.by_transport.pop(id(transport), None)

    def close(self) -> None:
        self.by_transport.clear()


class Network(MemoryReactorClock):
    """A reactor whose outgoing connections the test makes or refuses."""

    def accept(self, number: int = -1) -> Protocol:
        """Let an outgoing connection be made, and give our side."""
        *_, factory, _timeout, _bind = self.tcpClients[number]
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(Wire())
        return protocol

    def refuse(self, error: Exception, number: int = -1) -> None:
        """Let an outgoing connection fail."""
        *_, factory, _timeout, _bind = self.tcpClients[number]
        factory.clientConnectionFailed(self.connectors[number], Failure(error))


def lose(protocol: Any) -> None:
    """Let a connection be reset by its peer, or after our own abort."""
    protocol.connectionLost(Failure(ConnectionLost()))

"""Asking a port whether it answers, on sockets of its own (design decision 3)."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from webspaced.core.address import Endpoint

HEAD_TIMEOUT = 0.25
LONGEST_STATUS_LINE = 256
# RFC 9112 section 4.
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r?\n)")


def client_endpoint(reactor: Any, endpoint: Endpoint, timeout: float) -> IStreamClientEndpoint:
    """Give what connects to an endpoint within so many seconds."""
    kind = TCP4ClientEndpoint if endpoint.host.version == 4 else TCP6ClientEndpoint  # noqa: PLR2004
    client: IStreamClientEndpoint = kind(reactor, str(endpoint.host), endpoint.port, timeout=timeout)
    return client


class _Head(Protocol):
    """Sends one HEAD request and gives the status of the answer; ``None`` if no parsable status line came."""

    transport: Any

    def __init__(self, host: str) -> None:
        self.answered: Deferred[int | None] = Deferred(lambda _: self._drop())
        self._host = host
        self._received = b""

    def connectionMade(self) -> None:
        self.transport.write(
            f"HEAD / HTTP/1.1\r\nHost: {self._host}\r\nUser-Agent: webspaced\r\nConnection: close\r\n\r\n".encode()
        )

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if b"\n" in self._received or len(self._received) >= LONGEST_STATUS_LINE:
            self._answer()

    def connectionLost(self, reason: Failure = Failure(ConnectError())) -> None:  # noqa: B008
        self._answer()

    def _answer(self) -> None:
        if not self.answered.called:
            match = _STATUS_LINE.match(self._received)
            self.answered.callback(int(match[1]) if match else None)
            self._drop()

    def _drop(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()


class _Probes(Factory):
    """Builds protocols for short-lived connections, without a line in the log for each."""

    noisy = False


class PortProbe:
    """Tries ports of containers."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._clock: IReactorTime = reactor

    async def accepts(self, endpoint: Endpoint, timeout: float) -> bool:
        """Whether the port takes a connection within so many seconds."""
        try:
            protocol: Any = await client_endpoint(self._reactor, endpoint, timeout).connect(_Probes.forProtocol(Protocol))
        except ConnectError:
            return False
        protocol.transport.abortConnection()
        return True

    async def head(self, endpoint: Endpoint, host: str) -> int | None:
        """Give the status of ``HEAD /``; ``None`` if the answer is no HTTP, or takes longer than 250 ms."""
        return await ask_head(self._clock, client_endpoint(self._reactor, endpoint, HEAD_TIMEOUT), host, HEAD_TIMEOUT)


async def ask_head(clock: IReactorTime, endpoint: IStreamClientEndpoint, host: str, timeout: float) -> int | None:
    """Give the status of ``HEAD /`` at an endpoint; ``None`` if nobody answers within so many seconds, or not in HTTP."""
    factory = _Probes.forProtocol(lambda: _Head(host))
    try:
        protocol: Any = await endpoint.connect(factory)
    except ConnectError:
        return None
    answered: Deferred[int | None] = protocol.answered
    return await answered.addTimeout(timeout, clock, lambda *_: None)

"""One HTTP request on the network in memory, and what became of it."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.protocol import ClientFactory, Protocol
from twisted.python.failure import Failure

from webspaced.testing.network import MemoryReactor


class _Asking(Protocol):
    def __init__(self, exchange: Exchange, request: bytes) -> None:
        self._exchange = exchange
        self._request = request

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        self._exchange.received += data

    def connectionLost(self, reason: Failure = Failure(Exception())) -> None:  # noqa: B008
        self._exchange.done = True


class _Factory(ClientFactory):
    noisy = False

    def __init__(self, exchange: Exchange, request: bytes) -> None:
        self._exchange = exchange
        self._request = request

    def buildProtocol(self, addr: object) -> Protocol:
        return _Asking(self._exchange, self._request)

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self._exchange.done = True


class Exchange:
    """A request under way. ``done`` when its connection is over; without an answer ``status`` is 0."""

    def __init__(
        self,
        reactor: MemoryReactor,
        where: tuple[str, int] | str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Any = None,
    ) -> None:
        """Ask at a TCP endpoint or at a UNIX socket's path."""
        self.what = f"{method} {path} {headers.get('Host')} at {where}"
        self.began = reactor.seconds()
        self.received = b""
        self.done = False
        content = b"" if body is None else json.dumps(body).encode()
        fields = {**headers, "Content-Length": str(len(content)), "Connection": "close"}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        factory = _Factory(self, head.encode() + b"\r\n" + content)
        self._connector = (
            reactor.connectUNIX(where, factory) if isinstance(where, str) else reactor.connectTCP(*where, factory)
        )

    def leave(self) -> None:
        """Close the connection without waiting for anything."""
        self._connector.disconnect()

    @property
    def status(self) -> int:
        """The status, 0 without one."""
        return int(self.received[9:12]) if self.received[:5] == b"HTTP/" else 0

    @property
    def body(self) -> bytes:
        """What came after the head."""
        return self.received.partition(b"\r\n\r\n")[2]

    def __repr__(self) -> str:
        """Say what was asked and what came."""
        return f"<{self.what}: {self.received[:80]!r} {self.body[:200]!r}>"

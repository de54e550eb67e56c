"""The WebSockets of an operation (``/websocket?secret=``): one per descriptor, each admitted by a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.python.failure import Failure

from webspaced.testing.lxd.streams import KEEPALIVE

END = ""
"""An empty TEXT frame: the end of a stream, in both directions."""


class Socket:
    """One WebSocket (a ``WebSocketProtocol`` of Twisted's) of the client's. What comes early waits for ``listen``."""

    transport: Any = None

    def __init__(self, name: str, connected: Callable[[], None], *, greets: bool) -> None:
        self.name = name
        self.open = False
        self.was_open = False
        self._connected = connected
        self._greets = greets
        self._early: list[bytes | str | None] = []
        self._hear: Callable[[bytes | str | None], None] = self._early.append

    def listen(self, hear: Callable[[bytes | str | None], None]) -> None:
        """Be told what comes: bytes, text, or ``None`` when the client closed it."""
        self._hear = hear
        early, self._early = self._early, []
        for each in early:
            hear(each)

    def negotiationStarted(self, transport: Any) -> None:
        """See Twisted's WebSocketProtocol."""
        self.transport = transport

    def negotiationFinished(self) -> None:
        """See Twisted's WebSocketProtocol."""
        self.open = self.was_open = True
        if self._greets:
            self.transport.ping(KEEPALIVE)
        self._connected()

    def pongReceived(self, payload: bytes) -> None:
        """See Twisted's WebSocketProtocol."""

    def textMessageReceived(self, message: str) -> None:
        """See Twisted's WebSocketProtocol."""
        self._hear(message)

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        """See Twisted's WebSocketProtocol."""
        self._hear(bytes(data))

    def connectionLost(self, reason: Failure) -> None:
        """See Twisted's WebSocketProtocol."""
        if self.open:
            self.open = False
            self._hear(None)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        if self.open:
            self.transport.sendBytesMessage(data)

    def finish(self) -> None:
        """Send the end of the stream."""
        if self.open:
            self.transport.sendTextMessage(END)

    def hang_up(self) -> None:
        """End the connection as LXD does: without a closing frame."""
        if self.open:
            self.open = False
            self.transport.transport.loseConnection()


class Sockets:
    """All the sockets of one operation; ``ready`` is called once each is connected."""

    def __init__(self, identity: str, names: Iterable[str], ready: Callable[[], None], *, greets: bool = True) -> None:
        self.by_name = {name: Socket(name, self._one_more, greets=greets) for name in names}
        self.secrets = {name: f"{abs(hash((identity, name))):064x}"[-64:] for name in self.by_name}
        self._ready = ready

    def _one_more(self) -> None:
        if self.complete:
            self._ready()

    @property
    def complete(self) -> bool:
        """Whether each was connected."""
        return all(each.was_open for each in self.by_name.values())

    def admitted(self, secret: str) -> Socket | None:
        """Give the socket for a secret, which is good for once."""
        for name, each in self.by_name.items():
            if self.secrets[name] == secret and not each.was_open:
                return each
        return None

    def hang_up(self) -> None:
        """End all."""
        for each in self.by_name.values():
            each.hang_up()

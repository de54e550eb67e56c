"""A listener of a service: bound when it starts, or the start ends with a clear message."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger

from webspaced.errors import Unavailable
from webspaced.settings import Address


class Listener(Service):
    """Listens for one factory at a TCP address."""

    log = Logger()

    def __init__(self, reactor: Any, address: Address, factory: IProtocolFactory, what: str) -> None:
        """:param what: what is served, for the log."""
        self._reactor, self._address, self._factory, self._what = reactor, address, factory, what
        self.port: IListeningPort | None = None
        """What listens, while it does."""

    def startService(self) -> None:
        """Bind; ``Unavailable`` names the address that cannot be bound."""
        super().startService()
        address = self._address
        try:
            self.port = self._reactor.listenTCP(address.port, self._factory, interface=address.host)
        except CannotListenError as error:
            message = f"cannot listen on {address} for {self._what}: {error.socketError}"
            raise Unavailable(message) from error
        self.log.info(
            "{what} at {host}:{port}", event="service.listening",
            what=self._what, host=address.host or "*", port=self.bound,
        )  # fmt: skip

    @property
    def bound(self) -> int:
        """The number of the port that is bound, which 0 leaves to the system."""
        host: Any = None if self.port is None else self.port.getHost()
        return 0 if host is None else int(host.port)

    def stopService(self) -> Deferred[Any]:
        """Take no more connections."""
        super().stopService()
        port, self.port = self.port, None
        return succeed(None) if port is None else maybeDeferred(port.stopListening)

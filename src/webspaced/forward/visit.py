"""A visitor's connection: paused when it is made, relayed once the boot gate's Deferred fires.

While it is held, its early bytes stay in the kernel. A visitor that goes away is forgotten at once; on a plain-HTTP boot
port a closed sending side counts as gone (Traefik closes when its client does), and nothing of it reaches the container.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from attrs import frozen
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionDone
from twisted.internet.error import ConnectionRefusedError as Refusal
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core.address import Endpoint
from webspaced.errors import PortSilent, Refused, WebspacedError
from webspaced.forward.hangup import IHangups
from webspaced.forward.refusal import refusal
from webspaced.forward.relay import Leg
from webspaced.interfaces import IBootGate
from webspaced.lib.places import Places
from webspaced.webspaces.probe import client_endpoint

CONNECT_TIMEOUTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds for each try to connect to a ready port. Short at first: a SYN that meets a full backlog is lost, and the kernel
itself would send the next one only after a second; and a container that just lost its power is silent."""
FAREWELL = 2.0
"""Seconds that a refused HTTP visitor has to take its answer; closing earlier could reset it away."""


@frozen
class Destination:
    """Where a listener's visitors want to go. ``http``: they speak plain HTTP, so they can be told of failures."""

    uid: int
    port: int
    http: bool = False


@frozen(kw_only=True)
class Means:
    """What every visit needs, shared by all."""

    reactor: Any
    clock: IReactorTime
    gate: IBootGate
    hangups: IHangups
    places: Places
    """For those who are held."""
    seats: Places
    """For all, from their first moment to their last: each takes two descriptors."""


class Visit(Leg):
    """One visitor. Held, then relayed, or refused."""

    log = Logger()
    _waiting: Deferred[None] | None = None
    _farewell: IDelayedCall | None = None
    _refused = False
    _answer = b""
    """What a refused visitor is told once it has asked something."""
    _seated = False

    def __init__(self, means: Means, destination: Destination, visits: Visits) -> None:
        self._means = means
        self._destination = destination
        self._visits = visits

    def connectionMade(self) -> None:
        """Pause, and wait for the gate."""
        super().connectionMade()
        self._seated = self._means.seats.take(self._destination.uid)
        if not self._seated or not self._means.places.take(self._destination.uid):
            self._refuse(Refused("it has too many visitors at once", retry_after=2.0))
            return
        self._visits.held.add(self)
        self.transport.pauseProducing()
        self._means.hangups.watch(self.transport, self._gone, half=self._destination.http)
        self._waiting = Deferred.fromCoroutine(self._reach())
        self._waiting.addErrback(self._failed)

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on; a refused visitor is answered upon the first, and what else it sends is dropped."""
        if not self._refused:
            super().dataReceived(data)
        elif self._answer:
            answer, self._answer = self._answer, b""
            self.transport.write(answer)
            self.transport.loseWriteConnection()

    def readConnectionLost(self) -> None:
        """Pass the end on; a refused visitor has taken its answer, or asks nothing."""
        if self._refused or self.peer is None:
            self.transport.loseConnection()
        else:
            super().readConnectionLost()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """Forget the visitor."""
        if self._farewell is not None and self._farewell.active():
            self._farewell.cancel()
        self._let_go()
        if self._seated:
            self._seated = False
            self._means.seats.give_back(self._destination.uid)
        self._visits.relayed.discard(self)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        super().connectionLost(reason)

    def cut(self) -> None:
        """Reset the connection, whatever state it is in."""
        self.transport.abortConnection()

    async def _reach(self) -> None:
        backend = await self._connect()
        self._waiting = None
        self._let_go()
        self._visits.relayed.add(self)
        self.join(backend)
        self.transport.resumeProducing()

    async def _connect(self) -> Leg:
        uid, port, http = self._destination.uid, self._destination.port, self._destination.http
        for timeout in CONNECT_TIMEOUTS:
            endpoint: Endpoint = await self._means.gate.ready(uid, port, http=http)
            try:
                backend: Any = await client_endpoint(self._means.reactor, endpoint, timeout).connect(_BACKEND)
            except ConnectError as error:
                # It stopped a moment ago, or its server did, or has too many visitors to accept one more at once.
                refused = isinstance(error, Refusal)
                await self._means.gate.suspect(uid, endpoint, refused=refused, http=http)
            else:
                return cast("Leg", backend)
        message = f"nothing answers on port {port} of the webspace"
        raise PortSilent(message)

    def _gone(self) -> None:
        self._let_go()
        self.cut()

    def _let_go(self) -> None:
        if self in self._visits.held:
            self._visits.held.discard(self)
            self._means.places.give_back(self._destination.uid)
            self._means.hangups.unwatch(self.transport)

    def _failed(self, failure: Failure) -> None:
        self._waiting = None
        self._let_go()
        if failure.check(CancelledError, ConnectingCancelledError):
            return
        if not failure.check(WebspacedError):
            self.log.failure("a visit to webspace {uid} failed", failure, uid=self._destination.uid)
        error = failure.value
        self._refuse(error if isinstance(error, Exception) else ConnectionError())

    def _refuse(self, error: Exception) -> None:
        self._visits.refused += 1
        self.log.info("a visitor of webspace {uid} was refused: {error}", uid=self._destination.uid, error=str(error))
        if not self._destination.http:
            self.cut()
            return
        self._refused = True
        # Traefik takes an answer that is there before it has asked for a broken connection, and makes a 500 of it. And the
        # request must be read, or closing would reset the answer away.
        self._answer = refusal(error)
        self.transport.resumeProducing()
        self._farewell = self._means.clock.callLater(FAREWELL, self.cut)


class _BackendFactory(Factory):
    """Builds the container's side of a relay."""

    noisy = False

    def buildProtocol(self, addr: Any) -> Leg:
        return Leg()


_BACKEND = _BackendFactory()


class Visits(Factory):
    """The factory of one listener: its visits, and where they lead. ``None`` as destination turns visitors away."""

    noisy = False

    def __init__(self, means: Means, destination: Callable[[], Destination | None]) -> None:
        self.destination = destination
        self.held: set[Visit] = set()
        self.relayed: set[Visit] = set()
        self.refused = 0
        self._means = means

    def buildProtocol(self, addr: IPv4Address) -> Visit | None:  # type: ignore[override]
        """Give a visit, or ``None`` to close the connection at once."""
        destination = self.destination()
        return None if destination is None else Visit(self._means, destination, self)

    def cut_relayed(self) -> None:
        """Reset the connections to a container that is gone."""
        for visit in list(self.relayed):
            visit.cut()

    def cut_all(self) -> None:
        """Reset every connection: the listener is no longer wanted."""
        for visit in [*self.held, *self.relayed]:
            visit.cut()

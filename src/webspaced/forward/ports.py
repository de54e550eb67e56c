"""Listening sockets whose connections become slotted lines, and dialling of containers, both on the engine."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError, TimeoutError, getConnectError  # noqa: A004
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.errors import Refused
from webspaced.forward.engine import ERR, HUP, IN, OUT, WRITES, Engine
from webspaced.forward.lines import Crowd, ILine, ILines
from webspaced.forward.rests import Rests
from webspaced.forward.sockets import SocketLine
from webspaced.lib.sparing import Sparing

BACKLOG = 4096
"""Connections that wait to be accepted; net.core.somaxconn bounds it too."""
BURST = 16
"""Connections that one port accepts in one turn: each is connected on, too."""
AT_ONCE = 32
"""Visitors that were held and are connected on in one turn."""
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What the system says when it has no descriptor or memory for one more."""
_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EALREADY})
_DONE = frozenset({0, errno.EISCONN})


@implementer(IListeningPort)
class SocketPort:
    """A listening socket. What it accepts gets a protocol of the factory, and as transport a :class:`SocketLine`."""

    __slots__ = ("_fd", "_lines", "_rests", "_sock", "factory")

    def __init__(self, lines: SocketLines, sock: socket.socket, factory: Factory, rests: Rests) -> None:
        self.factory = factory
        self._lines = lines
        self._rests = rests
        self._sock = sock
        self._fd = sock.fileno()

    def startListening(self) -> None:
        """Begin to accept."""
        self._lines.engine.add(self._fd, self, IN)

    def stopListening(self) -> Deferred[None]:
        """Accept no more; connections stay."""
        self._lines.forget(self)
        self._lines.engine.close_socket(self._fd, self._sock)
        return succeed(None)

    def getHost(self) -> IAddress:
        """Give the address that is listened on."""
        host, port, *_ = self._sock.getsockname()
        kind: Any = IPv6Address if ":" in host else IPv4Address
        address: IAddress = kind("TCP", host, port)
        return address

    def event(self, mask: int) -> None:
        """Accept some; those that are left are told again."""
        rests = self._rests
        for _ in range(BURST):
            # Whoever rests was first.
            if rests or not rests.room():
                rests.add(self)
                return
            if not self.accept():
                return

    def accept(self) -> bool:
        """Accept one; whether there may be more."""
        try:
            sock, peer = self._sock.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in EXHAUSTED:
                self._rests.add(self, exhausted=str(error))
                return False
            # The connection failed before it was accepted (accept(2)).
            return True
        self._begin(sock, peer[0])
        return True

    def _begin(self, sock: socket.socket, peer: str) -> None:
        sock.setblocking(False)
        # The bare address: whoever wants to know more asks the line, as most do not, and it costs.
        protocol: Any = self.factory.buildProtocol(peer)  # type: ignore[arg-type]
        if protocol is None:
            sock.close()
            return
        line = SocketLine(self._lines.engine, sock, protocol)
        self._lines.engine.add(line.fd, line)
        try:
            protocol.makeConnection(line)
        except BaseException:
            line.abort()
            raise

    def watch(self, events: int) -> None:
        """Watch for connections, or for nothing."""
        self._lines.engine.change(self._fd, self, events)

    def abort(self) -> None:
        """Go on: the connection that failed is gone, the port is not."""


class _Dialling:
    """A connection that is under way."""

    __slots__ = ("_engine", "_fd", "_sock", "_timer", "made")

    def __init__(self, engine: Engine, sock: socket.socket, timeout: float) -> None:
        self.made: Deferred[ILine] = Deferred(lambda _: self._give_up())
        self._engine = engine
        self._sock = sock
        self._fd = sock.fileno()
        self._timer: IDelayedCall | None = engine.reactor.callLater(timeout, self._expired)
        engine.add(self._fd, self, WRITES)

    def event(self, mask: int) -> None:
        """Be connected, or not."""
        if not mask & (OUT | ERR | HUP) or self._timer is None:
            return
        error = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(getConnectError((error, "connect")))
            return
        self._stop_timer()
        line = SocketLine(self._engine, self._sock)
        self._engine.change(self._fd, line)
        self.made.callback(line)

    def abort(self) -> None:
        """End it: something failed when it was told."""
        if self._timer is not None:
            self._give_up()

    def _expired(self) -> None:
        self._timer = None
        self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        self._give_up()
        self.made.errback(error)

    def _give_up(self) -> None:
        self._stop_timer()
        self._engine.close_socket(self._fd, self._sock)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


@implementer(ILines)
class SocketLines:
    """See :class:`webspaced.forward.lines.ILines`.

    :param room: says whether one more visitor of a crowd fits in, or can be made to.
    :param most_ports: so many ports there may be.
    """

    log = Logger()

    def __init__(self, engine: Engine, room: Mapping[Crowd, Callable[[], bool]], most_ports: int) -> None:
        self.engine = engine
        self.rests = {crowd: Rests(engine, has_room) for crowd, has_room in room.items()}
        self._most_ports = most_ports
        self._ports: set[SocketPort] = set()
        self.queued = False
        self._served = 0
        self._waiting: deque[Deferred[None]] = deque()
        self._lines = Sparing(engine.reactor, self.log, "failures to connect")

    @property
    def ports(self) -> int:
        """How many ports there are."""
        return len(self._ports)

    def listen(self, port: int, factory: Factory, interface: str, *, crowd: Crowd = Crowd.FORWARDS) -> IListeningPort:
        """See :meth:`ILines.listen`."""
        try:
            if len(self._ports) >= self._most_ports:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))  # noqa: TRY301  (as the system itself says it)
            sock = _listening(interface, port)
        except OSError as error:
            raise CannotListenError(interface, port, error) from error
        listening = SocketPort(self, sock, factory, self.rests[crowd])
        self._ports.add(listening)
        listening.startListening()
        given: IListeningPort = listening
        return given

    def line(self, transport: Any, owner: Any) -> ILine:
        """See :meth:`ILines.line`."""
        given: ILine = transport
        return given

    def dial(self, endpoint: Endpoint, timeout: float) -> ILine | Deferred[ILine]:
        """See :meth:`ILines.dial`."""
        family = socket.AF_INET if endpoint.host.version == 4 else socket.AF_INET6  # noqa: PLR2004
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            if self._lines.may(""):
                self.log.warn(
                    "no connection to a container can be made: {error}", event="relay.dial-failed", error=str(error)
                )
            return fail(Refused("it has too many visitors at once", retry_after=2.0))
        _prepare(sock)
        where = (str(endpoint.host), endpoint.port)
        number = sock.connect_ex(where)
        if number in _UNDER_WAY:
            # On the same machine the handshake is over by now: asking again spares a turn of the reactor.
            number = sock.connect_ex(where)
        if number in _DONE:
            return self._connected(sock)
        if number in _UNDER_WAY:
            return _Dialling(self.engine, sock, timeout).made
        sock.close()
        return fail(getConnectError((number, "connect")))

    def _connected(self, sock: socket.socket) -> ILine:
        line = SocketLine(self.engine, sock)
        self.engine.add(line.fd, line)
        given: ILine = line
        return given

    # --- visitors that were held

    def place(self) -> Deferred[None] | None:
        """See :meth:`ILines.place`."""
        self.engine.again(self)
        if self._served < AT_ONCE and not self._waiting:
            self._served += 1
            return None
        self._waiting.append(Deferred(self._waiting.remove))
        return self._waiting[-1]

    def turn(self) -> None:
        """Let some of those who wait go on (called by the engine)."""
        self._served = min(AT_ONCE, len(self._waiting))
        for _ in range(self._served):
            if self._waiting:
                self._waiting.popleft().callback(None)
        if self._waiting:
            self.engine.again(self)
        else:
            self._served = 0

    def abort(self) -> None:
        """Go on: whose turn failed is told by its own visit."""

    # --- room

    def freed(self) -> None:
        """See :meth:`ILines.freed`."""
        for rests in self.rests.values():
            rests.freed()

    def forget(self, port: SocketPort) -> None:
        """Remember a port no more."""
        self._ports.discard(port)
        for rests in self.rests.values():
            rests.discard(port)
        self.freed()

    def close(self) -> None:
        """See :meth:`ILines.close`."""
        for rests in self.rests.values():
            rests.close()
        self.engine.close()


def _prepare(sock: socket.socket) -> None:
    """Pass small pieces on at once, and notice a peer that vanished without a word; accepted sockets inherit it."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _listening(interface: str, port: int) -> socket.socket:
    if interface:
        return _bound(socket.AF_INET6 if ":" in interface else socket.AF_INET, interface, port)
    try:
        return _bound(socket.AF_INET6, "::", port)
    except OSError as error:
        if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
            raise
        # This machine has no IPv6.
        return _bound(socket.AF_INET, "0.0.0.0", port)  # noqa: S104


def _bound(family: socket.AddressFamily, interface: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            # "::" takes IPv4's visitors too, whatever net.ipv6.bindv6only says (ipv6(7)).
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        _prepare(sock)
        sock.bind((interface, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock

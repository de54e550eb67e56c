"""A relay on real sockets of loopback, in the test's own reactor; its visitors and containers block, in threads."""

from __future__ import annotations

import hashlib
import socket
import struct
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.core.forward import Forward
from webspaced.core.probing import Ask
from webspaced.forward.engine import Engine
from webspaced.forward.lines import Crowd
from webspaced.forward.listeners import Listeners, Where
from webspaced.forward.means import Means
from webspaced.forward.ports import SocketLines
from webspaced.forward.refusals import Refusals
from webspaced.interfaces import IBootGate
from webspaced.lib.places import Places
from webspaced.webspaces.conditions import Conditions

LOOPBACK = "127.0.0.1"
MANY = 10_000
PATIENCE = 120.0
"""Seconds after which a thread gives up: only what hangs takes that long."""


@implementer(IBootGate)
class Gate:
    """A gate that is open, or opens when it is told to."""

    def __init__(self) -> None:
        self.shut = False
        self.waiting: list[tuple[int, Deferred[Endpoint]]] = []

    def ready_now(self, uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Endpoint | None:
        return None if self.shut else Endpoint(ip_address(LOOPBACK), port)

    def ready(self, uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Deferred[Endpoint]:
        if not self.shut:
            return succeed(Endpoint(ip_address(LOOPBACK), port))
        self.waiting.append((port, Deferred()))
        return self.waiting[-1][1]

    async def suspect(self, uid: int, endpoint: Endpoint, *, refused: bool, asks: Ask = Ask.CONNECTION) -> None:
        pass

    def open(self) -> None:
        self.shut = False
        for port, each in self.waiting:
            each.callback(Endpoint(ip_address(LOOPBACK), port))


class RelayCase(TestCase):
    """`port` is relayed to `backend`, a listening socket of the test's."""

    timeout = PATIENCE + 30
    interface = LOOPBACK
    """Where visitors come to."""

    def setUp(self) -> None:
        self.gate = Gate()
        seats = Places(MANY, MANY)
        self.engine = Engine(reactor)
        lines = SocketLines(self.engine, dict.fromkeys(Crowd, seats.has_room), MANY)
        means = Means(
            clock=reactor,
            gate=self.gate,
            lines=lines,
            places=Places(MANY, MANY),
            seats=seats,
            refusals=Refusals(reactor),
        )
        where = Where(forwards=self.interface, boot=LOOPBACK)
        self.listeners = Listeners(means, Conditions(reactor), where, lambda _: None)
        self.backend = socket.create_server((LOOPBACK, 0), backlog=4096)
        self.backend.settimeout(PATIENCE)
        self.addCleanup(self.backend.close)
        self.listeners._wanted[1] = {0: Forward(self.backend.getsockname()[1])}
        self.listeners._bind_wanted(1)
        self.port = self.listeners._forwards[0].listening.getHost().port
        self.threads = ThreadPool(0, 64)
        self.threads.start()
        self.addCleanup(self.threads.stop)
        self.addCleanup(lines.close)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.listeners.close()))

    def thread(self, work: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Do something that blocks."""
        return deferToThreadPool(reactor, self.threads, work, *arguments)

    # --- in threads

    def visit(self) -> socket.socket:
        """Connect as a visitor."""
        return socket.create_connection((self.interface, self.port), timeout=PATIENCE)

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Connect as a visitor, and give the container's end too."""
        visitor = self.visit()
        container, _ = self.backend.accept()
        container.settimeout(PATIENCE)
        return visitor, container


async def until_so(true: Callable[[], object]) -> None:
    """Let the reactor turn until something is so; the test's own timeout ends one that never is."""
    while not true():
        await deferLater(reactor, 0.01)


def pattern(size: int, seed: int = 0) -> bytes:
    """Bytes that nowhere look alike: what is lost, doubled or swapped is seen."""
    return hashlib.shake_256(f"{seed}".encode()).digest(min(size, 1 << 20) or 1)[:size]


def chunks(size: int, seed: int = 0) -> Any:
    """So many bytes, in pieces that differ."""
    for number in range((size >> 20) + 1):
        yield pattern(min(1 << 20, size - (number << 20)), seed + number)


def send_all(sock: socket.socket, size: int, seed: int = 0) -> bytes:
    """Send so many bytes and end; the SHA-256 of what was sent."""
    digest = hashlib.sha256()
    for chunk in chunks(size, seed):
        digest.update(chunk)
        sock.sendall(chunk)
    sock.shutdown(socket.SHUT_WR)
    return digest.digest()


def take_all(sock: socket.socket, pause: Callable[[], None] = lambda: None) -> tuple[int, bytes]:
    """Read until the end; how many bytes, and their SHA-256."""
    digest, size = hashlib.sha256(), 0
    while data := sock.recv(1 << 18):
        digest.update(data)
        size += len(data)
        pause()
    return size, digest.digest()


def reset(sock: socket.socket) -> None:
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()

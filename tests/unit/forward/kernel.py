"""A kernel that does what it may: bytes come in pieces, windows are small, splices are short, edges are told once.

Sockets, pipes and epoll(7) as :mod:`webspaced.forward.pump` uses them, so strict that what it misses never comes again.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.internet.testing import MemoryReactorClock

from webspaced.forward import engine
from webspaced.forward.engine import ERR, HUP, IN, OUT, PRI, RDHUP, Engine
from webspaced.forward.pipes import Pipe, Pipes
from webspaced.forward.sockets import SocketLine

BUFFER = 16
PIPE = 48
SLOTS = 3
"""Pieces that a pipe holds, whatever their size: the kernel's are pages."""
MANY = 2000
"""Polls without anything new that make a busy loop."""


class Kernel:
    """Numbers, readiness and pipes."""

    def __init__(self) -> None:
        self.numbers = count(10)
        self.edges: set[int] = set()
        self.sockets: dict[int, FakeSocket] = {}
        self.pipes: dict[int, FakePipe] = {}
        self.watched: dict[int, int] = {}
        self.idle_polls = 0

    # --- as epoll

    def register(self, fd: int, events: int) -> None:
        self.watched[fd] = events
        self.edges.add(fd)

    modify = register

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        due, self.edges = self.edges, set()
        masks = [(fd, self.sockets[fd].mask() & (self.watched[fd] | ERR | HUP)) for fd in sorted(due) if fd in self.watched]
        told = [(fd, mask) for fd, mask in masks if mask]
        self.idle_polls = 0 if told else self.idle_polls + 1
        assert self.idle_polls < MANY, "a busy loop"
        return told

    def fileno(self) -> int:
        return 3

    def close(self) -> None:
        self.watched.clear()

    # --- as splice

    def splice(self, source: int, sink: int, most: int) -> int:
        assert most > 0
        if sink in self.pipes:
            return self._fill(self.sockets[source], self.pipes[sink], most)
        return self._empty(self.pipes[source], self.sockets[sink], most)

    def _fill(self, source: FakeSocket, pipe: FakePipe, most: int) -> int:
        room = min(most, pipe.room())
        if source.mark == 0 or not source.inbox:
            # It stops before what is urgent, for ever, and calls that the end once the end is there (tcp_splice_read).
            return source.nothing_more()
        if not room:
            raise BlockingIOError
        # A piece of a packet, at most.
        data = source.take(min(room, 7))
        if data:
            pipe.pieces.append(data)
        return len(data)

    def _empty(self, pipe: FakePipe, sink: FakeSocket, most: int) -> int:
        if not pipe.pieces:
            raise BlockingIOError
        sent = sink.send(pipe.pieces[0][:most])
        pipe.pieces[0] = pipe.pieces[0][sent:]
        if not pipe.pieces[0]:
            pipe.pieces.pop(0)
        return sent


class FakePipe(Pipe):
    """A pipe of a few pieces."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(next(kernel.numbers), next(kernel.numbers), PIPE)
        self.pieces: list[bytes] = []
        self.closed = False
        kernel.pipes[self.out] = kernel.pipes[self.into] = self

    def room(self) -> int:
        return 0 if len(self.pieces) >= SLOTS else PIPE - sum(map(len, self.pieces))

    def close(self) -> None:
        assert not self.closed
        self.closed = True


class FakePipes(Pipes):
    """A pool of them; ``lent`` and what came back are checked."""

    def __init__(self, kernel: Kernel, most: int) -> None:
        super().__init__(most=most)
        self.kernel = kernel

    def _make(self) -> Pipe:
        self.open += 1
        return FakePipe(self.kernel)

    def give_back(self, pipe: Any, inside: int) -> None:
        assert inside == sum(map(len, pipe.pieces)), "it is not known what is in the pipe"
        super().give_back(pipe, inside)
        assert pipe.closed or not pipe.pieces, "a pipe with bytes in it went back"


class FakeSocket:
    """One connection, from our side; the test is the peer."""

    def __init__(self, kernel: Kernel, window: int = 8) -> None:
        self.kernel = kernel
        self.fd = next(kernel.numbers)
        kernel.sockets[self.fd] = self
        self.inbox = b""
        self.fin = self.dead = self.error = False
        self.mark: int | None = None
        self.window = window
        self.full = False
        self.received = b""
        self.sees_end = self.sees_reset = self.closed = False
        self._linger = False

    # --- the peer

    def arrive(self, data: bytes) -> None:
        if data and not self.dead:
            self.inbox += data
            self._edge()

    def end(self) -> None:
        if not self.dead:
            self.fin = True
            self._edge()

    def die(self) -> None:
        """Reset; what was said before can still be read (tcp_reset leaves the queue), then the error is told, once."""
        self.dead = self.error = True
        self._edge()

    def urge(self, data: bytes) -> None:
        """Say something of which the first byte is urgent (tcp(7)): it travels beside the stream, and reads stop there."""
        if not self.dead:
            self.mark = len(self.inbox)
            self.inbox += data
            self._edge()

    def open_window(self, size: int) -> None:
        self.window += size
        if self.full and size:
            self.full = False
            self._edge()

    def _edge(self) -> None:
        if not self.closed:
            self.kernel.edges.add(self.fd)

    def mask(self) -> int:
        if self.dead:
            return IN | OUT | RDHUP | HUP | (ERR if self.error else 0)
        over = HUP if self.fin and self.sees_end else 0
        return (IN if self.inbox or self.fin else 0) | (OUT if self.window else 0) | (RDHUP if self.fin else 0) | over | (
            0 if self.mark is None else PRI
        )

    # --- what a socket object does

    def fileno(self) -> int:
        return self.fd

    def take(self, most: int) -> bytes:
        assert not self.closed
        if self.mark:
            most = min(most, self.mark)
            self.mark -= most
        data, self.inbox = self.inbox[:most], self.inbox[most:]
        return data

    def nothing_more(self) -> int:
        if self.error and not self.inbox:
            self.error = False
            raise ConnectionResetError
        if not self.fin and not self.dead:
            raise BlockingIOError
        return 0

    def recv(self, most: int, flags: int) -> bytes:
        assert flags == socket.MSG_PEEK
        assert not self.closed
        at = 1 if self.mark == 0 else 0
        if len(self.inbox) <= at:
            self.nothing_more()
        # What is urgent is a boundary for peeking, too.
        return self.inbox[at : min(at + most, self.mark or at + most)]

    def recv_into(self, buffer: bytearray, size: int = 0, flags: int = 0) -> int:
        assert not self.closed
        if flags:
            said = self.recv(size or len(buffer), flags)
            buffer[: len(said)] = said
            return len(said)
        if self.mark == 0:
            # The urgent byte itself is passed over.
            self.mark, self.inbox = None, self.inbox[1:]
        if not self.inbox:
            return self.nothing_more()
        data = self.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: Any) -> int:
        assert not self.closed
        if self.dead:
            error, self.error = self.error, False
            raise ConnectionResetError if error else BrokenPipeError
        assert not self.sees_end, "bytes after the end"
        sent = min(len(data), self.window)
        if sent < len(data):
            self.full = True
        if not sent:
            raise BlockingIOError
        self.window -= sent
        self.received += bytes(data[:sent])
        return sent

    def shutdown(self, how: int) -> None:
        assert how == socket.SHUT_WR
        if self.dead:
            raise OSError(107, "not connected")
        self.sees_end = True
        self._edge()

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        self._linger = option == socket.SO_LINGER and value == b"\1\0\0\0\0\0\0\0"

    def close(self) -> None:
        assert not self.closed
        self.closed = True
        self.kernel.watched.pop(self.fd, None)
        self.sees_reset = self._linger or bool(self.inbox)
        self.sees_end = self.sees_end or not self.sees_reset


class Owner:
    """Stands for a visit."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def began(self, first: bytes) -> None:
        self.told.append(f"began {first!r}")

    def gone(self) -> None:
        self.told.append("gone")

    def over(self) -> None:
        self.told.append("over")


class Relay:
    """Two connections, relayed; ``pipes`` are the most that there are."""

    def __init__(self, kind: Callable[..., SocketLine] = SocketLine, pipes: int = 1) -> None:
        self.kernel = Kernel()
        self.reactor = MemoryReactorClock()
        self.pipes = FakePipes(self.kernel, pipes)
        self.engine = Engine(self.reactor, self.pipes, self.kernel, self.reactor.seconds)
        self.engine.buffer = bytearray(BUFFER)
        self.engine.view = memoryview(self.engine.buffer)
        self.engine.splice = self.kernel.splice
        self.owner = Owner()
        self.sockets = FakeSocket(self.kernel), FakeSocket(self.kernel)
        self.lines = kind(self.engine, self.sockets[0], self.owner), kind(self.engine, self.sockets[1])
        for line in self.lines:
            self.engine.add(line.fd, line)

    def begin(self, first: bytes = b"") -> None:
        self.lines[0].relay_to(self.lines[1], first)

    def turn(self) -> None:
        """Let the engine serve what is due, and what that makes due."""
        self.engine.doRead()
        while any(call.getTime() <= self.reactor.seconds() for call in self.reactor.getDelayedCalls()):
            self.reactor.advance(0)


__all__ = ["BUFFER", "PIPE", "FakeSocket", "Kernel", "Owner", "Relay", "engine"]

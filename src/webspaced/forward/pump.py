"""Moving bytes in one direction, from a socket to its peer's: copies through one shared buffer, or splice(2) for bulk.

Sockets are watched edge-triggered, so a direction goes on until one side has to be waited for, but never longer than its
turn. Backpressure is not to read. A read that fills the buffer changes to splicing, small moves change back.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from webspaced.forward.states import FLOWS, Flow, Turn

if TYPE_CHECKING:
    from webspaced.forward.engine import Engine
    from webspaced.forward.pipes import Pipe

COPIES = 4
"""Buffers that a copying direction moves in one turn."""
SMALL = 1 << 15
"""Bytes below which a pipe was not worth its system calls."""
PATIENCE = 4
"""So many small ones in a row end the splicing."""


class Pump:
    """What is read from ``sock`` is written to ``peer.sock``. Slots, as there are two of these per visitor.

    ``readable`` and ``writable``: whether trying is worth it. ``eager``: a short read does not mean that there is no more
    (an end came with the bytes, or urgent data split them). ``broken``: its connection was reset; what it said before is
    still passed on. ``rest``: copied bytes that the peer did not take yet; ``inside``: those in the pipe, ``lent``: what had
    moved when that was taken. ``queued``: has another turn coming.
    """

    __slots__ = (
        "broken", "eager", "engine", "fd", "flow", "inside", "latest", "lent", "moved", "peer", "pipe", "queued", "readable",
        "rest", "small", "sock", "stirred", "tap", "watches_writes", "writable",
    )

    def __init__(self, engine: Engine, sock: Any) -> None:
        self.engine = engine
        self.sock = sock
        self.fd: int = sock.fileno()
        self.peer: Self | None = None
        self.flow = Flow.COPYING
        self.readable = self.eager = self.broken = self.queued = self.watches_writes = False
        self.writable = True
        self.rest: bytes | None = None
        self.pipe: Pipe | None = None
        self.inside = 0
        self.small = self.lent = 0
        self.moved = 0
        self.latest = False
        self.tap: Callable[[memoryview], None] | None = None
        self.stirred: Callable[[], None] | None = None

    def reset(self) -> None:
        """End both directions with resets."""
        raise NotImplementedError

    def breaks(self) -> None:
        """Be told that the connection was reset."""
        raise NotImplementedError

    def finish(self) -> None:
        """Pass the end of this direction on."""
        raise NotImplementedError

    def alone(self) -> None:
        """Have a turn without a peer."""

    def due(self) -> None:
        """Move at once what is small; bulk waits for its turn."""
        if self.flow is Flow.COPYING:
            self.turn()
        elif self.flow is not Flow.ENDED:
            self.engine.again(self)

    def turn(self) -> None:
        """Move what can be moved, within bounds."""
        peer = self.peer
        if peer is None:
            self.alone()
        elif not peer.writable:
            return
        elif self.flow is Flow.COPYING:
            self._copy(peer)
        elif self.flow is not Flow.ENDED:
            self._splice(peer)

    # --- copying

    def _copy(self, peer: Self) -> None:
        if self.rest is not None and not self._send_rest(self.rest, peer):
            return
        engine = self.engine
        for _ in range(COPIES):
            try:
                got = self.sock.recv_into(engine.buffer)
            except BlockingIOError:
                self.readable = False
                return
            except OSError:
                self.reset()
                return
            if not got:
                self._ended()
                return
            if self.tap is not None:
                self.tap(engine.view[:got])
            if self.stirred is not None:
                self.stirred()
            if not self._send(engine.view[:got], peer):
                return
            if not self.eager:
                self._after(got)
                return
        engine.again(self)

    def _after(self, got: int) -> None:
        if got < len(self.engine.buffer):
            # Shorter than asked for: there is no more, and what comes then is an edge (epoll(7)).
            self.readable = False
            return
        self.flow = FLOWS[self.flow, Turn.FILLED]
        self.engine.again(self)

    def _send(self, data: memoryview, peer: Self) -> bool:
        """Give bytes to the peer; whether it took all. What it did not take is kept."""
        try:
            sent = peer.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            peer.breaks()
            return False
        self.moved += sent
        self.latest, peer.latest = True, False
        if sent == len(data):
            return True
        self.rest = bytes(data[sent:])
        self._wait_for(peer)
        return False

    def _send_rest(self, rest: bytes, peer: Self) -> bool:
        self.rest = None
        return self._send(memoryview(rest), peer)

    def _wait_for(self, peer: Self) -> None:
        peer.writable = False
        if not peer.watches_writes:
            # Most never come here: they are spared the events.
            peer.watches_writes = True
            self.engine.watch_writes(peer.fd)

    def _ended(self) -> None:
        if self.broken:
            # The error itself was told to somebody else: there is one only.
            self.reset()
            return
        self.readable = False
        self.flow = FLOWS[self.flow, Turn.FIN]
        self.finish()

    # --- splicing

    def _splice(self, peer: Self) -> None:
        if self.pipe is None:
            self.pipe = self.engine.pipes.take()
            self.lent = self.moved
        pipe = self.pipe
        if pipe is None:
            self.flow = FLOWS[self.flow, Turn.SMALL]
            self.engine.again(self)
            return
        self._fill(pipe)
        if self.peer is None or (self.inside and not self._empty(pipe, peer)):
            return
        if self.flow is Flow.ENDING:
            self._let_go(pipe)
            if self.broken:
                self.reset()
            else:
                self.finish()
        elif self.readable:
            self.engine.again(self)
        else:
            self._pause(pipe)

    def _fill(self, pipe: Pipe) -> None:
        """Move from the socket into the pipe."""
        if self.flow is Flow.ENDING or not self.readable or self.inside >= pipe.size:
            return
        try:
            got = self.engine.splice(self.fd, pipe.into, pipe.size - self.inside)
            over = not got and not self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            # A pipe that is full by its number of pages says the same.
            if not self.inside:
                self.readable = False
            return
        except OSError:
            # What is inside has to arrive first.
            self.breaks()
            got, over = 0, True
        self.inside += got
        if got:
            if self.stirred is not None:
                self.stirred()
            return
        self.readable = False
        if over:
            self._pass_over_urgent()
            self.flow = FLOWS[self.flow, Turn.FIN]
        else:
            # Urgent data: splice(2) takes it for the end once the end is there, too.
            self.eager = True

    def _pass_over_urgent(self) -> None:
        """Read the end as recv(2) does: an urgent byte right before it would stay unread, and closing would reset."""
        try:
            self.sock.recv_into(self.engine.buffer)
        except OSError:
            self.breaks()

    def _empty(self, pipe: Pipe, peer: Self) -> bool:
        """Move from the pipe to the peer; whether it took all."""
        while self.inside:
            try:
                put = self.engine.splice(pipe.out, peer.fd, self.inside)
            except BlockingIOError:
                self._wait_for(peer)
                return False
            except OSError:
                peer.breaks()
                return False
            self.inside -= put
            self.moved += put
        self.latest, peer.latest = True, False
        return True

    def _pause(self, pipe: Pipe) -> None:
        """Wait for the sender, without a pipe meanwhile: others may need it."""
        self._let_go(pipe)
        self.small = 0 if self.moved - self.lent >= SMALL else self.small + 1
        if self.small >= PATIENCE or self.eager:
            # Urgent data stops splice(2) for ever, recv(2) only once.
            self.small = 0
            self.flow = FLOWS[self.flow, Turn.SMALL]
            if self.eager:
                self.readable = True
                self.engine.again(self)

    def _let_go(self, pipe: Pipe) -> None:
        self.pipe = None
        self.engine.pipes.give_back(pipe, self.inside)
        self.inside = 0

"""An edge-triggered epoll(7) of our own, hung into Twisted's reactor as one reader: public API only.

Twisted's own reactor asks the kernel again for each start and stop of reading or writing. Here each socket is registered
once, and one wake-up of the reactor serves all that is due, in bounds.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from webspaced.forward.pipes import Pipes

IN, OUT, RDHUP, HUP, ERR, PRI = (
    getattr(select, f"EPOLL{name}", 0) for name in ("IN", "OUT", "RDHUP", "HUP", "ERR", "PRI")
)
QUIET = IN | PRI | RDHUP | getattr(select, "EPOLLET", 0)
"""What a connection is watched for; OUT comes with the first write that has to wait."""
WRITES = QUIET | OUT
BUFFER = 1 << 16
EVENTS = 512
"""Most events of one batch."""
LEAST = 8
"""Events between two looks at the clock."""
LONGEST = 0.002
"""Seconds after which the reactor's other readers have their turn."""
_FLAGS = getattr(os, "SPLICE_F_NONBLOCK", 0) | getattr(os, "SPLICE_F_MOVE", 0)


class Handler(Protocol):
    """Whom the engine tells of a descriptor's events."""

    def event(self, mask: int) -> None:
        """Look at what the kernel says (epoll_ctl(2))."""

    def abort(self) -> None:
        """End at once: it failed."""


class Turner(Protocol):
    """Who gets another turn."""

    queued: bool

    def turn(self) -> None:
        """Go on."""


def can_splice() -> bool:
    """Whether this system and Python have epoll(7) and splice(2)."""
    return hasattr(select, "epoll") and hasattr(os, "splice")


def splice(source: int, sink: int, most: int) -> int:
    """Move bytes between a pipe and a socket within the kernel (splice(2)); 0 at the end, ``BlockingIOError`` if none go."""
    return os.splice(source, sink, most, flags=_FLAGS)


@implementer(IReadDescriptor)
class Engine:
    """Tells handlers of their descriptors' events.

    ``buffer`` and its ``view`` are for whoever has the turn; ``splice`` and ``pipes`` for bulk.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        pipes: Pipes | None = None,
        poller: Any = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.buffer = bytearray(BUFFER)
        self.view = memoryview(self.buffer)
        self.pipes = Pipes() if pipes is None else pipes
        self.splice = splice
        self.reactor = reactor
        self._poller = select.epoll() if poller is None else poller
        # The reactor's clock is the machine's, which may be set back.
        self._seconds = seconds
        self._events: list[tuple[int, int]] = []
        self._handlers: list[Handler | None] = []
        self._again: deque[Turner] = deque()
        self._closing: list[Any] = []
        self._soon: IDelayedCall | None = None
        self._busy = self._closed = False
        self._fd: int = self._poller.fileno()
        reactor.addReader(self)

    # --- what connections ask

    def add(self, fd: int, handler: Handler, events: int = QUIET) -> None:
        """Watch a descriptor."""
        handlers = self._handlers
        if fd >= len(handlers):
            handlers.extend([None] * (fd + 64 - len(handlers)))
        self._poller.register(fd, events)
        handlers[fd] = handler

    def change(self, fd: int, handler: Handler, events: int = QUIET) -> None:
        """Let somebody else have a watched descriptor, or watch it for something else."""
        self._handlers[fd] = handler
        self._poller.modify(fd, events)

    def watch_writes(self, fd: int) -> None:
        """Tell from now on when a connection takes bytes again."""
        self._poller.modify(fd, WRITES)

    def again(self, turner: Turner) -> None:
        """Give a turn after those that have one coming, and after whatever small there is to do meanwhile."""
        if not turner.queued:
            turner.queued = True
            self._again.append(turner)
            if not self._busy:
                self._call_soon()

    def close_socket(self, fd: int, sock: socket.socket) -> None:
        """Close a watched socket: at the end of the batch, so that its number is nobody else's while events are told."""
        self._handlers[fd] = None
        if self._busy or self._events:
            self._closing.append(sock)
        else:
            sock.close()

    # --- what the reactor asks

    def doRead(self) -> None:
        """Serve what is due (called by the reactor)."""
        until = self._seconds() + LONGEST
        self._busy = True
        try:
            while not self._closed:
                told = self._events or self._poller.poll(0, EVENTS)
                if not self._serve(told, until):
                    break
                # Bulk has one turn between two looks: that is as long as small ones wait for it.
                if self._again:
                    self._one_turn(self._again.popleft())
                elif not told:
                    break
                self._close_now()
                if self._seconds() >= until:
                    break
            self._close_now()
        finally:
            self._busy = False
        if self._closed:
            self._poller.close()
        elif self._again or self._events:
            self._call_soon()

    def _serve(self, events: list[tuple[int, int]], until: float) -> bool:
        """Tell of events; whether all were told in time. The others are told first next time."""
        handlers = self._handlers
        for number, (fd, mask) in enumerate(events, 1):
            handler = handlers[fd]
            if handler is None:
                continue
            try:
                handler.event(mask)
            except Exception:  # noqa: BLE001  (as a reactor does: one connection's failure is not the others')
                self._failed(handler)
            if not number % LEAST and self._seconds() >= until:
                self._events = events[number:]
                return not self._events
        self._events = []
        return True

    def _one_turn(self, turner: Turner) -> None:
        turner.queued = False
        try:
            turner.turn()
        except Exception:  # noqa: BLE001
            self._failed(turner)

    def _close_now(self) -> None:
        if self._closing and (self._closed or not self._events):
            closing, self._closing = self._closing, []
            for sock in closing:
                sock.close()

    def _failed(self, handler: Any) -> None:
        self.log.failure("a connection failed", Failure(), event="relay.broke")
        handler.abort()

    def _call_soon(self) -> None:
        if self._soon is None:
            self._soon = self.reactor.callLater(0, self._go_on)

    def _go_on(self) -> None:
        self._soon = None
        self.doRead()

    def fileno(self) -> int:
        """Give the epoll object's descriptor; the reactor asks once more after the end."""
        return self._fd

    def logPrefix(self) -> str:
        """Name this in the reactor's log lines."""
        return "relay"

    def connectionLost(self, reason: Failure) -> None:
        """Be told by the reactor that it dropped this reader."""
        self.log.debug("nothing is relayed any more", event="relay.stopped")

    def close(self) -> None:
        """Leave the reactor."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self.reactor.removeReader(self)
        self._closed = True
        if not self._busy:
            self._close_now()
            self._poller.close()
        self.pipes.close()

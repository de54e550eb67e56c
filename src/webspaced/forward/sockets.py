"""Lines of raw sockets, served by the engine."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address
from typing import Any, Self

from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.forward.engine import ERR, HUP, IN, OUT, PRI, RDHUP, Engine
from webspaced.forward.lines import Enough, ILine
from webspaced.forward.pump import COPIES, Pump
from webspaced.forward.states import FLOWS, Flow, Turn

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing resets (socket(7))."""
SMALL = 8192
"""Bytes of an answer that any socket takes at once."""
LAST_WORDS = 10.0
"""Seconds without taking anything after which one side need not have the rest of what the other said before its reset."""
_COMES = IN | RDHUP | HUP | PRI
_ENDS = RDHUP | HUP | PRI


@implementer(ILine)
class SocketLine(Pump):
    """See :class:`webspaced.forward.lines.ILine`. ``owner`` is the visit, ``None`` at the container's side."""

    __slots__ = ("_answer", "_awaiting", "_enough", "_half", "_last_words", "_looked", "_silent", "owner")

    def __init__(self, engine: Engine, sock: Any, owner: Any = None) -> None:
        super().__init__(engine, sock)
        self.owner = owner
        self._half = self._silent = self._awaiting = False
        self._enough: Enough | None = None
        self._looked = 0
        self._answer: bytes | None = None
        self._last_words: IDelayedCall | None = None

    # --- what a visit asks

    def await_first(self, *, half: bool, enough: Enough | None = None) -> None:
        """See :meth:`ILine.await_first`."""
        self._awaiting, self._half, self._enough, self._looked = True, half, enough, 0
        if self.readable:
            self._look_at_first()

    def hold(self, *, half: bool, silent: bool = False) -> None:
        """See :meth:`ILine.hold`."""
        self._half, self._silent, self._awaiting = half, silent, False

    def ends(self) -> tuple[Endpoint, Endpoint] | None:
        """See :meth:`ILine.ends`."""
        try:
            far, near = self.sock.getpeername(), self.sock.getsockname()
        except OSError:
            return None
        return Endpoint(ip_address(far[0]), far[1]), Endpoint(ip_address(near[0]), near[1])

    def relay_to(self, other: Self, first: bytes = b"") -> None:
        """See :meth:`ILine.relay_to`."""
        self.peer, other.peer = other, self
        # As if it had been read from here and not been taken yet.
        self.rest = first or None
        # What came while it was held was told then, and edges are told once.
        if self.readable or first:
            self.due()
        if other.readable:
            other.due()

    def answer(self, data: bytes) -> None:
        """See :meth:`ILine.answer`."""
        self._answer = data
        if len(data) > SMALL:
            # It is sent in one piece.
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(data))
        if self.readable:
            self._drop_what_comes()

    def abort(self) -> None:
        """See :meth:`ILine.abort`."""
        self.reset()

    # --- what the engine tells

    def event(self, mask: int) -> None:
        """Look at what the kernel says, and go on in both directions."""
        peer = self.peer
        if mask & _ENDS:
            self.eager = True
        if mask & _COMES:
            self.readable = True
        if peer is None:
            self._alone(mask)
            return
        if mask & ERR:
            self.breaks()
            return
        if mask & HUP and self.flow is Flow.ENDED:
            self.reset()
            return
        if mask & OUT and not self.writable and not self.broken:
            self.writable = True
            peer.due()
        if self.readable:
            self.due()

    def _alone(self, mask: int) -> None:
        if self._answer is not None:
            self._drop_what_comes()
        elif self._awaiting and self._half and mask & RDHUP:
            # Who says something and leaves wakes nobody: no second edge would tell of the end.
            self._gone()
        elif self._awaiting and mask & _COMES and not mask & (HUP | ERR):
            self._look_at_first(ended=bool(mask & RDHUP))
        elif mask & (HUP | ERR) or (mask & RDHUP and (self._half or (self._silent and self._said_nothing()))):
            self._gone()

    def _gone(self) -> None:
        self._awaiting = False
        if self.owner is not None:
            self.owner.gone()

    def _said_nothing(self) -> bool:
        """Whether the peer has ended its sending side without a byte: port scans and health checks do, and wake nobody."""
        try:
            return not self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _look_at_first(self, *, ended: bool = False) -> None:
        owner = self.owner
        try:
            first = self.sock.recv(1, socket.MSG_PEEK) if self._enough is None else self._peek(self._enough, ended=ended)
        except BlockingIOError:
            return
        except OSError:
            first = b""
        if first is None:
            return
        self._awaiting = False
        if first and owner is not None:
            owner.began(first)
        elif owner is not None:
            owner.gone()

    def _peek(self, enough: Enough, *, ended: bool) -> bytes | None:
        """Give what was said if that is enough, ``None`` if more is to come, nothing if that cannot be."""
        engine = self.engine
        size = self.sock.recv_into(engine.buffer, 0, socket.MSG_PEEK)
        seen, self._looked = self._looked, size
        if enough(engine.view[:size], seen):
            return bytes(engine.view[:size])
        return b"" if ended or not size else None

    @property
    def ended(self) -> bool:
        """See :class:`webspaced.forward.lines.ILine`."""
        return self.flow is Flow.ENDED

    def _drop_what_comes(self) -> None:
        try:
            for _ in range(COPIES):
                if not self.sock.recv_into(self.engine.buffer):
                    self._close(reset=False)
                    return
                if self._answer:
                    answer, self._answer = self._answer, b""
                    self.sock.send(answer)
                    self.sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            self.readable = False
        except OSError:
            self.reset()
        else:
            self.engine.again(self)

    def alone(self) -> None:
        """Drop more."""
        if self._answer is not None:
            self._drop_what_comes()

    # --- what a direction asks

    def finish(self) -> None:
        """Pass the end of this direction on; with the second one both sides are closed."""
        self.flow = FLOWS[self.flow, Turn.PASSED]
        peer = self.peer
        if peer is None:
            return
        if peer.flow is Flow.ENDED:
            self._close(reset=False)
            return
        try:
            peer.sock.shutdown(socket.SHUT_WR)
        except OSError:
            peer.breaks()

    def breaks(self) -> None:
        """Pass on what was said before the reset, then reset the other side: an early answer comes like that.

        Nothing more goes to this side. The other one must not take nothing for :data:`LAST_WORDS` seconds.
        """
        peer = self.peer
        if peer is None or peer.broken or self.flow is Flow.ENDED:
            self.reset()
        elif not self.broken:
            self.broken = self.readable = self.eager = True
            self.writable = False
            self._wait_for_last_words()
            self.engine.again(self)

    def _wait_for_last_words(self, before: int = -1) -> None:
        """Go on waiting if something moved since."""
        if self.moved == before:
            self.reset()
        else:
            self._last_words = self.engine.reactor.callLater(LAST_WORDS, self._wait_for_last_words, self.moved)

    def reset(self) -> None:
        """End both sides with resets: a cut download must not look complete."""
        self._close(reset=True)

    def _close(self, *, reset: bool) -> None:
        peer, self.peer = self.peer, None
        self.leave(reset=reset)
        if peer is not None:
            peer.peer = None
            peer.leave(reset=reset)
        for line in (self, peer):
            if line is not None and line.owner is not None:
                owner, line.owner = line.owner, None
                owner.over()

    def leave(self, *, reset: bool) -> None:
        """Close this side alone."""
        sock, self.sock = self.sock, None
        if sock is None:
            return
        self.rest = None
        self._answer = None
        if self._last_words is not None and self._last_words.active():
            self._last_words.cancel()
        if self.pipe is not None:
            self._let_go(self.pipe)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.engine.close_socket(self.fd, sock)

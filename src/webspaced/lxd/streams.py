"""What comes over the WebSockets of LXD's operations."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IProducer, IPushProducer, IReactorTime
from zope.interface import implementer

from webspaced.core.command import Size
from webspaced.errors import OutputTooLarge
from webspaced.interfaces import ITerminal
from webspaced.lib.deferreds import Flight
from webspaced.lib.websocket import WebSocket

QUIET = 0.3
"""Seconds without output after which a command that has ended is believed to have said everything."""
MARK_PATIENCE = 5.0
"""Seconds for the mark of one output after that of the other."""
GOODBYE = 1.0
"""Seconds for LXD to answer a goodbye."""
LAST_PATIENCE = 5.0
"""Seconds that LXD has to tell the end of a command that was killed from within the container."""
KILLED = 137
"""A shell's code for what SIGKILL ended."""


class Ignored:
    """A stream that says nothing of interest."""

    def opened(self) -> None:
        """See :class:`webspaced.lib.websocket.IHears`."""

    def text(self, message: str) -> None:
        """See :class:`webspaced.lib.websocket.IHears`."""

    def data(self, piece: bytes) -> None:
        """See :class:`webspaced.lib.websocket.IHears`."""

    def closed(self, code: int, reason: str) -> None:
        """See :class:`webspaced.lib.websocket.IHears`."""


class Outputs:
    """Both outputs of a command that says at the end of each that it ended, and how: a mark, its exit code, a newline.

    ``marked`` fires when both marks, and with them all that was said, have come. ``ended`` fires at the end of both outputs,
    or, as whatever the command left in the background may keep them open, when nothing more comes after the marks; it fails
    with ``OutputTooLarge``.
    """

    def __init__(self, clock: IReactorTime, largest: int, mark: bytes) -> None:
        """:param largest: bytes of both together."""
        self.marked: Deferred[None] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self.stdout, self.stderr = Output(self, mark), Output(self, mark)
        self._clock = clock
        self._largest = largest
        self._quiet: IDelayedCall | None = None

    @property
    def code(self) -> int | None:
        """The exit code, if the command told it."""
        return self.stderr.code

    def look(self) -> None:
        """See whether that was all, or too much."""
        if self.ended.called:
            return
        both = (self.stdout, self.stderr)
        if sum(each.size for each in both) > self._largest:
            self.forget()
            self.ended.errback(OutputTooLarge(f"the command wrote more than {self._largest} bytes"))
        elif all(each.is_over for each in both):
            self._end()
        elif all(each.code is not None for each in both):
            self._mark()
            self._wait(QUIET, self._end)
        elif self.code is not None:
            # The other one should have come before.
            self._wait(MARK_PATIENCE, self._lose_patience)

    def _mark(self) -> None:
        if not self.marked.called:
            self.forget()
            self.marked.callback(None)

    def _lose_patience(self) -> None:
        self._mark()
        self._wait(QUIET, self._end)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        if self._quiet is None or not self._quiet.active():
            self._quiet = self._clock.callLater(seconds, then)
        else:
            self._quiet.reset(seconds)

    def _end(self) -> None:
        self.forget()
        if not self.ended.called:
            self.ended.callback(None)

    def forget(self) -> None:
        """Wait for nothing any more."""
        if self._quiet is not None and self._quiet.active():
            self._quiet.cancel()


class Output(Ignored):
    """One of them."""

    def __init__(self, outputs: Outputs, mark: bytes) -> None:
        self.is_over = False
        self._received = bytearray()
        self._outputs = outputs
        self._marked = re.compile(re.escape(mark) + rb"(\d{1,3})\n")
        self._longest_mark = len(mark) + 4
        self._found: re.Match[bytes] | None = None
        self._searched = 0

    @property
    def code(self) -> int | None:
        """The exit code, once the mark has come."""
        return int(self._found[1]) if self._found else None

    @property
    def size(self) -> int:
        """Bytes, without the mark."""
        return len(self._received) - (len(self._found[0]) if self._found else 0)

    @property
    def said(self) -> bytes:
        """What came, without the mark."""
        start, end = self._found.span() if self._found else (0, 0)
        return bytes(self._received[:start] + self._received[end:])

    def data(self, piece: bytes) -> None:
        """Keep it, while there is room."""
        if not self._outputs.ended.called:
            self._received += piece
            self._search()
            self._outputs.look()

    def _search(self) -> None:
        # Only where it can be new: the container decides in how small pieces its output comes.
        if self._found is None:
            self._found = self._marked.search(bytes(self._received[self._searched :]))
            if self._found is not None:
                self._found = self._marked.search(bytes(self._received))
            self._searched = max(0, len(self._received) - self._longest_mark)

    def text(self, message: str) -> None:
        """The end of the stream."""
        self.closed(0, "")

    def closed(self, code: int, reason: str) -> None:
        """The end of the stream, too."""
        self.is_over = True
        self._outputs.look()


@implementer(ITerminal)
class Terminal(Ignored):
    """See :class:`webspaced.interfaces.ITerminal`. What comes before :meth:`join` is shown, too."""

    def __init__(
        self,
        clock: IReactorTime,
        screen: IConsumer,
        outcome: Callable[[], Coroutine[Any, Any, int]],
        *,
        control_kills: bool,
        kill: Callable[[], object] = lambda: None,
    ) -> None:
        """:param outcome: waits for the end of the operation, and gives the exit code.

        :param kill: called when LXD has not ended it although all sockets are closed: LXD 5.0 misses that now and then.

        :param control_kills: whether to close the control socket together with the other, as that kills a command. To a
            console's LXD answers by a write of its own, which panics, and takes all of LXD with it, if it meets one of what
            the console shows (LXD 5.0, Incus 6.0; lxc/incus issue 1449): it is closed when the other has been quiet.
        """
        self._clock = clock
        self._screen = screen
        self._outcome = outcome
        self._control_kills = control_kills
        self._kill = kill
        self._socket: WebSocket | None = None
        self._control: WebSocket | None = None
        self._is_over = self._is_given_up = False
        self._patience: IDelayedCall | None = None
        self._end: Deferred[int] = Deferred()
        self._flight = Flight(self._end)
        self.ended = self._flight.observe()

    def join(self, socket: WebSocket, control: WebSocket) -> None:
        """Get the connected sockets."""
        self._socket, self._control = socket, control
        if self._is_over:
            self._hang_up()
        else:
            self._screen.registerProducer(socket, True)

    def give_up(self) -> None:
        """Be none: it could not be joined, and nobody waits for its end."""
        self.ended.addErrback(lambda _: None)
        self._finish()

    def over(self) -> Deferred[Any]:
        """Fire when LXD is done with it, well or not."""
        return self._flight.observe().addErrback(lambda _: None)

    # --- as :class:`webspaced.lib.websocket.IHears`

    def data(self, piece: bytes) -> None:
        """Show it."""
        self._screen.write(piece)

    def text(self, message: str) -> None:
        """The end of the stream."""
        self._finish()

    def closed(self, code: int, reason: str) -> None:
        """The end of the stream, too."""
        self._finish()
        if self._control is not None and self._control_kills:
            self._control.close()

    # --- as ITerminal

    def write(self, data: bytes) -> None:
        """See :class:`webspaced.interfaces.ITerminal`."""
        if self._socket is not None:
            self._socket.write(data)

    def registerProducer(self, producer: IPushProducer | IProducer, streaming: bool) -> None:
        """See :class:`webspaced.interfaces.ITerminal`."""
        if self._socket is not None:
            self._socket.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """See :class:`webspaced.interfaces.ITerminal`."""
        if self._socket is not None:
            self._socket.unregisterProducer()

    def resize(self, size: Size) -> None:
        """See :class:`webspaced.interfaces.ITerminal`."""
        self._order({"command": "window-resize", "args": {"width": str(size.width), "height": str(size.height)}})

    def signal(self, number: int) -> None:
        """See :class:`webspaced.interfaces.ITerminal`."""
        self._order({"command": "signal", "signal": number})

    def close(self) -> None:
        """See :class:`webspaced.interfaces.ITerminal`."""
        self._finish()

    def _order(self, order: dict[str, Any]) -> None:
        if self._control is not None:
            # LXD reads both kinds of frames here; text is what its own client sends.
            self._control.send_text(json.dumps(order))

    def _finish(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._hang_up()
        self._patience = self._clock.callLater(GOODBYE, self._insist)
        self._waiting = Deferred.fromCoroutine(self._outcome())
        self._waiting.addBoth(self._ended).chainDeferred(self._end)

    def _hang_up(self) -> None:
        # The operation of a terminal goes on until its client has closed it.
        if self._socket is not None:
            self._socket.close()

    def _insist(self) -> None:
        """End what does not end by itself: LXD hears no goodbye behind what is typed and nobody in the container reads."""
        if self._socket is not None:
            self._socket.abort()
        self._patience = self._clock.callLater(GOODBYE, self._insist_more)

    def _insist_more(self) -> None:
        if self._control is not None:
            self._control.abort()
        if self._control_kills:
            self._patience = self._clock.callLater(GOODBYE, self._insist_most)

    def _insist_most(self) -> None:
        self._kill()
        self._patience = self._clock.callLater(LAST_PATIENCE, self._give_it_up)

    def _give_it_up(self) -> None:
        """Take it for killed: LXD 5.0 now and then never ends an operation whose command is dead."""
        self._is_given_up = True
        self._waiting.cancel()

    def _ended(self, outcome: Any) -> Any:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        if self._control is not None:
            self._control.abort()
        return KILLED if self._is_given_up else outcome

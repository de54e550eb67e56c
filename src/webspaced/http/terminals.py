"""Terminals in browsers and at command lines: a WebSocket of ours in front of a terminal in a webspace.

The contract: the first message is text and says what is wanted, binary messages are what is typed and shown, further texts
resize and send signals. At the end the server closes with 1000 and the exit code as reason, with 1011 and what went wrong,
or with 1008 when the right to it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred, DeferredList, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from wsproto.connection import Connection

from webspaced.audit.trail import OK, Trail
from webspaced.errors import Invalid
from webspaced.http.bodies import LARGEST, parse_object
from webspaced.http.messages import Order
from webspaced.http.problems import TooManyRequests, problem_of
from webspaced.http.rights import Ended, Watch
from webspaced.interfaces import ITerminal
from webspaced.lib.measures import Counted
from webspaced.lib.sparing import Sparing
from webspaced.lib.websocket import GOING_AWAY, INTERNAL_ERROR, NORMAL, NOT_ALLOWED, WebSocket, shortened

FIRST_MESSAGE_TIMEOUT = 30.0
"""Seconds for a client to say what it wants."""
LARGEST_EARLY = 64 * 1024
"""Bytes that may be typed while a webspace boots."""
MOST_ORDERS = 16
"""Orders that wait while a webspace boots."""
GOODBYE_TIMEOUT = 3.0
"""Seconds for LXD to end what is open when webspaced stops: it may come to harm if a console's sockets just vanish."""

Open = Callable[[dict[str, Any], IConsumer], Coroutine[Any, Any, Any]]
"""Opens what a first message asks for, on a screen; gives an :class:`ITerminal`."""


@frozen(kw_only=True)
class Offer:
    """What somebody may open in a webspace.

    ``what`` is the path; ``opens`` opens what the first message asks for; ``read_order`` reads the texts that follow, and
    ``Invalid`` names what is wrong; ``ended`` tells whether it may not be open any more.
    """

    uid: int
    what: str = "exec"
    opens: Open
    read_order: Callable[[str], Order]
    ended: Ended


class Terminals:
    """All terminals that are open."""

    log = Logger()

    def __init__(self, clock: IReactorTime, most: int, most_per_webspace: int, trail: Trail | None = None) -> None:
        """:param most: in all; each takes two connections to LXD, beside its client's."""
        self._trail = trail
        self.clock = self._clock = clock
        self._most = most
        self.bound(most_per_webspace)
        self._open: set[_Session] = set()
        self.hits = Counted()
        self._lines = Sparing(clock, self.log, "ends of terminals")

    def __len__(self) -> int:
        return len(self._open)

    def bound(self, most_per_webspace: int) -> None:
        """Let one webspace have so many from now on; those that are open stay."""
        self._most_per_webspace = min(most_per_webspace, max(1, self._most // 4))

    def check_room(self, uid: int) -> None:
        """``TooManyRequests`` where there are too many."""
        ours = sum(session.uid == uid for session in self._open)
        if len(self._open) >= self._most or ours >= self._most_per_webspace:
            self.hits.add("terminals")
            message = "too many terminals are open"
            raise TooManyRequests(message, retry_after=10.0)

    def accept(self, connection: Connection, offer: Offer) -> WebSocket:
        """Give the protocol of one more."""
        session = _Session(self._clock, offer, self._ended)
        session.socket = WebSocket(self._clock, session, connection)
        self._open.add(session)
        self._tell("terminal.open", session)
        return session.socket

    def _tell(self, action: str, session: _Session, **more: Any) -> None:
        if self._trail is not None:
            self._trail.note(action, webspace=session.uid, target={"what": session.what}, outcome=OK, **more)

    def _ended(self, session: _Session) -> None:
        self._open.discard(session)
        seconds = self._clock.seconds() - session.began
        self._tell("terminal.end", session, reason=session.outcome, seconds=round(seconds, 6))
        if not self._lines.may(str(session.uid)):
            return
        self.log.info(
            "a terminal of webspace {webspace} ended after {seconds:.1f} s: {outcome}",
            event="terminal.ended",
            webspace=session.uid,
            seconds=seconds,
            outcome=session.outcome,
        )

    def close(self) -> Deferred[Any]:
        """Say goodbye to all, as webspaced stops; fires when LXD has let go of them, too, or does not in time."""
        ends = [session.leave() for session in tuple(self._open)]
        return DeferredList(ends, consumeErrors=True).addTimeout(GOODBYE_TIMEOUT, self._clock).addErrback(lambda _: None)


@define(eq=False)
class _Session:
    """One of them (an ``IHears``)."""

    _clock: IReactorTime
    _offer: Offer
    _ended: Callable[[_Session], None]
    uid: int = field(init=False)
    what: str = field(init=False)
    began: float = field(init=False)
    socket: WebSocket = field(init=False)
    outcome: str = field(init=False, default="its client left")
    """What we say of its end; what the client says may be anything."""
    _terminal: ITerminal | None = field(init=False, default=None)
    _serving: Deferred[None] | None = field(init=False, default=None)
    _early: bytearray = field(init=False, factory=bytearray)
    _orders: list[Order] = field(init=False, factory=list)
    _patience: Any = field(init=False, default=None)
    _right: Watch = field(init=False)
    _over: Deferred[None] = field(init=False, factory=Deferred)
    _context: Context = field(init=False, factory=copy_context)
    """The request's: its id is in whatever is logged here."""

    log = Logger()

    def __attrs_post_init__(self) -> None:
        self.began = self._clock.seconds()
        self.uid, self.what = self._offer.uid, self._offer.what
        self._right = Watch(self._clock, self._offer.ended, self._revoked)

    # --- as IHears

    def opened(self) -> None:
        message = f"no first message within {FIRST_MESSAGE_TIMEOUT:g} s"
        self._patience = self._clock.callLater(FIRST_MESSAGE_TIMEOUT, self._fail, Failure(Invalid(message)))

    def text(self, message: str) -> None:
        try:
            if self._serving is None:
                self._context.copy().run(self._begin, parse_object(message))
            else:
                self._obey(self._offer.read_order(_bounded(message)))
        except Invalid:
            self._fail(Failure())

    def data(self, piece: bytes) -> None:
        if self._terminal is not None:
            self._terminal.write(piece)
            return
        self._early += piece
        if len(self._early) > LARGEST_EARLY:
            # It waits in the kernel until there is somebody to read it.
            self.socket.pauseProducing()

    def closed(self, code: int, reason: str) -> None:
        self._stop_patience()
        self._right.stop()
        self._let_go()
        self._context.copy().run(self._ended, self)

    def _let_go(self) -> None:
        if self._serving is not None:
            # Does nothing once the terminal is there.
            self._serving.cancel()
        if self._terminal is not None:
            self._terminal.close()

    def _revoked(self, reason: str) -> None:
        """End at once: a client that does not answer the goodbye must not go on meanwhile."""
        self._stop_patience()
        self._say(NOT_ALLOWED, reason)
        self._let_go()

    def leave(self) -> Deferred[None]:
        """Say goodbye because webspaced stops; fires when there is nothing left to end."""
        self._say(GOING_AWAY, "webspaced is being stopped")
        if self._terminal is not None:
            self._terminal.close()
        return self._over if self._terminal is not None else succeed(None)

    # --- the life of a terminal

    def _begin(self, first: dict[str, Any]) -> None:
        self._stop_patience()
        self._serving = Deferred.fromCoroutine(self._serve(first))
        self._serving.addErrback(self._fail)

    async def _serve(self, first: dict[str, Any]) -> None:
        terminal: ITerminal = await self._offer.opens(first, self.socket)
        self._terminal = terminal
        if not self.socket.is_open:
            terminal.ended.addErrback(lambda _: None)
            terminal.close()
            return
        terminal.registerProducer(self.socket, True)
        terminal.ended.addCallbacks(self._finish, self._fail).addBoth(self._over.callback)
        if self._early:
            terminal.write(bytes(self._early))
            self._early.clear()
        for order in self._orders:
            order(terminal)
        self.socket.resumeProducing()

    def _obey(self, order: Order) -> None:
        if self._terminal is None:
            if len(self._orders) >= MOST_ORDERS:
                raise Invalid("too many orders before there is a terminal")
            self._orders.append(order)
        else:
            order(self._terminal)

    def _finish(self, code: int) -> None:
        self._say(NORMAL, str(code))

    def _say(self, code: int, reason: str) -> None:
        if self.socket.is_open:
            self.outcome = f"{code} {shortened(reason)}"
            self.socket.close(code, reason)

    def _fail(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        problem = problem_of(failure.value)
        if problem.status == 500:  # noqa: PLR2004
            self.log.failure("a terminal of webspace {webspace} failed", failure, event="terminal.broke", webspace=self.uid)
        self._say(INTERNAL_ERROR, problem.message)

    def _stop_patience(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()


def _bounded(order: str) -> str:
    if len(order) > LARGEST:
        raise Invalid(f"a message may have {LARGEST} characters")
    return order

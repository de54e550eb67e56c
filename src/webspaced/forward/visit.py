"""A visitor's connection: paused when it is made, relayed once the boot gate's Deferred fires.

While it is held, its early bytes stay in the kernel. A visitor that goes away is forgotten at once; on a plain-HTTP boot
port a closed sending side counts as gone (Traefik closes when its client does), and nothing of it reaches the container.
A visitor of a running webspace is relayed at once, without a Deferred or a coroutine of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionDone
from twisted.internet.error import ConnectionRefusedError as Refusal
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from webspaced.audit.cause import CAUSE, UPKEEP
from webspaced.core.address import Endpoint
from webspaced.core.proxy_protocol import header
from webspaced.core.visitor import Request
from webspaced.errors import Momentary, PortSilent, Refused, WebspacedError
from webspaced.forward.counters import CUT, LEFT, reason_of
from webspaced.forward.lines import ILine, ILineOwner
from webspaced.forward.means import Destination
from webspaced.forward.reception import AgentIgnored
from webspaced.forward.refusal import refusal
from webspaced.forward.states import VISITS, Stage, Step
from webspaced.lib.ids import with_values
from webspaced.lib.logs import VISIT_ID
from webspaced.lib.places import Places
from webspaced.lib.spans import SPAN, ISpan

if TYPE_CHECKING:
    from webspaced.forward.visits import Visits

CONNECT_TIMEOUTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds for each try to connect to a ready port. Short at first: a SYN that meets a full backlog is lost, and the kernel
itself would send the next one only after a second; and a container that just lost its power is silent."""
HELD_GRACE = 10.0
"""Seconds for which nobody who waits for a boot counts as idle: most boots are over by then."""
SILENCE = 10.0
"""Seconds for the first byte, where it decides about the port: Traefik sends what it has at once."""
FAREWELL = 2.0
"""Seconds that a refused HTTP visitor has to take its answer; closing earlier could reset it away."""


@frozen
class _Try:
    """A connection to a container that is under way."""

    endpoint: Endpoint
    line: Deferred[ILine]


@implementer(IProtocol, IHalfCloseableProtocol, ILineOwner)
class Visit:
    """One visitor. Held, then relayed, or refused (:data:`webspaced.forward.states.VISITS`).

    ``id``: by which its lines are found in the log.
    ``since``: when it was held or refused; once it is relayed, since when nothing moved as far as anybody looked.
    """

    log = Logger()
    factory: Any = None
    __slots__ = (
        "_alarm", "_backend", "_destination", "_line", "_seated", "_seen", "_span", "_visitor", "_visits", "_waiting",
        "id", "since", "stage", "transport",
    )

    def __init__(self, visits: Visits, destination: Destination, visitor: str = "") -> None:
        self.id = visits.means.diary.new()
        self.stage = Stage.ARRIVED
        self.transport: Any = None
        self._visits = visits
        self._destination = destination
        self._line: Any = None
        self._backend: Any = None
        self._waiting: Deferred[None] | None = None
        self._alarm: IDelayedCall | None = None
        self._seated = False
        self.since = 0.0
        self._seen = 0
        self._span: ISpan | None = None
        self._visitor = visitor

    def makeConnection(self, transport: Any) -> None:
        """Take the connection, which is paused unless the webspace runs."""
        self.transport = transport
        self._line = self._visits.means.lines.line(transport, self)
        self.connectionMade()

    def connectionMade(self) -> None:
        """Relay at once if that can be, else wait for the gate."""
        means, destination = self._visits.means, self._destination
        self._visits.present.add(self)
        self.since = means.clock.seconds()
        means.diary.accepted(self.id, destination.uid, destination.port, self._line)
        self._seated = means.seats.take(destination.uid, self, self._visitor)
        if not self._seated:
            self._refuse(_too_many())
        else:
            self._arrive()

    def _arrive(self) -> None:
        if self._destination.plain is None:
            self._reach_now()
        else:
            self._alarm = self._visits.means.clock.callLater(SILENCE, self.gone)
            self._line.await_first(half=True)

    def began(self, first: bytes) -> None:
        """See :meth:`ILineOwner.began`: it is known now where the visitor wants to go."""
        self._be_calm()
        self._destination = self._destination.of(first)
        self._reach_now(spoke=True)

    def _reach_now(self, *, spoke: bool = False) -> None:
        means, destination = self._visits.means, self._destination
        endpoint = means.gate.ready_now(destination.uid, destination.port, destination.asks)
        if endpoint is None:
            (self._hear_out if spoke else self._listen_first)()
            return
        line = means.lines.dial(endpoint, CONNECT_TIMEOUTS[0])
        if isinstance(line, Deferred):
            self._hold(_Try(endpoint, line))
        else:
            self._serve(line)

    def _listen_first(self) -> None:
        means = self._visits.means
        if not means.first_word and not self._destination.on_data:
            self._hold(None)
            return
        if not self._destination.on_data:
            self._alarm = means.clock.callLater(means.first_word, self._hold, None)
        self._line.await_first(half=False)

    def _hear_out(self) -> None:
        """Wait on until who has spoken has been here for long enough. A reset ends it; an end alone does not.

        The latter may be the whole of what somebody sends who waits for an answer, or for nothing but that it arrives.
        """
        means = self._visits.means
        left = self.since + means.first_word - means.clock.seconds()
        if left <= 0:
            self._hold(None)
            return
        self._line.hold(half=False, silent=True)
        self._alarm = means.clock.callLater(left, self._hold, None)

    def _hindrance(self) -> Refused | None:
        reception = self._visits.means.reception
        return None if reception is None else reception.hindrance(self._destination.uid, self._line)

    # --- held

    def _hold(self, first: _Try | None) -> None:
        means = self._visits.means
        hindrance = self._hindrance() if first is None else None
        if hindrance is not None:
            self._refuse(hindrance)
            return
        if not means.places.take(self._destination.uid, self, self._visitor):
            if first is not None:
                first.line.addErrback(lambda _: None)
                first.line.cancel()
            self._refuse(_too_many())
            return
        self._step(Step.WAIT)
        self.since = means.clock.seconds()
        # Port scans and health checks come and go without a word, and wake nobody.
        self._line.hold(half=self._destination.http, silent=True)
        self._span = means.diary.held(self.id, self._destination.uid, self._destination.port)
        self._waiting = self._on_its_behalf()(Deferred.fromCoroutine, self._reach(first))
        self._waiting.addErrback(self._failed)

    def _on_its_behalf(self) -> Callable[..., Any]:
        """Give what calls something so that whatever follows from it is known to be for this visit."""
        reception = self._visits.means.reception
        cause = UPKEEP if reception is None else reception.cause(self._destination.port, self._line, self._asked())
        return with_values((VISIT_ID, self.id), (CAUSE, cause), (SPAN, self._span))

    def _asked(self) -> Request | None:
        return None

    async def _reach(self, first: _Try | None) -> None:
        self._serve(await self._connect(first))

    async def _connect(self, trying: _Try | None) -> ILine:
        destination, gate = self._destination, self._visits.means.gate
        for timeout in CONNECT_TIMEOUTS:
            now, trying = trying or await self._try(timeout), None
            try:
                return await now.line
            except ConnectError as error:
                # It stopped a moment ago, or its server did, or has too many visitors to accept one more at once.
                refused = isinstance(error, Refusal)
                await gate.suspect(destination.uid, now.endpoint, refused=refused, asks=destination.asks)
        message = f"nothing answers on port {destination.port} of the webspace"
        raise PortSilent(message)

    async def _try(self, timeout: float) -> _Try:
        destination, means = self._destination, self._visits.means
        endpoint = await means.gate.ready(destination.uid, destination.port, destination.asks)
        place = means.lines.place()
        if place is not None:
            await place
        line = means.lines.dial(endpoint, timeout)
        return _Try(endpoint, line if isinstance(line, Deferred) else succeed(line))

    def gone(self) -> None:
        """See :meth:`ILineOwner.gone`."""
        self._visits.count(LEFT)
        self._reset()

    def _let_go(self) -> None:
        if self.stage is Stage.HELD:
            means = self._visits.means
            means.places.give_back(self._destination.uid, self, self._visitor)
            self._visits.held_seconds += means.clock.seconds() - self.since

    def _failed(self, failure: Failure) -> None:
        self._waiting = None
        if self.stage is Stage.OVER or failure.check(CancelledError, ConnectingCancelledError):
            return
        if not failure.check(WebspacedError):
            text, uid = "a visit to webspace {webspace} failed", self._destination.uid
            self.log.failure(text, failure, event="visit.broke", visit_id=self.id, webspace=uid)
        error = failure.value
        self._refuse(error if isinstance(error, Exception) else ConnectionError())

    # --- relayed, refused, over

    def _serve(self, backend: ILine) -> None:
        self._waiting = None
        first = b""
        version = self._destination.proxy_protocol
        if version is not None:
            ends = self._line.ends()
            if ends is None:
                backend.abort()
                self.gone()
                return
            first = header(version, *ends)
        self._step(Step.SERVE)
        means, before = self._visits.means, self.since
        self.since = means.clock.seconds()
        means.diary.connected(self.id, self.since - before)
        means.diary.follow(self.id, self._span, backend, means.clock)
        self._visits.opened += 1
        self._backend = backend
        self._line.relay_to(backend, first)

    def _refuse(self, error: Exception) -> None:
        self._visits.count(reason_of(error))
        self._visits.means.diary.refused(self.id, self._span, reason_of(error), str(error))
        if not isinstance(error, AgentIgnored):
            self._visits.means.refusals.refused(self._destination.uid, str(error))
        self._part_with(self._answer_to(error))

    def _answer_to(self, error: Exception) -> bytes:
        return refusal(error)

    def _part_with(self, answer: bytes) -> None:
        """Give an answer where there can be one, and end."""
        self._be_calm()
        self._step(Step.REFUSE)
        self.since = self._visits.means.clock.seconds()
        if not self._destination.http or not self._seated:
            self._reset()
            return
        # Traefik takes an answer that is there before it has asked for a broken connection, and makes a 500 of it. And the
        # request must be read, or closing would reset the answer away.
        self._alarm = self._visits.means.clock.callLater(FAREWELL, self._reset)
        self._line.answer(answer)

    def turn_away(self, error: Exception) -> None:
        """Refuse a visitor who waits."""
        self._be_calm()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        self._refuse(error)

    def cut(self) -> None:
        """Reset the connection, whatever state it is in."""
        if self.stage is Stage.HELD:
            self._visits.count(CUT)
        self._reset()

    def _reset(self) -> None:
        self._line.abort()

    def over(self) -> None:
        """See :meth:`ILineOwner.over`: forget the visitor."""
        if self.stage is Stage.OVER:
            return
        self._visits.means.diary.ended(self.id, self._span, self.stage.value, self.moved())
        self._step(Step.END)
        self._visits.left(self)
        self._be_calm()
        if self._seated:
            means = self._visits.means
            means.seats.give_back(self._destination.uid, self, self._visitor)
            means.lines.freed()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()

    def _be_calm(self) -> None:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()

    def _step(self, step: Step) -> None:
        self._let_go()
        self.stage = VISITS[self.stage, step]

    # --- what is counted

    def moved(self) -> tuple[int, int]:
        """Give the bytes that went to the container, and to the visitor."""
        return (0, 0) if self._backend is None else (self._line.moved, self._backend.moved)

    def idle(self) -> float:
        """See :class:`webspaced.lib.places.Holder`."""
        now = self._visits.means.clock.seconds()
        if self.stage in (Stage.ARRIVED, Stage.HELD):
            return now - self.since - HELD_GRACE
        seen = sum(self.moved())
        if self.stage is Stage.RELAYED and seen != self._seen:
            self._seen, self.since = seen, now
        return now - self.since

    def watch(self, stirred: Callable[[], None] | None) -> None:
        """Call this whenever the visitor says something to the container; ``None``: no more."""
        if self.stage is Stage.RELAYED:
            self._line.stirred = stirred

    @property
    def quiet(self) -> float:
        """Give for how many seconds nobody has wanted anything of the container here, as far as it was looked."""
        if self.stage is not Stage.RELAYED or (self.web and self.unanswered):
            return 0.0
        return max(0.0, self.idle())

    def displaced(self, places: Places) -> None:
        """See :class:`webspaced.lib.places.Holder`."""
        if places is self._visits.means.seats:
            self._seated = False
        if self.stage is Stage.HELD:
            self.turn_away(_too_many())
        else:
            self._reset()

    @property
    def unanswered(self) -> bool:
        """Whether the visitor was the last to say something."""
        return self.stage is Stage.RELAYED and bool(self._line.latest)

    @property
    def web(self) -> bool:
        """Whether it speaks plain HTTP, where silence means that nothing is under way."""
        return self._destination.http

    # --- what Twisted's transports tell (other lines speak for themselves)

    def dataReceived(self, data: bytes) -> None:
        """Hand bytes to the line."""
        self._line.dataReceived(data)

    def readConnectionLost(self) -> None:
        """Tell the line of the visitor's end."""
        self._line.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Nothing to do: the other direction goes on."""

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """Tell the line that it is over."""
        self._line.connectionLost(reason)


def _too_many() -> Refused:
    return Momentary("it has too many visitors at once", retry_after=2.0)

"""The way to the embedded Traefik: who says nothing, or too little for too long, does not get there.

Traefik 3.7 has one bound for a request's head and its body alike, which cuts every upload that takes longer, and none that
one could set instead. So visitors come to webspaced first, and are relayed once a whole head is there, or with TLS a whole
ClientHello; the PROXY protocol says who they are. What is inside TLS is not known here, only how much of it there was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from webspaced.core.opening import HEAD_LIMIT, Conversation, has_ended, is_whole_head, is_whole_hello
from webspaced.core.probing import Ask
from webspaced.core.proxy_protocol import ProxyProtocol
from webspaced.errors import Refused, Unavailable
from webspaced.forward.counters import LEFT, Counters, total
from webspaced.forward.lines import Crowd, ILine
from webspaced.forward.means import Destination, Means
from webspaced.forward.refusals import LOOK
from webspaced.forward.states import Stage
from webspaced.forward.visit import Visit
from webspaced.forward.visits import Visits
from webspaced.lib.gently import Gently
from webspaced.lib.periodic import Periodic
from webspaced.lib.places import LEAST_IDLE

UNANSWERED = 600.0
"""Seconds after which somebody who asked over TLS, got no answer, and says nothing or little more, is let go: such a one has
not ended the request."""
LITTLE = 16384
"""Bytes in that time that are no upload, however slow."""
NOBODY = 0
"""No webspace: which one they want is Traefik's to find out."""
LOOKS = 8
"""So many looks make one bound: a visitor is let go at most an eighth late."""
TOO_LARGE = "too_large"
"""The reason, where such visitors are counted."""
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Content-Length: 0\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
)
"""RFC 6585 section 5."""
NOT_READY = Refused("the web server is not ready", retry_after=5.0)


@frozen
class Door:
    """One of Traefik's entry points: where visitors come to, and its own port on loopback."""

    port: int
    interface: str
    inner: int
    is_secure: bool
    setting: str
    """What says where it is, for messages."""

    def destination(self) -> Destination:
        """Give where its visitors are relayed to."""
        asks = Ask.CONNECTION if self.is_secure else Ask.HTTP
        return Destination(NOBODY, self.inner, asks, ProxyProtocol.V2)


class FrontVisit(Visit):
    """One visitor on the way to Traefik. ``came``: when, in seconds of the clock."""

    __slots__ = ("_conversation", "came")

    def __init__(self, visits: Visits, destination: Destination, visitor: str = "") -> None:
        super().__init__(visits, destination, visitor)
        self.came = visits.means.clock.seconds()
        self._conversation: Conversation | None = None

    def _arrive(self) -> None:
        self._line.await_first(half=False, enough=is_whole_head if self._destination.http else is_whole_hello)

    def began(self, first: bytes) -> None:
        """See :meth:`ILineOwner.began`: Traefik must not wait for the end of a head that never ends."""
        if self._destination.http and len(first) >= HEAD_LIMIT and not has_ended(first):
            self._visits.count(TOO_LARGE)
            self._part_with(_TOO_LARGE)
        else:
            super().began(first)

    def _serve(self, backend: ILine) -> None:
        # Whoever had to wait for Traefik has its time from now.
        self.came = self._visits.means.clock.seconds()
        if not self._destination.http:
            self._conversation = Conversation()
            self._line.tap, backend.tap = self._client_said, self._server_said
        super()._serve(backend)

    def _client_said(self, piece: memoryview) -> None:
        if self._conversation is not None:
            self._conversation.said(piece)
            if self._conversation.asked:
                # How much more it says does not matter: an upload pays nothing for this.
                self._line.tap = None

    def _server_said(self, piece: memoryview) -> None:
        if self._conversation is not None:
            self._conversation.server.feed(piece)
            if self._conversation.answered:
                self._conversation = self._line.tap = self._backend.tap = None

    def look(self, now: float, bound: float) -> None:
        """Let go who said too little by now; ``bound``: seconds for the beginning of a request."""
        age = now - self.came
        if self.stage is Stage.ARRIVED and age >= bound:
            self.gone()
        elif self.stage is Stage.HELD and now - self.since >= bound:
            self.turn_away(NOT_READY)
        elif self.stage is Stage.RELAYED and (self._is_late(age, bound) or self._is_left(bound)):
            self._visits.count(LEFT)
            self._reset()

    def _is_late(self, age: float, bound: float) -> bool:
        conversation = self._conversation
        if conversation is None:
            return False
        if not conversation.asked:
            return age >= bound
        return self.idle() >= UNANSWERED or (age >= UNANSWERED and self.moved()[0] < LITTLE)

    def _is_left(self, bound: float) -> bool:
        """Whether Traefik has hung up, and the visitor does not mind."""
        return bool(self._backend.ended) and self.idle() >= bound

    def idle(self) -> float:
        """See :class:`webspaced.lib.places.Holder`: who has not begun makes room at once."""
        if self.stage is not Stage.ARRIVED:
            return super().idle()
        return LEAST_IDLE + self._visits.means.clock.seconds() - self.came

    @property
    def web(self) -> bool:
        """Whether silence means that nothing is under way."""
        return True


class Front:
    """The listeners before the embedded Traefik."""

    log = Logger()

    def __init__(self, means: Means, doors: Sequence[Door], bound: float) -> None:
        """:param bound: seconds in which the beginning of a request has to be there."""
        self._means = means
        self._doors = doors
        self._bound = bound
        self._crowds = [Visits(means, door.destination, FrontVisit) for door in doors]
        self._listening: list[IListeningPort] = []

    def listen(self) -> None:
        """Begin to accept; who comes before Traefik is ready waits for it.

        :raises Unavailable: somebody else has an address, or it is none of this machine's.
        """
        for door, visits in zip(self._doors, self._crowds, strict=True):
            try:
                listening = self._means.lines.listen(door.port, visits, door.interface, crowd=Crowd.FRONT)
            except CannotListenError as error:
                where = f"{door.interface}:{door.port}"
                message = f"cannot listen at {where} ({door.setting}): {error.socketError}"
                raise Unavailable(message) from error
            at: Any = listening.getHost()
            self.log.info("visitors of Traefik come to {host}:{port}", event="front.listens", host=at.host, port=at.port)
            self._listening.append(listening)

    def looks(self) -> Iterator[Periodic]:
        """Give what keeps the bounds, and sums up in the log who was refused: no timer for each connection."""
        yield Periodic(self._means.clock, self._bound / LOOKS, "the look at silent visitors", self.look)
        yield Periodic(self._means.clock, LOOK, "the sum of who was refused", self._means.refusals.look)

    def look(self) -> Deferred[None]:
        """Let go who said too little."""
        now = self._means.clock.seconds()
        present: list[Any] = [visit for visits in self._crowds for visit in visits.present]
        return Deferred.fromCoroutine(Gently(self._means.clock).each(present, lambda each: each.look(now, self._bound)))

    def counters(self) -> Counters:
        """Give what was counted of all visits."""
        return total(visits.counters() for visits in self._crowds)

    def stop_listening(self) -> None:
        """Accept nobody any more; who is here stays."""
        listening, self._listening = self._listening, []
        for each in listening:
            maybeDeferred(each.stopListening)

    def close(self) -> None:
        """Reset who is still here."""
        self.stop_listening()
        for visits in self._crowds:
            visits.cut_all()

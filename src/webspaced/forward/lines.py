"""What a visit needs of a connection, whatever it is made of.

A *line* is one side's connection. There are two kinds: :mod:`webspaced.forward.sockets` moves bytes in the kernel, and
:mod:`webspaced.forward.stock` is made of Twisted's own transports, for reactors and networks that have no sockets of the
system (the simulator's, those of tests) and for systems without epoll(7).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from zope.interface import Attribute, Interface

from webspaced.core.address import Endpoint

# ruff: noqa: N805
# (zope.interface: methods have no self)


Enough: TypeAlias = Callable[[bytes | memoryview, int], bool]


class Crowd(Enum):
    """Visitors who have room of their own, so that one crowd keeps no other out."""

    FORWARDS = "forwards"
    WEB = "boot ports"
    FRONT = "the embedded Traefik"


class ILine(Interface):
    """One side's connection. Nothing is read from it until it is relayed or has an answer to give."""

    moved = Attribute("Bytes that came from here and were passed on to the other side.")
    latest = Attribute("Whether nothing was passed on from the other side since.")

    ended = Attribute("Whether the peer has ended its side, and that was passed on.")
    tap = Attribute("Is called with each piece that is copied from here; ``None`` for nobody.")
    stirred = Attribute("Is called before anything is passed on from here; ``None`` for nobody.")

    def await_first(*, half: bool, enough: Enough | None = None) -> None:
        """Tell the owner's ``began`` the first byte, which is not taken away, or ``gone``.

        :param half: a closed sending side is enough for the latter, whatever was said before it.
        :param enough: says whether what the peer said up to now will do, instead of the first byte. It is told how much of
            it was looked at before.
        """

    def hold(*, half: bool, silent: bool = False) -> None:
        """Tell the owner's ``gone`` once if the peer goes away; with ``half`` its closed sending side suffices.

        :param silent: so it does if the peer has said nothing before.
        """

    def ends() -> tuple[Endpoint, Endpoint] | None:
        """Give the far and the near end; ``None`` if the peer is gone."""

    def relay_to(other: Any, first: bytes = b"") -> None:
        """Pass bytes, ends and resets on to another line and back, from now until both directions have ended.

        :param first: what the other one's peer gets ahead of all that comes from here. It counts as moved.
        """

    def answer(data: bytes) -> None:
        """Upon the first bytes of the peer send this and end; what else it sends is dropped, until it ends too."""

    def abort() -> None:
        """Reset the connection, and what it is relayed to."""


class ILineOwner(Interface):
    """Who is told of a visitor's line."""

    def began(first: bytes) -> None:
        """The peer of a line said its first byte, which was waited for."""

    def gone() -> None:
        """The peer of a held line went away."""

    def over() -> None:
        """The connection is closed, whoever closed it. Told once."""


class ILines(Interface):
    """Makes lines, and the ports that they come from."""

    def listen(port: int, factory: Factory, interface: str, *, crowd: Crowd = Crowd.FORWARDS) -> IListeningPort:
        """Listen; ``""`` stands for every interface, IPv4 and IPv6. ``CannotListenError`` if that cannot be bound.

        :param crowd: whose room its visitors take.
        """

    def line(transport: Any, owner: Any) -> ILine:
        """Give the line of a connection that a port of :meth:`listen` took."""

    def dial(endpoint: Endpoint, timeout: float) -> ILine | Deferred[ILine]:
        """Connect: a line if that is done at once, else a Deferred of one, which may be cancelled.

        It fails with Twisted's ``ConnectError``, or with ``Refused`` if this process cannot have more connections.
        """

    def place() -> Deferred[None] | None:
        """Give when a visitor that was held may be connected on: ``None`` for at once.

        A thousand that are let go together must not stop all others for as long as that takes. First come, first served;
        may be cancelled.
        """

    def freed() -> None:
        """Say that a visitor's seat is free again: ports that rest for want of one go on."""

    def close() -> None:
        """Watch and move nothing any more."""

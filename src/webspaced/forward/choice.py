"""What visitors' connections are made of on this machine, and how many there can be.

Boot ports have room of their own: all of them are visited through Traefik, from its one address, and an outsider who takes
all that forwards have must not keep a single webspace asleep. So have visitors on their way to an embedded Traefik: a third
of all, and one address a quarter of that.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import Logger

from webspaced.forward.engine import Engine, can_splice
from webspaced.forward.hangup import hangups_for
from webspaced.forward.lines import Crowd, ILines
from webspaced.forward.ports import SocketLines
from webspaced.forward.stock import StockLines
from webspaced.lib.descriptors import RESERVED, raise_descriptor_limit, reserve_of
from webspaced.lib.places import Places

PORTS = 2048
"""Descriptors for ports that a start should have: a thousand webspaces with a forward each."""
EACH = 2
"""Descriptors that a visitor takes."""
FRONT_SHARE = 3
"""One of so many parts is for visitors of the embedded Traefik, who come on by boot ports while their webspace starts."""

log = Logger()


@frozen
class Seats:
    """Places for visitors, by descriptors: of forwards, of boot ports, and of the embedded Traefik if there is one.

    None of these crowds can take those of another.
    """

    forwards: Places
    web: Places
    front: Places | None = None


def lines_for(reactor: Any, seats: Seats) -> ILines:
    """Give raw sockets where this system and reactor have what these need, else Twisted's own transports."""
    if not can_splice() or not IReactorFDSet.providedBy(reactor):
        stock: ILines = StockLines(reactor, hangups_for(reactor), everywhere="::")
        return stock
    forwards, web, front = seats.forwards, seats.web, seats.front
    share = Share(raise_descriptor_limit(), has_front=front is not None)
    room = {Crowd.FORWARDS: forwards.has_room, Crowd.WEB: web.has_room, Crowd.FRONT: (front or web).has_room}
    sockets = SocketLines(Engine(reactor), room, share.ports)
    free, kept = share.free, share.web
    # Each visitor asks: as `Share.visitors` has it, at once.
    forwards.fits = lambda: EACH * (forwards.held + 1 + max(web.held, kept)) + sockets.ports <= free
    web.fits = lambda: web.held < kept or EACH * (forwards.held + web.held + 1) + sockets.ports <= free
    lines: ILines = sockets
    return lines


@frozen
class Held:
    """How many may wait for boots: in all, of one webspace, and of one visitor's address (0: no bound of its own)."""

    most: int
    per_webspace: int
    per_visitor: int

    @property
    def web(self) -> Places:
        """Places for visitors of boot ports."""
        return _shared(self.most, self.per_webspace, 0)

    @property
    def forwards(self) -> Places:
        """Places for visitors of forwards, half as many."""
        return _shared(max(1, self.most // 2), self.per_webspace, self.per_visitor)


@frozen
class Share:
    """How so many descriptors are shared out, so that LXD and the API can always be reached."""

    limit: int
    has_front: bool = False
    """Whether a part of all is for visitors of the embedded Traefik."""

    @property
    def ports(self) -> int:
        """How many ports there may be."""
        return self.free * 3 // 4

    def visitors(self, ports: int) -> int:
        """How many visitors there may be beside so many ports."""
        return (self.free - ports) // EACH

    @property
    def web(self) -> int:
        """How many of these are kept for visitors of boot ports: as many as stay beside all ports, by half."""
        return self.visitors(self.ports) // 2

    @property
    def front(self) -> int:
        """How many visitors there may be on their way to the embedded Traefik."""
        return self._all // FRONT_SHARE // EACH if self.has_front else 0

    @property
    def free(self) -> int:
        """How many there are for ports and other visitors."""
        return self._all - EACH * self.front

    @property
    def _all(self) -> int:
        return self.limit - reserve_of(self.limit).size


def _shared(most: int, each: int, per_visitor: int) -> Places:
    """Give so many places, so many for each webspace, and for each visitor as many, or a quarter of all (0: any number)."""
    return Places(most, max(1, min(each, most)), per_visitor and max(1, min(per_visitor, most // 4)))


def seats_for(held: int, per_visitor: int, *, has_front: bool = False) -> Seats:
    """Give places for as many visitors as descriptors allow, and so many for one visitor of forwards (0: any number).

    One visitor of the embedded Traefik has a quarter of theirs, or with 0 any number, too.
    """
    limit = raise_descriptor_limit()
    advice = shortage(limit, held)
    if advice is not None:
        log.warn("{advice}", event="daemon.few-descriptors", advice=advice)
    share = Share(limit, has_front=has_front)
    most, forwards = share.visitors(0), share.visitors(0) - share.web
    front = _shared(share.front, share.front, per_visitor and share.front) if has_front else None
    if front is not None:
        # Their first moments cost a visitor nothing: what is under way counts more.
        front.spares_busy = True
    return Seats(_shared(forwards, forwards // 2, per_visitor), _shared(most, most // 2, 0), front)


def bound_visitors(seats: Seats, per_visitor: int) -> None:
    """Let one visitor's address have so many from now on, as :func:`seats_for` does; who has more keeps them."""
    seats.forwards.bound_as(_shared(seats.forwards.most, seats.forwards.most_per_webspace, per_visitor))
    if seats.front is not None:
        seats.front.bound_as(_shared(seats.front.most, seats.front.most, per_visitor and seats.front.most))


def shortage(limit: int, held: int) -> str | None:
    """Say what to do if so many descriptors are too few for so many held visitors, else ``None``."""
    # Web visitors, and half as many of forwards.
    needed = RESERVED + PORTS + EACH * (held + held // 2)
    if limit >= needed:
        return None
    return (
        f"this process may open {limit} files and sockets only, and webspaces.max_held = {held} asks for {needed}:"
        f" raise the hard limit (systemd: LimitNOFILE={needed}, a shell: ulimit -Hn {needed})"
    )

"""What visitors' connections are made of on this machine, and how many there can be.

Boot ports have room of their own: all of them are visited through Traefik, from its one address, and an outsider who takes
all that forwards have must not keep a single webspace asleep.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import Logger

from webspaced.forward.engine import Engine, can_splice
from webspaced.forward.hangup import hangups_for
from webspaced.forward.lines import ILines
from webspaced.forward.ports import SocketLines
from webspaced.forward.stock import StockLines
from webspaced.lib.descriptors import RESERVED, raise_descriptor_limit, reserve_of
from webspaced.lib.places import Places

PORTS = 2048
"""Descriptors for ports that a start should have: a thousand webspaces with a forward each."""
EACH = 2
"""Descriptors that a visitor takes."""

log = Logger()


@frozen
class Seats:
    """Places for visitors, by descriptors: of forwards, and of boot ports, which forwards cannot take."""

    forwards: Places
    web: Places


def lines_for(reactor: Any, seats: Seats) -> ILines:
    """Give raw sockets where this system and reactor have what these need, else Twisted's own transports."""
    if not can_splice() or not IReactorFDSet.providedBy(reactor):
        stock: ILines = StockLines(reactor, hangups_for(reactor), everywhere="::")
        return stock
    share, forwards, web = Share(raise_descriptor_limit()), seats.forwards, seats.web
    sockets = SocketLines(Engine(reactor), forwards.has_room, share.ports, web.has_room)
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
    def free(self) -> int:
        """How many there are for ports and visitors."""
        return self.limit - reserve_of(self.limit).size


def _shared(most: int, each: int, per_visitor: int) -> Places:
    """Give so many places, so many for each webspace, and for each visitor as many, or a quarter of all (0: any number)."""
    return Places(most, max(1, min(each, most)), per_visitor and max(1, min(per_visitor, most // 4)))


def seats_for(held: int, per_visitor: int) -> Seats:
    """Give places for as many visitors as descriptors allow, and so many for one visitor."""
    limit = raise_descriptor_limit()
    advice = shortage(limit, held)
    if advice is not None:
        log.warn("{advice}", advice=advice)
    share = Share(limit)
    most, forwards = share.visitors(0), share.visitors(0) - share.web
    return Seats(_shared(forwards, forwards // 2, per_visitor), _shared(most, most // 2, 0))


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

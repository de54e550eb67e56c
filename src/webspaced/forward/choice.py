"""What visitors' connections are made of on this machine, and how many there can be."""

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
from webspaced.lib.descriptors import raise_descriptor_limit
from webspaced.lib.places import Places

RESERVED = 1024
"""Descriptors for pipes, terminals, the API's other clients, LXD and files."""
PORTS = 2048
"""Descriptors for ports that a start should have: a thousand webspaces with a forward each."""
EACH = 2
"""Descriptors that a visitor takes."""

log = Logger()


def lines_for(reactor: Any, seats: Places) -> ILines:
    """Give raw sockets where this system and reactor have what these need, else Twisted's own transports."""
    lines: ILines
    if can_splice() and IReactorFDSet.providedBy(reactor):
        share = Share(raise_descriptor_limit())
        free = share.free
        # Each visitor asks: as `Share.visitors` has it, at once.
        lines = SocketLines(Engine(reactor), lambda ports: EACH * (seats.held + 1) + ports <= free, share.ports)
    else:
        lines = StockLines(reactor, hangups_for(reactor), everywhere="::")
    return lines


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
    def free(self) -> int:
        """How many there are for ports and visitors."""
        return self.limit - min(RESERVED, self.limit // 2)


def seats_for(held: int) -> Places:
    """Give places for as many visitors as descriptors allow."""
    limit = raise_descriptor_limit()
    advice = shortage(limit, held)
    if advice is not None:
        log.warn("{advice}", advice=advice)
    most = Share(limit).visitors(0)
    return Places(most, max(1, most // 2))


def shortage(limit: int, held: int) -> str | None:
    """Say what to do if so many descriptors are too few for so many held visitors, else ``None``."""
    needed = RESERVED + PORTS + EACH * held
    if limit >= needed:
        return None
    return (
        f"this process may open {limit} files and sockets only, and webspaces.max_held = {held} asks for {needed}:"
        f" raise the hard limit (systemd: LimitNOFILE={needed}, a shell: ulimit -Hn {needed})"
    )

"""What visitors' connections are made of on this machine, and how many there can be."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import Logger

from webspaced.forward.engine import Engine, can_splice
from webspaced.forward.hangup import EpollHangups
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
        limit = raise_descriptor_limit()
        lines = SocketLines(Engine(reactor), lambda ports: has_room(limit, ports, seats))
    else:
        lines = StockLines(reactor, EpollHangups(reactor), everywhere="::")
    return lines


def has_room(limit: int, ports: int, seats: Places) -> bool:
    """Whether so many descriptors suffice for one more visitor beside so many ports."""
    return not seats.full and RESERVED + ports + EACH * (seats.held + 1) <= limit


def seats_for(held: int) -> Places:
    """Give places for as many visitors as descriptors allow, so that LXD and the API can always be reached."""
    limit = raise_descriptor_limit()
    advice = shortage(limit, held)
    if advice is not None:
        log.warn("{advice}", advice=advice)
    most = max(1, (limit - RESERVED) // EACH)
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

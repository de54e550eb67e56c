"""What visitors come to: listeners for forwards and boot ports, and the rules for those who would wake somebody."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import evolve

from webspaced.core.routes import CHALLENGED
from webspaced.core.waiting import Waiting
from webspaced.core.webspace import Webspace
from webspaced.forward.choice import Held
from webspaced.forward.diary import Diary
from webspaced.forward.lines import ILines
from webspaced.forward.listeners import Listeners, Where
from webspaced.forward.means import Destination, Means
from webspaced.forward.pages import load_pages
from webspaced.forward.reception import ADDRESSES, Reception, Wakers
from webspaced.forward.refusals import Refusals
from webspaced.forward.waiting import Manner, WaitingRoom
from webspaced.lib.buckets import Buckets, Rate
from webspaced.lib.places import Places
from webspaced.parts.knowledge import Knowledge
from webspaced.reload.live import Live, Put
from webspaced.settings import Settings

FIRST_WORD = 0.05
"""Seconds for which a visitor of a forward wakes nobody."""
MINUTE = 60.0
DETAILED = ("trace", "debug")
"""Levels of the log at which each visit is told of."""


def build_listeners(
    reactor: Any, live: Live, known: Knowledge, lines: ILines, seats: Places, web_seats: Places | None
) -> Listeners:
    """Give the listeners, which listen to nothing yet.

    :param web_seats: places of boot ports; as many as of forwards, if none are given.
    :raises Invalid: the operator's pages cannot be used.
    """
    settings = live.settings
    held, wakers = _held(settings), _wakers(reactor, settings)
    diary = Diary(settings.log_level in DETAILED, known.tracer)
    means = Means(
        clock=reactor,
        gate=known.gate,
        lines=lines,
        places=held.web,
        seats=web_seats or Places(seats.most, seats.most_per_webspace),
        refusals=Refusals(reactor),
        reception=Reception(known.gate, wakers),
        diary=diary,
    )
    forwards = evolve(means, places=held.forwards, seats=seats, by_visitor=True, first_word=FIRST_WORD)

    def web(uid: int) -> Destination | None:
        observed = known.registry.get(uid)
        if observed is None:
            return None
        config = observed.webspace.config
        plain = CHALLENGED if config.sni_passthrough else None
        return Destination(uid, config.http_port, observed.web_asks, plain=plain)

    where = Where(forwards=settings.webspaces.ports.listen_address, boot=str(settings.traefik.boot_address))
    waiting_room = _waiting_room(reactor, settings, known)
    boot_ports = evolve(means, waiting_room=waiting_room)

    def follow(settings: Settings) -> None:
        held = _held(settings)
        means.places.bound_as(held.web)
        forwards.places.bound_as(held.forwards)
        wakers.change(*_waking(settings), settings.http.trusted_proxies)
        diary.is_on = settings.log_level in DETAILED

    live.follow(follow)
    live.check(partial(_renewed_pages, waiting_room))
    return Listeners(forwards, known.conditions, where, web, boot_ports)


def _held(settings: Settings) -> Held:
    webspaces = settings.webspaces
    return Held(webspaces.max_held, webspaces.max_held_per_webspace, webspaces.max_per_address)


def _waking(settings: Settings) -> tuple[Sequence[str], Rate]:
    """Give who wakes nobody, and how many boots an address may cause."""
    wake = settings.webspaces.wake
    return tuple(agent.lower() for agent in wake.agents_ignored), Rate(wake.per_address / MINUTE, wake.per_address)


def _wakers(reactor: Any, settings: Settings) -> Wakers:
    agents, rate = _waking(settings)
    return Wakers(agents=agents, boots=Buckets(reactor, rate, ADDRESSES), trusted=settings.http.trusted_proxies)


def _renewed_pages(room: WaitingRoom, settings: Settings) -> Put:
    """Give what puts the operator's pages into effect, which may have changed in the same folder."""
    pages, manner = load_pages(settings.webspaces.pages), _manner(settings)

    def put() -> None:
        room.pages, room.manner = pages, manner

    return put


def _manner(settings: Settings) -> Manner:
    return Manner(waiting=Waiting(settings.webspaces.waiting), page_after=settings.webspaces.page_after)


def _waiting_room(reactor: Any, settings: Settings, known: Knowledge) -> WaitingRoom:
    def webspace(uid: int) -> Webspace | None:
        observed = known.registry.get(uid)
        return None if observed is None else observed.webspace

    pages = load_pages(settings.webspaces.pages)
    return WaitingRoom(reactor, known.gate, known.gate, webspace, pages, _manner(settings))

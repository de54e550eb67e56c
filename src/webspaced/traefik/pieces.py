"""Documents that are put together of rendered pieces, so that one change among ten thousand routes renders one of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

from webspaced.core.routes import Route
from webspaced.traefik.render import (
    SENTINEL,
    EntryPoints,
    Section,
    route_sections,
    sentinel,
    transports,
)

Piece = tuple[tuple[Section, bytes], ...]


class Pieces:
    """The routes of one document. What it gives is JSON that means what ``render`` gives, in the same order."""

    def __init__(self, entry_points: EntryPoints) -> None:
        self._entry_points = entry_points
        self._pieces: dict[str, Piece] = {}
        self._order: list[str] | None = []

    def __len__(self) -> int:
        """Count the routes."""
        return len(self._pieces)

    def change(self, put: Mapping[str, Route], remove: Collection[str]) -> bool:
        """Have these routes, and no more those; whether that changes anything."""
        is_changed = False
        for name in remove:
            if self._pieces.pop(name, None) is not None:
                is_changed, self._order = True, None
        for name, route in put.items():
            piece, before = _piece(route_sections(route, self._entry_points)), self._pieces.get(name)
            if piece != before:
                is_changed, self._pieces[name] = True, piece
            if before is None:
                self._order = None
        return is_changed

    def document(self, generations: Sequence[int]) -> bytes:
        """Give the whole document; for ``generations`` see :func:`webspaced.traefik.render.sentinel`."""
        own = {("http", "routers"): {SENTINEL: sentinel(self._entry_points, generations)}}
        return self._together([_piece(own)], shared=True)

    def part(self, own: str, generations: Sequence[int]) -> bytes:
        """Give a document beside another one, which has what all routes share.

        :param own: the name of webspaced's own router in this one, which is there if there is a generation to tell.
        """
        router = sentinel(self._entry_points, generations)
        return self._together([_piece({("http", "routers"): {own: router}})] if generations else [], shared=False)

    def _together(self, more: Sequence[Piece], *, shared: bool) -> bytes:
        sections: dict[Section, list[bytes]] = defaultdict(list, {("http", "routers"): []})
        if self._order is None:
            self._order = sorted(self._pieces)
        for piece in chain(map(self._pieces.__getitem__, self._order), more):
            for section, entries in piece:
                sections[section].append(entries)
        if shared:
            for section, entry in transports(tcp=("tcp", "routers") in sections).items():
                sections[section] = [_inner(entry)]
        return _joined({section: entries for section, entries in sections.items() if entries})


def _piece(sections: Mapping[Section, Mapping[str, Any]]) -> Piece:
    return tuple((section, _inner(entries)) for section, entries in sections.items())


def _inner(entries: Mapping[str, Any]) -> bytes:
    return json.dumps(entries)[1:-1].encode()


def _joined(sections: Mapping[Section, Sequence[bytes]]) -> bytes:
    kinds: dict[str, list[bytes]] = {}
    for (kind, section), entries in sections.items():
        kinds.setdefault(kind, []).append(b'"%s": {%s}' % (section.encode(), b", ".join(entries)))
    return b"{%s}" % b", ".join(b'"%s": {%s}' % (kind.encode(), b", ".join(each)) for kind, each in kinds.items())

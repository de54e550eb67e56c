"""Documents that are put together of rendered pieces, so that one change among ten thousand routes renders one of them."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from webspaced.core.routes import Route
from webspaced.traefik.render import (
    LISTS,
    SENTINEL,
    EntryPoints,
    Section,
    route_sections,
    sentinel,
    shared,
)

Piece = tuple[tuple[Section, bytes], ...]


BLOCKS = 64
"""Into which the routes are divided by their names: of one that did not change nothing is put together again."""


class _Block:
    """Some of the routes."""

    def __init__(self) -> None:
        self.pieces: dict[str, Piece] = {}
        self._joined: dict[Section, bytes] | None = {}

    def change(self, name: str, piece: Piece | None) -> bool:
        """Have this piece under a name, or none; whether that changes anything."""
        if self.pieces.get(name) == piece:
            return False
        if piece is None:
            del self.pieces[name]
        else:
            self.pieces[name] = piece
        self._joined = None
        return True

    def joined(self) -> Mapping[Section, bytes]:
        """Give all of it, by section; equal routes give equal bytes."""
        if self._joined is None:
            sections: dict[Section, list[bytes]] = defaultdict(list)
            for _, piece in sorted(self.pieces.items()):
                for section, entries in piece:
                    sections[section].append(entries)
            self._joined = {section: b", ".join(entries) for section, entries in sections.items()}
        return self._joined


class Pieces:
    """The routes of one document. What it gives is JSON that means what ``render`` gives."""

    def __init__(self, entry_points: EntryPoints) -> None:
        self._entry_points = entry_points
        self._blocks = [_Block() for _ in range(BLOCKS)]

    def __len__(self) -> int:
        """Count the routes."""
        return sum(len(block.pieces) for block in self._blocks)

    def change(self, put: Mapping[str, Route], remove: Collection[str]) -> bool:
        """Have these routes, and no more those; whether that changes anything."""
        is_changed = False
        for name in remove:
            is_changed |= self._block(name).change(name, None)
        for name, route in put.items():
            is_changed |= self._block(name).change(name, _piece(route_sections(route, self._entry_points)))
        return is_changed

    def _block(self, name: str) -> _Block:
        # The same in each process: what is there after a restart is compared with what is put together then.
        return self._blocks[zlib.crc32(name.encode()) % BLOCKS]

    def document(self, generations: Sequence[int]) -> bytes:
        """Give the whole document; for ``generations`` see :func:`webspaced.traefik.render.sentinel`."""
        own = {("http", "routers"): {SENTINEL: sentinel(self._entry_points, generations)}}
        return self._together([_piece(own), _piece(shared())])

    def part(self, own: str, generations: Sequence[int]) -> bytes:
        """Give a document beside another one, which has what all routes share.

        :param own: the name of webspaced's own router in this one, which is there if there is a generation to tell.
        """
        router = sentinel(self._entry_points, generations)
        return self._together([_piece({("http", "routers"): {own: router}})] if generations else [])

    def _together(self, more: Sequence[Piece]) -> bytes:
        sections: dict[Section, list[bytes]] = defaultdict(list, {("http", "routers"): []})
        for block in self._blocks:
            for section, entries in block.joined().items():
                sections[section].append(entries)
        for piece in more:
            for section, entries in piece:
                sections[section].append(entries)
        return _joined({section: entries for section, entries in sections.items() if entries})


def _piece(sections: Mapping[Section, Mapping[str, Any]]) -> Piece:
    return tuple((section, _inner(section, entries)) for section, entries in sections.items())


def _inner(section: Section, entries: Mapping[str, Any]) -> bytes:
    return json.dumps(list(entries.values()) if section in LISTS else entries)[1:-1].encode()


def _joined(sections: Mapping[Section, Sequence[bytes]]) -> bytes:
    """Put a document together. In one go: each copy of some megabytes takes its milliseconds."""
    kinds: dict[str, list[bytes]] = {}
    for (kind, section), entries in sections.items():
        parts = kinds.setdefault(kind, [b'"%s": {' % kind.encode()])
        begin, end = (b"[", b"]") if (kind, section) in LISTS else (b"{", b"}")
        parts += [b", " if len(parts) > 1 else b"", b'"%s": ' % section.encode(), begin, *_between(entries), end]
    whole = [b"{"]
    for parts in kinds.values():
        whole += [b", " if len(whole) > 1 else b"", *parts, b"}"]
    return b"".join([*whole, b"}"])


def _between(entries: Sequence[bytes]) -> Iterator[bytes]:
    for number, each in enumerate(entries):
        if number:
            yield b", "
        yield each

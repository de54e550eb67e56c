"""Routes in files that Traefik's file provider watches, some hundred in each.

With few webspaces there is one file, the one that is set. Where there are more, others stand beside it, whose names begin
alike: ``webspaced-001.yml``. Each webspace stays in the file that it is in, and a change writes that one only: with 10,000
webspaces in one file nobody else would be served for 0.2 s at each change.

Traefik reads a folder's files in the order of their names. So they are written in the opposite order, and the one that is
written last tells the generation: whoever sees that one read has seen all others read after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.routes import Route
from webspaced.interfaces import IRouteStore
from webspaced.lib.deferreds import sleep
from webspaced.traefik.document import DocumentFile
from webspaced.traefik.generations import Generations
from webspaced.traefik.pieces import Pieces
from webspaced.traefik.render import SENTINEL, EntryPoints

MOST = 500
"""Webspaces in a file. One is put together and written in about 2 ms."""


class _Part:
    """One file, and what is to be in it. The first one (0) has what all routes share."""

    def __init__(self, path: Path, number: int, entry_points: EntryPoints) -> None:
        self.number = number
        self.pieces = Pieces(entry_points)
        self._file = DocumentFile(_part_path(path, number))

    @property
    def place(self) -> str:
        """Give what Traefik sorts by."""
        return self._file.path.name

    @property
    def generations(self) -> list[int]:
        """Give what the file tells."""
        return self._file.generations

    def load(self) -> dict[str, Route]:
        """Give the routes that are in the file."""
        routes = self._file.load()
        self.pieces.change(routes, ())
        return routes

    def differs(self) -> bool:
        """Whether somebody else changed it."""
        return self._file.differs()

    def is_written(self) -> bool:
        """Whether the file has what it is to have."""
        return self._rendered(self.generations) == self._file.content

    def write(self, generations: list[int]) -> None:
        """Write it; it tells these generations."""
        self._file.store(self._rendered(generations))
        self._file.generations = generations

    def remove(self) -> None:
        """Remove the file."""
        self._file.path.unlink(missing_ok=True)

    def _rendered(self, generations: Sequence[int]) -> bytes:
        if self.number == 0:
            return self.pieces.document(generations)
        return self.pieces.part(f"{SENTINEL}-part-{self.number}", generations)


def _part_path(path: Path, number: int) -> Path:
    return path if number == 0 else path.with_name(f"{path.stem}-{number:03}{path.suffix}")


@implementer(IRouteStore)
class FileStore:
    """See :class:`webspaced.interfaces.IRouteStore`."""

    log = Logger()

    def __init__(
        self, path: Path, entry_points: EntryPoints, clock: IReactorTime | None = None, settle_time: float = 0.0,
        most: int = MOST,
    ) -> None:  # fmt: skip
        """:param clock: lets others have their turn between two files.

        :param settle_time: how long Traefik may take to see new files before what moved to them is gone from where it was.
        """
        self._path = path
        self._entry_points = entry_points
        self._clock = clock
        self._settle_time = settle_time
        self._most = most
        self._parts = {0: _Part(path, 0, entry_points)}
        self._part_of: dict[str, int] = {}
        self._suspect: set[int] = set()
        self._strange: set[int] = set()
        self._moving: dict[str, Route] = {}
        self._is_renewed = False
        self._generations = Generations()

    async def load(self) -> Mapping[str, Route]:
        self._parts, self._part_of, self._moving = {}, {}, {}
        found: dict[str, Route] = {}
        for number in [*self._numbers(), 0]:
            part = self._parts[number] = _Part(self._path, number, self._entry_points)
            routes = part.load()
            self._generations.found(part.generations)
            # A writer that was killed while some were moved left them twice.
            part.pieces.change({}, routes.keys() & found.keys())
            new = {name: route for name, route in routes.items() if name not in found}
            self._part_of.update(dict.fromkeys(new, number))
            found.update(new)
            await self._turn()
        self._plan_moves(found)
        return found

    async def apply(self, put: Mapping[str, Route], remove: Sequence[str]) -> int | None:
        touched = self._place(put, remove) | self._suspect
        # The first time, and whenever nothing in particular is meant, everything is looked at.
        if not self._is_renewed or not (put or remove):
            touched |= self._parts.keys()
        # Until all is written nobody knows what is.
        self._suspect |= touched
        await self._move()
        written = await self._write(touched | self._suspect)
        self._suspect.clear()
        self._sweep()
        self._is_renewed = True
        return written

    async def differs(self) -> Collection[str] | None:
        self._suspect.update(number for number, part in self._parts.items() if part.differs())
        self._strange = set(self._numbers()) - self._parts.keys()
        # Which routes somebody changed in it is all the same: a file is written whole.
        return () if self._suspect or self._strange else None

    def watch(self, differ: Callable[[Collection[str]], None]) -> None:
        """See :class:`webspaced.interfaces.IRouteStore`. Who looks now and then sees it all."""

    async def stop(self) -> None:
        """See :class:`webspaced.interfaces.IRouteStore`."""

    # --- which webspace is in which file

    def _numbers(self) -> list[int]:
        """Give the numbers of the files that are there beside the first one."""
        pattern = re.compile(rf"{re.escape(self._path.stem)}-([0-9]{{3,6}}){re.escape(self._path.suffix)}", re.ASCII)
        try:
            names = [each.name for each in self._path.parent.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(match[1]) for match in map(pattern.fullmatch, names) if match and int(match[1]))

    def _place(self, put: Mapping[str, Route], remove: Iterable[str]) -> set[int]:
        """Put routes into their parts, and give the parts that this changes."""
        touched = set()
        for name in remove:
            if self._moving.pop(name, None) is not None:
                self._parts[0].pieces.change({}, (name,))
                touched.add(0)
            number = self._part_of.pop(name, None)
            if number is not None:
                self._parts[number].pieces.change({}, (name,))
                touched.add(number)
        for name, route in put.items():
            number = self._part_of.get(name)
            if number is None:
                number = self._part_of[name] = self._with_room()
            self._parts[number].pieces.change({name: route}, ())
            if name in self._moving:
                self._moving[name] = route
            touched.add(number)
        return touched

    def _with_room(self) -> int:
        for number in sorted(self._parts):
            if len(self._parts[number].pieces) < self._most:
                return number
        number = max(self._parts, default=-1) + 1
        self._parts[number] = _Part(self._path, number, self._entry_points)
        return number

    def _plan_moves(self, found: Mapping[str, Route]) -> None:
        """Find what an older webspaced put all into one file."""
        there = [name for name, number in self._part_of.items() if number == 0]
        self._moving = {name: found[name] for name in sorted(there)[self._most :]}

    async def _move(self) -> None:
        """Move what is too much for the first file: it is in both until Traefik has seen the others."""
        if not self._moving:
            return
        for name, route in self._moving.items():
            if not self._part_of[name]:
                self._part_of[name] = self._with_room()
            self._parts[self._part_of[name]].pieces.change({name: route}, ())
        await self._write(number for number in self._parts if number)
        if self._clock is not None:
            await sleep(self._clock, self._settle_time)
        self._parts[0].pieces.change({}, self._moving.keys())
        self._moving = {}

    # --- writing

    async def _write(self, numbers: Iterable[int]) -> int | None:
        """Write what is not as it is to be, and give the generation that tells of it."""
        parts = sorted((self._parts[number] for number in numbers), key=lambda part: part.place, reverse=True)
        stale = [part for part in parts if not part.is_written()]
        if not stale:
            return None
        generations = self._generations.following(stale[-1].generations)
        for part in stale:
            part.write(generations if part is stale[-1] else part.generations)
            await self._turn()
        return generations[0]

    def _sweep(self) -> None:
        """Remove files that are not of our making; at the start, too, those in which nothing is left."""
        strange, self._strange = self._strange, set()
        for number in strange:
            _part_path(self._path, number).unlink(missing_ok=True)
        if self._is_renewed:
            return
        for number in [n for n, part in self._parts.items() if n and not len(part.pieces)]:
            self._parts.pop(number).remove()
        # What a killed writer left.
        for folder in (self._path.parent, self._path.parent.parent):
            for left in folder.glob(f".{self._path.stem}*{self._path.suffix}.new"):
                left.unlink(missing_ok=True)

    async def _turn(self) -> None:
        if self._clock is not None:
            await sleep(self._clock, 0)

"""Routes in one file that Traefik's file provider watches: JSON, which is YAML, as ``*.json`` is not read."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from attrs import define, field
from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.routes import Route
from webspaced.interfaces import IRouteStore
from webspaced.lib.files import make_private_directory, replace_file
from webspaced.traefik.render import EntryPoints, read, render


@define
class DocumentFile:
    """A rendered document on disk, replaced only when it differs."""

    log = Logger()

    path: Path
    content: bytes = field(default=b"", init=False, repr=False)

    def load(self) -> dict[str, Route]:
        """Give the routes in it; what cannot be read counts as absent."""
        try:
            self.content = self.path.read_bytes()
            return read(json.loads(self.content))
        except FileNotFoundError:
            self.content = b""
        except (ValueError, AttributeError) as error:
            self.log.warn("{path} cannot be read and will be written anew: {error}", path=self.path, error=error)
        return {}

    def differs(self) -> bool:
        """Whether somebody else changed it since; then whatever is stored next is written."""
        try:
            found = self.path.read_bytes()
        except FileNotFoundError:
            found = b""
        if found == self.content:
            return False
        self.content = found
        return True

    def store(self, content: bytes) -> None:
        """Make this the content."""
        make_private_directory(self.path.parent)
        if content != self.content:
            self._replace(content)
        self.content = content

    def _replace(self, content: bytes) -> None:
        """Write outside of the folder first: Traefik watches it, and would read everything twice.

        With 1,000 webspaces that made a change 0.5 s instead of 0.3 s (``make bench BENCH=routes``).
        """
        try:
            replace_file(self.path, content, aside=self.path.parent.parent)
        except OSError:
            # The folder above may be another file system, or not ours to write to.
            replace_file(self.path, content)


def changed(routes: Mapping[str, Route], put: Mapping[str, Route], remove: Sequence[str]) -> dict[str, Route]:
    """Give the routes after a change."""
    return {name: route for name, route in {**routes, **put}.items() if name not in remove}


def document(routes: Mapping[str, Route], entry_points: EntryPoints) -> bytes:
    """Give what Traefik reads, by file or by HTTP."""
    return json.dumps(render(routes, entry_points)).encode()


@implementer(IRouteStore)
class FileStore:
    """See :class:`webspaced.interfaces.IRouteStore`."""

    def __init__(self, path: Path, entry_points: EntryPoints) -> None:
        self._file = DocumentFile(path)
        self._entry_points = entry_points
        self._routes: dict[str, Route] = {}

    async def load(self) -> Mapping[str, Route]:
        self._routes = self._file.load()
        return dict(self._routes)

    async def apply(self, put: Mapping[str, Route], remove: Sequence[str]) -> None:
        routes = changed(self._routes, put, remove)
        self._file.store(document(routes, self._entry_points))
        self._routes = routes

    async def differs(self) -> Collection[str] | None:
        # The document is written whole, whatever changes in it.
        return () if self._file.differs() else None

    def watch(self, differ: Callable[[Collection[str]], None]) -> None:
        """See :class:`webspaced.interfaces.IRouteStore`. Who looks now and then sees it all."""

    async def stop(self) -> None:
        """See :class:`webspaced.interfaces.IRouteStore`."""

"""Routes in one file that Traefik's file provider watches: JSON, which is YAML, as ``*.json`` is not read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.routes import Route
from webspaced.interfaces import IRouteStore
from webspaced.lib.files import make_private_directory, replace_file
from webspaced.traefik.render import EntryPoints, read, render


@implementer(IRouteStore)
class FileStore:
    """See :class:`webspaced.interfaces.IRouteStore`."""

    log = Logger()

    def __init__(self, path: Path, entry_points: EntryPoints) -> None:
        self._path = path
        self._entry_points = entry_points
        self._routes: dict[str, Route] = {}
        self._content = b""

    async def load(self) -> Mapping[str, Route]:
        try:
            self._content = self._path.read_bytes()
            self._routes = read(json.loads(self._content))
        except FileNotFoundError:
            self._routes, self._content = {}, b""
        except (ValueError, AttributeError) as error:
            self.log.warn("{path} cannot be read and will be written anew: {error}", path=self._path, error=error)
            self._routes = {}
        return dict(self._routes)

    async def apply(self, put: Mapping[str, Route], remove: Sequence[str]) -> None:
        routes = {name: route for name, route in {**self._routes, **put}.items() if name not in remove}
        make_private_directory(self._path.parent)
        content = json.dumps(render(routes, self._entry_points)).encode()
        if content != self._content:
            replace_file(self._path, content)
        self._routes, self._content = routes, content

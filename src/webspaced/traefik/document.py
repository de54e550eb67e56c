"""Documents on disk: JSON, which is YAML, as Traefik does not read ``*.json``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.logger import Logger

from webspaced.core.json_text import parse as parse_json
from webspaced.core.routes import Route
from webspaced.lib.files import make_private_directory, replace_file
from webspaced.traefik.render import SENTINEL, generations_in, read


@define
class DocumentFile:
    """A rendered document on disk, replaced only when it differs."""

    log = Logger()

    path: Path
    content: bytes = field(default=b"", init=False, repr=False)
    generations: list[int] = field(factory=list, init=False)
    """Which ones it tells, the latest first."""

    def load(self) -> dict[str, Route]:
        """Give the routes in it; what cannot be read counts as absent."""
        try:
            self.content = self.path.read_bytes()
            document = parse_json(self.content)
            routes = read(document)
            self.generations = _generations(document)
        except FileNotFoundError:
            self.content = b""
        except (ValueError, AttributeError) as error:
            self.log.warn(
                "{path} cannot be read and will be written anew: {error}",
                event="routes.file-unreadable",
                path=self.path,
                error=error,
            )
        else:
            return routes
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


def _generations(document: Mapping[str, Any]) -> list[int]:
    """Give what the document of one file tells by a router of webspaced's own, whatever number the file has."""
    routers = (document.get("http") or {}).get("routers") or {}
    ours = (router for name, router in routers.items() if name == SENTINEL or name.startswith(f"{SENTINEL}-part-"))
    rules = [router.get("rule") for router in ours if isinstance(router, Mapping)]
    return [number for rule in rules if isinstance(rule, str) for number in generations_in(rule)]


def changed(routes: Mapping[str, Route], put: Mapping[str, Route], remove: Collection[str]) -> dict[str, Route]:
    """Give the routes after a change."""
    after = {**routes, **put}
    for name in remove:
        after.pop(name, None)
    return after

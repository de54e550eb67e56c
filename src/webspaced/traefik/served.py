"""Routes in a document that Traefik's http provider polls.

What Traefik has is the document that it fetched last, and it keeps that while webspaced is away. So a copy of exactly that
one lies on disk: the next webspaced begins with what Traefik has, and nothing is rewritten that need not be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.routes import Route
from webspaced.interfaces import IRouteDocument, IRouteStore
from webspaced.traefik.document import DocumentFile
from webspaced.traefik.generations import Generations
from webspaced.traefik.pieces import Pieces
from webspaced.traefik.render import EntryPoints

PATIENCE = 30.0
"""Seconds without a poll after which that is logged. Traefik (3.7) backs off when polls fail: up to 13 s were measured
after webspaced had been away for a minute."""


@implementer(IRouteStore, IRouteDocument)
class ServedStore:
    """See :class:`webspaced.interfaces.IRouteStore`.

    A change counts as written once it can be fetched, if Traefik polls: then the settle time covers the rest. If it has not
    polled for that long (webspaced was away, and it backs off), a change counts only when it has been fetched.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, copy: Path, entry_points: EntryPoints, settle_time: float) -> None:
        """Keep the copy there; a Traefik that works polls more often than each ``settle_time`` seconds."""
        self._clock = clock
        self._copy = DocumentFile(copy)
        self._pieces = Pieces(entry_points)
        self._generations = Generations()
        self._recent: list[int] = []
        self._fetched_recent: list[int] = []
        self._interval = settle_time
        self._document = b""
        self._fetched = b""
        self._polled: float | None = None
        self._is_awaited = True
        self._waiting: list[Deferred[bool]] = []

    async def load(self) -> Mapping[str, Route]:
        routes = self._copy.load()
        self._pieces.change(routes, ())
        self._recent = self._fetched_recent = self._copy.generations
        self._generations.found(self._recent)
        self._fetched = self._copy.content
        return routes

    async def apply(self, put: Mapping[str, Route], remove: Sequence[str]) -> int | None:
        is_changed = self._pieces.change(put, remove)
        if not self._is_polled() and self._pieces.document(self._fetched_recent) == self._fetched:
            # Back to what Traefik has: nothing has to be fetched.
            self._recent, self._document = self._fetched_recent, self._fetched
        else:
            self._render(is_changed=is_changed)
        if self._is_awaited and self._document != self._fetched and not self._is_polled():
            await self._until_fetched()
        return self._recent[0] if self._recent else None

    def _render(self, *, is_changed: bool) -> None:
        if not is_changed and self._document:
            return
        if is_changed or self._pieces.document(self._recent) != self._fetched:
            self._recent = self._generations.following(self._recent)
        self._document = self._pieces.document(self._recent)

    async def differs(self) -> Collection[str] | None:
        # Nobody else can change what is served from here.
        return None

    def watch(self, differ: Callable[[Collection[str]], None]) -> None:
        """See :class:`webspaced.interfaces.IRouteStore`."""

    async def stop(self) -> None:
        """See :class:`webspaced.interfaces.IRouteStore`."""

    def fetch(self) -> bytes | None:
        """See :class:`webspaced.interfaces.IRouteDocument`."""
        if not self._document:
            return None
        self._polled = self._clock.seconds()
        self._is_awaited = True
        if self._fetched is not self._document:
            self._fetched, self._fetched_recent = self._document, self._recent
            self._keep_copy()
            self._tell(fetched=True)
        return self._document

    def close(self) -> None:
        """See :class:`webspaced.interfaces.IRouteDocument`. Nothing is waited for any more."""
        self._is_awaited = False
        self._tell(fetched=True)

    def _is_polled(self) -> bool:
        return self._polled is not None and 0 <= self._clock.seconds() - self._polled <= self._interval

    async def _until_fetched(self) -> None:
        # However long it takes: a Traefik that does not reach us goes on by what it has, and what that names is not free.
        waiting: Deferred[bool] = Deferred()
        self._waiting.append(waiting)
        alarm = self._clock.callLater(PATIENCE, self._warn)
        try:
            await waiting
        finally:
            if alarm.active():
                alarm.cancel()

    def _warn(self) -> None:
        self.log.warn(
            "nobody has fetched the routes for {seconds:g} s: is Traefik's http provider set?",
            event="routes.unfetched",
            seconds=PATIENCE,
        )

    def _tell(self, *, fetched: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.called:
                each.callback(fetched)

    def _keep_copy(self) -> None:
        try:
            self._copy.store(self._document)
        except OSError as error:
            # The routes matter more: without the copy, a restart begins with older ones.
            self.log.warn("{path} cannot be written: {error}", event="routes.copy-failed", path=self._copy.path, error=error)

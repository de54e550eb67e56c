"""The page ``/metrics``: gathered when it is asked for, once for all who ask meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from klein import Klein
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource

from webspaced.base.families import Reading, one
from webspaced.base.figures import page_of
from webspaced.base.site import PROMETHEUS_TEXT
from webspaced.http.problems import answer, whole
from webspaced.http.site import Sites
from webspaced.lib.deferreds import Flights
from webspaced.lib.gently import Gently
from webspaced.metrics import sources
from webspaced.metrics.catalogue import CATALOGUE
from webspaced.metrics.census import Census, Walk
from webspaced.metrics.dates import Ends, ends_of
from webspaced.metrics.latency import Latency
from webspaced.metrics.watched import Watched
from webspaced.settings import Settings


class Page:
    """``/metrics``, and nothing else."""

    app = Klein()

    def __init__(self, text: Callable[[], Any]) -> None:
        """:param text: gives a Deferred with the page."""
        self._text = text

    @app.handle_errors(Exception)
    def on_error(self, request: IRequest, failure: Failure) -> bytes:
        """Answer every error."""
        return answer(request, failure)

    @app.route("/metrics", methods=["GET"])
    async def metrics(self, request: IRequest) -> bytes:
        """Give the figures."""
        return whole(request, 200, PROMETHEUS_TEXT, await self._text())


class Figures(Latency):
    """All figures of one daemon. It measures the reactor while it runs."""

    sites: Sites
    """Is set once they are built."""

    def __init__(self, reactor: Any, settings: Settings, watched: Watched, is_ready: Callable[[], bool]) -> None:
        super().__init__(reactor)
        self.is_ready = is_ready
        self._watched = watched
        self._provider = settings.traefik.provider
        self._walk = Walk(watched, Gently(reactor), each=settings.metrics.per_webspace)
        self._ends: Ends = ends_of(settings.lxd.tls)
        self._census = Census()
        self._page = page_of(CATALOGUE, self._read)
        self._flights: Flights[str, bytes] = Flights()

    def follow(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._walk.each, self._ends = settings.metrics.per_webspace, ends_of(settings.lxd.tls)

    @property
    def page(self) -> IResource:
        """Give the root of the listener."""
        root: IResource = Page(lambda: self._flights.join("", self.text)).app.resource()
        return root

    async def text(self) -> bytes:
        """Give the page, in Prometheus' text format."""
        self._census = await self._walk.go()
        return self._page() + self._census.text().encode()

    def _read(self) -> Iterator[Reading]:
        watched, now = self._watched, self._watched.now()
        yield from sources.waking(watched)
        yield from sources.visits(self._census.seen)
        yield from self._census.readings(now)
        yield from self._ends.readings(now)
        yield from sources.routes(watched, self._provider)
        yield from sources.daemon(watched, self._clock.seconds())
        yield one("webspaced_ready", self.is_ready())
        yield from sources.sites(self.sites)
        yield Reading("webspaced_reactor_latency_seconds", self.seconds)

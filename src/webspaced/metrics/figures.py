"""The page ``/metrics``: gathered when it is asked for, once for all who ask meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from klein import Klein
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource

from webspaced.http.problems import answer, whole
from webspaced.http.site import Sites
from webspaced.lib.deferreds import Flights
from webspaced.lib.gently import Gently
from webspaced.metrics import sources
from webspaced.metrics.census import Census, Walk
from webspaced.metrics.dates import Ends, ends_of
from webspaced.metrics.families import Reading, families, one
from webspaced.metrics.latency import Latency
from webspaced.metrics.watched import Watched
from webspaced.settings import Settings

TEXT = b"text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format, which has no exemplars
(https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format)."""


class _Readings(Collector):
    """Gives the client library what it renders."""

    def __init__(self, read: Callable[[], Iterator[Reading]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Family]:
        yield from families(self._read())


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
        return whole(request, 200, TEXT, await self._text())


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
        # One of its own: other daemons of this process have theirs.
        self._registry = CollectorRegistry()
        self._registry.register(_Readings(self._read))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
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
        text: bytes = generate_latest(self._registry)
        return text + self._census.text().encode()

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

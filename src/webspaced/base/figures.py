"""The page ``/metrics`` of a service, rendered by Prometheus' client library when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from webspaced.base.families import Reading, families
from webspaced.base.metric import Metric


class Readings(Collector):
    """Gives the client library what it renders."""

    def __init__(self, catalogue: Mapping[str, Metric], read: Callable[[], Iterable[Reading]]) -> None:
        self._catalogue, self._read = catalogue, read

    def collect(self) -> Iterator[Family]:
        """Read, and give a family for each metric."""
        yield from families(self._read(), self._catalogue)


def registry_of(catalogue: Mapping[str, Metric], read: Callable[[], Iterable[Reading]]) -> CollectorRegistry:
    """Give a registry of one's own, as others of this process have theirs, with the process's figures.

    :param read: gives what the metrics of the catalogue say now.
    """
    registry = CollectorRegistry()
    registry.register(Readings(catalogue, read))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def page_of(catalogue: Mapping[str, Metric], read: Callable[[], Iterable[Reading]]) -> Callable[[], bytes]:
    """Give what renders the page ``/metrics``."""
    registry = registry_of(catalogue, read)

    def page() -> bytes:
        text: bytes = generate_latest(registry)
        return text

    return page

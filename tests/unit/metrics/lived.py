"""A daemon in memory that has gone through a boot, visits, a doze and a wake; and what it tells of itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.simulation.client import Exchange
from tests.simulation.deployment import Deployment, default_host

WHERE = ("127.0.0.1", 9094)


class Lived:
    """A deployment with metrics; :meth:`live` lets everything happen that there are figures of."""

    def __init__(self, **more: Any) -> None:
        self.d = Deployment(metrics=f"{WHERE[0]}:{WHERE[1]}", **more)
        self.d.start()
        self.d.pass_time(3)

    def close(self) -> None:
        self.d.close()

    def finish(self, exchange: Exchange | None, longest: float = 60.0) -> Exchange:
        assert exchange is not None
        end = self.d.clock.seconds() + longest
        while not exchange.done and self.d.clock.seconds() < end:
            self.d.pass_time(0.05)
        return exchange

    def ask(self, method: str, path: str, body: Any = None, uid: int = 1) -> int:
        return self.finish(self.d.ask(uid, method, path, body)).status

    def visit(self, uid: int = 1) -> int:
        return self.finish(self.d.visit(default_host(uid), self.d.views()[0])).status

    def live(self) -> None:
        assert self.ask("POST", "", {"image": "fast"}) == 201
        assert self.visit() == 200
        self.d.pass_time(60)
        assert self.visit() == 200

    def page(self, path: str = "/metrics", method: str = "GET") -> Exchange:
        return self.finish(Exchange(self.d.reactor, WHERE, method, path, {"Host": "metrics"}))

    def samples(self) -> dict[str, list[Sample]]:
        """Scrape, and give all samples by their names."""
        return by_name(self.page().body.decode())

    def value(self, name: str, **labels: str) -> float:
        """Give the sum of what has these labels."""
        return value_in(self.samples(), name, **labels)


def by_name(text: str) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def value_in(samples: dict[str, list[Sample]], name: str, **labels: str) -> float:
    return sum(each.value for each in with_labels(samples.get(name, ()), labels))


def with_labels(samples: Iterable[Sample], labels: dict[str, str]) -> Iterable[Sample]:
    return (each for each in samples if labels.items() <= each.labels.items())

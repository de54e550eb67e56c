"""A whole daemon on a clock, and what it tells of itself."""

from __future__ import annotations

from typing import Any

from prometheus_client.samples import Sample

from tests.unit.assembled import AssembledCase
from tests.unit.metrics.lived import by_name, value_in


class FiguresCase(AssembledCase):
    def start(self, per_webspace: bool = False, **settings: Any) -> None:
        super().start(metrics={"listen_address": "127.0.0.1:9094", "per_webspace": per_webspace}, **settings)

    def text(self) -> str:
        figures: Any = self.daemon.figures
        text: bytes = self.machine.result_of(figures.text())
        return text.decode()

    def samples(self) -> dict[str, list[Sample]]:
        return by_name(self.text())

    def value(self, name: str, **labels: str) -> float:
        """Give the sum of the samples of a metric that have these labels."""
        return value_in(self.samples(), f"webspaced_{name}", **labels)

    def visit(self, name: str = "ws-u1") -> bytes:
        """Visit a webspace's boot port, and give what came within a while."""
        visitor = self.machine.visit(self.boot_port(name))
        self.machine.run_for(3)
        return visitor.value()

"""What a metric is.

Names by https://prometheus.io/docs/practices/naming/: base units, ``_total`` for what only grows.
"""

from __future__ import annotations

import enum

from attrs import frozen


class Sort(enum.Enum):
    """How Prometheus takes a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@frozen
class Metric:
    """``labels`` have few values, none of which a visitor or member can make up; ``each``: told of each webspace."""

    name: str
    sort: Sort
    meaning: str
    labels: tuple[str, ...] = ()
    each: bool = False


def row_of(metric: Metric) -> str:
    """Give a metric as a row of a table in Markdown: name, kind, labels and meaning."""
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.sort.value} | {labels} | {metric.meaning} |"

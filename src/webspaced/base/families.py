"""Plain numbers as Prometheus' families."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any, TypeAlias

from attrs import frozen
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.utils import floatToGoString

from webspaced.base.metric import Metric, Sort
from webspaced.lib.measures import Counted, Labels, Spread, Timed

Values: TypeAlias = Mapping[Any, float]
"""By labels: tuples of texts, of any length (which the types of mappings cannot say)."""


@frozen
class Reading:
    """What a metric of the catalogue says now: values by labels, or a histogram."""

    name: str
    values: Values | Timed


def one(name: str, value: float) -> Reading:
    """Give the reading of a metric without labels."""
    return Reading(name, {(): float(value)})


def counted(name: str, *parts: Counted, before: Labels = (), of: Iterable[str] = ()) -> Reading:
    """Give the sum of counts.

    :param before: labels that go before theirs.
    :param of: labels that are told of also while nothing was counted, so that rates begin at 0.
    """
    values: dict[Labels, float] = {(each,): 0 for each in of}
    for part in parts:
        for labels, number in part.values.items():
            values[before + labels] = values.get(before + labels, 0) + number
    return Reading(name, values)


def families(readings: Iterable[Reading], catalogue: Mapping[str, Metric]) -> Iterable[Family]:
    """Give one family for each metric of the catalogue that was read, whatever number of readings it has."""
    known: dict[str, Family] = {}
    for reading in readings:
        family = known.get(reading.name)
        if family is None:
            family = known[reading.name] = _empty(catalogue[reading.name])
        if isinstance(reading.values, Timed):
            for labels, spread in reading.values.spreads.items():
                family.add_metric(labels, _buckets(reading.values, spread), spread.sum)  # type: ignore[attr-defined]
        else:
            for labels, value in reading.values.items():
                family.add_metric(labels, value)  # type: ignore[attr-defined]
    return known.values()


def _empty(about: Metric) -> Family:
    if about.sort is Sort.COUNTER:
        return CounterMetricFamily(about.name, about.meaning, labels=about.labels)
    kind = HistogramMetricFamily if about.sort is Sort.HISTOGRAM else GaugeMetricFamily
    return kind(about.name, about.meaning, labels=about.labels)


def _buckets(timed: Timed, spread: Spread) -> list[tuple[str, float]]:
    bounds = [*(floatToGoString(bound) for bound in timed.bounds), "+Inf"]
    return list(zip(bounds, accumulate(spread.counts), strict=True))

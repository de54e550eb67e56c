"""The metrics of the image server."""

from __future__ import annotations

from collections.abc import Mapping

from webspaced.base.metric import Metric

CATALOGUE: Mapping[str, Metric] = {}

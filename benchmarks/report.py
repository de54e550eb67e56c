"""What benchmarks make of their samples: percentiles, progress lines, and the JSON object at the end."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from harness.saying import say


def percentile(samples: Sequence[float], share: float) -> float:
    """The value below which a share (0 to 1) of the samples lies, interpolated linearly; the median for 0.5."""
    ordered = sorted(samples)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def median(samples: Sequence[float]) -> float:
    """The 50th percentile."""
    return percentile(samples, 0.5)


def milliseconds(seconds: float) -> float:
    """Seconds as milliseconds with one decimal: the noise is larger."""
    return round(seconds * 1000, 1)


def versions(*packages: str) -> dict[str, str]:
    """The versions of installed packages, of Python and of the kernel; "" for a package that runs from its sources."""
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = ""
    return found


def conclude(figures: Mapping[str, Any]) -> None:
    """Print the last line."""
    say(json.dumps(figures))

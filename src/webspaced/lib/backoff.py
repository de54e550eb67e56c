"""Growing pauses between tries."""

from __future__ import annotations

from collections.abc import Iterator


def pauses(first: float, longest: float, factor: float = 2.0) -> Iterator[float]:
    """Give pauses in seconds without end: ``first``, then ``factor`` times longer each time, at most ``longest``."""
    pause = first
    while True:
        yield pause
        pause = min(longest, pause * factor)

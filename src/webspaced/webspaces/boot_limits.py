"""Bounds on boots."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from webspaced.webspaces.observed import Observed


@frozen(kw_only=True)
class BootLimits:
    """Bounds on boots; ``ip_timeout`` is in seconds.

    ``departed``: whether a webspace has had no member for too long.
    """

    max_concurrent: int
    ip_timeout: float
    departed: Callable[[Observed], bool] = lambda _observed: False

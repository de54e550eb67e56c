"""What the figures are read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from webspaced.leadership.struggle import Leadership
from webspaced.lib.measures import Calls
from webspaced.lxd.events import EventSubscription
from webspaced.parts.operated import Operated


@frozen
class Watched:
    """The parts of the daemon that count."""

    parts: Operated
    events: EventSubscription
    leadership: Leadership
    calls: Mapping[str, Calls]
    """By service."""
    now: Callable[[], float]
    """Gives seconds since the epoch."""


def calls_of(services: Mapping[str, object]) -> Mapping[str, Calls]:
    """Give what is counted of services, by their names; of those that count: a file is no service."""
    found = {name: getattr(service, "calls", None) for name, service in services.items()}
    return {name: calls for name, calls in found.items() if isinstance(calls, Calls)}

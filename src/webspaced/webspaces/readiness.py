"""What is known of the ports of running webspaces, per incarnation: a new start begins with nothing known."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from webspaced.core.routes import Readiness
from webspaced.webspaces.observed import Observed


@frozen
class Probe:
    """What was asked: whether the port accepts, and with ``http`` whether it also answers better than 502 to 504."""

    port: int
    http: bool


class ReadinessTable:
    """Readiness by webspace and probe. Listeners hear of each change."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, dict[Probe, Readiness]]] = {}
        self._listeners: list[Callable[[int], None]] = []

    def subscribe(self, listener: Callable[[int], None]) -> None:
        """Call ``listener(uid)`` after each change."""
        self._listeners.append(listener)

    def get(self, observed: Observed, probe: Probe) -> Readiness:
        """Give what is known of a port of this very incarnation."""
        where, known = self._known.get(observed.uid, ("", {}))
        if where != _where(observed):
            return Readiness.UNKNOWN
        return known.get(probe, Readiness.UNKNOWN)

    def put(self, observed: Observed, probe: Probe, readiness: Readiness) -> None:
        """Remember what a probe of this incarnation found."""
        where, known = self._known.get(observed.uid, ("", {}))
        if where != _where(observed):
            known = {}
            self._known[observed.uid] = (_where(observed), known)
        if known.get(probe) is not readiness:
            known[probe] = readiness
            for listener in self._listeners:
                listener(observed.uid)

    def forget(self, uid: int) -> None:
        """Drop what is known of a webspace that is gone."""
        self._known.pop(uid, None)


def _where(observed: Observed) -> str:
    # What answered at one address says nothing of another.
    return f"{observed.instance.incarnation} {observed.address}"

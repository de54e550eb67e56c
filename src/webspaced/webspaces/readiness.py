"""What is known of the ports of running webspaces, per incarnation: a new start begins with nothing known."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from webspaced.core.instance import IPAddress
from webspaced.core.probing import Ask
from webspaced.core.routes import Readiness
from webspaced.webspaces.observed import Observed


@frozen
class Probe:
    """A port, and what it is asked."""

    port: int
    asks: Ask = Ask.CONNECTION


@frozen
class _Known:
    """What was found, and at which addresses: what answered at one says nothing of another."""

    readiness: Readiness
    at: tuple[IPAddress, ...]


class ReadinessTable:
    """Readiness by webspace and probe. Listeners hear of each change."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, dict[Probe, _Known]]] = {}
        self._listeners: list[Callable[[int], None]] = []

    def subscribe(self, listener: Callable[[int], None]) -> None:
        """Call ``listener(uid)`` after each change."""
        self._listeners.append(listener)

    def get(self, observed: Observed, probe: Probe) -> Readiness:
        """Give what is known of a port of this very incarnation."""
        known = self._of(observed).get(probe)
        if known is None or not any(address in observed.addresses for address in known.at):
            return Readiness.UNKNOWN
        return known.readiness

    def answering(self, observed: Observed, probe: Probe) -> IPAddress | None:
        """Give the address at which a port is ready, ``None`` if it is at none as far as is known."""
        known = self._of(observed).get(probe)
        if known is None or known.readiness is not Readiness.READY or known.at[0] not in observed.addresses:
            return None
        return known.at[0]

    def put(self, observed: Observed, probe: Probe, readiness: Readiness, at: IPAddress | None = None) -> None:
        """Remember what a probe of this incarnation found, at one address or at all that it has."""
        known = self._of(observed)
        if not known:
            self._known[observed.uid] = (observed.instance.incarnation, known)
        found = _Known(readiness, observed.addresses if at is None else (at,))
        if known.get(probe) != found:
            known[probe] = found
            for listener in self._listeners:
                listener(observed.uid)

    def doubt(self, observed: Observed, probe: Probe) -> None:
        """Say that what is known of a port may not hold any more."""
        if self._of(observed).pop(probe, None) is not None:
            for listener in self._listeners:
                listener(observed.uid)

    def forget(self, uid: int) -> None:
        """Drop what is known of a webspace that is gone."""
        self._known.pop(uid, None)

    def _of(self, observed: Observed) -> dict[Probe, _Known]:
        incarnation, known = self._known.get(observed.uid, ("", {}))
        return known if incarnation == observed.instance.incarnation else {}

"""Which routes the store does not take, since when and why: for ``/health``, conditions, and whoever is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

from attrs import evolve, field, frozen
from twisted.internet.interfaces import IReactorTime

from webspaced.core.brief import sentence
from webspaced.lib.measures import Counted
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.registry import Registry

LONGEST_REST = 10.0
"""Seconds until a route is tried again that is refused while others are taken: 0.1, 0.2, 0.4 … at first."""


@frozen
class _Refusal:
    """Why a route cannot be written: those named ``since`` are in seconds since the epoch, the others of the clock."""

    since: float
    reason: str
    began: float
    """When it was refused first."""
    rest: float = 0.1
    not_before: float = 0.0
    whole_since: float | None = None
    """Since when the store takes nothing at all, as far as this route was in it; ``None`` if others were taken."""
    whole_began: float | None = None


@frozen
class Unwritten:
    """Routes by name that differ in the store from what is wanted, as it refuses them."""

    clock: IReactorTime
    now: Callable[[], float] = time.time
    """Gives seconds since the epoch."""
    partly: Counted = field(factory=Counted, init=False)
    """Writes that were refused for some routes."""
    _refusals: dict[str, _Refusal] = field(factory=dict, init=False)
    _listeners: list[Callable[[str], None]] = field(factory=list, init=False)

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Call ``listener(name)`` when a route cannot be written, and when it can again. It must not raise."""
        self._listeners.append(listener)

    def failed(self, names: Collection[str], error: BaseException | str) -> None:
        """Say that a write failed as a whole; all of it is tried again together."""
        self._note(dict.fromkeys(names, reason_of(error)), rests=False)

    def refused(self, reasons: Mapping[str, str]) -> None:
        """Say that some routes were not taken while others were: they rest, so that nobody else waits for them."""
        self.partly.add()
        self._note({name: sentence(reason) for name, reason in reasons.items()}, rests=True)

    def _note(self, reasons: Mapping[str, str], *, rests: bool) -> None:
        now = self.clock.seconds()
        for name, reason in reasons.items():
            known = self._refusals.get(name)
            refusal = _Refusal(self.now(), reason, now) if known is None else evolve(known, reason=reason)
            if rests:
                rest = min(LONGEST_REST, 2 * refusal.rest)
                refusal = evolve(refusal, rest=rest, not_before=now + refusal.rest)
                refusal = evolve(refusal, whole_since=None, whole_began=None)
            elif refusal.whole_since is None:
                refusal = evolve(refusal, whole_since=self.now(), whole_began=now)
            self._refusals[name] = refusal
            if known is None:
                self._tell(name)

    def written(self, names: Collection[str]) -> None:
        """Say that these are as they are to be."""
        for name in self._refusals.keys() & names:
            del self._refusals[name]
            self._tell(name)

    def hurry(self, names: Collection[str]) -> None:
        """Let these be tried at once."""
        for name in self._refusals.keys() & names:
            self._refusals[name] = evolve(self._refusals[name], not_before=0.0)

    def resting(self) -> Mapping[str, float]:
        """Give the routes that are not to be tried yet, with the seconds of the clock until they may be."""
        now = self.clock.seconds()
        # Never longer than any rest, whatever a clock says.
        return {n: r.not_before for n, r in self._refusals.items() if now < r.not_before <= now + LONGEST_REST}

    def since(self) -> float | None:
        """Give since when (seconds since the epoch) anything could not be written; ``None`` if all is."""
        return min((refusal.since for refusal in self._refusals.values()), default=None)

    def lasts(self, name: str) -> float:
        """Give for how many seconds this route's own refusal, or the whole store's, has kept it from being written."""
        mine, now = self._refusals.get(name), self.clock.seconds()
        whole = [each.whole_began for each in self._refusals.values() if each.whole_began is not None]
        return now - min(whole if mine is None else [*whole, mine.began], default=now)

    def of(self, name: str) -> str:
        """Say since when and why a route is not written; empty if it is."""
        refusal = self._refusals.get(name)
        return "" if refusal is None else f"since {_iso(refusal.since)}: {refusal.reason}"

    def told(self) -> str:
        """Say since when and why the store takes no routes, for everybody; empty if it does.

        What is refused for one webspace alone is its own affair: its condition tells of it.
        """
        whole = [(each.whole_since, each.reason) for each in self._refusals.values() if each.whole_since is not None]
        if not whole:
            return ""
        since, reason = min(whole)
        count = f"{len(whole)} of them " if len(whole) > 1 else ""
        return f"routes cannot be written {count}since {_iso(since)}: {reason}"

    def _tell(self, name: str) -> None:
        for listener in self._listeners:
            listener(name)


def note_conditions(unwritten: Unwritten, registry: Registry, conditions: Conditions) -> None:
    """Give webspaces a condition while their routes cannot be written."""

    def note(name: str) -> None:
        uid = registry.uid_of(name)
        if uid is None or (registry.get(uid) is None and uid not in registry.away):
            return
        detail = unwritten.of(name)
        conditions.note(uid, Kind.ROUTE_UNWRITTEN, f"its route cannot be written {detail}" if detail else None)

    unwritten.subscribe(note)


def reason_of(error: BaseException | str) -> str:
    """Give an error in the words of who raised it, short, on one line, and without paths of this machine."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return sentence(said) or type(error).__name__


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""The access log: one event for each request, with fields for machines and a line for people."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from webspaced.core.client_address import counted_as
from webspaced.http.about import About, shown
from webspaced.lib.sparing import Sparing

QUIET = frozenset({b"/live", b"/ready", b"/health", b"/routes", b"/metrics"})
"""What programs ask for every moment: told at the level debug only."""
SWITCHED = 101
log = Logger()


def lines(clock: IReactorTime) -> Sparing:
    """Give what says how many lines are written."""
    return Sparing(clock, log, "requests")


def tell(request: Any, about: About, ended: float, sparing: Sparing) -> None:
    """Log a request that was answered, or given up by its client, at ``ended`` seconds of the clock.

    The query is left out: whatever a client wrote there may be a secret. One member, and one address without a token, is
    told of so often only.
    """
    if request.path not in QUIET and not sparing.may(_cause(about)):
        return
    log.emit(
        LogLevel.debug if request.path in QUIET else LogLevel.info,
        "{method} {path} {status} {seconds:.3f} s {bytes} B {user} {address}",
        event="http.request",
        method=shown(request.method),
        path=shown(request.path),
        status=request.code,
        complete=bool(request.finished),
        seconds=round(max(0.0, ended - about.began), 6),
        bytes=request.sentLength,
        user=about.user,
        address="-" if about.address is None else str(about.address),
        request_id=about.id,
    )


def _cause(about: About) -> str:
    if about.uid is not None:
        return f"user {about.uid}"
    return "" if about.address is None else counted_as(about.address)

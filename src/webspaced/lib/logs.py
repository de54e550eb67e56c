"""How log events are written: as lines for people or as JSON for machines, from a level on.

What is logged on behalf of a request has its id, as the field ``request_id`` or beside the level. It is found in the context
(:mod:`contextvars`), which coroutines keep over every wait.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import IO, Any

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsJSON,
    formatEventAsClassicLogText,
)
from zope.interface import implementer

REQUEST_ID: ContextVar[str] = ContextVar("request_id")
"""The id of the request on whose behalf code runs; none outside of requests."""

# Twisted has no level below debug.
LEVELS = {
    "trace": LogLevel.debug,
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "error": LogLevel.error,
}
# These tell of every connection that is opened and closed.
CHATTY = ("twisted.web.client", "twisted.web.http", "twisted.internet.protocol")


@implementer(ILogObserver)
class _Identified:
    """Passes events on with the request's id. It must be asked in the context in which the event happens."""

    def __init__(self, observer: ILogObserver) -> None:
        self._observer = observer

    def __call__(self, event: LogEvent) -> None:
        found = REQUEST_ID.get(None)
        self._observer(event if found is None or "request_id" in event else {**event, "request_id": found})


def _line(event: LogEvent) -> str | None:
    found = event.get("request_id")
    if found is None or event.get("log_system") is not None:
        return formatEventAsClassicLogText(event)
    level = event.get("log_level")
    system = f"{event.get('log_namespace', '-')}#{level.name if level is not None else '-'} {found}"
    return formatEventAsClassicLogText({**event, "log_system": system})


def log_observer(stream: IO[Any], level: str, form: str) -> ILogObserver:
    """Give an observer for the settings ``log_level`` and ``log_format`` (``text`` or ``json``)."""
    write = FileLogObserver(stream, (lambda event: f"{eventAsJSON(event)}\n") if form == "json" else _line)
    levels = LogLevelFilterPredicate(defaultLogLevel=LEVELS[level])
    for namespace in CHATTY:
        levels.setLogLevelForNamespace(namespace, LogLevel.warn)
    return FilteringLogObserver(_Identified(write), [levels])

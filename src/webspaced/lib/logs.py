"""How log events are written: as lines for people or as JSON for machines, from a level on.

What is logged on behalf of a request has its id, as the field ``request_id`` or beside the level. It is found in the context
(:mod:`contextvars`), which coroutines keep over every wait.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import IO, Any

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    eventAsJSON,
    formatEvent,
    formatEventAsClassicLogText,
)
from zope.interface import implementer

REQUEST_ID: ContextVar[str] = ContextVar("request_id")
"""The id of the request on whose behalf code runs; none outside of requests."""

# Twisted has no level below debug, and one above error.
LEVELS = {
    "trace": LogLevel.debug,
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "error": LogLevel.error,
    "fatal": LogLevel.critical,
    "panic": LogLevel.critical,
}
# These tell of every connection that is opened and closed.
CHATTY = ("twisted.web.client", "twisted.web.http", "twisted.internet.protocol")
_BESIDE = ("log_time", "log_system", "log_namespace", "log_level", "log_failure")
"""What stands in a line beside an event's own text."""


_DATAGRAMS = re.compile(r"DNSDatagramProtocol starting|(Starting|Stopping) protocol .*Datagram|\(UDP Port ")
"""How Twisted tells of each question to a DNS server, in four lines; a member can ask as many as they like."""


@implementer(ILogFilterPredicate)
class _WithoutQuestions:
    """Leaves these out."""

    def __call__(self, event: LogEvent) -> Any:
        text = event.get("log_text")
        said = event.get("log_namespace") == "log_legacy" and isinstance(text, str) and _DATAGRAMS.match(text)
        return PredicateResult.no if said else PredicateResult.maybe


@implementer(ILogObserver)
class _Identified:
    """Passes events on with the request's id. It must be asked in the context in which the event happens."""

    def __init__(self, observer: ILogObserver) -> None:
        self._observer = observer

    def __call__(self, event: LogEvent) -> None:
        found = REQUEST_ID.get(None)
        self._observer(event if found is None or "request_id" in event else {**event, "request_id": found})


def _line(event: LogEvent) -> str | None:
    """Give the line of an event, which may hold what members and containers wrote: nothing of it begins a line."""
    kept = {name: event[name] for name in _BESIDE if name in event}
    found = event.get("request_id")
    if found is not None and event.get("log_system") is None:
        level = event.get("log_level")
        kept["log_system"] = f"{event.get('log_namespace', '-')}#{level.name if level is not None else '-'} {found}"
    text = formatEvent(event)
    if event.get("isError") and "failure" in event:
        # Of Twisted's former way to log, which puts the traceback into the text.
        kept["log_failure"], text = event["failure"], str(event.get("why") or "Unhandled Error")
    line = formatEventAsClassicLogText({**kept, "log_format": "{text}", "text": _visible(text)})
    # What has line ends now is a traceback, which is indented.
    return None if line is None else _visible(line, "\n\t")


def _visible(text: str, but: str = "") -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in but else c.encode("unicode_escape").decode() for c in text)


def set_level(levels: LogLevelFilterPredicate, level: str) -> None:
    """Go by another level from now on."""
    levels.clearLogLevels()
    levels.setLogLevelForNamespace("", LEVELS[level])
    for namespace in CHATTY:
        levels.setLogLevelForNamespace(namespace, LogLevel.warn)


def log_observer(
    stream: IO[Any], level: str, form: str, levels: LogLevelFilterPredicate | None = None
) -> ILogObserver:
    """Give an observer for the settings ``log_level`` and ``log_format`` (``text`` or ``json``).

    :param levels: where the level can be changed later.
    """
    levels = levels or LogLevelFilterPredicate()
    set_level(levels, level)
    write = FileLogObserver(stream, (lambda event: f"{eventAsJSON(event)}\n") if form == "json" else _line)
    return FilteringLogObserver(_Identified(write), [levels, _WithoutQuestions()])

"""How log events are written: as lines for people or as JSON for machines, from a level on.

What is logged on behalf of a request, a visit or a boot has its id, as a member of JSON's line or beside the level. It is
found in the context (:mod:`contextvars`), which coroutines keep over every wait.
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
    formatEvent,
    formatEventAsClassicLogText,
)
from zope.interface import implementer

from webspaced.lib import json_lines

REQUEST_ID: ContextVar[str] = ContextVar("request_id")
"""The id of the request on whose behalf code runs; none outside of requests."""
VISIT_ID: ContextVar[str] = ContextVar("visit_id")
BOOT_ID: ContextVar[str] = ContextVar("boot_id")
IDS = (REQUEST_ID, VISIT_ID, BOOT_ID)
"""What is found in the context."""

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
    """Passes events on with the ids of the context. It must be asked in the context in which the event happens."""

    def __init__(self, observer: ILogObserver) -> None:
        self._observer = observer

    def __call__(self, event: LogEvent) -> None:
        found = {each.name: each.get() for each in IDS if each.get(None) is not None}
        self._observer({**found, **event} if found else event)


def _line(event: LogEvent) -> str | None:
    """Give the line of an event, which may hold what members and containers wrote: nothing of it begins a line."""
    kept = {name: event[name] for name in _BESIDE if name in event}
    found = " ".join(str(event[each.name]) for each in IDS if each.name in event)
    if found and event.get("log_system") is None:
        level = event.get("log_level")
        kept["log_system"] = f"{event.get('log_namespace', '-')}#{level.name if level is not None else '-'} {found}"
    text, failure = _said(event)
    if failure is not None:
        kept["log_failure"] = failure
    line = formatEventAsClassicLogText({**kept, "log_format": "{text}", "text": _visible(text)})
    # What has line ends now is a traceback, which is indented.
    return None if line is None else _visible(line, "\n\t")


def _said(event: LogEvent) -> tuple[str, Any]:
    """Give an event's text, and its failure if it has one."""
    if event.get("isError") and "failure" in event:
        # Of Twisted's former way to log, which puts the traceback into the text.
        return str(event.get("why") or "Unhandled Error"), event["failure"]
    return formatEvent(event), event.get("log_failure")


def _json_line(event: LogEvent) -> str:
    """Give an event as JSON. Only events of webspaced's have a name, and only theirs have fields."""
    text, failure = _said(event)
    level, namespace = event.get("log_level"), event.get("log_namespace", "-")
    name = event.get("event") if str(namespace).startswith("webspaced.") else None
    told: dict[str, Any] = {
        "time": json_lines.moment(event.get("log_time", 0.0)),
        "level": "info" if level is None else level.name,
        **({} if name is None else {"event": name}),
        "message": text,
        "logger": namespace,
        **{each.name: event[each.name] for each in IDS if each.name in event},
    }
    if name is not None:
        told.update({key: value for key, value in event.items() if key not in told and not key.startswith("log_")})
    if failure is not None:
        told["traceback"] = _traceback(failure)
    return json_lines.line(told)


def _traceback(failure: Any) -> str:
    try:
        return str(failure.getTraceback())
    except Exception:  # noqa: BLE001  (a log line must be written whatever stands in it)
        return f"<a {type(failure).__name__} without a traceback>"


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
    write = FileLogObserver(stream, _json_line if form == "json" else _line)
    return FilteringLogObserver(_Identified(write), [levels, _WithoutQuestions()])

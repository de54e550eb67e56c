"""How log events are written: as lines for people or as JSON for machines, from a level on."""

from __future__ import annotations

from typing import IO, Any

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    jsonFileLogObserver,
    textFileLogObserver,
)

# Twisted has no level below debug.
LEVELS = {
    "trace": LogLevel.debug,
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "error": LogLevel.error,
}
# These tell of every connection that is opened and closed.
CHATTY = ("twisted.web.client", "twisted.internet.protocol")


def log_observer(stream: IO[Any], level: str, form: str) -> ILogObserver:
    """Give an observer for the settings ``log_level`` and ``log_format`` (``text`` or ``json``)."""
    write = jsonFileLogObserver(stream, "") if form == "json" else textFileLogObserver(stream)
    levels = LogLevelFilterPredicate(defaultLogLevel=LEVELS[level])
    for namespace in CHATTY:
        levels.setLogLevelForNamespace(namespace, LogLevel.warn)
    return FilteringLogObserver(write, [levels])

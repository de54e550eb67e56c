"""What is said of one kind of log event."""

from __future__ import annotations

from attrs import frozen

DEBUG, INFO, WARN, ERROR, CRITICAL = "debug", "info", "warn", "error", "critical"


@frozen
class Event:
    """``levels``: those at which it is told, one unless the meaning says which when; ``fields`` are in each of its lines."""

    name: str
    levels: tuple[str, ...]
    meaning: str
    fields: tuple[str, ...] = ()


def debug(name: str, meaning: str, *fields: str) -> Event:
    """Give one that is of use only to who looks closely."""
    return Event(name, (DEBUG,), meaning, fields)


def info(name: str, meaning: str, *fields: str) -> Event:
    """Give one that is as it should be."""
    return Event(name, (INFO,), meaning, fields)


def warn(name: str, meaning: str, *fields: str) -> Event:
    """Give one that an operator may have to do something about."""
    return Event(name, (WARN,), meaning, fields)


def error(name: str, meaning: str, *fields: str) -> Event:
    """Give one that keeps webspaced from its work."""
    return Event(name, (ERROR,), meaning, fields)


def critical(name: str, meaning: str, *fields: str) -> Event:
    """Give one after which the process ends."""
    return Event(name, (CRITICAL,), meaning, fields)


def broke(name: str, meaning: str, *fields: str) -> Event:
    """Give a mistake of webspaced's own, with its traceback."""
    return Event(name, (CRITICAL,), meaning, fields)

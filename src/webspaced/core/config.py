"""What a member may set of a webspace."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from attrs import evolve, field, frozen

from webspaced.core.brief import shown, unknown_among
from webspaced.core.protocol import Protocol
from webspaced.core.schedule import Quiet, WakeTime, check_apart, parse_quiet_hours, parse_wake_at, texts
from webspaced.core.sleep import Sleep
from webspaced.core.waiting import Waiting
from webspaced.errors import Forbidden, Invalid

_PORTS = range(1, 65536)
_PORT = re.compile("[0-9]{1,5}")


def parse_port(value: object) -> int:
    """Give a TCP port from an int or decimal text.

    :raises Invalid: it is not a whole number from 1 to 65535.
    """
    text = str(value)
    if isinstance(value, bool) or not _PORT.fullmatch(text) or int(text) not in _PORTS:
        message = f"{shown(value)} is not a port (1 to 65535)"
        raise Invalid(message)
    return int(text)


@frozen(kw_only=True)
class Choices:
    """What the operator lets members choose: the longest start-up delay, in seconds, and what of sleeping.

    ``wake_every``: the least seconds between two scheduled wakes.
    """

    max_startup_delay: float
    sleep: Collection[str] = ()
    wake_every: float = 300.0


@frozen(kw_only=True)
class Config:
    """What a member may set. ``startup_delay`` is in seconds: the longest wait for the web server's first good answer."""

    startup_delay: float
    http_port: int
    sni_passthrough: bool
    protocol: Protocol = Protocol.HTTP
    """What the web port speaks. With passthrough it is TLS, whatever this says."""
    sleep: Sleep = Sleep.AUTO
    sleep_after: float | None = None
    """Idle seconds after which it falls asleep; ``None``: as the operator says."""
    waiting: Waiting = Waiting.DEFAULT
    """How visitors before browsers wait for a boot."""
    wake_at: tuple[WakeTime, ...] = ()
    """When it is to be awake, whoever comes."""
    quiet_hours: tuple[Quiet, ...] = ()
    """When it is to sleep, if nobody comes."""
    extra: Mapping[str, Any] = field(default=MappingProxyType({}), repr=False)
    """Members that are not ours: kept in LXD, not shown."""

    def to_json(self) -> dict[str, Any]:
        """Give the contract's Config object; there is no member for what is usual, which old clients do not know."""
        own: dict[str, Any] = {} if self.waiting is Waiting.DEFAULT else {"waiting": self.waiting.value}
        if self.sleep is not Sleep.AUTO:
            own["sleep"] = self.sleep.value
        if self.sleep_after:
            own["sleepAfter"] = self.sleep_after
        if self.wake_at:
            own["wakeAt"] = texts(self.wake_at)
        if self.quiet_hours:
            own["quietHours"] = texts(self.quiet_hours)
        return {
            "startupDelay": self.startup_delay,
            "httpPort": self.http_port,
            "sniPassthrough": self.sni_passthrough,
            "protocol": self.protocol.value,
            **own,
        }

    def patched(self, patch: Mapping[str, object], choices: Choices) -> Config:
        """Give this with the fields of a partial Config object changed; an absent field stays, and so does one that is null.

        What is stored was accepted once: a value above the maximum stays as long as it is not changed.

        :raises Invalid: a field is unknown, has the wrong type, or is out of range.
        :raises Forbidden: the operator does not allow it.
        """
        unknown = unknown_among(patch, _FIELDS)
        if unknown:
            message = f"unknown field in config: {unknown}"
            raise Invalid(message)
        given = {name: value for name, value in patch.items() if value is not None}
        changes = {attribute: parse(given[name]) for name, (attribute, parse) in _FIELDS.items() if name in given}
        changed = evolve(self, **changes)
        if changed.startup_delay > choices.max_startup_delay and changed.startup_delay != self.startup_delay:
            message = f"startupDelay must be at most {choices.max_startup_delay:g} seconds"
            raise Invalid(message)
        _check_sleep(self, changed, choices.sleep)
        _check_schedules(self, changed, choices)
        return changed


def _check_sleep(before: Config, changed: Config, allowed: Collection[str]) -> None:
    """See to it that what is new of sleeping is allowed; what is stored was allowed once."""
    if changed.sleep is not before.sleep and changed.sleep is not Sleep.AUTO and changed.sleep.value not in allowed:
        message = f"sleep: {changed.sleep.value} is not allowed here"
        raise Forbidden(message)
    if changed.sleep_after != before.sleep_after and changed.sleep_after is not None and "sleepAfter" not in allowed:
        message = "sleepAfter cannot be chosen here"
        raise Forbidden(message)


def _check_schedules(before: Config, changed: Config, choices: Choices) -> None:
    """See to the same of schedules. They can be taken away in any case."""
    if changed.wake_at and changed.wake_at != before.wake_at:
        if "wakeAt" not in choices.sleep:
            message = "wakeAt cannot be chosen here"
            raise Forbidden(message)
        check_apart(changed.wake_at, choices.wake_every)
    if changed.quiet_hours and changed.quiet_hours != before.quiet_hours and "quietHours" not in choices.sleep:
        message = "quietHours cannot be chosen here"
        raise Forbidden(message)


def load_config(document: object, defaults: Config) -> tuple[Config, tuple[str, ...]]:
    """Read what is stored; with it, what is wrong there: such a field has its default, and the others count."""
    if document is None:
        return defaults, ()
    if not isinstance(document, dict):
        return defaults, ("config is not an object",)
    extra = {name: value for name, value in document.items() if name not in _FIELDS}
    changes, wrong = {}, []
    for name, (attribute, parse) in _FIELDS.items():
        if document.get(name) is None:
            continue
        try:
            changes[attribute] = parse(document[name])
        except Invalid as error:
            wrong.append(f"{name}: {error}")
    return evolve(defaults, extra=extra, **changes), tuple(wrong)


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _parse_startup_delay(value: object) -> float:
    number = _number(value)
    if number is None or not 0 <= number < float("inf"):
        message = "startupDelay must be a number of seconds, 0 or more"
        raise Invalid(message)
    return number


def _parse_http_port(value: object) -> int:
    if not isinstance(value, int):
        message = "httpPort must be a whole number from 1 to 65535"
        raise Invalid(message)
    return parse_port(value)


def _parse_sni_passthrough(value: object) -> bool:
    if not isinstance(value, bool):
        message = "sniPassthrough must be true or false"
        raise Invalid(message)
    return value


def _one_of(name: str, choices: type[StrEnum]) -> Callable[[object], StrEnum]:
    """Make what reads a field that is one of several words."""

    def parse(value: object) -> StrEnum:
        try:
            return choices(value)  # type: ignore[arg-type]
        except ValueError:
            message = f"{name} must be one of {', '.join(choices)}"
            raise Invalid(message) from None

    return parse


def _parse_sleep_after(value: object) -> float | None:
    number = _number(value)
    if number is None or not 0 <= number < float("inf"):
        message = "sleepAfter must be a number of seconds, or 0 for what the operator has set"
        raise Invalid(message)
    return number or None


_FIELDS: dict[str, tuple[str, Any]] = {
    "startupDelay": ("startup_delay", _parse_startup_delay),
    "httpPort": ("http_port", _parse_http_port),
    "sniPassthrough": ("sni_passthrough", _parse_sni_passthrough),
    "protocol": ("protocol", _one_of("protocol", Protocol)),
    "sleep": ("sleep", _one_of("sleep", Sleep)),
    "sleepAfter": ("sleep_after", _parse_sleep_after),
    "waiting": ("waiting", _one_of("waiting", Waiting)),
    "wakeAt": ("wake_at", parse_wake_at),
    "quietHours": ("quiet_hours", parse_quiet_hours),
}

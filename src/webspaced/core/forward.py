"""Forwards: where external ports lead, and what else their member sets of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar

from attrs import evolve, field, frozen

from webspaced.core.brief import shown, unknown_among
from webspaced.core.probing import Ask
from webspaced.core.proxy_protocol import ProxyProtocol, parse_proxy_protocol
from webspaced.errors import Invalid

V = TypeVar("V")
READY = {each.value: each for each in (Ask.CONNECTION, Ask.DATA)}
"""What a forward's port can be asked before visitors are led to it."""


class WakeOn(Enum):
    """What of a forward's visitor wakes a webspace."""

    CONNECTION = "connection"
    """That somebody has connected, and stays for a moment."""
    DATA = "data"
    """That somebody has said something: those who only look whether the port is open do not."""


@frozen
class Forward:
    """Where an external port leads, and what its member has set of it.

    ``proxy_protocol``: how the container is told of its visitors, if at all. ``ready``: when the port is ready.
    ``wake_on``: what wakes the webspace.
    """

    internal: int
    proxy_protocol: ProxyProtocol | None = None
    ready: Ask = Ask.CONNECTION
    wake_on: WakeOn = WakeOn.CONNECTION


def parse_ready(value: object) -> Ask:
    """Give what counts as ready out of JSON; null is what is usual.

    :raises Invalid: it is neither ``connection`` nor ``data``.
    """
    if value is None:
        return Ask.CONNECTION
    if not isinstance(value, str) or value not in READY:
        message = f"ready must be connection or data, not {shown(value)}"
        raise Invalid(message)
    return READY[value]


def parse_wake_on(value: object) -> WakeOn:
    """Give what wakes a webspace out of JSON; null is what is usual.

    :raises Invalid: it is neither ``connection`` nor ``data``.
    """
    if value is None:
        return WakeOn.CONNECTION
    try:
        return WakeOn(value)
    except ValueError:
        message = f"wakeOn must be connection or data, not {shown(value)}"
        raise Invalid(message) from None


_FIELDS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "proxyProtocol": ("proxy_protocol", parse_proxy_protocol),
    "ready": ("ready", parse_ready),
    "wakeOn": ("wake_on", parse_wake_on),
}


def parse_changes(document: Mapping[str, object]) -> Mapping[str, Any]:
    """Give what JSON says of a forward, for :func:`attrs.evolve`: what is missing there stays.

    :raises Invalid: a member is unknown or wrong.
    """
    unknown = unknown_among(document, _FIELDS)
    if unknown:
        message = f"unknown field: {unknown}"
        raise Invalid(message)
    return {_FIELDS[name][0]: _FIELDS[name][1](value) for name, value in document.items()}


def _freeze(values: Mapping[int, Any]) -> Mapping[int, Any]:
    return MappingProxyType(dict(sorted(values.items())))


@frozen(kw_only=True)
class Options:
    """What is set of a webspace's forwards, by external port, where that is not what is usual."""

    proxy_protocol: Mapping[int, ProxyProtocol] = field(default=MappingProxyType({}), converter=_freeze)
    ready: Mapping[int, Ask] = field(default=MappingProxyType({}), converter=_freeze)
    wake_on: Mapping[int, WakeOn] = field(default=MappingProxyType({}), converter=_freeze)
    unread: Mapping[str, Mapping[int, Any]] = field(default=MappingProxyType({}), repr=False)
    """What else the document has there, such as a newer webspaced's values: kept in LXD, not shown."""

    def forward(self, external: int, internal: int) -> Forward:
        """Give a forward as a whole."""
        return Forward(
            internal,
            self.proxy_protocol.get(external),
            self.ready.get(external, Ask.CONNECTION),
            self.wake_on.get(external, WakeOn.CONNECTION),
        )

    def with_forward(self, external: int, forward: Forward) -> Options:
        """Give this with what is set of one forward."""
        left = self.without(external)
        versions, ready, wake_on = dict(left.proxy_protocol), dict(left.ready), dict(left.wake_on)
        if forward.proxy_protocol is not None:
            versions[external] = forward.proxy_protocol
        if forward.ready is not Ask.CONNECTION:
            ready[external] = forward.ready
        if forward.wake_on is not WakeOn.CONNECTION:
            wake_on[external] = forward.wake_on
        return evolve(left, proxy_protocol=versions, ready=ready, wake_on=wake_on)

    def without(self, external: int) -> Options:
        """Give this without what is set of one forward."""
        return Options(
            proxy_protocol=_without(self.proxy_protocol, external),
            ready=_without(self.ready, external),
            wake_on=_without(self.wake_on, external),
            unread={name: _without(values, external) for name, values in self.unread.items()},
        )

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Give the members of the contract's Webspace object; old clients know none of them, so none is there empty."""
        members: dict[str, dict[str, Any]] = {
            "proxyProtocol": {str(external): int(version) for external, version in self.proxy_protocol.items()},
            "ready": {str(external): asks.value for external, asks in self.ready.items()},
            "wakeOn": {str(external): wakes.value for external, wakes in self.wake_on.items()},
        }
        return {name: values for name, values in members.items() if values}

    def dump(self) -> dict[str, dict[str, Any]]:
        """Give the members to keep in LXD."""
        understood = self.to_json()
        names = [*understood, *(name for name, values in self.unread.items() if values and name not in understood)]
        unread = {name: {str(e): value for e, value in self.unread.get(name, {}).items()} for name in names}
        return {name: {**unread[name], **understood.get(name, {})} for name in names}


def load_options(document: Mapping[str, object], ports: Mapping[int, int]) -> Options:
    """Read what is stored. An older webspaced removes a forward and keeps these members, which it does not know."""
    read: dict[str, dict[int, Any]] = {}
    unread: dict[str, dict[int, Any]] = {}
    for name, (attribute, parse) in _FIELDS.items():
        members = document.get(name)
        stored = members if isinstance(members, dict) else {}
        for external in ports:
            value = stored.get(str(external))
            if value is None:
                continue
            try:
                read.setdefault(attribute, {})[external] = parse(value)
            except Invalid:
                unread.setdefault(name, {})[external] = value
    options = Options(**read, unread=unread)
    return evolve(
        options,
        ready={e: asks for e, asks in options.ready.items() if asks is not Ask.CONNECTION},
        wake_on={e: wakes for e, wakes in options.wake_on.items() if wakes is not WakeOn.CONNECTION},
    )


def _without(values: Mapping[int, V], external: int) -> dict[int, V]:
    return {e: value for e, value in values.items() if e != external}

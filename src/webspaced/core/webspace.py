"""A webspace as LXD remembers it: the JSON under ``user._webspaced`` and the keys beside it.

The shape is the contract's (``{"user", "config", "domains", "ports"}``); members of it that are not ours are kept when it
is written back, so that an older or newer webspaced loses nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from attrs import evolve, field, frozen

from webspaced.core.brief import unknown_among
from webspaced.core.domains import normalized
from webspaced.core.names import is_domain, parse_username
from webspaced.core.proxy_protocol import ProxyProtocol, is_proxy_protocol
from webspaced.errors import Invalid

KEY = "user._webspaced"
BOOT_PORT_KEY = "user._webspaced_boot_port"
USERNAME_KEY = "user._webspaced_username"
CREATING_KEY = "user._webspaced_creating"
"""Holds the instance's name from a creation's first moment to its end: what has it is not served, and does not stay so."""

_MEMBERS = ("user", "config", "domains", "ports", "proxyProtocol")
_PORTS = range(1, 65536)
_PORT = re.compile("[0-9]{1,5}")


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def parse_port(value: object) -> int:
    """Give a TCP port from an int or decimal text.

    :raises Invalid: it is not a whole number from 1 to 65535.
    """
    text = str(value)
    if isinstance(value, bool) or not _PORT.fullmatch(text) or int(text) not in _PORTS:
        message = f"{value!r} is not a port (1 to 65535)"
        raise Invalid(message)
    return int(text)


@frozen(kw_only=True)
class Config:
    """What a member may set. ``startup_delay`` is in seconds: the longest wait for the web server's first good answer."""

    startup_delay: float
    http_port: int
    sni_passthrough: bool
    extra: Mapping[str, Any] = field(default=MappingProxyType({}), repr=False)
    """Members that are not ours: kept in LXD, not shown."""

    def to_json(self) -> dict[str, Any]:
        """Give the contract's Config object."""
        return {
            "startupDelay": self.startup_delay,
            "httpPort": self.http_port,
            "sniPassthrough": self.sni_passthrough,
        }

    def patched(self, patch: Mapping[str, object], *, max_startup_delay: float) -> Config:
        """Give this with the fields of a partial Config object changed; an absent field stays.

        :raises Invalid: a field is unknown, has the wrong type, or is out of range.
        """
        unknown = unknown_among(patch, _FIELDS)
        if unknown:
            message = f"unknown field in config: {unknown}"
            raise Invalid(message)
        changes = {attribute: parse(patch[name]) for name, (attribute, parse) in _FIELDS.items() if name in patch}
        changed = evolve(self, **changes)
        if changed.startup_delay > max_startup_delay:
            message = f"startupDelay must be at most {max_startup_delay:g} seconds"
            raise Invalid(message)
        return changed


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


_FIELDS: dict[str, tuple[str, Any]] = {
    "startupDelay": ("startup_delay", _parse_startup_delay),
    "httpPort": ("http_port", _parse_http_port),
    "sniPassthrough": ("sni_passthrough", _parse_sni_passthrough),
}


def _freeze(ports: Mapping[int, int]) -> Mapping[int, int]:
    return MappingProxyType(dict(sorted(ports.items())))


def _freeze_versions(versions: Mapping[int, ProxyProtocol]) -> Mapping[int, ProxyProtocol]:
    return MappingProxyType(dict(sorted(versions.items())))


@frozen
class Forward:
    """Where an external port leads, and how the container is told of its visitors, if at all."""

    internal: int
    proxy_protocol: ProxyProtocol | None = None


@frozen(kw_only=True)
class Webspace:
    """One member's webspace. ``ports`` maps external to internal TCP ports; ``domains`` holds the custom ones only."""

    user: int
    config: Config
    domains: tuple[str, ...] = ()
    unserved: tuple[str, ...] = ()
    """Domains in the document that cannot be served, such as wildcards: kept in LXD, not shown."""
    ports: Mapping[int, int] = field(default=MappingProxyType({}), converter=_freeze)
    proxy_protocol: Mapping[int, ProxyProtocol] = field(default=MappingProxyType({}), converter=_freeze_versions)
    """By external port: the forwards that tell the container who the visitor is."""
    unread_versions: Mapping[int, Any] = field(default=MappingProxyType({}), repr=False)
    """What else the document has there, such as a newer webspaced's versions: kept in LXD, not shown."""
    extra: Mapping[str, Any] = field(default=MappingProxyType({}), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Give the contract's Webspace object. Old clients do not know ``proxyProtocol``: no forward, no member."""
        versions = {str(external): int(version) for external, version in self.proxy_protocol.items()}
        return {
            "user": self.user,
            "config": self.config.to_json(),
            "domains": list(self.domains),
            "ports": {str(external): internal for external, internal in self.ports.items()},
            **({"proxyProtocol": versions} if versions else {}),
        }

    def dump(self) -> str:
        """Give the text to keep in LXD, members that are not ours included."""
        config = {**self.config.extra, **self.config.to_json()}
        domains = [*self.domains, *self.unserved]
        document = {**self.extra, **self.to_json(), "config": config, "domains": domains}
        if self.unread_versions:
            document["proxyProtocol"] = {**self.unread_versions, **self.proxy_protocol}
        return json.dumps(document, separators=(",", ":"))

    def with_config(self, config: Config) -> Webspace:
        """Give this with another Config."""
        return evolve(self, config=config)

    def with_domain(self, domain: str) -> Webspace:
        """Give this with one more domain."""
        return evolve(self, domains=(*self.domains, domain))

    def without_domain(self, domain: str, text: str) -> Webspace:
        """Give this without one of its domains, or without one that cannot be served, as it stands in the document."""
        domains = tuple(each for each in self.domains if each != domain)
        return evolve(self, domains=domains, unserved=tuple(each for each in self.unserved if each != text))

    @property
    def forwards(self) -> Mapping[int, Forward]:
        """What external ports lead to."""
        return {e: Forward(i, self.proxy_protocol.get(e)) for e, i in self.ports.items()}

    def with_forward(self, external: int, forward: Forward) -> Webspace:
        """Give this with one more forward."""
        more = evolve(self, ports={**self.ports, external: forward.internal})
        return more.with_proxy_protocol(external, forward.proxy_protocol)

    def with_proxy_protocol(self, external: int, version: ProxyProtocol | None) -> Webspace:
        """Give this with another version of the PROXY protocol, or none, for one of its forwards."""
        versions = {e: v for e, v in self.proxy_protocol.items() if e != external}
        unread = {e: v for e, v in self.unread_versions.items() if e != external}
        versions = versions if version is None else {**versions, external: version}
        return evolve(self, proxy_protocol=versions, unread_versions=unread)

    def without_forward(self, external: int) -> Webspace:
        """Give this without one of its forwards."""
        left = evolve(self, ports={e: i for e, i in self.ports.items() if e != external})
        return left.with_proxy_protocol(external, None)


def load_webspace(text: str, defaults: Config) -> Webspace:
    """Read what :meth:`Webspace.dump` or a predecessor wrote.

    :param defaults: stands in for members of ``config`` that are missing.
    :raises Invalid: it is not such a document; the text of the error names the member, never the document.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        message = f"{KEY} is not JSON"
        raise Invalid(message) from error
    if not isinstance(document, dict) or not isinstance(document.get("user"), int):
        message = f"{KEY} has no user"
        raise Invalid(message)
    domains = _texts(document.get("domains"))
    ports = _load_ports(document.get("ports") or {})
    versions = _load_versions(document.get("proxyProtocol"), ports)
    return Webspace(
        user=document["user"],
        config=_load_config(document.get("config") or {}, defaults),
        domains=tuple(dict.fromkeys(name for name in map(normalized, domains) if is_domain(name))),
        unserved=tuple(name for name in domains if not is_domain(normalized(name))),
        ports=ports,
        proxy_protocol={e: ProxyProtocol(v) for e, v in versions.items() if is_proxy_protocol(v)},
        unread_versions={e: v for e, v in versions.items() if not is_proxy_protocol(v)},
        extra={name: value for name, value in document.items() if name not in _MEMBERS},
    )


def username_of(config: Mapping[str, str]) -> str | None:
    """Give the remembered name out of an instance's keys."""
    try:
        return parse_username(config.get(USERNAME_KEY, ""))
    except Invalid:
        # It becomes part of rules and requests; what is no name is no name, whoever wrote it.
        return None


def boot_port_of(config: Mapping[str, str]) -> int | None:
    """Give the boot port out of an instance's keys."""
    try:
        return parse_port(config.get(BOOT_PORT_KEY, ""))
    except Invalid:
        # It gets a new one: a number that is none is no reason not to serve the webspace.
        return None


def _load_config(document: object, defaults: Config) -> Config:
    members = document if isinstance(document, dict) else {}
    known = {name: value for name, value in members.items() if name in _FIELDS}
    extra = {name: value for name, value in members.items() if name not in _FIELDS}
    # What is stored was accepted once: a bound that was lowered since must not make the webspace unreadable.
    return evolve(defaults.patched(known, max_startup_delay=float("inf")), extra=extra)


def _texts(document: object) -> list[str]:
    return [text for text in document if isinstance(text, str)] if isinstance(document, list) else []


def _load_ports(document: object) -> dict[int, int]:
    return {parse_port(e): parse_port(i) for e, i in document.items()} if isinstance(document, dict) else {}


def _load_versions(document: object, ports: Mapping[int, int]) -> dict[int, Any]:
    members = document if isinstance(document, dict) else {}
    # An older webspaced removes a forward and keeps this member, which it does not know.
    versions = {external: members.get(str(external)) for external in ports}
    return {external: version for external, version in versions.items() if version is not None}

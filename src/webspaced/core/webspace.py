"""A webspace as LXD remembers it: the JSON under ``user._webspaced`` and the keys beside it.

The shape is the contract's (``{"user", "config", "domains", "ports"}``); members of it that are not ours are kept when it
is written back, so that an older or newer webspaced loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any

from attrs import evolve, field, frozen

from webspaced.core.brief import shown
from webspaced.core.claims import Grants, load_grants
from webspaced.core.config import Config, load_config, parse_port
from webspaced.core.desired import AUTO, Desired, Wish, load_desired
from webspaced.core.domains import is_servable, normalized
from webspaced.core.forward import Forward, Options, load_options
from webspaced.core.json_text import parse_kept
from webspaced.core.names import parse_username
from webspaced.errors import Invalid

KEY = "user._webspaced"
BOOT_PORT_KEY = "user._webspaced_boot_port"
USERNAME_KEY = "user._webspaced_username"
UNKNOWN_SINCE_KEY = "user._webspaced_unknown_since"
"""Since when (seconds since the epoch) IAM has not known the member."""
CREATING_KEY = "user._webspaced_creating"
"""Marks an instance from its creation's first moment to its end (:func:`webspaced.core.creation.marker`)."""

_MEMBERS = (
    "user", "config", "domains", "ports", "proxyProtocol", "ready", "wakeOn", "desired", "granted", "former", "awakeUntil",
)  # fmt: skip
NO_GRANTS, NO_OPTIONS = Grants(), Options()
MOST_FORMER = 4
"""Documents of former users that are kept."""
NOBODY = -1
"""The user of a document that names none."""


def _freeze(ports: Mapping[int, int]) -> Mapping[int, int]:
    return MappingProxyType(dict(sorted(ports.items())))


@frozen(kw_only=True)
class Webspace:
    """One member's webspace. ``ports`` maps external to internal TCP ports; ``domains`` holds the custom ones only."""

    user: int
    config: Config
    domains: tuple[str, ...] = ()
    unserved: tuple[Any, ...] = ()
    """What else the document has among the domains and cannot be served, such as wildcards: kept in LXD, not shown."""
    ports: Mapping[int, int] = field(default=MappingProxyType({}), converter=_freeze)
    options: Options = NO_OPTIONS
    """What else is set of the forwards."""
    desired: Desired = AUTO
    awake_until: float = 0.0
    """Until when (seconds since the epoch) its member keeps it from sleeping."""
    grants: Grants = NO_GRANTS
    wrong: tuple[str, ...] = ()
    """What could not be understood in the document, and has its default."""
    former: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """The documents of users whose instance this was before it was renamed or copied, the last one first: each counts for
    nothing until it is that user's own again."""
    extra: Mapping[str, Any] = field(default=MappingProxyType({}), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Give the contract's Webspace object. Old clients know neither ``desired`` nor what is set of forwards: there is no
        member for what is usual.
        """
        return {
            "user": self.user,
            "config": self.config.to_json(),
            "domains": list(self.domains),
            "ports": {str(external): internal for external, internal in self.ports.items()},
            **self.options.to_json(),
            **({} if self.desired.wish is Wish.AUTO else {"desired": self.desired.wish.value}),
        }

    def dump(self) -> str:
        """Give the text to keep in LXD, members that are not ours included."""
        document = self._document()
        if self.former:
            document["former"] = [dict(each) for each in self.former]
        return json.dumps(document, separators=(",", ":"))

    def _document(self) -> dict[str, Any]:
        config = {**self.config.extra, **self.config.to_json()}
        domains = [*self.domains, *self.unserved]
        document = {**self.extra, **self.to_json(), **self.options.dump(), "config": config, "domains": domains}
        if self.desired != AUTO:
            document["desired"] = self.desired.to_json()
        if self.awake_until:
            document["awakeUntil"] = self.awake_until
        granted = self.grants.only(self.ports, self.domains).to_json()
        if granted:
            document["granted"] = granted
        return document

    def with_config(self, config: Config) -> Webspace:
        """Give this with another Config."""
        return evolve(self, config=config)

    def with_desired(self, desired: Desired) -> Webspace:
        """Give this with another wish."""
        return evolve(self, desired=desired)

    def with_awake_until(self, until: float) -> Webspace:
        """Give this kept from sleeping until then, in seconds since the epoch; 0 for no longer."""
        return evolve(self, awake_until=until)

    def with_name_granted(self, granted: float) -> Webspace:
        """Give this with its default domain granted anew."""
        return evolve(self, grants=evolve(self.grants, name=granted))

    def with_boot_port_granted(self, port: int, granted: float) -> Webspace:
        """Give this with the time of its boot port's grant."""
        return evolve(self, grants=evolve(self.grants, boot={port: granted}))

    def of(self, uid: int) -> Webspace:
        """Give this as the document of a user's instance: what another user's document claims counts for nothing.

        Whom one names that cannot be read is told by its instance. What the other user had is kept, and is there again
        when the instance has its name back.
        """
        if self.user == uid:
            return self
        if self.user == NOBODY:
            return evolve(self, user=uid)
        others = [each for each in self.former if not _names(each, uid) and not _names(each, self.user)]
        former = (self._document(), *others)[:MOST_FORMER]
        own = next((each for each in self.former if _names(each, uid)), None)
        if own is not None:
            return evolve(_loaded(own, self.config), former=former)
        return Webspace(user=uid, config=self.config, wrong=self.wrong, former=former, extra=self.extra)

    def with_lost(self, domains: Iterable[str]) -> Webspace:
        """Give this with domains that another webspace was granted."""
        return evolve(self, grants=self.grants.with_lost(domains))

    def with_domain(self, domain: str, granted: float = 0.0) -> Webspace:
        """Give this with a domain, and the time of its grant."""
        domains = self.domains if domain in self.domains else (*self.domains, domain)
        return evolve(self, domains=domains, grants=self.grants.with_domain(domain, granted))

    def without_domain(self, domain: str, text: str) -> Webspace:
        """Give this without one of its domains, or without one that cannot be served, as it stands in the document."""
        domains = tuple(each for each in self.domains if each != domain)
        return evolve(self, domains=domains, unserved=tuple(each for each in self.unserved if each != text))

    @property
    def forwards(self) -> Mapping[int, Forward]:
        """What external ports lead to."""
        return {external: self.options.forward(external, internal) for external, internal in self.ports.items()}

    def with_forward(self, external: int, forward: Forward, granted: float = 0.0) -> Webspace:
        """Give this with one more forward, and the time of its grant."""
        grants = self.grants.with_port(external, granted)
        return evolve(self, grants=grants).with_changed_forward(external, forward)

    def with_changed_forward(self, external: int, forward: Forward) -> Webspace:
        """Give this with one of its forwards set in another way."""
        ports = {**self.ports, external: forward.internal}
        return evolve(self, ports=ports, options=self.options.with_forward(external, forward))

    def without_forward(self, external: int) -> Webspace:
        """Give this without one of its forwards."""
        ports = {e: i for e, i in self.ports.items() if e != external}
        return evolve(self, ports=ports, options=self.options.without(external))


def load_webspace(text: str, defaults: Config) -> Webspace:
    """Read what :meth:`Webspace.dump` or a predecessor wrote.

    :param defaults: stands in for members of ``config`` that are missing.
    :raises Invalid: it is not such a document; the text of the error names the member, never the document.
    """
    try:
        document = parse_kept(text)
    except ValueError as error:
        message = f"{KEY} is not JSON, or nested too deeply"
        raise Invalid(message) from error
    if not isinstance(document, dict):
        message = f"{KEY} is not a JSON object"
        raise Invalid(message)
    return _loaded(document, defaults)


def _names(document: Mapping[str, Any], uid: int) -> bool:
    user = document.get("user")
    # 1.0 and true are equal to 1.
    return type(user) is int and user == uid


def _loaded(document: Mapping[str, Any], defaults: Config) -> Webspace:
    wrong: list[str] = []
    domains, unserved = _load_domains(document.get("domains"), wrong)
    ports = _load_ports(document.get("ports"), wrong)
    config, wrong_config = load_config(document.get("config"), defaults)
    desired = _load_desired(document.get("desired"), wrong)
    return Webspace(
        user=_load_user(document.get("user"), wrong),
        config=config,
        domains=domains,
        unserved=unserved,
        ports=ports,
        options=load_options(document, ports),
        desired=desired,
        awake_until=_load_time(document.get("awakeUntil"), wrong),
        grants=load_grants(document.get("granted"), ports, domains),
        wrong=(*wrong, *wrong_config),
        former=_load_former(document.get("former")),
        extra={name: value for name, value in document.items() if name not in _MEMBERS},
    )


def _load_former(value: object) -> tuple[Mapping[str, Any], ...]:
    documents = value if isinstance(value, list) else [value]
    return tuple(each for each in documents if isinstance(each, dict))[:MOST_FORMER]


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


def unknown_since_of(config: Mapping[str, str]) -> float | None:
    """Give since when IAM has not known the member, out of an instance's keys; ``None`` while it does."""
    try:
        since = float(config.get(UNKNOWN_SINCE_KEY, ""))
    except ValueError:
        return None
    return since if isfinite(since) else None


def _load_user(value: object, wrong: list[str]) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    wrong.append("user is not a user's id")
    return NOBODY


def _load_desired(document: object, wrong: list[str]) -> Desired:
    try:
        return load_desired(document)
    except Invalid as error:
        wrong.append(str(error))
        return AUTO


def _load_time(value: object, wrong: list[str]) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        wrong.append("awakeUntil is not a time")
        return 0.0
    return float(value)


def _load_domains(document: object, wrong: list[str]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Give the domains that can be served, and what else is among them."""
    if document is not None and not isinstance(document, list):
        wrong.append("domains is not a list")
    listed = document if isinstance(document, list) else []
    names = [normalized(each) if isinstance(each, str) else "" for each in listed]
    unserved = tuple(each for each, name in zip(listed, names, strict=True) if not is_servable(name))
    wrong += [f"domains: {shown(each)} cannot be served" for each in unserved]
    return tuple(dict.fromkeys(filter(is_servable, names))), unserved


def _load_ports(document: object, wrong: list[str]) -> dict[int, int]:
    if document is None:
        return {}
    if not isinstance(document, dict):
        wrong.append("ports is not an object")
        return {}
    ports: dict[int, int] = {}
    for external, internal in document.items():
        try:
            ports[parse_port(external)] = parse_port(internal)
        except Invalid as error:
            wrong.append(f"ports: {error}")
    return ports

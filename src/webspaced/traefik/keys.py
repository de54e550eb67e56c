"""Traefik's document as keys of a key-value store (https://doc.traefik.io/traefik/reference/routing-configuration/other-providers/kv/).

A key is the path to a value: ``traefik/http/services/ws-u7/loadBalancer/servers/0/url``. Nothing here is ever empty: Traefik
skips an empty value, and one that it cannot read freezes its whole provider.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from webspaced.core.routes import Route
from webspaced.traefik.render import (
    ASTRAY,
    CHALLENGED,
    MISDIRECTED,
    OWN_DOMAINS,
    REDIRECT,
    SENTINEL,
    UNJUDGED,
    UPLOADED,
    EntryPoints,
    read,
    render_named,
)

SHARED = "|".join(name.removeprefix(SENTINEL) for name in (MISDIRECTED, REDIRECT, UNJUDGED))
Keys = dict[str, str]
Owned = dict[str, Keys]
"""Keys and values by the name of the route that they make; :data:`SENTINEL` has what serves all."""


def flatten(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Give the keys and values of a part of the document that stands at a path; an empty section is "true"."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from flatten(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from flatten(inner, f"{path}/{number}")
    elif isinstance(value, bool | Mapping):
        yield path, str(value is not False).lower()
    else:
        yield path, str(value)


def unflatten(keys: Mapping[str, str], root: str) -> dict[str, Any]:
    """Give the document of these keys; values are texts, and one that stands where others have a section is left out."""
    document: dict[str, Any] = {}
    for key, value in sorted(keys.items()):
        *sections, last = key.removeprefix(f"{root}/").split("/")
        inner = document
        for section in sections:
            found = inner.get(section)
            if not isinstance(found, dict):
                found = inner[section] = {}
            inner = found
        inner[last] = value
    return {name: _with_lists(inner) for name, inner in document.items()}


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(each) for name, each in value.items()}
    # No name of a section is a number.
    return [inner[n] for n in sorted(inner, key=int)] if all(name.isdecimal() for name in inner) else inner


@frozen
class Keyspace:
    """Which keys are ours: those of routers and services named after instances (and of what serves all), below a root.

    Going by names finds what a webspaced left whose memory is gone, so that no orphan ever stays. The price: what somebody
    else gives such a name counts as ours.
    """

    root: str
    prefix: str
    """What names of instances begin with, before ``u`` and the user's id."""

    _pattern: re.Pattern[str] = field(init=False, repr=False, eq=False)

    @_pattern.default
    def _match_ours(self) -> re.Pattern[str]:
        root, name = re.escape(self.root), f"{re.escape(self.prefix)}u[0-9]+"
        ends = f"-https|{OWN_DOMAINS}|{UPLOADED}|{CHALLENGED}|{ASTRAY}"
        routes = rf"(?:http|tcp)/(?:routers|services)/(?P<name>{name})(?:{ends})?"
        certificates = rf"tls/certificates/(?P<certified>{name})-[^/]+"
        # A former daemon's middlewares are of a kind that only its own Traefik knows: any other takes up nothing at all.
        former = rf"(?:http|tcp)/middlewares/(?P<former>{name})-boot"
        transports = "serversTransports|serverstransports"
        shared = rf"(?:http|tcp)/(?:routers|services|{transports})/(?P<shared>{SENTINEL})"
        # Of these the bare name is somebody else's.
        more = rf"(?:http|tcp)/(?:{transports}|middlewares)/(?P<more>{SENTINEL})(?:{SHARED})"
        return re.compile(rf"{root}/(?:{routes}|{certificates}|{former}|{more}|{shared})(?:/.*)?", re.DOTALL | re.ASCII)

    @property
    def mark(self) -> str:
        """The key that is always there once anything was published."""
        return f"{self.root}/http/routers/{SENTINEL}/rule"

    def owner(self, key: str) -> str | None:
        """Give the name of the route that a key belongs to, :data:`SENTINEL`, or ``None``: it is not ours."""
        match = self._pattern.fullmatch(key)
        groups = ("name", "certified", "former", "more", "shared")
        return None if match is None else next((match[each] for each in groups if match[each]), None)

    def owned(self, keys: Mapping[str, str]) -> Owned:
        """Sort our keys by their owners; the others are left out."""
        found: Owned = {}
        for key, value in keys.items():
            owner = self.owner(key)
            if owner is not None:
                found.setdefault(owner, {})[key] = value
        return found

    def keys_of(self, route: Route, entry_points: EntryPoints) -> Keys:
        """Give what makes a route."""
        return self.owned(dict(flatten(render_named({route.name: route}, entry_points), self.root)))[route.name]

    def shared(self, entry_points: EntryPoints, generations: Sequence[int] = ()) -> Keys:
        """Give what is there whatever the routes are: Traefik ignores a set of keys that became empty.

        :param generations: see :func:`webspaced.traefik.render.sentinel`.
        """
        return dict(flatten(render_named({}, entry_points, generations), self.root))

    def routes(self, owned: Owned) -> dict[str, Route]:
        """Give the routes that these make; what cannot be read is left out."""
        together = {key: value for keys in owned.values() for key, value in keys.items()}
        return {name: route for name, route in read(unflatten(together, self.root)).items() if name in owned}


def differing(found: Owned, wanted: Owned) -> set[str]:
    """Give the owners of which something else is found than is wanted."""
    return {name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)}


def least_change(found: Owned, wanted: Owned, names: Iterable[str]) -> tuple[Keys, Collection[str]]:
    """Give what to set and what to delete so that these owners have what is wanted."""
    put: Keys = {}
    remove: list[str] = []
    for name in names:
        old, new = found.get(name, {}), wanted.get(name, {})
        put |= {key: value for key, value in new.items() if old.get(key) != value}
        remove += [key for key in old if key not in new]
    return put, sorted(remove)

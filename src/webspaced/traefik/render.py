"""The one place that knows Traefik's dynamic configuration (https://doc.traefik.io/traefik/reference/dynamic-configuration/).

Only checked values are rendered (design decision 12): one bad value would stop Traefik from taking up everybody's routes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, TypeAlias

from attrs import frozen

from webspaced.core.address import Endpoint
from webspaced.core.routes import Route

TRANSPORT = "webspaced"
SENTINEL = "webspaced"
SENTINEL_HOST = "webspaced.invalid"
SENTINEL_STATUS = 418
SENTINEL_PRIORITY = 10**9
"""Traefik goes by the length of a rule where none is given, as with members' routers: with all their domains they do not
come near."""
OWN_DOMAINS = "-domains"
"""What the name of a router for members' own domains ends with."""
DIAL_TIMEOUT = "2s"
"""Traefik's own default of 30 s would let a visitor stare at a container that lost its power."""
_HOST = re.compile(r"`([^`]*)`")
# So long a number that nobody comes to its end, and so short that everybody can count on.
_GENERATION = re.compile(rf"`g([0-9]{{1,15}})\.{re.escape(SENTINEL_HOST)}`", re.ASCII)


@frozen(kw_only=True)
class EntryPoints:
    """Where visitors come in: names of Traefik's entry points, and who issues certificates.

    ``http`` may be empty: nothing is served in plain then.
    """

    http: str
    https: str
    domain: str = ""
    """The service's own: names below it are default domains."""
    resolver: str | None = None
    """Traefik's certificate resolver for all other names."""
    default_sans: tuple[str, ...] = ()
    """With a resolver: the names on the one certificate of all default domains."""
    each: bool = False
    """Without those: the resolver gives each default domain a certificate of its own."""
    asked_over_tls: bool = False
    """Where Traefik is asked what it has taken up: at the entry point ``https``, even if there is ``http``."""

    @property
    def asked(self) -> dict[str, Any]:
        """Give the entry point at which webspaced's own router is."""
        if self.asked_over_tls or not self.http:
            return {"entryPoints": [self.https], "tls": {}}
        return {"entryPoints": [self.http]}


Section: TypeAlias = tuple[str, str]
"""Where something stands in the document: ``http`` or ``tcp``, and ``routers``, ``services`` or ``serversTransports``."""


def render(
    routes: Mapping[str, Route], entry_points: EntryPoints, generations: Sequence[int] = ()
) -> dict[str, Any]:
    """Give the whole dynamic configuration for these routes. Equal routes give equal documents.

    :param generations: see :func:`sentinel`.
    """
    document: dict[str, Any] = {"http": {"routers": {}}}
    for _, route in sorted(routes.items()):
        _merge(document, route_sections(route, entry_points))
    _merge(document, {("http", "routers"): {SENTINEL: sentinel(entry_points, generations)}})
    _merge(document, transports(tcp="tcp" in document))
    return document


def _merge(document: dict[str, Any], sections: Mapping[Section, Mapping[str, Any]]) -> None:
    for (kind, section), entries in sections.items():
        document.setdefault(kind, {}).setdefault(section, {}).update(entries)


def route_sections(route: Route, entry_points: EntryPoints) -> dict[Section, dict[str, Any]]:
    """Give what makes one route. Traefik refuses sections that are there and empty: none is."""
    name = route.name
    if route.passthrough:
        return {
            ("tcp", "routers"): {name: _tcp_router(route, entry_points)},
            ("tcp", "services"): {name: _tcp_service(route.backend)},
        }
    return {
        ("http", "routers"): _http_routers(route, entry_points),
        ("http", "services"): {name: _http_service(route.backend)},
    }


def transports(*, tcp: bool) -> dict[Section, dict[str, Any]]:
    """Give what says how backends are dialled, for all routes together."""
    http = {("http", "serversTransports"): {TRANSPORT: {"forwardingTimeouts": {"dialTimeout": DIAL_TIMEOUT}}}}
    return {**http, ("tcp", "serversTransports"): {TRANSPORT: {"dialTimeout": DIAL_TIMEOUT}}} if tcp else http


def sentinel(entry_points: EntryPoints, generations: Sequence[int] = ()) -> dict[str, Any]:
    """Give a router that is always there: its answer tells that Traefik has taken the document up.

    It leads to Traefik's own service that answers 418 to everything.

    :param generations: what its hosts tell besides: as which of all changes this one was written, and some before it.
    """
    hosts = [*map(generation_host, generations), SENTINEL_HOST]
    return {
        "rule": _hosts(hosts), "service": "noop@internal", "priority": SENTINEL_PRIORITY, **entry_points.asked,
    }  # fmt: skip


def generation_host(generation: int) -> str:
    """Give the host that answers once Traefik has taken a generation up."""
    return f"g{generation}.{SENTINEL_HOST}"


def generations_in(rule: str) -> list[int]:
    """Give the generations that a rule of webspaced's own router tells, as they stand there."""
    return [int(number) for number in _GENERATION.findall(rule)]


def _http_routers(route: Route, entry_points: EntryPoints) -> dict[str, Any]:
    service, https = {"service": route.name}, {"entryPoints": [entry_points.https]}
    inside = [host for host in route.hosts if entry_points.resolver is None or _is_default(host, entry_points)]
    outside = [host for host in route.hosts if host not in inside]
    routers: dict[str, Any] = {}
    if inside:
        routers[f"{route.name}-https"] = {"rule": _hosts(inside), **service, **https, "tls": _default_tls(entry_points)}
    if outside:
        # A certificate for each: one name that cannot be proved any more must not spoil the others'.
        tls = {"certResolver": entry_points.resolver, "domains": [{"main": host} for host in outside]}
        routers[f"{route.name}{OWN_DOMAINS}"] = {"rule": _hosts(outside), **service, **https, "tls": tls}
    if entry_points.http:
        routers[route.name] = {"rule": _hosts(route.hosts), **service, "entryPoints": [entry_points.http]}
    return routers


def _hosts(hosts: Iterable[str]) -> str:
    return " || ".join(f"Host(`{host}`)" for host in hosts)


def _is_default(host: str, entry_points: EntryPoints) -> bool:
    return host.endswith(f".{entry_points.domain}")


def _default_tls(entry_points: EntryPoints) -> dict[str, Any]:
    if entry_points.resolver is not None and entry_points.each and not entry_points.default_sans:
        # For the name that is in the rule.
        return {"certResolver": entry_points.resolver}
    if entry_points.resolver is None or not entry_points.default_sans:
        # Whatever certificate of Traefik's fits.
        return {}
    main, *sans = entry_points.default_sans
    return {"certResolver": entry_points.resolver, "domains": [{"main": main, "sans": sans}]}


def _tcp_router(route: Route, entry_points: EntryPoints) -> dict[str, Any]:
    rule = " || ".join(f"HostSNI(`{host}`)" for host in route.hosts)
    return {"rule": rule, "service": route.name, "entryPoints": [entry_points.https], "tls": {"passthrough": True}}


def _http_service(backend: Endpoint) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"url": f"http://{backend}"}], "serversTransport": TRANSPORT}}


def _tcp_service(backend: Endpoint) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"address": str(backend)}], "serversTransport": TRANSPORT}}


def read(document: Mapping[str, Any]) -> dict[str, Route]:
    """Give the routes of a document that :func:`render` made; what is not of its making is left out."""
    found: dict[str, Route] = {}
    for kind in ("http", "tcp"):
        section = document.get(kind) or {}
        for name, service in (section.get("services") or {}).items():
            route = _read_route(name, service, section.get("routers") or {}, passthrough=kind == "tcp")
            if route is not None:
                found[name] = route
    return found


def _read_route(name: str, service: Any, routers: Mapping[str, Any], *, passthrough: bool) -> Route | None:
    try:
        server = service["loadBalancer"]["servers"][0]
        backend = _read_endpoint(server["address"] if passthrough else server["url"].removeprefix("http://"))
        names = [name] if passthrough else [f"{name}-https", f"{name}{OWN_DOMAINS}"]
        hosts = tuple(host for each in names if each in routers for host in _HOST.findall(routers[each]["rule"]))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        return None
    return Route(name=name, hosts=hosts, backend=backend, passthrough=passthrough) if hosts else None


def _read_endpoint(text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    return Endpoint(ip_address(host.strip("[]")), int(port))

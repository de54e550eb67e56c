"""The one place that knows Traefik's dynamic configuration (https://doc.traefik.io/traefik/reference/dynamic-configuration/).

Only checked values are rendered (design decision 12): one bad value would stop Traefik from taking up everybody's routes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from attrs import frozen

from webspaced.core.address import Endpoint
from webspaced.core.routes import Route

TRANSPORT = "webspaced"
SENTINEL = "webspaced"
SENTINEL_HOST = "webspaced.invalid"
SENTINEL_STATUS = 418
OWN_DOMAINS = "-domains"
"""What the name of a router for members' own domains ends with."""
DIAL_TIMEOUT = "2s"
"""Traefik's own default of 30 s would let a visitor stare at a container that lost its power."""
_HOST = re.compile(r"`([^`]*)`")


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


def render(routes: Mapping[str, Route], entry_points: EntryPoints) -> dict[str, Any]:
    """Give the whole dynamic configuration for these routes. Equal routes give equal documents."""
    http: dict[str, Any] = {"routers": {}, "services": {}}
    tcp: dict[str, Any] = {"routers": {}, "services": {}}
    for name, route in sorted(routes.items()):
        if route.passthrough:
            tcp["routers"][name] = _tcp_router(route, entry_points)
            tcp["services"][name] = _tcp_service(route.backend)
        else:
            http["routers"].update(_http_routers(route, entry_points))
            http["services"][name] = _http_service(route.backend)
    http["routers"][SENTINEL] = _sentinel(entry_points)
    transport = {"forwardingTimeouts": {"dialTimeout": DIAL_TIMEOUT}}
    if not http["services"]:
        # Traefik refuses sections that are there and empty.
        del http["services"]
    document: dict[str, Any] = {"http": {**http, "serversTransports": {TRANSPORT: transport}}}
    if tcp["routers"]:
        document["tcp"] = {**tcp, "serversTransports": {TRANSPORT: {"dialTimeout": DIAL_TIMEOUT}}}
    return document


def _sentinel(entry_points: EntryPoints) -> dict[str, Any]:
    """Give a router that is always there: its answer tells that Traefik has taken the document up.

    It leads to Traefik's own service that answers 418 to everything.
    """
    entry_point = (
        {"entryPoints": [entry_points.http]} if entry_points.http else {"entryPoints": [entry_points.https], "tls": {}}
    )
    return {"rule": f"Host(`{SENTINEL_HOST}`)", "service": "noop@internal", **entry_point}


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

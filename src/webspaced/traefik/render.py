"""The one place that knows Traefik's dynamic configuration (https://doc.traefik.io/traefik/reference/dynamic-configuration/).

Only checked values are rendered (design decision 12): one bad value would stop Traefik from taking up everybody's routes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, TypeAlias

from attrs import evolve, frozen

from webspaced.core.address import Endpoint
from webspaced.core.protocol import Protocol
from webspaced.core.routes import Route, ServedCertificate
from webspaced.traefik.rules import CHALLENGE_PRIORITY, any_of, challenges_of, hosts_in, priority, unnamed

TRANSPORT = "webspaced"
UNJUDGED = "webspaced-unjudged"
"""How backends are dialled that end TLS themselves, by whatever certificate."""
REDIRECT = "webspaced-redirect"
"""The middleware that sends from plain HTTP to HTTPS."""
MISDIRECTED = "webspaced-misdirected"
"""The middleware that makes 421 of the answer of :data:`NOBODY`."""
NOBODY = "noop@internal"
"""Traefik's own service that answers 418 to everything."""
SENTINEL = "webspaced"
SENTINEL_HOST = "webspaced.invalid"
SENTINEL_STATUS = 418
SENTINEL_PRIORITY = 10**9
"""Traefik goes by the length of a rule where none is given, as with members' routers: with all their domains they do not
come near."""
OWN_DOMAINS = "-domains"
"""What the name of a router for members' own domains ends with."""
UPLOADED = "-uploaded"
"""What the name of a router for domains ends with whose certificates are their member's own."""
CHALLENGED = "-challenges"
"""What the name of router and service end with that take challenges to a webspace that has its TLS passed through."""
ASTRAY = "-misdirected"
"""What the name of the router ends with that takes requests for such a webspace out of a connection that Traefik ended."""
DIAL_TIMEOUT = "2s"
"""Traefik's own default of 30 s would let a visitor stare at a container that lost its power."""
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
CERTIFICATES: Section = ("tls", "certificates")
LISTS = frozenset({CERTIFICATES})
"""Sections that are lists in Traefik's document; here their entries have names, too."""


def render(
    routes: Mapping[str, Route], entry_points: EntryPoints, generations: Sequence[int] = ()
) -> dict[str, Any]:
    """Give the whole dynamic configuration for these routes. Equal routes give equal documents.

    :param generations: see :func:`sentinel`.
    """
    document = render_named(routes, entry_points, generations)
    for kind, section in LISTS:
        if section in document.get(kind, {}):
            document[kind][section] = list(document[kind][section].values())
    return document


def render_named(
    routes: Mapping[str, Route], entry_points: EntryPoints, generations: Sequence[int] = ()
) -> dict[str, Any]:
    """Give the same with a name for whatever is in a list: in a key-value store that tells whose it is."""
    document: dict[str, Any] = {"http": {"routers": {}}}
    for _, route in sorted(routes.items()):
        _merge(document, route_sections(route, entry_points))
    _merge(document, {("http", "routers"): {SENTINEL: sentinel(entry_points, generations)}})
    _merge(document, shared())
    return document


def _merge(document: dict[str, Any], sections: Mapping[Section, Mapping[str, Any]]) -> None:
    for (kind, section), entries in sections.items():
        document.setdefault(kind, {}).setdefault(section, {}).update(entries)


def route_sections(route: Route, entry_points: EntryPoints) -> dict[Section, dict[str, Any]]:
    """Give what makes one route. Traefik refuses sections that are there and empty: none is."""
    name = route.name
    if not route.passthrough:
        return {
            ("http", "routers"): _http_routers(route, entry_points),
            ("http", "services"): {name: _http_service(route.backend, route.protocol)},
            **({CERTIFICATES: _certificates(route)} if route.certificates else {}),
        }
    challenges = route.challenges
    return {
        ("tcp", "routers"): {name: _tcp_router(route, entry_points)},
        ("tcp", "services"): {name: _tcp_service(route.backend)},
        ("http", "routers"): _beside_passthrough(route, entry_points),
        **({("http", "services"): {f"{name}{CHALLENGED}": _http_service(challenges)}} if challenges else {}),
    }


def shared() -> dict[Section, dict[str, Any]]:
    """Give what all routes refer to: how backends are dialled, and what is done to requests."""
    timeouts = {"forwardingTimeouts": {"dialTimeout": DIAL_TIMEOUT}}
    return {
        ("http", "middlewares"): {REDIRECT: {"redirectScheme": REDIRECTION}, MISDIRECTED: {"errors": misdirection(NOBODY)}},
        ("http", "serversTransports"): {TRANSPORT: timeouts, UNJUDGED: {**timeouts, "insecureSkipVerify": True}},
        ("tcp", "serversTransports"): {TRANSPORT: {"dialTimeout": DIAL_TIMEOUT}},
    }


REDIRECTION: Mapping[str, Any] = {"scheme": "https", "permanent": True}


def misdirection(service: object) -> dict[str, Any]:
    """Give what makes 421 Misdirected Request (RFC 9110 section 15.5.20) of the 418 that a service answers."""
    status = str(SENTINEL_STATUS)
    # A range: from Redis, Traefik takes a name that is a number for a place in a list, and then nothing at all.
    return {"status": [status], "statusRewrites": {f"{status}-{status}": 421}, "service": service, "query": "/"}


def sentinel(entry_points: EntryPoints, generations: Sequence[int] = ()) -> dict[str, Any]:
    """Give a router that is always there: its answer tells that Traefik has taken the document up.

    It leads to Traefik's own service that answers 418 to everything.

    :param generations: what its hosts tell besides: as which of all changes this one was written, and some before it.
    """
    hosts = [*map(generation_host, generations), SENTINEL_HOST]
    return {
        "rule": any_of("Host", hosts), "service": NOBODY, "priority": SENTINEL_PRIORITY, **entry_points.asked,
    }  # fmt: skip


def generation_host(generation: int) -> str:
    """Give the host that answers once Traefik has taken a generation up."""
    return f"g{generation}.{SENTINEL_HOST}"


def generations_in(rule: str) -> list[int]:
    """Give the generations that a rule of webspaced's own router tells, as they stand there."""
    return [int(number) for number in _GENERATION.findall(rule)]


def _http_routers(route: Route, entry_points: EntryPoints) -> dict[str, Any]:
    secure = entry_points.https
    automatic = route.automatic
    inside = [host for host in automatic if entry_points.resolver is None or _is_default(host, entry_points)]
    outside = [host for host in automatic if host not in inside]
    uploaded = [host for host in route.hosts if host not in automatic]
    routers: dict[str, Any] = {}
    if inside:
        routers[f"{route.name}-https"] = {**_router(inside, route.name, secure), "tls": _default_tls(entry_points)}
    if outside:
        # A certificate for each: one name that cannot be proved any more must not spoil the others'.
        tls = {"certResolver": entry_points.resolver, "domains": [{"main": host} for host in outside]}
        routers[f"{route.name}{OWN_DOMAINS}"] = {**_router(outside, route.name, secure), "tls": tls}
    if uploaded:
        # Traefik finds the certificate by the name, and no resolver is to be asked for another one.
        routers[f"{route.name}{UPLOADED}"] = {**_router(uploaded, route.name, secure), "tls": {}}
    if entry_points.http:
        routers[route.name] = _router(route.hosts, route.name, entry_points.http)
    return routers


def _router(hosts: Sequence[str], service: str, entry_point: str) -> dict[str, Any]:
    return {
        "rule": any_of("Host", hosts), "service": service, "entryPoints": [entry_point],
        "priority": priority("Host", hosts),
    }  # fmt: skip


def _certificates(route: Route) -> dict[str, Any]:
    """Give members' own certificates, with whose they are before them: text outside of PEM's blocks counts for nothing
    (RFC 7468 section 2).
    """
    return {
        f"{route.name}-{each.hosts[0]}": {
            "certFile": f"{' '.join((route.name, *each.hosts))}\n{each.chain}", "keyFile": each.key,
        }
        for each in route.certificates
    }  # fmt: skip


def _beside_passthrough(route: Route, entry_points: EntryPoints) -> dict[str, Any]:
    """Give the HTTP routers of a webspace that has its TLS passed through.

    A browser may ask for it on a connection that it has for another name on the same certificate: it is told to open one
    of its own. Plain HTTP is sent to HTTPS, but challenges go to the webspace: it has to get its certificate.
    """
    name, hosts, plain = route.name, route.hosts, entry_points.http
    routers: dict[str, Any] = {
        f"{name}{ASTRAY}": {
            **_router(hosts, NOBODY, entry_points.https), "rule": unnamed(hosts), "middlewares": [MISDIRECTED], "tls": {},
        },
    }  # fmt: skip
    if plain:
        routers[name] = {**_router(hosts, NOBODY, plain), "middlewares": [REDIRECT]}
    if plain and route.challenges is not None:
        routers[f"{name}{CHALLENGED}"] = {
            **_router(hosts, f"{name}{CHALLENGED}", plain), "rule": challenges_of(hosts), "priority": CHALLENGE_PRIORITY,
        }  # fmt: skip
    return routers


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
    return {
        "rule": any_of("HostSNI", route.hosts), "service": route.name, "entryPoints": [entry_points.https],
        "priority": priority("HostSNI", route.hosts), "tls": {"passthrough": True},
    }  # fmt: skip


def _http_service(backend: Endpoint, protocol: Protocol = Protocol.HTTP) -> dict[str, Any]:
    transport = UNJUDGED if protocol is Protocol.HTTPS else TRANSPORT
    return {"loadBalancer": {"servers": [{"url": f"{protocol}://{backend}"}], "serversTransport": transport}}


def _tcp_service(backend: Endpoint) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"address": str(backend)}], "serversTransport": TRANSPORT}}


def read(document: Mapping[str, Any]) -> dict[str, Route]:
    """Give the routes of a document that :func:`render` made; what is not of its making is left out."""
    http, tcp = (document.get(kind) or {} for kind in ("http", "tcp"))
    certificates = _read_certificates(document)
    found: dict[str, Route] = {}
    for section, give in ((http, _read_http), (tcp, _read_passed)):
        for name, service in (section.get("services") or {}).items():
            try:
                route = give(name, service, http, tcp)
            except (KeyError, IndexError, TypeError, AttributeError, ValueError):
                continue
            if route.hosts:
                found[name] = evolve(route, certificates=tuple(certificates.get(name, ())))
    return found


def _read_certificates(document: Mapping[str, Any]) -> Mapping[str, Sequence[ServedCertificate]]:
    kind, section = CERTIFICATES
    part = document.get(kind)
    entries = part.get(section) if isinstance(part, Mapping) else None
    found: dict[str, list[ServedCertificate]] = {}
    for each in entries.values() if isinstance(entries, Mapping) else entries if isinstance(entries, list) else ():
        try:
            whose, _, chain = each["certFile"].partition("\n")
            name, *hosts = whose.split(" ")
            served = ServedCertificate(hosts=tuple(hosts), chain=chain, key=each["keyFile"])
        except (KeyError, TypeError, AttributeError, ValueError):
            continue
        found.setdefault(name, []).append(served)
    return {name: sorted(all_, key=lambda each: each.hosts) for name, all_ in found.items()}


def _read_http(name: str, service: Any, http: Mapping[str, Any], _: Mapping[str, Any]) -> Route:
    protocol, backend = _read_url(service)
    routers = http.get("routers") or {}
    names = [each for each in (f"{name}-https", f"{name}{OWN_DOMAINS}", f"{name}{UPLOADED}") if each in routers]
    served = [host for each in names for host in hosts_in(routers[each]["rule"])]
    # The router for plain HTTP, where there is one, has all of them in their order.
    order = hosts_in(routers[name]["rule"]) if name in routers else []
    hosts = tuple(dict.fromkeys([*(host for host in order if host in served), *served]))
    return Route(name=name, hosts=hosts, backend=backend, protocol=protocol)


def _read_passed(name: str, service: Any, http: Mapping[str, Any], tcp: Mapping[str, Any]) -> Route:
    backend = _read_endpoint(service["loadBalancer"]["servers"][0]["address"])
    challenged = (http.get("services") or {}).get(f"{name}{CHALLENGED}")
    challenges = None if challenged is None else _read_url(challenged)[1]
    hosts = tuple(hosts_in(tcp["routers"][name]["rule"]))
    return Route(name=name, hosts=hosts, backend=backend, passthrough=True, challenges=challenges)


def _read_url(service: Any) -> tuple[Protocol, Endpoint]:
    scheme, _, backend = service["loadBalancer"]["servers"][0]["url"].partition("://")
    return Protocol(scheme), _read_endpoint(backend)


def _read_endpoint(text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    return Endpoint(ip_address(host.strip("[]")), int(port))

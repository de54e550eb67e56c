"""Routes as objects of Kubernetes, and back: what ``render`` is for documents, with the same meaning.

Only the EndpointSlice depends on the backend, so a start or stop is one write. Names are those of the webspace's instance,
and those that the predecessor gave: Service ``ws-u7``, Certificate and Secret ``tls-ws-u7``.
Source: https://doc.traefik.io/traefik/reference/install-configuration/providers/kubernetes/kubernetes-crd/.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, TypeAlias

from attrs import frozen

from webspaced.core.address import Endpoint
from webspaced.core.routes import Route
from webspaced.kube.resources import (
    CERTIFICATE,
    ENDPOINT_SLICE,
    INGRESS_ROUTE,
    INGRESS_ROUTE_TCP,
    SERVERS_TRANSPORT,
    SERVERS_TRANSPORT_TCP,
    SERVICE,
    Document,
    Resource,
    name_of,
)
from webspaced.traefik.render import DIAL_TIMEOUT, EntryPoints, generations_in, sentinel

Key: TypeAlias = tuple[Resource, str]
"""Kind and name."""
Objects: TypeAlias = dict[Key, dict[str, Any]]
"""In the order in which they are to be written."""
MANAGED_BY, INSTANCE = "app.kubernetes.io/managed-by", "app.kubernetes.io/instance"
WEBSPACE = "webspaced/webspace"
OURS = "webspaced"
WEB, TLS = "web", "tls"
SERVICE_PORTS = {WEB: 80, TLS: 443}
"""Traefik goes by the name, and takes the number from the EndpointSlice that has a port of that name.

Passthrough has a name, and a slice, of its own: while a webspace moves from one to the other, nobody's TLS goes to a port
that expects none, or the other way round.
"""
LONGEST_LABEL = 63
_HOST = re.compile(r"`([^`]*)`")


@frozen(kw_only=True)
class Cluster:
    """What is the same for all webspaces. ``instance`` tells services of one namespace apart."""

    instance: str
    entry_points: EntryPoints
    default_secret: str | None = None
    """The Secret with the certificate of the default domains."""
    cluster_issuer: str | None = None
    """Who issues certificates for members' own domains."""
    is_asked: bool = False
    """Whether Traefik is asked what it has taken up: then there is a route of webspaced's own, written at each change."""

    @property
    def labels(self) -> dict[str, str]:
        """Give what all of this service's objects are labelled with."""
        return {MANAGED_BY: OURS, INSTANCE: self.instance}

    @property
    def selector(self) -> str:
        """Give what finds them."""
        return ",".join(f"{name}={value}" for name, value in self.labels.items())

    @property
    def transport(self) -> str:
        """Give the name of the two objects that say how backends are dialled."""
        return f"{OURS}-{_digest(self.instance, 8)}"

    def is_own(self, host: str) -> bool:
        """Whether a host is a member's own domain, for which a certificate has to be made."""
        points = self.entry_points
        return (self.cluster_issuer or points.resolver) is not None and not host.endswith(f".{points.domain}")


def instance_of(domain: str) -> str:
    """Give what a service is called in labels: its domain, or what a longer one comes to."""
    return domain if len(domain) <= LONGEST_LABEL else f"{domain[:40].rstrip('.-')}-{_digest(domain, 10)}"


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def shared(cluster: Cluster, generations: Sequence[int] = ()) -> Objects:
    """Give the objects that all routes refer to, and webspaced's own route where Traefik is asked for it.

    :param generations: see :func:`webspaced.traefik.render.sentinel`.
    """
    metadata = {"name": cluster.transport, "labels": cluster.labels}
    http = {"forwardingTimeouts": {"dialTimeout": DIAL_TIMEOUT}}
    return {
        (SERVERS_TRANSPORT, cluster.transport): SERVERS_TRANSPORT.document(metadata, spec=http),
        (SERVERS_TRANSPORT_TCP, cluster.transport): SERVERS_TRANSPORT_TCP.document(
            metadata, spec={"dialTimeout": DIAL_TIMEOUT}
        ),
        **(_own_route(cluster, generations) if cluster.is_asked else {}),
    }


def own_route_key(cluster: Cluster) -> Key:
    """Give which object is webspaced's own route."""
    return INGRESS_ROUTE, cluster.transport


def _own_route(cluster: Cluster, generations: Sequence[int]) -> Objects:
    router = sentinel(cluster.entry_points, generations)
    rule = {
        "kind": "Rule", "match": router["rule"], "priority": router["priority"],
        "services": [{"kind": "TraefikService", "name": router["service"]}],
    }  # fmt: skip
    spec = {name: router[name] for name in ("entryPoints", "tls") if name in router}
    document = INGRESS_ROUTE.document({"name": cluster.transport, "labels": cluster.labels}, spec={**spec, "routes": [rule]})
    return {own_route_key(cluster): document}


def told_by(document: Document | None) -> list[int]:
    """Give the generations that webspaced's own route tells."""
    try:
        return generations_in(document["spec"]["routes"][0]["match"]) if document is not None else []
    except (KeyError, IndexError, TypeError):
        return []


def certificates(route: Route, cluster: Cluster, existing: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Give the certificates of a webspace, by name, with the domains on each.

    A domain stays on the certificate that it is on, as issuers limit how often they issue. Each further one gets its own:
    one name that cannot be proved any more must not spoil the others'. With passthrough nobody needs further ones.

    :param existing: the domains on the certificates that are there.
    """
    found: dict[str, tuple[str, ...]] = {}
    left = [host for host in route.hosts if cluster.cluster_issuer is not None and cluster.is_own(host)]
    for name, domains in sorted(existing.items()):
        kept = tuple(domain for domain in domains if domain in left)
        left = [host for host in left if host not in kept]
        if kept:
            found[name] = kept
    for host in left if not route.passthrough else ():
        first = f"tls-{route.name}"
        found[f"{first}-{_digest(host, 10)}" if first in found else first] = (host,)
    return found


def render(route: Route, cluster: Cluster, existing: Mapping[str, Sequence[str]]) -> Objects:
    """Give the objects of a webspace; for ``existing`` see :func:`certificates`."""
    labels = {**cluster.labels, WEBSPACE: route.name}
    issued = certificates(route, cluster, existing)
    documents = [
        SERVICE.document({"name": route.name, "labels": labels}, spec=_service()),
        _slice(route, labels),
        *(_certificate(name, domains, cluster, labels) for name, domains in issued.items()),
        *([_tcp_route(route, cluster, labels)] if route.passthrough else _http_routes(route, cluster, labels, issued)),
    ]
    return {(KINDS[document["kind"]], name_of(document)): document for document in documents}


KINDS = {
    each.kind: each
    for each in (
        SERVICE, ENDPOINT_SLICE, CERTIFICATE, INGRESS_ROUTE, INGRESS_ROUTE_TCP, SERVERS_TRANSPORT, SERVERS_TRANSPORT_TCP,
    )
}  # fmt: skip
"""All that are written, in the order in which Traefik should come to know them."""


def _service() -> dict[str, Any]:
    ports = [{"name": name, "port": port, "protocol": "TCP", "targetPort": port} for name, port in SERVICE_PORTS.items()]
    return {"type": "ClusterIP", "clusterIP": "None", "ports": ports}


def _slice(route: Route, labels: Mapping[str, str]) -> dict[str, Any]:
    """Give the slice, another one for each family: a slice's cannot be changed.

    Without ``serving`` Traefik leaves the endpoint out for HTTP, without ``ready`` for TCP.
    """
    host = route.backend.host
    name = route.name + ("-tls" if route.passthrough else "") + ("" if host.version == 4 else "-6")  # noqa: PLR2004
    more = {"kubernetes.io/service-name": route.name, "endpointslice.kubernetes.io/managed-by": OURS}
    return ENDPOINT_SLICE.document(
        {"name": name, "labels": {**labels, **more}},
        addressType=f"IPv{host.version}",
        endpoints=[
            {"addresses": [str(host)], "conditions": {"ready": True, "serving": True, "terminating": False}},
        ],
        ports=[{"name": TLS if route.passthrough else WEB, "port": route.backend.port, "protocol": "TCP"}],
    )


def _certificate(
    name: str, domains: Sequence[str], cluster: Cluster, labels: Mapping[str, str]
) -> dict[str, Any]:
    issuer = {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": cluster.cluster_issuer}
    spec = {"secretName": name, "dnsNames": list(domains), "issuerRef": issuer}
    return CERTIFICATE.document({"name": name, "labels": dict(labels)}, spec=spec)


def _http_routes(
    route: Route, cluster: Cluster, labels: Mapping[str, str], issued: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    points = cluster.entry_points
    own = [host for host in route.hosts if cluster.is_own(host)]
    inside = [host for host in route.hosts if host not in own]
    routes: list[tuple[str, Sequence[str], str, dict[str, Any] | None]] = []
    if inside:
        routes.append((f"{route.name}-https", inside, points.https, _default_tls(cluster)))
    if own and cluster.cluster_issuer is None:
        tls = {"certResolver": points.resolver, "domains": [{"main": host} for host in own]}
        routes.append((f"{route.name}-domains", own, points.https, tls))
    routes += [(name, domains, points.https, {"secretName": name}) for name, domains in issued.items()]
    if points.http:
        routes.append((route.name, route.hosts, points.http, None))
    return [_http_route(name, hosts, point, tls, route, cluster, labels) for name, hosts, point, tls in routes]


def _default_tls(cluster: Cluster) -> dict[str, Any]:
    points = cluster.entry_points
    if cluster.default_secret is not None:
        return {"secretName": cluster.default_secret}
    if points.resolver is None or not points.default_sans:
        # Whatever certificate of Traefik's fits.
        return {}
    main, *sans = points.default_sans
    return {"certResolver": points.resolver, "domains": [{"main": main, "sans": sans}]}


def _http_route(
    name: str,
    hosts: Iterable[str],
    entry_point: str,
    tls: dict[str, Any] | None,
    route: Route,
    cluster: Cluster,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    service = {"name": route.name, "port": WEB, "serversTransport": cluster.transport}
    rule = {"kind": "Rule", "match": _any_of("Host", hosts), "services": [service]}
    spec: dict[str, Any] = {"entryPoints": [entry_point], "routes": [rule]}
    if tls is not None:
        spec["tls"] = tls
    return INGRESS_ROUTE.document({"name": name, "labels": dict(labels)}, spec=spec)


def _tcp_route(route: Route, cluster: Cluster, labels: Mapping[str, str]) -> dict[str, Any]:
    service = {"name": route.name, "port": TLS, "serversTransport": cluster.transport}
    rule = {"match": _any_of("HostSNI", route.hosts), "services": [service]}
    spec = {"entryPoints": [cluster.entry_points.https], "routes": [rule], "tls": {"passthrough": True}}
    return INGRESS_ROUTE_TCP.document({"name": route.name, "labels": dict(labels)}, spec=spec)


def _any_of(matcher: str, hosts: Iterable[str]) -> str:
    return " || ".join(f"{matcher}(`{host}`)" for host in hosts)


def read(name: str, objects: Mapping[Key, Document]) -> Route | None:
    """Give the route that a webspace's objects make; ``None`` if they make none."""
    routes = {key: each for key, each in objects.items() if key[0] == INGRESS_ROUTE}
    tcp = objects.get((INGRESS_ROUTE_TCP, name))
    # While it is moved from one to the other both are there, and Traefik goes by the former.
    shown = list(routes.values()) if routes else [tcp] if tcp else []
    plain = routes.get((INGRESS_ROUTE, name))
    if plain is not None:
        shown = [plain, *shown]
    try:
        port = WEB if routes else TLS
        (backend,) = {_backend(each) for key, each in objects.items() if key[0] == ENDPOINT_SLICE and _serves(each, port)}
        hosts = tuple(dict.fromkeys(host for each in shown for host in _hosts_of(each)))
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return Route(name=name, hosts=hosts, backend=backend, passthrough=not routes) if hosts else None


def _backend(document: Document) -> Endpoint:
    return Endpoint(ip_address(document["endpoints"][0]["addresses"][0]), document["ports"][0]["port"])


def _serves(document: Document, port: str) -> bool:
    return bool(document["ports"][0]["name"] == port)


def _hosts_of(document: Document) -> list[str]:
    return [host for rule in document["spec"]["routes"] for host in _HOST.findall(rule["match"])]


def covers(found: Any, wanted: Any) -> bool:
    """Whether an object has all that was written to it, beside what the server and others added to it."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(covers(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(covers, found, wanted))
    return bool(found == wanted)


def essence(document: Document) -> dict[str, Any]:
    """Give what is ours of an object: not who touched it when, nor what became of it."""
    return {name: value for name, value in document.items() if name not in ("apiVersion", "kind", "metadata", "status")}


def is_as_written(found: Document, wanted: Document, left: Document | None) -> bool:
    """Whether nobody else changed an object.

    :param left: the object as our last write left it, or as it was found.
    """
    fields = {name: value for name, value in wanted.items() if name not in ("apiVersion", "kind", "metadata")}
    labels = {"metadata": {"labels": wanted["metadata"]["labels"]}}
    if not covers(found, fields) or not covers(found, labels):
        return False
    # What operators set on a Certificate beside is theirs.
    return left is None or found is left or wanted["kind"] == CERTIFICATE.kind or essence(found) == essence(left)


def replacement(found: Document, wanted: Document) -> dict[str, Any]:
    """Give what to put in an object's place: what is ours is as wanted, labels and the like of others stay."""
    metadata, ours = found["metadata"], wanted["metadata"]
    merged = {
        name: value
        for name, value in metadata.items()
        if name in ("annotations", "finalizers", "ownerReferences", "resourceVersion")
    }
    labels = {**(metadata.get("labels") or {}), **ours["labels"]}
    document = {**wanted, "metadata": {**merged, "name": ours["name"], "labels": labels}}
    if wanted["kind"] == CERTIFICATE.kind:
        document["spec"] = {**(found.get("spec") or {}), **wanted["spec"]}
    return document

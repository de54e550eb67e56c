"""Routes as objects of Kubernetes, and back: what ``render`` is for documents, with the same meaning.

Only the EndpointSlice depends on the backend, so a start or stop is one write. Names are those of the webspace's instance,
and those that the predecessor gave: Service ``ws-u7``, Certificate and Secret ``tls-ws-u7``.
Source: https://doc.traefik.io/traefik/reference/install-configuration/providers/kubernetes/kubernetes-crd/.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, TypeAlias

from webspaced.core.address import Endpoint
from webspaced.core.routes import Route, ServedCertificate
from webspaced.kube.resources import (
    CERTIFICATE,
    ENDPOINT_SLICE,
    INGRESS_ROUTE,
    INGRESS_ROUTE_TCP,
    MIDDLEWARE,
    SECRET,
    SERVERS_TRANSPORT,
    SERVERS_TRANSPORT_TCP,
    SERVICE,
    Document,
    Resource,
    name_of,
)
from webspaced.traefik.kube_cluster import OURS, WEBSPACE, Cluster, digest
from webspaced.traefik.kube_routes import (
    CHALLENGES,
    TLS,
    WEB,
    hosts_of,
    http_routes,
    leads_to,
    protocol_of,
    routes_beside,
    secret_of,
    tcp_route,
)
from webspaced.traefik.render import DIAL_TIMEOUT, NOBODY, REDIRECTION, generations_in, misdirection, sentinel

Key: TypeAlias = tuple[Resource, str]
"""Kind and name."""
Objects: TypeAlias = dict[Key, dict[str, Any]]
"""In the order in which they are to be written."""
SERVICE_PORTS = {WEB: 80, TLS: 443, CHALLENGES: 81}
"""Traefik goes by the name, and takes the number from the EndpointSlice that has a port of that name.

Passthrough has a name, and a slice, of its own: while a webspace moves from one to the other, nobody's TLS goes to a port
that expects none, or the other way round.
"""


def shared(cluster: Cluster, generations: Sequence[int] = ()) -> Objects:
    """Give the objects that all routes refer to, and webspaced's own route where Traefik is asked for it.

    :param generations: see :func:`webspaced.traefik.render.sentinel`.
    """
    timeouts = {"forwardingTimeouts": {"dialTimeout": DIAL_TIMEOUT}}
    nobody = {"kind": "TraefikService", "name": NOBODY}
    specs: dict[Key, Mapping[str, Any]] = {
        (SERVERS_TRANSPORT, cluster.transport): timeouts,
        (SERVERS_TRANSPORT, cluster.unjudged): {**timeouts, "insecureSkipVerify": True},
        (SERVERS_TRANSPORT_TCP, cluster.transport): {"dialTimeout": DIAL_TIMEOUT},
        (MIDDLEWARE, cluster.redirect): {"redirectScheme": REDIRECTION},
        (MIDDLEWARE, cluster.misdirected): {"errors": misdirection(nobody)},
    }
    return {
        **{key: key[0].document({"name": key[1], "labels": cluster.labels}, spec=spec) for key, spec in specs.items()},
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
    one name that cannot be proved any more must not spoil the others'. With passthrough nobody needs further ones, and a
    domain with a certificate of its member's own needs none.

    :param existing: the domains on the certificates that are there.
    """
    found: dict[str, tuple[str, ...]] = {}
    left = [host for host in route.automatic if cluster.cluster_issuer is not None and cluster.is_own(host)]
    for name, domains in sorted(existing.items()):
        kept = tuple(domain for domain in domains if domain in left)
        left = [host for host in left if host not in kept]
        if kept:
            found[name] = kept
    for host in left if not route.passthrough else ():
        first = f"tls-{route.name}"
        found[f"{first}-{digest(host, 10)}" if first in found else first] = (host,)
    return found


def render(route: Route, cluster: Cluster, existing: Mapping[str, Sequence[str]]) -> Objects:
    """Give the objects of a webspace; for ``existing`` see :func:`certificates`."""
    labels = {**cluster.labels, WEBSPACE: route.name}
    issued = certificates(route, cluster, existing)
    documents = [
        SERVICE.document({"name": route.name, "labels": labels}, spec=_service()),
        _slice(route.backend, TLS if route.passthrough else WEB, labels),
        *([] if route.challenges is None else [_slice(route.challenges, CHALLENGES, labels)]),
        *(_certificate(name, domains, cluster, labels) for name, domains in issued.items()),
        *(_secret(secret_of(route, each), each, labels) for each in route.certificates),
        *([tcp_route(route, cluster, labels), *routes_beside(route, cluster, labels)] if route.passthrough else []),
        *([] if route.passthrough else http_routes(route, cluster, labels, issued)),
    ]
    return {(KINDS[document["kind"]], name_of(document)): document for document in documents}


KINDS = {
    each.kind: each
    for each in (
        SERVICE, ENDPOINT_SLICE, CERTIFICATE, SECRET, MIDDLEWARE, INGRESS_ROUTE, INGRESS_ROUTE_TCP, SERVERS_TRANSPORT,
        SERVERS_TRANSPORT_TCP,
    )
}  # fmt: skip
"""All that are written, in the order in which Traefik should come to know them."""


def _service() -> dict[str, Any]:
    ports = [{"name": name, "port": port, "protocol": "TCP", "targetPort": port} for name, port in SERVICE_PORTS.items()]
    return {"type": "ClusterIP", "clusterIP": "None", "ports": ports}


def _slice(backend: Endpoint, port: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Give the slice of one port, another one for each family: a slice's cannot be changed.

    Without ``serving`` Traefik leaves the endpoint out for HTTP, without ``ready`` for TCP.
    """
    host, service = backend.host, labels[WEBSPACE]
    name = service + ("" if port == WEB else f"-{port}") + ("" if host.version == 4 else "-6")  # noqa: PLR2004
    more = {"kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": OURS}
    return ENDPOINT_SLICE.document(
        {"name": name, "labels": {**labels, **more}},
        addressType=f"IPv{host.version}",
        endpoints=[
            {"addresses": [str(host)], "conditions": {"ready": True, "serving": True, "terminating": False}},
        ],
        ports=[{"name": port, "port": backend.port, "protocol": "TCP"}],
    )


def _certificate(
    name: str, domains: Sequence[str], cluster: Cluster, labels: Mapping[str, str]
) -> dict[str, Any]:
    issuer = {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": cluster.cluster_issuer}
    spec = {"secretName": name, "dnsNames": list(domains), "issuerRef": issuer}
    return CERTIFICATE.document({"name": name, "labels": dict(labels)}, spec=spec)


def _secret(name: str, certificate: ServedCertificate, labels: Mapping[str, str]) -> dict[str, Any]:
    parts = {"tls.crt": certificate.chain, "tls.key": certificate.key}
    data = {name: b64encode(text.encode()).decode() for name, text in parts.items()}
    return SECRET.document({"name": name, "labels": dict(labels)}, type="kubernetes.io/tls", data=data)


def _read_certificates(ending: Iterable[Document], objects: Mapping[Key, Document]) -> Iterator[ServedCertificate]:
    for route in ending:
        secret = objects.get((SECRET, (route["spec"].get("tls") or {}).get("secretName") or ""))
        if secret is not None:
            chain, key = (b64decode(secret["data"][name]).decode() for name in ("tls.crt", "tls.key"))
            yield ServedCertificate(hosts=tuple(hosts_of(route)), chain=chain, key=key)


def read(name: str, objects: Mapping[Key, Document]) -> Route | None:
    """Give the route that a webspace's objects make; ``None`` if they make none."""
    slices = [each for key, each in objects.items() if key[0] == ENDPOINT_SLICE]
    tcp = objects.get((INGRESS_ROUTE_TCP, name))
    try:
        # While it is moved from one to the other both are there, and Traefik goes by the former.
        ending = {key: each for key, each in objects.items() if key[0] == INGRESS_ROUTE and leads_to(each, WEB)}
        plain = ending.get((INGRESS_ROUTE, name))
        shown = [*([plain] if plain else []), *ending.values()] if ending else [tcp] if tcp else []
        hosts = tuple(dict.fromkeys(host for each in shown for host in hosts_of(each)))
        (backend,) = _backends(slices, WEB if ending else TLS)
        challenges = () if ending else tuple(_backends(slices, CHALLENGES))
        protocol = protocol_of(shown[0])
        certificates = sorted(_read_certificates(ending.values(), objects), key=lambda each: each.hosts)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None
    if not hosts:
        return None
    return Route(
        name=name, hosts=hosts, backend=backend, passthrough=not ending, protocol=protocol,
        challenges=challenges[0] if len(challenges) == 1 else None, certificates=tuple(certificates),
    )  # fmt: skip


def _backends(slices: Iterable[Document], port: str) -> set[Endpoint]:
    return {_backend(each) for each in slices if _serves(each, port)}


def _backend(document: Document) -> Endpoint:
    return Endpoint(ip_address(document["endpoints"][0]["addresses"][0]), document["ports"][0]["port"])


def _serves(document: Document, port: str) -> bool:
    return bool(document["ports"][0]["name"] == port)


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

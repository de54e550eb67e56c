"""A webspace's IngressRoutes and its IngressRouteTCP, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from webspaced.core.protocol import Protocol
from webspaced.core.routes import Route, ServedCertificate
from webspaced.kube.resources import INGRESS_ROUTE, INGRESS_ROUTE_TCP, Document
from webspaced.traefik.kube_cluster import UPLOADED, Cluster, digest
from webspaced.traefik.render import ASTRAY, NOBODY, OWN_DOMAINS
from webspaced.traefik.rules import CHALLENGE_PRIORITY, any_of, challenges_of, hosts_in, priority, unnamed

WEB, TLS, CHALLENGES = "web", "tls", "challenges"
"""Ports of a webspace's Service, and of the slices that have them: Traefik goes by these names."""
_NOBODY = {"kind": "TraefikService", "name": NOBODY}


def http_routes(
    route: Route, cluster: Cluster, labels: Mapping[str, str], issued: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Give the routes of a webspace whose TLS Traefik ends.

    :param issued: the domains on each certificate that is issued for it, by the certificate's name.
    """
    points = cluster.entry_points
    own = [host for host in route.automatic if cluster.is_own(host)]
    inside = [host for host in route.automatic if host not in own]
    routes: list[tuple[str, Sequence[str], str, dict[str, Any] | None]] = []
    if inside:
        routes.append((f"{route.name}-https", inside, points.https, _default_tls(cluster)))
    if own and cluster.cluster_issuer is None:
        tls = {"certResolver": points.resolver, "domains": [{"main": host} for host in own]}
        routes.append((f"{route.name}{OWN_DOMAINS}", own, points.https, tls))
    routes += [(name, domains, points.https, {"secretName": name}) for name, domains in issued.items()]
    uploaded = [(secret_of(route, each), each.hosts) for each in route.certificates]
    routes += [(name, hosts, points.https, {"secretName": name}) for name, hosts in uploaded]
    if points.http:
        routes.append((route.name, route.hosts, points.http, None))
    service = _service(route, cluster)
    return [_document(name, labels, point, [_rule(hosts, service)], tls) for name, hosts, point, tls in routes]


def routes_beside(route: Route, cluster: Cluster, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Give the routes of a webspace that has its TLS passed through: see ``render`` of documents."""
    points, hosts = cluster.entry_points, route.hosts
    astray = {**_rule(hosts, _NOBODY, cluster.misdirected), "match": unnamed(hosts)}
    documents = [_document(f"{route.name}{ASTRAY}", labels, points.https, [astray], {})]
    if points.http:
        rules = [_rule(hosts, _NOBODY, cluster.redirect)]
        if route.challenges is not None:
            service = {"name": route.name, "port": CHALLENGES, "serversTransport": cluster.transport}
            rule = {**_rule(hosts, service), "match": challenges_of(hosts), "priority": CHALLENGE_PRIORITY}
            rules.append(rule)
        documents.append(_document(route.name, labels, points.http, rules, None))
    return documents


def tcp_route(route: Route, cluster: Cluster, labels: Mapping[str, str]) -> dict[str, Any]:
    """Give the route by which TLS is passed through."""
    service = {"name": route.name, "port": TLS, "serversTransport": cluster.transport}
    rule = {
        "match": any_of("HostSNI", route.hosts), "priority": priority("HostSNI", route.hosts), "services": [service],
    }  # fmt: skip
    spec = {"entryPoints": [cluster.entry_points.https], "routes": [rule], "tls": {"passthrough": True}}
    return INGRESS_ROUTE_TCP.document({"name": route.name, "labels": dict(labels)}, spec=spec)


def secret_of(route: Route, certificate: ServedCertificate) -> str:
    """Give the name of the Secret with a certificate of a member's own, and of the IngressRoute that refers to it."""
    return f"{UPLOADED}{route.name}-{digest(certificate.hosts[0], 10)}"


def hosts_of(document: Document) -> list[str]:
    """Give the hosts that a route names."""
    return [host for rule in document["spec"]["routes"] for host in hosts_in(rule["match"])]


def leads_to(document: Document, port: str) -> bool:
    """Whether a route leads to this port of a Service."""
    return any(service.get("port") == port for rule in document["spec"]["routes"] for service in rule["services"])


def protocol_of(document: Document) -> Protocol:
    """Give what a route says that the backend speaks."""
    return Protocol(document["spec"]["routes"][0]["services"][0].get("scheme", Protocol.HTTP))


def _service(route: Route, cluster: Cluster) -> dict[str, Any]:
    protocol = route.protocol
    transport = cluster.unjudged if protocol is Protocol.HTTPS else cluster.transport
    # Said in any case: a member that is left out counts as somebody else's, who may have set it.
    return {"name": route.name, "port": WEB, "scheme": protocol.value, "serversTransport": transport}


def _default_tls(cluster: Cluster) -> dict[str, Any]:
    points = cluster.entry_points
    if cluster.default_secret is not None:
        return {"secretName": cluster.default_secret}
    if points.resolver is None or not points.default_sans:
        # Whatever certificate of Traefik's fits.
        return {}
    main, *sans = points.default_sans
    return {"certResolver": points.resolver, "domains": [{"main": main, "sans": sans}]}


def _rule(hosts: Iterable[str], service: Mapping[str, Any], middleware: str | None = None) -> dict[str, Any]:
    hosts = tuple(hosts)
    rule = {
        "kind": "Rule", "match": any_of("Host", hosts), "priority": priority("Host", hosts), "services": [dict(service)],
    }  # fmt: skip
    return rule if middleware is None else {**rule, "middlewares": [{"name": middleware}]}


def _document(
    name: str, labels: Mapping[str, str], entry_point: str, rules: Sequence[Mapping[str, Any]], tls: dict[str, Any] | None
) -> dict[str, Any]:
    spec: dict[str, Any] = {"entryPoints": [entry_point], "routes": list(rules)}
    if tls is not None:
        spec["tls"] = tls
    return INGRESS_ROUTE.document({"name": name, "labels": dict(labels)}, spec=spec)

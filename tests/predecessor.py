"""What an older webspaced leaves in Kubernetes when it ends without a clean-up, and its Traefik as far as it is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from webspaced.core.address import Endpoint
from webspaced.kube.resources import (
    ENDPOINTS,
    OLD_INGRESS_ROUTE,
    OLD_INGRESS_ROUTE_TCP,
    OLD_MIDDLEWARE,
    SERVICE,
    Document,
    Resource,
)

LABELS = {"app.kubernetes.io/managed-by": "webspaced"}
NOWHERE = "1.1.1.1"
"""Where the route of one that is stopped leads: its middleware boots it first."""


def left_by(
    name: str, backend: Endpoint | None, hosts: tuple[str, ...], *, port: str | int = "http", passthrough: bool = False
) -> Iterator[tuple[Resource, Document]]:
    """Give the objects of one webspace, stopped without a backend. ``port``: how the route knows its Service's port."""
    number = 80 if backend is None else backend.port
    address = NOWHERE if backend is None else str(backend.host)
    metadata = {"name": name, "labels": LABELS}
    subset = {"addresses": [{"ip": address}], "ports": [{"name": "http", "port": number, "protocol": "TCP"}]}
    yield ENDPOINTS, ENDPOINTS.document(metadata, subsets=[subset])
    service = {"type": "ClusterIP", "clusterIP": "None", "ports": [{"name": "http", "port": number, "protocol": "TCP"}]}
    yield SERVICE, SERVICE.document(metadata, spec=service)
    boot = {"name": f"{name}-boot", "labels": LABELS}
    if backend is None and not passthrough:
        plugin = {"webspaceBoot": {"url": "http://webspaced", "iamToken": "token", "userID": int(name.rpartition("u")[2])}}
        yield OLD_MIDDLEWARE, OLD_MIDDLEWARE.document(boot, spec=plugin)
    services = [{"name": name, "port": port}]
    if passthrough:
        match = " || ".join(f"HostSNI(`{host}`)" for host in hosts)
        spec: dict[str, Any] = {"routes": [{"match": match, "services": services}], "tls": {"passthrough": True}}
        yield OLD_INGRESS_ROUTE_TCP, OLD_INGRESS_ROUTE_TCP.document(metadata, spec=spec)
        return
    middlewares = [{"name": f"{name}-boot"}] if backend is None else []
    match = " || ".join(f"Host(`{host}`)" for host in hosts)
    rule = {"kind": "Rule", "match": match, "services": services, "middlewares": middlewares}
    spec = {"entryPoints": ["websecure"], "routes": [rule], "tls": {"secretName": "default"}}
    yield OLD_INGRESS_ROUTE, OLD_INGRESS_ROUTE.document(metadata, spec=spec)


def led_to(route: Document, services: Mapping[str, Document], endpoints: Mapping[str, Document]) -> tuple[str, int] | None:
    """Give where Traefik 2 leads visitors of an old route: by the Service's port, and the Endpoints' of the same name."""
    (chosen,) = route["spec"]["routes"][0]["services"]
    service, subsets = services.get(chosen["name"]), (endpoints.get(chosen["name"]) or {}).get("subsets") or []
    if service is None:
        return None
    named = [each["name"] for each in service["spec"]["ports"] if chosen["port"] in (each["name"], each["port"])]
    for subset in subsets:
        for port in subset["ports"]:
            if port["name"] in named:
                return subset["addresses"][0]["ip"], port["port"]
    return None

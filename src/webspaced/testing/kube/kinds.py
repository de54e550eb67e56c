"""The kinds that are served, and what the API server makes of some of them beside keeping them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from ipaddress import ip_address
from itertools import count
from typing import Any, Final

from webspaced.kube.resources import (
    CERTIFICATE,
    ENDPOINT_SLICE,
    ENDPOINTS,
    INGRESS_ROUTE,
    INGRESS_ROUTE_TCP,
    LEASE,
    OLD_INGRESS_ROUTE,
    OLD_INGRESS_ROUTE_TCP,
    OLD_MIDDLEWARE,
    OLD_MIDDLEWARE_TCP,
    POD,
    SECRET,
    SERVERS_TRANSPORT,
    SERVERS_TRANSPORT_TCP,
    SERVICE,
    Resource,
)
from webspaced.testing.kube.errors import invalid

TRAEFIK: Final = "traefik.io"
CUSTOM: Final = (TRAEFIK, OLD_INGRESS_ROUTE.group, "cert-manager.io")
"""Groups of custom resources."""
READ_BY_TRAEFIK: Final = (
    *(
        Resource(group=TRAEFIK, version="v1alpha1", plural=f"{kind.lower()}s", kind=kind)
        for kind in ("IngressRouteUDP", "Middleware", "MiddlewareTCP", "TLSOption", "TLSStore", "TraefikService")
    ),
    *(Resource(group="", version="v1", plural=f"{kind.lower()}s", kind=kind) for kind in ("ConfigMap", "Node")),
)
KINDS: Final = {
    (each.group, each.version, each.plural): each
    for each in (
        SERVICE, POD, SECRET, ENDPOINTS, ENDPOINT_SLICE, LEASE, INGRESS_ROUTE, INGRESS_ROUTE_TCP, SERVERS_TRANSPORT,
        SERVERS_TRANSPORT_TCP, CERTIFICATE, OLD_INGRESS_ROUTE, OLD_INGRESS_ROUTE_TCP, OLD_MIDDLEWARE, OLD_MIDDLEWARE_TCP,
        *READ_BY_TRAEFIK,
    )
}  # fmt: skip
UNCONDITIONAL: Final = (SERVICE, ENDPOINT_SLICE, POD)
"""Kinds that may be replaced without a word on which version is meant."""
FIRST_NODE_PORT = 30000
NAMED_WHEN_SEVERAL = 1


class Allocator:
    """Hands out node ports and cluster addresses, each once."""

    def __init__(self) -> None:
        self._ports = count(FIRST_NODE_PORT)
        self._hosts = count(1)

    def node_port(self) -> int:
        """Give a port that nobody has."""
        return next(self._ports)

    def address(self) -> str:
        """Give an address that nobody has."""
        return str(ip_address("10.96.0.0") + next(self._hosts))


def admitted(resource: Resource, document: dict[str, Any], before: dict[str, Any] | None, ips: Allocator) -> dict[str, Any]:
    """Give an object as it is kept: with defaults, and refused (422) if it breaks a rule.

    :param before: what it replaces.
    """
    kept = copy.deepcopy(document)
    rules: dict[Resource, Callable[[dict[str, Any], dict[str, Any] | None, Allocator], None]] = {
        SERVICE: _service,
        ENDPOINT_SLICE: _slice,
        SECRET: _secret,
    }
    if resource in rules:
        rules[resource](kept, before, ips)
    return kept


def _service(document: dict[str, Any], before: dict[str, Any] | None, ips: Allocator) -> None:
    spec: dict[str, Any] = document.setdefault("spec", {})
    _ports(spec)
    old: dict[str, Any] = before["spec"] if before else {}
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("clusterIP", old.get("clusterIP") or ips.address())
    if old and spec["clusterIP"] != old["clusterIP"]:
        raise invalid("spec.clusterIPs[0]: Invalid value: field is immutable")
    spec["clusterIPs"] = [spec["clusterIP"]]
    headless = spec["clusterIP"] == "None" and not spec.get("selector")
    spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if headless else ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "RequireDualStack" if headless else "SingleStack")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        spec.setdefault("externalTrafficPolicy", "Cluster")
        _node_ports(spec, old, ips)


def _ports(spec: dict[str, Any]) -> None:
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None":
        raise invalid("spec.ports: Required value")
    names = [port.get("name", "") for port in ports]
    if len(ports) > NAMED_WHEN_SEVERAL and ("" in names or len(set(names)) < len(names)):
        raise invalid("spec.ports: each needs a name of its own")
    for port in ports:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
    keys = [(port["port"], port["protocol"]) for port in ports]
    if len(set(keys)) < len(keys):
        raise invalid("spec.ports: Duplicate value")


def _node_ports(spec: dict[str, Any], old: dict[str, Any], ips: Allocator) -> None:
    for port in spec["ports"]:
        if not port.get("nodePort"):
            port["nodePort"] = _kept_node_port(port, old) or ips.node_port()


def _kept_node_port(port: dict[str, Any], old: dict[str, Any]) -> int | None:
    """Give the node port of the port of the same name, if there was one."""
    found = [each.get("nodePort") for each in old.get("ports") or () if each.get("name", "") == port.get("name", "")]
    return found[0] if found else None


def _slice(document: dict[str, Any], before: dict[str, Any] | None, _ips: Allocator) -> None:
    if document.get("addressType") not in ("IPv4", "IPv6", "FQDN"):
        raise invalid("addressType: Required value")
    if before and before["addressType"] != document["addressType"]:
        raise invalid("addressType: Invalid value: field is immutable")
    document["endpoints"] = document.get("endpoints") or []
    document["ports"] = document.get("ports") or []
    for port in document["ports"]:
        port.setdefault("protocol", "TCP")
        port.setdefault("name", "")
    for endpoint in document["endpoints"]:
        endpoint.setdefault("conditions", {})
        for address in endpoint.get("addresses") or []:
            _check_address(address, document["addressType"])


def _secret(document: dict[str, Any], before: dict[str, Any] | None, _ips: Allocator) -> None:
    kind, data = document.setdefault("type", "Opaque"), document.get("data") or {}
    if before and before["type"] != kind:
        raise invalid("type: Invalid value: field is immutable")
    for name in ("tls.crt", "tls.key") if kind == "kubernetes.io/tls" else ():
        if name not in data:
            raise invalid(f"data[{name}]: Required value")


def _check_address(text: str, family: str) -> None:
    try:
        address = ip_address(text)
    except ValueError as error:
        raise invalid(f"endpoints[0].addresses[0]: Invalid value: {text!r}") from error
    if f"IPv{address.version}" != family:
        raise invalid(f"endpoints[0].addresses[0]: Invalid value: {text!r}: must be a valid {family} address")
    special = address.is_loopback or address.is_unspecified or address.is_link_local or address.is_multicast
    if special:
        raise invalid(f"endpoints[0].addresses[0]: Invalid value: {text!r}: may not be in the loopback range")

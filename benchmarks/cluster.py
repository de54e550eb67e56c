"""A Kubernetes API for benchmarks, and this machine's address in it. Needs root, and what `harness.kube` finds or builds.

Traefik's and cert-manager's kinds are there without their schemas: a change of routes writes slices, which are built in.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from harness import kube, network, packages
from harness.kube_server import RBAC, KubeServer
from harness.saying import CannotGoOn

USERS = ("webspaced", "traefik")
TRAEFIK_KINDS = (
    "IngressRoute", "IngressRouteTCP", "IngressRouteUDP", "Middleware", "MiddlewareTCP", "ServersTransport",
    "ServersTransportTCP", "TLSOption", "TLSStore", "TraefikService",
)  # fmt: skip
WRITTEN = ("services", "endpointslices", "ingressroutes", "ingressroutetcps", "serverstransports", "serverstransporttcps")
_REQUESTS = re.compile(r'^apiserver_request_total\{.*resource="(\w+)".*verb="(?:POST|PUT|PATCH|DELETE)".*\} (\S+)$')


def reason_against() -> str:
    """Why there cannot be one here; empty when there can."""
    if not packages.is_root():
        return "without root this machine can have no address that slices may name"
    try:
        kube.ensured()
    except CannotGoOn as error:
        return str(error).strip().splitlines()[-1]
    return ""


def _definition(group: str, version: str, kind: str) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


def _key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@contextmanager
def running() -> Iterator[KubeServer]:
    """Run one; its programs end with the thread that calls this."""
    server = KubeServer(kube.ensured(), _key(), USERS)
    try:
        kinds = [_definition("traefik.io", "v1alpha1", kind) for kind in TRAEFIK_KINDS]
        server.start([*kinds, _definition("cert-manager.io", "v1", "Certificate")])
        yield server
    finally:
        server.delete()


def hosting(server: KubeServer) -> str:
    """Make a namespace in which webspaced and Traefik have the rights that the chart gives; gives its name."""
    namespace = server.namespace("bench")
    for user in USERS:
        server.give(user, yaml.safe_load_all((RBAC / f"{user}.yaml").read_text()), namespace)
    return namespace


def traefik_provider(server: KubeServer, namespace: str, throttle: str) -> dict[str, Any]:
    """Give Traefik's options for it, as the chart sets them."""
    return {
        "kubernetesCRD": {
            "endpoint": server.url,
            "token": server.tokens["traefik"],
            "certAuthFilePath": str(server.authority),
            "namespaces": [namespace],
            "allowEmptyServices": True,
            "safeNaming": True,
            "disableClusterScopeResources": True,
            "throttleDuration": throttle,
        }
    }


def write_kubeconfig(server: KubeServer, namespace: str, path: Path) -> None:
    """Write webspaced's own."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": server.url, "certificate-authority": str(server.authority)}}],
        "users": [{"name": "u", "user": {"token": server.tokens["webspaced"]}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
    }
    path.touch(0o600)
    path.write_text(yaml.safe_dump(document))


def writes(server: KubeServer) -> int:
    """Give how many writes of what routes consist of the API server has counted, whoever asked and whatever came of them."""
    found = (_REQUESTS.match(line) for line in server.text("GET", "/metrics").decode().splitlines())
    return sum(int(float(each[2])) for each in found if each and each[1] in WRITTEN)


@contextmanager
def addresses(count: int) -> Iterator[list[str]]:
    """Have so many addresses that are not loopback."""
    subnet = ip_network(network.free_subnet())
    with ExitStack() as cleaning:
        found = [str(subnet[number]) for number in range(1, count + 1)]
        for address in found:
            subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
            cleaning.callback(subprocess.run, ["ip", "address", "del", f"{address}/32", "dev", "lo"], check=True)
        yield found

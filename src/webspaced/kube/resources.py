"""The kinds of objects that webspaced reads and writes.

Sources: https://kubernetes.io/docs/reference/kubernetes-api/, https://cert-manager.io/docs/reference/api-docs/ and
https://doc.traefik.io/traefik/reference/routing-configuration/kubernetes/crd/http/ingressroute/.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from attrs import frozen

Document: TypeAlias = Mapping[str, Any]
"""An object of the API as JSON has it."""


@frozen(kw_only=True)
class Resource:
    """One kind, in one version of its group; the core group has no name."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """Give what objects of the kind say in ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str, name: str = "") -> str:
        """Give the path of the kind's collection in a namespace, or of one object in it."""
        root = f"/apis/{self.group}" if self.group else "/api"
        collection = f"{root}/{self.version}/namespaces/{quote(namespace, safe='')}/{self.plural}"
        return f"{collection}/{quote(name, safe='')}" if name else collection

    def document(self, metadata: Document, **fields: Any) -> dict[str, Any]:
        """Give an object of the kind."""
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": dict(metadata), **fields}

    def __str__(self) -> str:
        """Give the name by which kubectl knows the kind."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def name_of(document: Document) -> str:
    """Give an object's name."""
    name: str = document["metadata"]["name"]
    return name


def version_of(document: Document) -> int:
    """Give an object's resourceVersion.

    Of one cluster these are numbers that grow with each write, whatever the kind (KEP 5504; true of etcd all along).
    """
    return int(document["metadata"]["resourceVersion"])


SERVICE: Final = Resource(group="", version="v1", plural="services", kind="Service")
SECRET: Final = Resource(group="", version="v1", plural="secrets", kind="Secret")
ENDPOINTS: Final = Resource(group="", version="v1", plural="endpoints", kind="Endpoints")
"""What an older webspaced wrote instead of slices."""
POD: Final = Resource(group="", version="v1", plural="pods", kind="Pod")
ENDPOINT_SLICE: Final = Resource(group="discovery.k8s.io", version="v1", plural="endpointslices", kind="EndpointSlice")
LEASE: Final = Resource(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease")
INGRESS_ROUTE: Final = Resource(group="traefik.io", version="v1alpha1", plural="ingressroutes", kind="IngressRoute")
INGRESS_ROUTE_TCP: Final = Resource(
    group="traefik.io", version="v1alpha1", plural="ingressroutetcps", kind="IngressRouteTCP"
)
MIDDLEWARE: Final = Resource(group="traefik.io", version="v1alpha1", plural="middlewares", kind="Middleware")
SERVERS_TRANSPORT: Final = Resource(
    group="traefik.io", version="v1alpha1", plural="serverstransports", kind="ServersTransport"
)
SERVERS_TRANSPORT_TCP: Final = Resource(
    group="traefik.io", version="v1alpha1", plural="serverstransporttcps", kind="ServersTransportTCP"
)
CERTIFICATE: Final = Resource(group="cert-manager.io", version="v1", plural="certificates", kind="Certificate")

_OLD_GROUP: Final = "traefik.containo.us"
OLD_INGRESS_ROUTE: Final = Resource(group=_OLD_GROUP, version="v1alpha1", plural="ingressroutes", kind="IngressRoute")
OLD_INGRESS_ROUTE_TCP: Final = Resource(
    group=_OLD_GROUP, version="v1alpha1", plural="ingressroutetcps", kind="IngressRouteTCP"
)
OLD_MIDDLEWARE: Final = Resource(group=_OLD_GROUP, version="v1alpha1", plural="middlewares", kind="Middleware")
OLD_MIDDLEWARE_TCP: Final = Resource(group=_OLD_GROUP, version="v1alpha1", plural="middlewaretcps", kind="MiddlewareTCP")
"""What an older webspaced wrote for a fork of Traefik 2."""

_KINDS = (
    SERVICE, SECRET, ENDPOINTS, POD, ENDPOINT_SLICE, LEASE, INGRESS_ROUTE, INGRESS_ROUTE_TCP, MIDDLEWARE, SERVERS_TRANSPORT,
    SERVERS_TRANSPORT_TCP, CERTIFICATE, OLD_INGRESS_ROUTE, OLD_INGRESS_ROUTE_TCP, OLD_MIDDLEWARE, OLD_MIDDLEWARE_TCP,
)  # fmt: skip
WORDS: Final = frozenset(
    {"api", "apis", "namespaces"} | {word for each in _KINDS for word in (each.group, each.version, each.plural)}
)
"""The parts of paths that are no names, for what is counted of requests."""

"""Which rights webspaced needs in Kubernetes, by the settings, and which of them it does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from webspaced.assembly.cluster import Kubernetes
from webspaced.kube.resources import (
    CERTIFICATE,
    ENDPOINT_SLICE,
    INGRESS_ROUTE,
    INGRESS_ROUTE_TCP,
    LEASE,
    MIDDLEWARE,
    POD,
    SECRET,
    SERVERS_TRANSPORT,
    SERVERS_TRANSPORT_TCP,
    SERVICE,
    Resource,
)
from webspaced.settings import Settings

ALL = ("get", "list", "watch", "create", "update", "delete")
ROUTES = (
    SERVICE, ENDPOINT_SLICE, INGRESS_ROUTE, INGRESS_ROUTE_TCP, MIDDLEWARE, SERVERS_TRANSPORT, SERVERS_TRANSPORT_TCP, SECRET,
)  # fmt: skip


@frozen
class Right:
    """To do these things with objects of a kind."""

    resource: Resource
    namespace: str
    verbs: Sequence[str]


def rights(settings: Settings, namespace: str) -> Iterator[Right]:
    """Give what the settings need; ``namespace`` is that of webspaced's pod. A test compares it with deploy/rbac."""
    if settings.leadership.lease == "kubernetes":
        yield Right(LEASE, namespace, ("get", "create", "update"))
        yield Right(POD, namespace, ("patch",))
    if settings.webspaces.ports.kubernetes_service is not None:
        yield Right(SERVICE, namespace, ("get", "update", "patch"))
    if settings.traefik.provider == "kubernetes":
        chosen = settings.traefik.kubernetes
        kinds = ROUTES if chosen.cluster_issuer is None else (*ROUTES, CERTIFICATE)
        for kind in kinds:
            yield Right(kind, chosen.namespace or namespace, ALL)


async def lacking_rights(cluster: Kubernetes, settings: Settings) -> Sequence[str]:
    """Give what is missing, such as ``list secrets``; nothing is changed."""
    lacking = []
    for right in rights(settings, cluster.namespace):
        verbs = [verb for verb in right.verbs if not await cluster.client.may(verb, right.resource, right.namespace)]
        if verbs:
            lacking.append(f"{', '.join(verbs)} {right.resource}")
    return lacking

"""Which store of routes, and which Traefik, the settings ask for."""

from __future__ import annotations

from typing import Any

from webspaced.errors import Invalid
from webspaced.interfaces import IRouteStore
from webspaced.kube.access import find_access
from webspaced.kube.agent import Connections
from webspaced.kube.client import KubeClient
from webspaced.settings import Settings
from webspaced.traefik.embedded import EmbeddedTraefik, Embedding, find_traefik
from webspaced.traefik.file import FileStore
from webspaced.traefik.kube_objects import Cluster, instance_of
from webspaced.traefik.kubernetes import KubernetesStore
from webspaced.traefik.render import EntryPoints
from webspaced.traefik.served import ServedStore


def route_store(reactor: Any, settings: Settings) -> IRouteStore:
    """Give the store that Traefik's provider reads; nothing is connected yet.

    :raises WebspacedError: no cluster is found, or what is set cannot be written to one.
    """
    traefik = settings.traefik
    if traefik.provider == "kubernetes":
        return _kubernetes_store(reactor, settings)
    if traefik.provider == "http":
        copy = settings.data_dir / "traefik" / "fetched.yml"
        served: IRouteStore = ServedStore(reactor, copy, entry_points(settings), traefik.settle_time)
        return served
    file: IRouteStore = FileStore(traefik.file.path, entry_points(settings))
    return file


def _kubernetes_store(reactor: Any, settings: Settings) -> IRouteStore:
    address, chosen = settings.traefik.boot_address, settings.traefik.kubernetes
    if address.is_loopback or address.is_link_local or address.is_unspecified:
        message = (
            f"traefik.boot_address ({address}) must be one that Traefik's pods reach, as this pod's own (status.podIP):"
            " Kubernetes refuses it as a backend"
        )
        raise Invalid(message)
    access = find_access(reactor)
    connections = Connections(reactor, access)
    cluster = Cluster(
        instance=instance_of(settings.webspaces.domain),
        entry_points=entry_points(settings),
        default_secret=chosen.default_secret,
        cluster_issuer=chosen.cluster_issuer,
    )
    client = KubeClient(connections.agent, reactor, access)
    store: IRouteStore = KubernetesStore(
        client, reactor, chosen.namespace or access.namespace, cluster, connections.close
    )
    return store


def entry_points(settings: Settings) -> EntryPoints:
    """Give Traefik's entry points and certificate resolver, as routes name them."""
    traefik = settings.traefik
    return EntryPoints(
        http=traefik.http_entrypoint,
        https=traefik.https_entrypoint,
        domain=settings.webspaces.domain,
        resolver=traefik.cert_resolver,
        default_sans=traefik.default_sans,
    )


def embedded_traefik(reactor: Any, settings: Settings) -> EmbeddedTraefik | None:
    """Give the Traefik to run as a child, if one is wanted; `Unavailable` if this machine has none."""
    if not settings.traefik.embedded:
        return None
    embedding = Embedding(
        directory=settings.data_dir / "traefik",
        routes=settings.http.internal_address if settings.traefik.provider == "http" else settings.traefik.file.path,
        entry_points=entry_points(settings),
        http=settings.traefik.http_address,
        https=settings.traefik.https_address,
    )
    return EmbeddedTraefik(reactor, find_traefik(), embedding)

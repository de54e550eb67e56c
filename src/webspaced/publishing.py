"""Which store of routes, which Traefik and which load balancer the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webspaced.cluster import Cluster
from webspaced.interfaces import IExposure, IRouteStore
from webspaced.kube.exposure import ServicePorts
from webspaced.reconcile.unexposed import Unexposed
from webspaced.settings import Settings
from webspaced.traefik.embedded import EmbeddedTraefik, Embedding, find_traefik
from webspaced.traefik.file import FileStore
from webspaced.traefik.render import EntryPoints
from webspaced.traefik.served import ServedStore


def route_store(reactor: Any, settings: Settings) -> IRouteStore:
    """Give the store that Traefik's provider reads; nothing is connected yet."""
    traefik = settings.traefik
    if traefik.provider == "http":
        copy = settings.data_dir / "traefik" / "fetched.yml"
        served: IRouteStore = ServedStore(reactor, copy, entry_points(settings), traefik.settle_time)
        return served
    file: IRouteStore = FileStore(traefik.file.path, entry_points(settings))
    return file


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


def exposure_for(reactor: Any, settings: Settings, cluster: Cluster | None, leads: Callable[[], bool]) -> IExposure:
    """Give what keeps a load balancer's ports, if there is one."""
    name = settings.webspaces.ports.kubernetes_service
    if name is None or cluster is None:
        unexposed: IExposure = Unexposed()
        return unexposed
    ports: IExposure = ServicePorts(cluster.client, reactor, cluster.namespace, name, leads)
    return ports

"""The Kubernetes that the settings ask for, if any: one client for routes, ports and the Lease."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from attrs import frozen

from webspaced.kube.access import find_access
from webspaced.kube.agent import Connections
from webspaced.kube.client import KubeClient
from webspaced.settings import Settings


@frozen(kw_only=True)
class Kubernetes:
    """A client, what ends its connections, and the namespace of our own pod."""

    client: KubeClient
    namespace: str
    close: Callable[[], Coroutine[Any, Any, None]]


def cluster_for(reactor: Any, settings: Settings) -> Kubernetes | None:
    """Give the cluster that a pod's files or a kubeconfig tell of, if a setting needs one.

    :raises WebspacedError: one is needed, and none is found.
    """
    wanted = "kubernetes" in (settings.traefik.provider, settings.leadership.lease)
    if not wanted and settings.webspaces.ports.kubernetes_service is None:
        return None
    access = find_access(reactor)
    connections = Connections(reactor, access)
    client = KubeClient(connections.agent, reactor, access)
    return Kubernetes(client=client, namespace=access.namespace, close=connections.close)

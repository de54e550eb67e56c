"""The agent, built of its settings."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from webspaced.base.figures import page_of
from webspaced.kube.access import find_access
from webspaced.kube.agent import Connections
from webspaced.kube.client import KubeClient
from webspaced.lan.agent import Agent
from webspaced.lan.hooks import Hooks
from webspaced.lan.kernel import NetworkNamespace
from webspaced.lan.metrics import CATALOGUE, readings
from webspaced.lan.pages import listener, pages
from webspaced.lan.settings import Settings
from webspaced.lan.sources import Fixed, Names, Source, slices
from webspaced.lan.sources import pods as pods_of


def build(reactor: Any, settings: Settings) -> Sequence[IService]:
    """Give the services of the agent, in the order in which they start.

    :raises WebspacedError: Kubernetes is asked for, and none is found.
    """
    sources: list[Source] = []
    # The sources come into this list once there is somebody to tell of changes.
    agent = Agent(
        reactor, settings.overlay, sources, NetworkNamespace(settings.existing),
        Hooks(reactor, settings.hooks.up, settings.hooks.change),
        look=settings.look, required=settings.required_peers, guards=settings.guard and not settings.existing,
    )  # fmt: skip
    sources.extend(_sources(reactor, settings, agent))
    figures = page_of(CATALOGUE, lambda: readings(agent))
    return [listener(reactor, settings, pages(settings, lambda: agent.is_up, agent.trouble, figures)), agent]


def _sources(reactor: Any, settings: Settings, agent: Agent) -> Iterator[Source]:
    if settings.peers:
        yield Fixed(settings.peers)
    if settings.names:
        yield Names(reactor, settings.names, lambda name: _lookup(reactor, name), agent.kick)
    if settings.services or settings.pods is not None:
        yield from _cluster(reactor, settings, agent)


def _cluster(reactor: Any, settings: Settings, agent: Agent) -> Iterator[Source]:
    access = find_access(reactor)
    client = KubeClient(Connections(reactor, access).agent, reactor, access)
    home = settings.namespace or access.namespace
    by_namespace: dict[str, list[str]] = defaultdict(list)
    for each in settings.services:
        namespace, _, name = each.rpartition("/")
        by_namespace[namespace or home].append(name)
    for namespace, names in sorted(by_namespace.items()):
        yield slices(client, reactor, namespace, names, agent.kick)
    if settings.pods is not None:
        yield pods_of(client, reactor, home, settings.pods, agent.kick)


def _lookup(reactor: Any, name: str) -> Deferred[Any]:
    def addresses() -> set[str]:
        return {str(each[4][0]) for each in socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)}

    return deferToThreadPool(reactor, reactor.getThreadPool(), addresses)

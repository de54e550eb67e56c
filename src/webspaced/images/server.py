"""The one place that builds every object of the image server and joins it to its collaborators."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from attrs import frozen
from twisted.application.service import IService, Service
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent

from webspaced.base.figures import page_of
from webspaced.base.listener import Listener
from webspaced.base.site import operators_site
from webspaced.images.access import Access
from webspaced.images.core.products import Policy
from webspaced.images.metrics import CATALOGUE, readings
from webspaced.images.settings import Settings
from webspaced.images.site import Front, site_of
from webspaced.images.sources.api import ReleaseApi
from webspaced.images.sources.requests import Requests
from webspaced.images.sources.tree import Tree
from webspaced.images.store import Store
from webspaced.images.stream import Means, Stream, troubles
from webspaced.images.streams import Streams
from webspaced.images.tls import OwnCertificate
from webspaced.lib.files import make_private_directory
from webspaced.lib.threads import Threads

READERS = 2
"""Threads that hash and read files."""
CONNECT_TIME = 15.0
"""Seconds for a connection upstream."""


class _Closing(Service):
    """Ends the threads with everything else."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    def stopService(self) -> None:
        """End them."""
        super().stopService()
        self._threads.stop()


@frozen
class Server:
    """The image server, and what tests look at."""

    streams: Streams
    front: Front
    store: Store
    public: Listener
    operators: Listener
    threads: Threads

    @property
    def services(self) -> Sequence[IService]:
        """Its parts, in the order in which they start."""
        return [_Closing(self.threads), self.operators, self.public, self.streams]


def build(reactor: Any, settings: Settings) -> Sequence[IService]:
    """Give the services of the image server."""
    return build_server(reactor, settings).services


def build_server(
    reactor: Any, settings: Settings, now: Callable[[], float] = time.time, agent: IAgent | None = None,
    threads: Threads | None = None,
) -> Server:  # fmt: skip
    """Give the server.

    :param now: the time of day, in seconds since the epoch.
    :param agent: for requests upstream, unless it is the usual one.
    :param threads: for what blocks.
    :raises Invalid: the certificate cannot be used.
    """
    make_private_directory(settings.data_dir)
    threads = threads or Threads(reactor, READERS, "images")
    store = Store(settings.data_dir / "cache", settings.cache.size, threads)
    releases = settings.releases
    requests = Requests(agent or _agent(reactor), reactor, now, releases.api, releases.token)
    means = Means(
        clock=reactor, now=now, store=store, threads=threads, folder=settings.data_dir, deltas=settings.images.deltas
    )

    def repository(owner: str, name: str) -> tuple[Stream, float]:
        source = ReleaseApi(requests, owner, name)
        stream = f"{owner}/{name}"
        return Stream(stream, source, policy_of(settings, stream), means), releases.interval

    named = [repository(*each.split("/")) for each in releases.repositories if not each.endswith("/*")]
    for name, folder in settings.directories.items():
        tree = Stream(name, Tree(folder, threads), policy_of(settings, name), means)
        named.append((tree, settings.directory_interval))
    owners = [each.removesuffix("/*") for each in releases.repositories if each.endswith("/*")]
    streams = Streams(reactor, named, owners, repository)
    front = Front(streams, store, Access(settings.http.access), now, settings.http.url)
    figures = page_of(CATALOGUE, partial(readings, streams, front, store, requests))
    operators = operators_site(reactor, settings.operators_address, lambda: troubles(streams.all()), figures)
    return Server(streams, front, store, _public(reactor, settings, front), operators, threads)


def policy_of(settings: Settings, stream: str) -> Policy:
    """Give what the settings say of a stream, whose name is in whichever case."""
    images, name = settings.images, stream.lower()
    return Policy(
        pins={one.image: version for one, version in (images.pins or {}).items() if one.stream.lower() == name},
        withdrawn=frozenset((one.image, version) for one, version in images.withdrawn if one.stream.lower() == name),
        manifests={one.image: said for one, said in (images.manifests or {}).items() if one.stream.lower() == name},
        most=images.versions,
    )


def _public(reactor: Any, settings: Settings, front: Front) -> Listener:
    tls, address = settings.http.tls, settings.http.listen_address
    factory: Any = site_of(front, reactor)
    if tls.certificate is not None and tls.key is not None:
        factory = TLSMemoryBIOFactory(OwnCertificate(tls.certificate, tls.key), False, factory, reactor)
    return Listener(reactor, address, factory, "images")


def _agent(reactor: Any) -> IAgent:
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = 4
    agent: IAgent = Agent(reactor, connectTimeout=CONNECT_TIME, pool=pool)
    return agent

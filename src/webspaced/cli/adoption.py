"""What an older webspaced, written in Go, has left: what becomes of it, what is in the way, and its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.threads import deferToThread

from webspaced.assembly.cluster import Kubernetes, cluster_for
from webspaced.assembly.publishing import redis_address
from webspaced.assembly.tuning import config_defaults
from webspaced.cli.checkup import FAULT, FINE, WARNING, Finding
from webspaced.core.webspace import KEY, load_webspace
from webspaced.errors import Invalid, NotFound, WebspacedError
from webspaced.kube.exposure import FORMER_PREFIX, PREFIX
from webspaced.kube.resources import (
    CERTIFICATE,
    ENDPOINTS,
    INGRESS_ROUTE,
    INGRESS_ROUTE_TCP,
    OLD_MIDDLEWARE,
    OLD_MIDDLEWARE_TCP,
    SERVICE,
    Document,
    Resource,
    name_of,
)
from webspaced.lxd.agent import Connections, endpoints_for
from webspaced.lxd.client import LxdClient
from webspaced.lxd.instances import LxdInstances
from webspaced.lxd.tls import Identities
from webspaced.settings import Settings
from webspaced.traefik.kube_cluster import INSTANCE, MANAGED_BY, OURS, instance_of
from webspaced.traefik.kube_inherited import OLD_ROUTES, found

OLD_KINDS = (*OLD_ROUTES, OLD_MIDDLEWARE, OLD_MIDDLEWARE_TCP)
"""What the old Traefik goes by, and nobody else; routes first, as they name the others."""
TAKEN_OVER = (SERVICE, CERTIFICATE)
PROCEDURE = "docs/how-to/upgrade-from-go.md"
Look = Callable[[Any, Settings], AsyncIterator[Finding]]


async def check(reactor: Any, settings: Settings) -> Sequence[Finding]:
    """Look at everything, and change nothing."""
    findings: list[Finding] = []
    for what, look in LOOKS.items():
        try:
            findings += [each async for each in look(reactor, settings)]
        except WebspacedError as error:
            findings.append(Finding(what=what, level=FAULT, told=str(error), remedy="webspaced check"))
    return findings


async def finish(reactor: Any, settings: Settings) -> Sequence[Finding]:
    """Remove what only the old Traefik needs, if webspaced serves all of it.

    :raises WebspacedError: the cluster cannot be asked. What has been removed by then stays removed; it can be tried again.
    """
    cluster = cluster_for(reactor, settings)
    if cluster is None:
        told = "routes are not in Kubernetes: there is nothing to remove"
        return [Finding(what="routes", level=FINE, told=told)]
    try:
        left = _Left(cluster, settings)
        await left.read()
        missing = sorted(left.webspaces - left.published)
        if missing:
            told = f"webspaced does not serve {_some(missing)} yet, and nothing has been removed"
            return [Finding(what="routes", level=FAULT, told=told, remedy="webspaced status; webspaced list --troubled")]
        return [each async for each in _removed(cluster, left)]
    finally:
        await cluster.close()


@frozen
class _Old:
    resource: Resource
    documents: Collection[Document]


class _Left:
    """What is in the cluster: of the old webspaced, and routes of this one."""

    def __init__(self, cluster: Kubernetes, settings: Settings) -> None:
        self._client = cluster.client
        self.namespace = settings.traefik.kubernetes.namespace or cluster.namespace
        self._instance = instance_of(settings.webspaces.domain)
        self.old: list[_Old] = []
        self.endpoints: Collection[Document] = ()
        self.published: set[str] = set()

    @property
    def webspaces(self) -> set[str]:
        """Those with old routes."""
        return {name_of(each) for old in self.old if old.resource in OLD_ROUTES for each in old.documents}

    async def read(self) -> None:
        """Read it all."""
        self.old = [_Old(kind, await found(self._client, kind, self.namespace)) for kind in OLD_KINDS]
        self.endpoints = await found(self._client, ENDPOINTS, self.namespace)
        ours = f"{MANAGED_BY}={OURS},{INSTANCE}={self._instance}"
        for kind in (INGRESS_ROUTE, INGRESS_ROUTE_TCP):
            self.published |= {name_of(each) for each in (await self._client.list_all(kind, self.namespace, ours)).items}

    async def taken_over(self) -> Mapping[str, int]:
        """Give how many objects webspaced goes on with, by kind."""
        return {kind.kind: len(await found(self._client, kind, self.namespace)) for kind in TAKEN_OVER}


async def _removed(cluster: Kubernetes, left: _Left) -> AsyncIterator[Finding]:
    endpoints = [each for each in left.endpoints if name_of(each) in left.published]
    count: Counter[str] = Counter()
    for old in (*left.old, _Old(ENDPOINTS, endpoints)):
        for each in old.documents:
            if await _is_deleted(cluster.client.delete(old.resource, left.namespace, name_of(each))):
                count[str(old.resource)] += 1
    for kind, number in count.items():
        yield Finding(what="routes", level=FINE, told=f"{number} {kind} removed")
    if not count:
        yield Finding(what="routes", level=FINE, told="nothing of the old webspaced is left")
    kept = sorted(name_of(each) for each in left.endpoints if each not in endpoints)
    if kept:
        told = f"Endpoints of {_some(kept)} are nobody's: no webspace has these names"
        yield Finding(what="routes", level=WARNING, told=told, remedy="delete them, if nobody else needs them")


async def _is_deleted(deleting: Awaitable[None]) -> bool:
    try:
        await deleting
    except NotFound:
        return False
    return True


# --- what is there


async def _lxd(reactor: Any, settings: Settings) -> AsyncIterator[Finding]:
    identities = Identities.by(settings.lxd.tls)
    connections = Connections(reactor, endpoints_for(reactor, settings.lxd.url, identities))
    client = LxdClient(connections.agent, reactor, settings.lxd.project)
    documents = {
        each.name: each.config[KEY] for each in await LxdInstances(client).list_all() if KEY in each.config
    }
    defaults, wrong = config_defaults(settings), 0
    for name, text in documents.items():
        try:
            load_webspace(text, defaults)
        except Invalid as error:
            wrong += 1
            yield Finding(what="lxd", level=FAULT, told=f"{name}: {error}", remedy=f"mend {KEY} of {name}: lxc config edit")
    prefix = settings.webspaces.instance_prefix
    others = sorted(name for name in documents if not name.startswith(prefix))
    if others:
        told = f"{_some(others)} do not begin with webspaces.instance_prefix ({prefix})"
        yield Finding(what="lxd", level=WARNING, told=told, remedy="set it to what the old webspaced had")
    yield Finding(what="lxd", level=FINE, told=f"{len(documents) - wrong} webspaces can be read as they are")


async def _routes(reactor: Any, settings: Settings) -> AsyncIterator[Finding]:
    if settings.traefik.provider != "kubernetes":
        return
    cluster = _cluster(reactor, settings)
    left = _Left(cluster, settings)
    try:
        await left.read()
        taken_over = await left.taken_over()
        foreign = [name async for name in _foreign(cluster, left)]
    except NotFound as error:
        told = f"the cluster does not know the routes of Traefik 3: {error}"
        yield Finding(what="routes", level=FAULT, told=told, remedy="install the custom resource definitions of Traefik 3")
        return
    finally:
        await cluster.close()
    for finding in _told(left, taken_over, foreign):
        yield finding
    if left.webspaces and settings.traefik.webspaced_url is None:
        told = "the old Traefik asks webspaced at /internal to boot webspaces, which is not served in public"
        yield Finding(what="routes", level=WARNING, told=told, remedy="set traefik.webspaced_url until it is gone")


def _cluster(reactor: Any, settings: Settings) -> Kubernetes:
    cluster = cluster_for(reactor, settings)
    if cluster is None:
        message = "no setting asks for Kubernetes"
        raise Invalid(message)
    return cluster


async def _foreign(cluster: Kubernetes, left: _Left) -> AsyncIterator[str]:
    """Give the webspaces whose Service's name is somebody else's."""
    for name in sorted(left.webspaces):
        try:
            labels = (await cluster.client.get(SERVICE, left.namespace, name))["metadata"].get("labels") or {}
        except NotFound:
            continue
        if labels.get(MANAGED_BY) != OURS:
            yield name


def _told(left: _Left, taken_over: Mapping[str, int], foreign: Sequence[str]) -> Iterator[Finding]:
    kinds = ", ".join(f"{len(old.documents)} {old.resource.kind}" for old in left.old if old.documents)
    if kinds:
        told = f"the old Traefik has {kinds}: webspaced keeps what these lead to current"
        yield Finding(what="routes", level=FINE, told=told)
    else:
        yield Finding(what="routes", level=FINE, told="the old Traefik has no routes any more")
    for kind, number in taken_over.items():
        if number:
            yield Finding(what="routes", level=FINE, told=f"{number} {kind} are taken over as they are, with their names")
    if foreign:
        told = f"the Services {_some(foreign)} are not webspaced's"
        remedy = f"rename them, or label them {MANAGED_BY}={OURS}"
        yield Finding(what="routes", level=FAULT, told=told, remedy=remedy)
    missing = sorted(left.webspaces - left.published)
    if missing:
        told = f"webspaced serves {len(left.published)} webspaces of its own, and not yet {_some(missing)}"
        yield Finding(what="routes", level=WARNING, told=told, remedy=f"start it, and wait until it is ready: {PROCEDURE}")
    elif left.webspaces:
        told = "webspaced serves all of them: once visitors come to Traefik 3, `webspaced adopt --finish`"
        yield Finding(what="routes", level=FINE, told=told)


async def _ports(reactor: Any, settings: Settings) -> AsyncIterator[Finding]:
    name = settings.webspaces.ports.kubernetes_service
    if name is None:
        return
    cluster = _cluster(reactor, settings)
    try:
        service = await cluster.client.get(SERVICE, cluster.namespace, name)
    finally:
        await cluster.close()
    named = [(each.get("name", ""), each["port"]) for each in service["spec"].get("ports") or ()]
    ours = [port for name, port in named if name.startswith((PREFIX, FORMER_PREFIX))]
    external = settings.webspaces.ports
    outside = [port for port in ours if not external.start <= port <= external.end]
    yield Finding(what="ports", level=FINE, told=f"{len(ours) - len(outside)} forwarded ports stay, with their node ports")
    if outside:
        told = f"{_some(map(str, outside))} are outside webspaces.ports, and would be removed"
        yield Finding(what="ports", level=WARNING, told=told, remedy="widen webspaces.ports")


async def _redis(_reactor: Any, settings: Settings) -> AsyncIterator[Finding]:
    if settings.traefik.provider != "redis":
        return
    from webspaced.traefik.redis_server import RedisServer  # noqa: PLC0415  (its client is an extra's)

    redis, prefix = settings.traefik.redis, settings.webspaces.instance_prefix
    server = RedisServer(redis_address(redis), redis.root_key, "")
    try:
        keys = await deferToThread(server.read, lambda _key: True)
    finally:
        server.close()
    names = {part for key in keys for part in key.split("/")[3:4] if part.startswith(prefix)}
    told = f"{len(names)} routers and services are in Redis: webspaced puts its own in their place when it starts"
    yield Finding(what="redis", level=FINE, told=told)


LOOKS: Mapping[str, Look] = {"lxd": _lxd, "routes": _routes, "ports": _ports, "redis": _redis}


def _some(names: Any, most: int = 5) -> str:
    """Name a few of many."""
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")

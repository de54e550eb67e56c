"""What an older webspaced left in Kubernetes for a fork of Traefik 2, which may serve visitors until an upgrade is over.

While there are routes of that Traefik's, what they lead to is kept current: the Service's port and the Endpoints, by which
it goes. The cluster must make no slices of those Endpoints, or Traefik 3 would see two. When the routes are gone, by
``webspaced adopt --finish`` or by hand, so are these.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from twisted.logger import Logger

from webspaced.core.address import Endpoint
from webspaced.core.routes import Route
from webspaced.errors import DeadlineExceeded, Distrusted, NotFound, RemoteError, Temporary
from webspaced.kube.client import KubeClient
from webspaced.kube.resources import (
    ENDPOINTS,
    OLD_INGRESS_ROUTE,
    OLD_INGRESS_ROUTE_TCP,
    SERVICE,
    Document,
    Resource,
    name_of,
)
from webspaced.traefik.kube_cluster import INSTANCE, MANAGED_BY, OURS
from webspaced.traefik.kube_objects import Objects
from webspaced.traefik.kube_routes import WEB

OLD_ROUTES = (OLD_INGRESS_ROUTE, OLD_INGRESS_ROUTE_TCP)
OLD = f"{MANAGED_BY}={OURS},!{INSTANCE}"
"""The selector of what an older webspaced wrote: it told services of one namespace not apart."""
OLD_PORT, NUMBER = "http", 8000
"""The name by which old routes know a Service's port, and a number that is no other port's."""
FAILURES = (Temporary, DeadlineExceeded, Distrusted, RemoteError)


async def found(client: KubeClient, resource: Resource, namespace: str) -> Collection[Document]:
    """Give what an older webspaced left of a kind; nothing where the cluster does not know the kind."""
    try:
        return (await client.list_all(resource, namespace, OLD)).items
    except NotFound:
        return ()


class Inherited:
    """Keeps what old routes lead to. No failure of this holds up routes of today."""

    log = Logger()

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._names: frozenset[str] = frozenset()
        self._is_known = False
        self._kept: dict[str, Endpoint] = {}
        self._told = ""

    async def look(self) -> None:
        """See which webspaces have old routes."""
        try:
            routes = [each for kind in OLD_ROUTES for each in await found(self._client, kind, self._namespace)]
        except FAILURES as error:
            # Whether an old Traefik still serves is not known: what it goes by stays.
            self._tell("routes of an older webspaced could not be looked for", error)
            return
        names = frozenset(map(name_of, routes))
        if names and not self._names:
            self.log.info(
                "{count} webspaces have routes of an older Traefik, which are served until `webspaced adopt --finish`",
                event="kube.old-routes", count=len(names),
            )  # fmt: skip
        self._names, self._is_known = names, True

    def with_old_port(self, objects: Objects, webspace: str) -> Objects:
        """Give a webspace's objects, with the port by whose name its old route, if it has one, leads to its Service."""
        key = (SERVICE, webspace)
        if webspace not in self._names or key not in objects:
            return objects
        service = objects[key]
        port = {"name": OLD_PORT, "port": NUMBER, "protocol": "TCP", "targetPort": NUMBER}
        spec = {**service["spec"], "ports": [*service["spec"]["ports"], port]}
        return {**objects, key: {**service, "spec": spec}}

    async def keep(self, routes: Mapping[str, Route], names: Collection[str] | None = None) -> None:
        """Let old routes lead where today's do, and remove the Endpoints that no old route leads to any more.

        :param names: the webspaces that have changed; all, if it is left out.
        """
        try:
            for name in self._names if names is None else self._names.intersection(names):
                await self._keep_one(name, routes.get(name))
            if names is None and self._is_known:
                await self._retire(routes)
        except FAILURES as error:
            self._tell("what routes of an older Traefik lead to is not kept current", error)
        else:
            self._told = ""

    async def _keep_one(self, name: str, route: Route | None) -> None:
        backend = None if route is None else route.backend
        if self._kept.get(name) == backend:
            return
        if backend is None:
            await self._delete(name)
            return
        document = endpoints(name, backend)
        try:
            await self._client.merge_patch(ENDPOINTS, self._namespace, name, document)
        except NotFound:
            # As a rule because the upgrade was finished since the last look.
            await self.look()
            if name not in self._names:
                return
            await self._client.create(ENDPOINTS, self._namespace, document)
        self._kept[name] = backend

    async def _retire(self, routes: Mapping[str, Route]) -> None:
        for name in (name_of(each) for each in await found(self._client, ENDPOINTS, self._namespace)):
            if name in routes and name not in self._names:
                await self._delete(name)

    async def _delete(self, name: str) -> None:
        self._kept.pop(name, None)
        try:
            await self._client.delete(ENDPOINTS, self._namespace, name)
        except NotFound:
            return

    def _tell(self, what: str, error: Exception) -> None:
        told = f"{what}: {error}"
        if told != self._told:
            self._told = told
            self.log.warn("{what}: {error}", event="kube.old-routes-failed", what=what, error=str(error))


def endpoints(name: str, backend: Endpoint) -> dict[str, object]:
    """Give the Endpoints of a webspace, as Traefik 2 reads them: by the name of the Service's port."""
    # An old route may name the port, or have its number, which is that of our own one for HTTP.
    ports = [{"name": each, "port": backend.port, "protocol": "TCP"} for each in (OLD_PORT, WEB)]
    labels = {MANAGED_BY: OURS, "endpointslice.kubernetes.io/skip-mirror": "true"}
    subset = {"addresses": [{"ip": str(backend.host)}], "ports": ports}
    return ENDPOINTS.document({"name": name, "labels": labels}, subsets=[subset])

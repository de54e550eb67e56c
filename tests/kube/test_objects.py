"""A real API server keeps every object as it is written: nothing of it is dropped, and no default makes it another one."""

from __future__ import annotations

from twisted.internet import reactor

from tests.contracts.route_store import DIRECT, SIX, route
from tests.kube.served import ServedCase
from tests.kube_server import RBAC
from webspaced.core.routes import Route
from webspaced.kube.access import Access, by_kubeconfig
from webspaced.kube.agent import Connections
from webspaced.kube.client import KubeClient
from webspaced.kube.resources import CERTIFICATE, name_of, version_of
from webspaced.traefik.kube_cluster import Cluster
from webspaced.traefik.kube_objects import KINDS
from webspaced.traefik.kubernetes import KubernetesStore
from webspaced.traefik.render import EntryPoints

POINTS = EntryPoints(http="web", https="websecure", domain="example.org", resolver="acme", default_sans=("*.example.org",))
OWN = ("ws-u1.example.org", "www.example.net", "example.net")
ROUTES = (
    route(backend=DIRECT, hosts=OWN),
    route("ws-u2", SIX),
    route("ws-u3", DIRECT, passthrough=True),
    route("ws-u4", SIX, passthrough=True, hosts=("ws-u4.example.org", "own.example")),
)


class ObjectTests(ServedCase):
    """With the rights that the chart gives, and with and without an issuer."""

    def setUp(self) -> None:
        super().setUp()
        self.server.allow("webspaced", RBAC / "webspaced.yaml", self.namespace)

    async def opened(self, issuer: str | None, access: Access | None = None) -> KubernetesStore:
        access = access or self.access(self.server.tokens["webspaced"])
        cluster = Cluster(instance="example.org", entry_points=POINTS, cluster_issuer=issuer)
        connections = Connections(reactor, access)
        client = KubeClient(connections.agent, reactor, access)
        store = KubernetesStore(client, reactor, self.namespace, cluster, connections.close)
        self.addCleanup(store.stop)
        await store.load()
        return store

    async def versions(self) -> dict[tuple[str, str], int]:
        listings = [(kind, await self.client.list_all(kind, self.namespace)) for kind in KINDS.values()]
        return {(str(kind), name_of(each)): version_of(each) for kind, listing in listings for each in listing.items}

    async def kept(self, issuer: str | None) -> dict[tuple[str, str], int]:
        routes: dict[str, Route] = {each.name: each for each in ROUTES}
        store = await self.opened(issuer)
        await store.apply(routes, ())
        self.assertEqual(await store.differs(), None)
        before = await self.versions()
        again = await self.opened(issuer)
        self.assertEqual(await again.load(), routes)
        await again.apply({}, ())
        await again.apply(routes, ())
        self.assertEqual((await again.differs(), await self.versions()), (None, before))
        return before

    async def test_with_an_issuer(self) -> None:
        found = await self.kept("letsencrypt")
        self.assertEqual(len([name for kind, name in found if kind == str(CERTIFICATE)]), 2)

    async def test_with_a_resolver_of_traefiks(self) -> None:
        found = await self.kept(None)
        self.assertIn(("ingressroutes.traefik.io", "ws-u1-domains"), found)

    async def test_by_a_kubeconfig(self) -> None:
        path = self.server.directory / "kubeconfig"
        self.server.write_kubeconfig(path, self.server.tokens["webspaced"], self.namespace)
        access = by_kubeconfig(reactor, str(path))
        self.assertEqual(access.namespace, self.namespace)
        store = await self.opened("letsencrypt", access)
        await store.apply({"ws-u1": ROUTES[0]}, ())
        self.assertEqual(await store.differs(), None)

    async def test_each_right_is_there_and_nobody_elses(self) -> None:
        for user, expected in (("webspaced", True), ("traefik", False)):
            access = self.access(self.server.tokens[user])
            connections = Connections(reactor, access)
            client = KubeClient(connections.agent, reactor, access)
            told = [await client.may(verb, CERTIFICATE, self.namespace) for verb in ("create", "delete")]
            self.assertEqual(told, [expected, expected], user)
            await connections.close()

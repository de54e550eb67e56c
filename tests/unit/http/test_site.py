from __future__ import annotations

from attrs import evolve
from treq.testing import StubTreq
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyChannel

from tests.unit.http.test_routes import Document
from webspaced.errors import Unavailable
from webspaced.http.api import Api, Backing
from webspaced.http.bodies import LARGEST
from webspaced.http.channel import BoundedRequest
from webspaced.http.health import Health
from webspaced.http.routes import RouteDocument
from webspaced.http.site import Listening, Pages, Sites
from webspaced.http.terminals import Terminals
from webspaced.settings import Address
from webspaced.webspaces.conditions import Conditions


class SitesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        backing = Backing(
            service=None,
            domains=None,
            uploads=None,
            insides=None,
            terminals=Terminals(self.reactor, 500, 32),
            commands=(1, 1),
            auth=None,
            resync=None,
            sleeper=None,
            now=lambda: 0.0,
            conditions=Conditions(self.reactor),
        )
        api = Api(backing)
        health = Health(ready=lambda: True, healthy=lambda: True)
        public, internal = Address(host="192.0.2.1", port=80), Address(host="127.0.0.1", port=81)
        self.pages = Pages(api=api, health=health)
        self.sites = Sites(self.reactor, self.pages, Listening(public=public, internal=internal))

    def test_binds_both(self) -> None:
        self.sites.listen()
        self.assertEqual([(port, interface) for port, _, _, interface in self.reactor.tcpServers], [
            (80, "192.0.2.1"), (81, "127.0.0.1"),
        ])  # fmt: skip
        self.successResultOf(self.sites.close())

    def test_the_internal_one_serves_health_only(self) -> None:
        self.sites.listen()
        public, internal = (factory.resource for _, factory, _, _ in self.reactor.tcpServers)
        self.assertIsNot(public, internal)

    def test_the_routes_are_inside_only(self) -> None:
        public, internal = Address(host="192.0.2.1", port=80), Address(host="127.0.0.1", port=81)
        pages = evolve(self.pages, routes=RouteDocument(Document()))
        Sites(self.reactor, pages, Listening(public=public, internal=internal)).listen()
        found = []
        for _, factory, _, _ in self.reactor.tcpServers:
            asking = StubTreq(factory.resource).get("http://webspaced.test/routes")
            found.append(self.successResultOf(asking).code)
        self.assertEqual(found, [404, 503])

    def test_closing_tells_the_routes_that_nobody_can_fetch_them(self) -> None:
        routes = RouteDocument(Document())
        address = Address(host="127.0.0.1", port=81)
        pages, listening = evolve(self.pages, routes=routes), Listening(public=address, internal=address)
        self.successResultOf(Sites(self.reactor, pages, listening).close())
        self.assertTrue(routes._document.is_closed)

    def test_one_that_cannot_be_bound_is_named(self) -> None:
        def listen(port: int, *_: object, interface: str, **__: object) -> object:
            raise CannotListenError(interface, port, OSError(98, "Address already in use"))

        self.reactor.listenTCP = listen
        error = self.assertRaises(Unavailable, self.sites.listen)
        self.assertIn("192.0.2.1:80", str(error))
        self.assertIn("Address already in use", str(error))


class BoundedRequestTests(SynchronousTestCase):
    def test_the_query_is_not_shown(self) -> None:
        request = BoundedRequest(DummyChannel(), queued=False)
        request.method, request.uri, request.path = b"GET", b"/a?secret", b"/a"
        self.assertEqual(repr(request), "<GET /a>")
        self.assertEqual(repr(BoundedRequest(DummyChannel(), queued=False)), "<(no method yet) >")

    def test_no_more_is_kept_than_shows_that_it_is_too_large(self) -> None:
        request = BoundedRequest(DummyChannel(), queued=False)
        request.gotLength(None)
        refused: list[object] = []
        request.channel.refuse_body = refused.append
        request.channel.allContentReceived = lambda: setattr(request, "is_too_large", True)
        for _ in range(40):
            request.handleContentChunk(b"x" * (LARGEST // 10))
        self.assertEqual(request.content.tell(), LARGEST + 1)
        self.assertEqual(refused, [request])

"""Where Traefik's http provider asks."""

from __future__ import annotations

from treq.testing import StubTreq
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit.timing import watch
from webspaced.http.health import Health
from webspaced.http.routes import RouteDocument
from webspaced.http.site import ROUTES_PATHS, _Root
from webspaced.interfaces import IRouteDocument


@implementer(IRouteDocument)
class Document:
    def __init__(self) -> None:
        self.content: bytes | None = None
        self.is_closed = False

    def fetch(self) -> bytes | None:
        return self.content

    def close(self) -> None:
        self.is_closed = True


class RoutesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.document = Document()
        self.page = RouteDocument(self.document)
        health = Health(ready=lambda: True, healthy=lambda: True)
        self.treq = StubTreq(_Root(self.page.app, health.app, ROUTES_PATHS))

    def ask(self, method: str, path: str) -> tuple[int, str, bytes]:
        self.answer = watch(self.treq.request(method, f"http://internal.test{path}")).value
        body = watch(self.treq.content(self.answer)).value
        return self.answer.code, (self.answer.headers.getRawHeaders("content-type") or [""])[0], body

    def test_before_anything_is_known_traefik_keeps_what_it_has(self) -> None:
        status, kind, _ = self.ask("GET", "/routes")
        self.assertEqual((status, kind), (503, "application/problem+json"))
        self.assertGreaterEqual(int(self.answer.headers.getRawHeaders("retry-after")[0]), 1)

    def test_the_document(self) -> None:
        self.document.content = b'{"http": {}}'
        self.assertEqual(self.ask("GET", "/routes"), (200, "application/json", b'{"http": {}}'))

    def test_with_a_token_only_who_knows_it_gets_it_and_counts_as_traefik(self) -> None:
        asked: list[bool] = []
        self.document.content = b"{}"
        fetch = self.document.fetch
        self.document.fetch = lambda: asked.append(True) or fetch()  # type: ignore[method-assign]
        page = RouteDocument(self.document, "secret")
        treq = StubTreq(_Root(page.app, Health(ready=lambda: True, healthy=lambda: True).app, ROUTES_PATHS))
        for said in (None, "secret", "Bearer", "Bearer other", "Bearer secret2", "Basic secret"):
            headers = {} if said is None else {"Authorization": said}
            answer = watch(treq.get("http://internal.test/routes", headers=headers)).value
            self.assertEqual((answer.code, asked), (401, []), said)
            self.assertNotIn(b"secret", watch(treq.content(answer)).value)
        answer = watch(treq.get("http://internal.test/routes", headers={"Authorization": "Bearer secret"})).value
        self.assertEqual((answer.code, watch(treq.content(answer)).value, asked), (200, b"{}", [True]))

    def test_health_is_beside_it_and_nothing_else(self) -> None:
        self.assertEqual(self.ask("GET", "/ready")[0], 204)
        for path in ("/", "/routes/", "/routes/x", "/v1/images"):
            self.assertEqual(self.ask("GET", path)[0], 404, path)
        self.assertEqual(self.ask("POST", "/routes")[0], 405)

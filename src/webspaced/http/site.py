"""The two HTTP listeners: the public API, and the internal one for the operator's own machines."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTCP
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from webspaced.errors import Unavailable
from webspaced.http.api import Api
from webspaced.http.bodies import LARGEST
from webspaced.http.health import Health
from webspaced.http.problems import Problem
from webspaced.http.routes import RouteDocument
from webspaced.http.upgrade import Channel
from webspaced.settings import Address

HEALTH_PATHS = (b"live", b"ready", b"health")
ROUTES_PATHS = (b"routes",)
IDLE_TIMEOUT = 60.0
"""Seconds without a byte after which a client's connection is closed."""


class BoundedRequest(Request):
    """Keeps no more of a body than shows that it is too large: a caller without a token must not fill the disk."""

    def handleContentChunk(self, data: bytes) -> None:
        """Store a piece of the body, up to one byte more than is accepted."""
        kept: Any = self.content
        room = LARGEST + 1 - kept.tell()
        super().handleContentChunk(data[:room])


class _NoText(Resource):
    """The answer to a path that is not UTF-8: Klein would log a failure of its own for each."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        return Problem(status=400, message="the path is not text in UTF-8").write(request)


def _is_text(segments: list[bytes]) -> bool:
    try:
        b"/".join(segments).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Root(Resource):
    """Some pages at first path segments of their own, by default health, and one thing everywhere else."""

    def __init__(self, pages: Klein, rest: Klein, segments: Collection[bytes] = HEALTH_PATHS) -> None:
        super().__init__()
        self._pages = pages.resource()
        self._rest = rest.resource()
        self._segments = segments

    def getChild(self, path: bytes, request: Any) -> IResource:
        # The router below matches whole paths, so what was taken off is put back.
        request.postpath.insert(0, request.prepath.pop())
        if not _is_text(request.postpath):
            return _NoText()
        resource: IResource = self._pages if path in self._segments else self._rest
        return resource


class _Site(Site):
    noisy = False
    # Twisted types it by a private class that chooses between HTTP/1.1 and HTTP/2; this server speaks the former.
    protocol: Any = Channel


class Sites:
    """Binds and closes the listeners."""

    def __init__(
        self,
        reactor: IReactorTCP,
        api: Api,
        health: Health,
        public: Address,
        internal: Address,
        routes: RouteDocument | None = None,
    ) -> None:
        """Serve the API in public, and inside the routes, where Traefik fetches them; health at both."""
        self._reactor: Any = reactor
        self._routes = routes
        self._api = api
        inside = health.app.resource() if routes is None else _Root(routes.app, health.app, ROUTES_PATHS)
        self._sites = ((public, _Root(health.app, api.app)), (internal, inside))
        self._listening: list[IListeningPort] = []

    def listen(self) -> None:
        """Bind both; ``Unavailable`` names the one that cannot be bound."""
        for address, resource in self._sites:
            site = _Site(resource, requestFactory=BoundedRequest, timeout=IDLE_TIMEOUT)
            try:
                self._listening.append(self._reactor.listenTCP(address.port, site, interface=address.host))
            except CannotListenError as error:
                message = f"cannot listen on {address}: {error.socketError}"
                raise Unavailable(message) from error

    def close(self) -> Deferred[Any]:
        """Take no more requests."""
        if self._routes is not None:
            self._routes.close()
        self._api.close()
        listening, self._listening = self._listening, []
        return gatherResults([maybeDeferred(port.stopListening) for port in listening])

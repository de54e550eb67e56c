"""The two HTTP listeners: the public API, and the internal one for the operator's own machines."""

from __future__ import annotations

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
from webspaced.settings import Address

HEALTH_PATHS = (b"live", b"ready", b"health")
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
    """Health at its three paths, the API everywhere else."""

    def __init__(self, health: Klein, api: Klein) -> None:
        super().__init__()
        self._health = health.resource()
        self._api = api.resource()

    def getChild(self, path: bytes, request: Any) -> IResource:
        # The router below matches whole paths, so what was taken off is put back.
        request.postpath.insert(0, request.prepath.pop())
        if not _is_text(request.postpath):
            return _NoText()
        resource: IResource = self._health if path in HEALTH_PATHS else self._api
        return resource


class Sites:
    """Binds and closes the listeners."""

    def __init__(self, reactor: IReactorTCP, api: Api, health: Health, public: Address, internal: Address) -> None:
        self._reactor: Any = reactor
        self._sites = ((public, _Root(health.app, api.app)), (internal, health.app.resource()))
        self._listening: list[IListeningPort] = []

    def listen(self) -> None:
        """Bind both; ``Unavailable`` names the one that cannot be bound."""
        for address, resource in self._sites:
            site = Site(resource, requestFactory=BoundedRequest, timeout=IDLE_TIMEOUT)
            site.noisy = False
            try:
                self._listening.append(self._reactor.listenTCP(address.port, site, interface=address.host))
            except CannotListenError as error:
                message = f"cannot listen on {address}: {error.socketError}"
                raise Unavailable(message) from error

    def close(self) -> Deferred[Any]:
        """Take no more requests."""
        listening, self._listening = self._listening, []
        return gatherResults([maybeDeferred(port.stopListening) for port in listening])

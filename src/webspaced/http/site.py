"""The HTTP listeners: the public API, the internal one for the operator's own machines, and that of the metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from attrs import evolve, frozen
from klein import Klein
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.web.resource import IResource, Resource, getChildForRequest

from webspaced.audit.trail import Trail
from webspaced.core.client_address import IPNetwork
from webspaced.errors import Unavailable
from webspaced.http.api import Api
from webspaced.http.audited import Audited
from webspaced.http.channel import BoundedSite
from webspaced.http.cors import Cors
from webspaced.http.health import Health
from webspaced.http.internal import Internal
from webspaced.http.limits import Limits, LimitSettings
from webspaced.http.manners import Mannered, Rules
from webspaced.http.manual import MANUAL_PATHS, Manual
from webspaced.http.problems import Problem
from webspaced.http.requests import Requests
from webspaced.http.routes import RouteDocument
from webspaced.lib.buckets import Rate
from webspaced.lib.measures import Counted
from webspaced.lib.spans import ITracer
from webspaced.settings import Address, Http

HEALTH_PATHS = (b"live", b"ready", b"health")
ROUTES_PATHS = (b"routes",)
INTERNAL_PATHS = (b"internal",)
OPERATOR_PATHS = (b"operator",)
MOST_CONNECTIONS = 768
APPS = (Api.app, Health.app, Internal.app, RouteDocument.app, Manual.app)
BOUNDS = (
    "address_connections", "address_rate", "commands", "connections", "terminals", "tokens_in_question", "user_concurrent",
    "user_rate",
)  # fmt: skip
"""What :meth:`Sites.hits` tells of."""
INSIDE = 8
"""The internal listener, and the one of metrics, have an eighth of the public one's connections: they have few clients."""


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

    def __init__(self, pages: Klein, rest: Klein | IResource, segments: Collection[bytes] = HEALTH_PATHS) -> None:
        super().__init__()
        self._pages = pages.resource()
        self._rest = rest.resource() if isinstance(rest, Klein) else rest
        self._segments = segments

    def getChild(self, path: bytes, request: Any) -> IResource:
        # The router below matches whole paths, so what was taken off is put back.
        request.postpath.insert(0, request.prepath.pop())
        if not _is_text(request.postpath):
            return _NoText()
        return self._pages if path in self._segments else getChildForRequest(self._rest, request)


@frozen(kw_only=True)
class Pages:
    """What is served. ``routes`` and ``internal`` are for the operator's own machines; ``opened``: ``internal`` for all."""

    api: Api
    health: Health
    routes: RouteDocument | None = None
    internal: Internal | None = None
    opened: bool = False
    metrics: IResource | None = None
    """What is on a listener of its own."""
    operators: Klein | None = None

    def public(self) -> IResource:
        """Give the root of the public listener."""
        root = _Root(Manual().app, _Root(self.health.app, self.api.app), MANUAL_PATHS)
        if self.operators is not None:
            root = _Root(self.operators, root, OPERATOR_PATHS)
        return root if self.internal is None or not self.opened else _Root(self.internal.app, root, INTERNAL_PATHS)

    def inside(self) -> IResource:
        """Give the root of the internal listener."""
        root: IResource = self.health.app.resource()
        if self.routes is not None:
            root = _Root(self.routes.app, root, ROUTES_PATHS)
        return root if self.internal is None else _Root(self.internal.app, root, INTERNAL_PATHS)


@frozen(kw_only=True)
class Listening:
    """Where the two listen, and the bounds of the public one; the internal one trusts who reaches it."""

    public: Address
    internal: Address
    connections: int = MOST_CONNECTIONS
    """In all, trusted proxies' included."""
    connections_per_address: int = 0
    trusted: Sequence[IPNetwork] = ()
    cors: Cors | None = None
    limits: Limits | None = None
    metrics: Address | None = None
    trail: Trail | None = None
    """Where calls are told of that change something."""
    tracer: ITracer | None = None

    @classmethod
    def by(cls, http: Http, clock: IReactorTime, connections: int, metrics: Address | None = None) -> Listening:
        """Give what the settings say, for so many connections."""
        return cls(
            public=http.listen_address,
            internal=http.internal_address,
            connections=connections,
            connections_per_address=http.limits.connections_per_address,
            trusted=http.trusted_proxies,
            cors=Cors(http.cors.allowed_origins),
            limits=Limits(clock, _rates(http)),
            metrics=metrics,
        )


def _rates(http: Http) -> LimitSettings:
    rates = http.limits
    return LimitSettings(
        address=Rate(rates.per_address, rates.per_address_burst),
        user=Rate(rates.per_user, rates.per_user_burst),
        concurrent=rates.concurrent_per_user,
    )


class Sites:
    """Binds and closes the listeners."""

    def __init__(
        self, reactor: Any, pages: Pages, listening: Listening, leads: Callable[[], bool] = lambda: True
    ) -> None:
        """Serve the API in public, and inside the routes, where Traefik fetches them; health at both.

        :param leads: whether this daemon may change anything now.
        """
        self._reactor = reactor
        self._routes = pages.routes
        self._api = pages.api
        self._bounds = listening
        audited = None if listening.trail is None else Audited.of(listening.trail, (Api.app, Internal.app))
        trusting = Rules(clock=reactor, trusted=listening.trusted, leads=leads, audited=audited, tracer=listening.tracer)
        self.requests = {name: Requests(APPS) for name in ("public", "internal")}
        """What is counted of each listener's."""
        public = evolve(
            trusting, cors=listening.cors, limits=listening.limits, requests=self.requests["public"]
        )
        internal = evolve(trusting, requests=self.requests["internal"])
        self._sites = (
            (listening.public, Mannered(pages.public(), public)),
            (listening.internal, Mannered(pages.inside(), internal)),
        )
        self._metrics = None if pages.metrics is None else Mannered(pages.metrics, trusting)
        self._listening: list[IListeningPort] = []
        self._bound: list[BoundedSite] = []

    def sites(self) -> Sequence[tuple[Address, BoundedSite]]:
        """Give what listens where."""
        (public, api), (internal, inside) = self._sites
        bounds = self._bounds
        each, trusted = bounds.connections_per_address, bounds.trusted
        few = max(1, bounds.connections // INSIDE)
        sites = [
            (public, BoundedSite(api, self._reactor, bounds.connections, each, trusted)),
            (internal, BoundedSite(inside, self._reactor, few)),
        ]
        if self._metrics is not None and bounds.metrics is not None:
            sites.append((bounds.metrics, BoundedSite(self._metrics, self._reactor, few)))
        return sites

    def follow(self, http: Http) -> None:
        """Go by these settings from now on; where they listen stays as it was."""
        bounds = self._bounds
        if bounds.limits is not None:
            bounds.limits.change(_rates(http))
        if bounds.cors is not None:
            bounds.cors.allow(http.cors.allowed_origins)
        self._bounds = evolve(
            bounds, trusted=http.trusted_proxies, connections_per_address=http.limits.connections_per_address
        )
        for mannered in (*(each for _, each in self._sites), *([] if self._metrics is None else [self._metrics])):
            mannered.trust(http.trusted_proxies)
        if self._bound:
            self._bound[0].bound(http.limits.connections_per_address, http.trusted_proxies)

    def hits(self) -> Iterator[Counted]:
        """Give what was refused, by the bound."""
        yield self._api.terminals_refused
        yield self._api.commands_refused
        if self._bounds.limits is not None:
            yield self._bounds.limits.hits
        yield from (site.hits for site in self._bound)

    def listen(self) -> None:
        """Bind all; ``Unavailable`` names the one that cannot be bound."""
        for address, site in self.sites():
            self._bound.append(site)
            try:
                self._listening.append(self._reactor.listenTCP(address.port, site, interface=address.host))
            except CannotListenError as error:
                message = f"cannot listen on {address}: {error.socketError}"
                raise Unavailable(message) from error

    def close(self) -> Deferred[Any]:
        """Take no more requests."""
        if self._routes is not None:
            self._routes.close()
        listening, self._listening = self._listening, []
        return gatherResults([self._api.close(), *(maybeDeferred(port.stopListening) for port in listening)])

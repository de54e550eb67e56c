"""What the daemon's parts share: what is known of webspaces, and how they are served."""

from __future__ import annotations

from attrs import frozen

from webspaced.audit.trail import Trail
from webspaced.forward.listeners import Listeners
from webspaced.http.routes import RouteDocument
from webspaced.interfaces import IExposure, IInstances, IRouteStore
from webspaced.lib.spans import ITracer
from webspaced.reconcile.publisher import Publisher
from webspaced.traefik.watch import TraefikWatch
from webspaced.webspaces.activity import Activity
from webspaced.webspaces.allocator import Allocator
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.certificates import Certificates
from webspaced.webspaces.claims import Claims
from webspaced.webspaces.conditions import Conditions
from webspaced.webspaces.departures import Departures
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.filters import Filters
from webspaced.webspaces.gate import BootGate
from webspaced.webspaces.housing import Housing
from webspaced.webspaces.readiness import ReadinessTable
from webspaced.webspaces.registry import Registry
from webspaced.webspaces.room import Room


@frozen(kw_only=True)
class Knowledge:
    """What is known of webspaces, and how they are woken and changed."""

    trail: Trail
    tracer: ITracer | None
    """Begins traces of requests and visits, where there are any."""
    instances: IInstances
    conditions: Conditions
    registry: Registry
    departures: Departures
    readiness: ReadinessTable
    booter: Booter
    gate: BootGate
    documents: Documents
    claims: Claims
    certificates: Certificates
    allocator: Allocator
    housing: Housing
    filters: Filters
    activity: Activity
    room: Room


@frozen(kw_only=True)
class Served:
    """How visitors get to webspaces: by listeners of ours, by Traefik's routes, by a load balancer's ports.

    ``document``: the routes, where Traefik fetches them from us.
    """

    store: IRouteStore
    listeners: Listeners
    publisher: Publisher
    exposure: IExposure
    document: RouteDocument | None
    watch: TraefikWatch | None
    """Looks whether Traefik has routes at all, where it can be asked."""

    @property
    def trouble(self) -> str:
        """Say why visitors may not be served, for everybody; empty if they are."""
        told = (self.publisher.unwritten.told(), self.watch.trouble if self.watch is not None else "")
        return "; ".join(each for each in told if each)

    @property
    def lacks_traefik(self) -> bool:
        """Whether a Traefik of this webspaced's own has no routes."""
        return self.watch is not None and self.watch.own is not None and bool(self.watch.trouble)

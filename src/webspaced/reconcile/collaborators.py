"""What the reconciler works with."""

from __future__ import annotations

from attrs import frozen

from webspaced.core.instance import IPAddress
from webspaced.interfaces import IExposure, IListeners, IPortLook
from webspaced.reconcile.publisher import Publisher
from webspaced.webspaces.adoption import Adoption
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.certificates import Certificates
from webspaced.webspaces.claims import Claims
from webspaced.webspaces.conditions import Conditions
from webspaced.webspaces.readiness import ReadinessTable
from webspaced.webspaces.registry import Registry


@frozen(kw_only=True)
class Collaborators:
    """What the reconciler works with."""

    registry: Registry
    readiness: ReadinessTable
    booter: Booter
    gate: IPortLook
    adoption: Adoption
    claims: Claims
    certificates: Certificates
    conditions: Conditions
    publisher: Publisher
    listeners: IListeners
    exposure: IExposure


@frozen(kw_only=True)
class Serving:
    """The address at which Traefik reaches boot ports, and the seconds in which it has taken a change up."""

    boot_address: IPAddress
    settle_time: float

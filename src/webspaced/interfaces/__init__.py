"""What the rooms ask of each other. Each interface belongs to those who call it.

All coroutines may raise :class:`webspaced.errors.WebspacedError`; those that talk to LXD raise ``Unavailable`` while LXD is
away, ``DeadlineExceeded`` when it does not answer in time and ``RemoteError`` for its errors. Cancelling one gives the call
up; whether LXD goes on with what was asked is said where it matters.
"""

from __future__ import annotations

from webspaced.interfaces.instances import IEventListener, IHostKernel, IInsides, IInstances, ILeases, ITerminal
from webspaced.interfaces.routes import IExposure, IForwards, IListeners, IRouteDocument, IRoutes, IRouteStore, ITraefik
from webspaced.interfaces.services import IDomainRecords, IIdentity, ILeaderMark, ILease, IWords
from webspaced.interfaces.waking import IBootGate, IPortLook, IRoom, IVisitors, IWakeLook

__all__ = [
    "IBootGate",
    "IDomainRecords",
    "IEventListener",
    "IExposure",
    "IForwards",
    "IHostKernel",
    "IIdentity",
    "IInsides",
    "IInstances",
    "ILeaderMark",
    "ILease",
    "ILeases",
    "IListeners",
    "IPortLook",
    "IRoom",
    "IRouteDocument",
    "IRouteStore",
    "IRoutes",
    "ITerminal",
    "ITraefik",
    "IVisitors",
    "IWakeLook",
    "IWords",
]

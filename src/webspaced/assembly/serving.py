"""What members ask for, joined to what does it: stops, creations, settings of a webspace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webspaced.assembly.tuning import choices, config_defaults, stop_times
from webspaced.forward.listeners import Listeners
from webspaced.lxd.insides import LxdInsides
from webspaced.parts.knowledge import Knowledge
from webspaced.reconcile.reconciler import Reconciler
from webspaced.settings import Settings
from webspaced.webspaces.creation import Creator, Workshop
from webspaced.webspaces.images import Images
from webspaced.webspaces.ports import Ports
from webspaced.webspaces.power import Power
from webspaced.webspaces.progress import Creations
from webspaced.webspaces.provision import Provision
from webspaced.webspaces.service import WebspaceService
from webspaced.webspaces.warden import Warden


def build_power(reactor: Any, settings: Settings, known: Knowledge, reconciler: Reconciler) -> Power:
    """Give who stops webspaces, and starts them again."""
    return Power(
        reactor, known.registry, known.instances, known.documents, known.booter, reconciler, stop_times(settings)
    )


def build_service(
    reactor: Any, settings: Settings, known: Knowledge, insides: LxdInsides, listeners: Listeners,
    reconciler: Reconciler, leads: Callable[[], bool], power: Power,
) -> WebspaceService:  # fmt: skip
    """Give who does what members ask for, and begin to look after what they left. ``leads``: whether this daemon leads."""
    webspaces = settings.webspaces
    ports = Ports(known.documents, known.allocator, listeners, webspaces.ports.max)
    workshop = Workshop(
        registry=known.registry,
        instances=known.instances,
        documents=known.documents,
        power=power,
        booter=known.booter,
        allocator=known.allocator,
        housing=known.housing,
        ports=ports,
        routes=reconciler,
        provision=Provision(reactor, insides, webspaces.install_timeout),
        creations=Creations(reactor),
        images=Images(reactor, known.instances),
        max_concurrent=webspaces.max_concurrent_boots,
        conditions=known.conditions,
        may_write=leads,
    )
    creator = Creator(workshop, webspaces.lxd_profile, config_defaults(settings))
    reconciler.after_pass(creator.sweep)
    reconciler.after_pass(Warden(reactor, known.registry, known.booter, power, known.departures, leads).watch)
    return WebspaceService(
        known.registry, known.instances, known.documents, power, creator, ports, reconciler, choices(settings)
    )

"""The API's sites, joined to what stands behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen
from twisted.web.resource import IResource

from webspaced.control.api import Control
from webspaced.control.remote import RemoteControl
from webspaced.core.command import Bounds
from webspaced.http.api import Api, Backing
from webspaced.http.auth import Auth
from webspaced.http.health import Health
from webspaced.http.internal import Internal
from webspaced.http.site import Listening, Pages, Sites
from webspaced.http.terminals import Terminals
from webspaced.http.tickets import Tickets
from webspaced.interfaces import IDomainRecords, IIdentity, IInsides
from webspaced.lib.descriptors import Reserve
from webspaced.parts.knowledge import Knowledge, Served
from webspaced.reconcile.reconciler import Reconciler
from webspaced.reload.live import Live
from webspaced.settings import Settings
from webspaced.webspaces.domains import DomainRules, Domains
from webspaced.webspaces.insides import Insides
from webspaced.webspaces.members import Members
from webspaced.webspaces.revivals import Revivals
from webspaced.webspaces.service import WebspaceService
from webspaced.webspaces.sleeper import Sleeper
from webspaced.webspaces.uploads import Uploads


@frozen
class Behind:
    """What stands behind the sites."""

    identity: IIdentity
    known: Knowledge
    served: Served
    service: WebspaceService
    sleeper: Sleeper
    insides: IInsides
    reconciler: Reconciler
    records: IDomainRecords
    reserve: Reserve
    now: Callable[[], float]
    """Gives seconds since the epoch."""
    metrics: IResource | None = None
    control: Control | None = None


def build_sites(
    reactor: Any, live: Live, behind: Behind, leads: Callable[[], bool], ready: Callable[[], bool]
) -> Sites:
    """Give the sites. ``leads`` and ``ready``: whether this daemon leads, and whether it is ready."""
    settings, known, service, reconciler = live.settings, behind.known, behind.service, behind.reconciler
    members = Members(behind.identity, known.registry, known.documents)
    listening = Listening.by(settings.http, reactor, behind.reserve.connections, settings.metrics.listen_address)
    listening = evolve(listening, trail=known.trail, tracer=known.tracer)
    domains, insides = _domains(settings, behind, leads), _insides(settings, behind)
    backing = Backing(
        service=service,
        domains=domains,
        uploads=Uploads(known.documents, known.claims, known.certificates, reconciler, behind.now),
        insides=insides,
        terminals=Terminals(reactor, behind.reserve.terminals, settings.webspaces.exec.max_terminals, known.trail),
        commands=(behind.reserve.commands, settings.webspaces.exec.max_commands),
        auth=Auth(members, listening.limits, listening.cors, Tickets(reactor)),
        sleeper=behind.sleeper,
        resync=reconciler.resync,
        conditions=known.conditions,
    )
    api = Api(backing)
    pages = Pages(
        api=api,
        health=Health(
            lambda: ready() and not behind.served.lacks_traefik,
            lambda: reconciler.connected_to_lxd,
            lambda: behind.served.trouble,
        ),
        routes=behind.served.document,
        internal=_internal(behind, members, listening),
        opened=settings.traefik.webspaced_url is not None,
        metrics=behind.metrics,
        operators=None if behind.control is None else RemoteControl(behind.control, backing.auth).app,
    )
    sites = Sites(reactor, pages, listening, leads)

    def follow(settings: Settings) -> None:
        domains.rules, insides.bounds = _domain_rules(settings), _bounds(settings)
        api.bound(settings.webspaces.exec.max_commands, settings.webspaces.exec.max_terminals)
        sites.follow(settings.http)

    live.follow(follow)
    return sites


def _internal(behind: Behind, members: Members, listening: Listening) -> Internal:
    # Old Traefiks ask on behalf of all visitors with one admin's token: as often as they like.
    auth = Auth(members, listening.limits, counts_members=False)
    return Internal(auth, behind.known.gate, behind.service.read)


def _domains(settings: Settings, behind: Behind, leads: Callable[[], bool]) -> Domains:
    known = behind.known
    rules = _domain_rules(settings)
    domains = Domains(known.documents, known.allocator, known.claims, behind.records, behind.reconciler, rules)
    behind.reconciler.after_pass(Revivals(known.registry, known.claims, domains, leads).begin)
    return domains


def _domain_rules(settings: Settings) -> DomainRules:
    return DomainRules(service=settings.webspaces.domain, max=settings.webspaces.domains.max)


def _bounds(settings: Settings) -> Bounds:
    return Bounds(seconds=settings.webspaces.exec.timeout, output=settings.webspaces.exec.max_output)


def _insides(settings: Settings, behind: Behind) -> Insides:
    known = behind.known
    return Insides(known.registry, known.documents, known.booter, known.activity, behind.insides, _bounds(settings))

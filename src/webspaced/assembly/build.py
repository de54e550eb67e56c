"""The one place that builds every object and joins it to its collaborators; read it from top to bottom."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import evolve, field, frozen

from webspaced.assembly.addresses import Ground, check_own_addresses, claim_rules, ground_of
from webspaced.assembly.cluster import Kubernetes, cluster_for
from webspaced.assembly.daemon import Daemon, Parts
from webspaced.assembly.election import election_for
from webspaced.assembly.operating import build_control
from webspaced.assembly.periodic_work import periodic_work
from webspaced.assembly.publishing import (
    asked_traefik,
    embedded_traefik,
    exposure_for,
    front_of,
    route_store,
    route_token,
    traefik_watch,
)
from webspaced.assembly.serving import build_power, build_service
from webspaced.assembly.sites import Behind, build_sites
from webspaced.assembly.sleeping import build_sleeping, sleep_looks
from webspaced.assembly.tuning import Tuned, boot_limits, config_defaults, patience
from webspaced.assembly.visiting import build_listeners
from webspaced.audit.instances import audited
from webspaced.audit.trail import trail_for
from webspaced.control.socket import ControlSocket
from webspaced.core.instance import IPAddress
from webspaced.forward.choice import bound_visitors, lines_for, seats_for
from webspaced.forward.lines import ILines
from webspaced.http.routes import RouteDocument
from webspaced.iam.choice import identity_for
from webspaced.interfaces import IDomainRecords, IHostKernel, IIdentity, IRouteDocument
from webspaced.leadership.struggle import Leadership
from webspaced.lib.addresses import can_bind
from webspaced.lib.descriptors import Reserve, raise_descriptor_limit, reserve_of
from webspaced.lib.instance_lock import InstanceLock
from webspaced.lib.memory import keep_for_good
from webspaced.lib.places import Places
from webspaced.lib.threads import Threads
from webspaced.lib.trusted import check_own_folder
from webspaced.lxd.agent import Connections, endpoints_for
from webspaced.lxd.client import LxdClient
from webspaced.lxd.events import EventSubscription
from webspaced.lxd.insides import LxdInsides
from webspaced.lxd.instances import LxdInstances
from webspaced.lxd.kernel import HostKernel
from webspaced.lxd.network import NetworkLeases, ProfileNetwork, profile_network
from webspaced.lxd.tls import Identities
from webspaced.lxd.trust import introduce
from webspaced.lxd.words import ProfileWords
from webspaced.metrics.watched import Watched, calls_of
from webspaced.network.dns import DomainRecords, resolver_for
from webspaced.parts.knowledge import Knowledge, Served
from webspaced.parts.operated import Operated
from webspaced.reconcile.collaborators import Collaborators, Serving
from webspaced.reconcile.publisher import Publisher
from webspaced.reconcile.reconciler import Reconciler
from webspaced.reconcile.unwritten import note_conditions
from webspaced.reload.live import Live
from webspaced.settings import Settings
from webspaced.tracing.build import tracer_for
from webspaced.traefik.embedded import EmbeddedTraefik
from webspaced.webspaces.activity import Activity
from webspaced.webspaces.adoption import Adoption, Membership
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
from webspaced.webspaces.probe import PortProbe
from webspaced.webspaces.readiness import ReadinessTable
from webspaced.webspaces.registry import Registry
from webspaced.webspaces.room import Room
from webspaced.webspaces.words import Words


@frozen(kw_only=True)
class Host:
    """What is used of the machine underneath, beside the reactor; tests and the simulator bring their own.

    ``lines`` are visitors' connections; ``can_bind`` tells whether a port of an address is free; ``seats`` are places for
    visitors of forwards, by descriptors, ``web_seats`` those of boot ports and ``front_seats`` those of an embedded Traefik
    (as many, if none are given), ``reserve`` is what is kept from all of them; ``pick`` gives a number below its argument
    that nobody could guess; ``keep`` hears when what is in memory is there to stay.
    """

    lines: ILines
    records: IDomainRecords
    can_bind: Callable[[IPAddress, int], bool]
    seats: Places
    web_seats: Places | None = None
    front_seats: Places | None = None
    reserve: Reserve = field(factory=Reserve)
    pick: Callable[[int], int] = secrets.randbelow
    loopback_containers: bool = False
    kernel: IHostKernel = field(factory=HostKernel)
    """What the machine tells of containers, where they run on it."""
    keep: Callable[[], None] = lambda: None
    now: Callable[[], float] = time.time
    """The time of day, in seconds since the epoch: for what is written down, never for waiting."""


def this_host(reactor: Any, live: Live) -> Host:
    """Give the real one, whose folder and addresses are as they must be; `Invalid` if not."""
    settings = live.settings
    check_own_folder(settings.data_dir, "data_dir")
    check_own_addresses(settings, can_bind)
    most, each = settings.webspaces.max_held, settings.webspaces.max_per_address
    seats = seats_for(most, each, has_front=settings.traefik.embedded)
    records = DomainRecords(resolver_for(reactor, settings.webspaces.domains.resolvers))
    live.follow(lambda settings: records.ask(resolver_for(reactor, settings.webspaces.domains.resolvers)))
    live.follow(lambda settings: bound_visitors(seats, settings.webspaces.max_per_address))
    return Host(
        lines=lines_for(reactor, seats),
        records=records,
        kernel=HostKernel(threads=Threads(reactor, 1, "kernel")),
        can_bind=can_bind,
        seats=seats.forwards,
        web_seats=seats.web,
        front_seats=seats.front,
        reserve=reserve_of(raise_descriptor_limit()),
        keep=keep_for_good,
    )


def build(reactor: Any, live: Live, host: Host | None = None) -> Daemon:
    """Give the whole daemon, ready to be started.

    :param live: the settings, and whoever follows them when they are read again.
    :param host: the machine underneath, unless it is the real one.
    :raises WebspacedError: something that it needs is missing on this machine, or a file is wrong.
    """
    settings, host = live.settings, host or this_host(reactor, live)
    identity = identity_for(reactor, live)
    connections = _connections(reactor, live)
    client = LxdClient(connections.agent, reactor, settings.lxd.project, suspect=lambda: connections.suspect)
    known = _build_knowledge(reactor, settings, client, identity, host)
    cluster = cluster_for(reactor, settings)
    election = election_for(reactor, settings, client, cluster)
    token = route_token(settings)
    traefik = embedded_traefik(reactor, settings, token)
    served = _build_served(reactor, live, known, host, cluster, election.leadership, token, traefik)
    leads = election.leadership.holds
    reconciler = _build_reconciler(reactor, settings, known, identity, served, leads, host.now)
    insides = LxdInsides(client, connections.endpoints)
    power = build_power(reactor, settings, known, reconciler)
    sleeping = build_sleeping(reactor, live, known, served.listeners, power, host.kernel, host.now, leads)
    reconciler.after_pass(sleeping.begin)
    service = build_service(reactor, settings, known, insides, served.listeners, reconciler, leads, power)
    front = None if traefik is None else front_of(reactor, settings, host.lines, host.front_seats or host.seats, traefik)
    events = _build_events(reactor, settings, connections, reconciler, election.leadership)
    calls = calls_of({"lxd": client, "iam": identity, "kubernetes": cluster and cluster.client, "redis": served.store})
    _join(known, served, traefik)
    daemon = Daemon(
        reactor, settings.timeouts.startup, settings.timeouts.shutdown,
        Parts(
            lock=InstanceLock(settings.data_dir),
            election=election,
            network=lambda: _first_contact(client, settings),
            ground=partial(_ground, reactor, settings, client, host),
            housing=known.housing,
            filters=known.filters,
            registry=known.registry,
            allocator=known.allocator,
            publisher=served.publisher,
            reconciler=reconciler,
            events=events,
            periodic=(
                *periodic_work(reactor, live, identity, known, reconciler, served, election, front),
                *sleep_looks(reactor, live, known, sleeping),
            ),
            listeners=served.listeners,
            exposure=served.exposure,
            lines=host.lines,
            traefik=traefik,
            front=front,
            keep=host.keep,
        ),
    )
    behind = Behind(
        identity, known, served, service, sleeping.sleeper, insides, reconciler, host.records, host.reserve, host.now
    )
    operated = Operated(known, served, reconciler, sleeping.sleeper, power, live, election.leadership)
    return _open(reactor, live, daemon, behind, Watched(operated, events, election.leadership, calls, host.now))


def _connections(reactor: Any, live: Live) -> Connections:
    lxd = live.settings.lxd
    identities = Identities.by(lxd.tls)
    connections = Connections(reactor, endpoints_for(reactor, lxd.url, identities), identities)
    live.check(lambda settings: connections.renewed(Identities.by(settings.lxd.tls)))
    return connections


def _open(reactor: Any, live: Live, daemon: Daemon, behind: Behind, watched: Watched) -> Daemon:
    """Give the daemon back, with its sites, the figures where they are wanted, and its socket for operators."""
    settings, ready, leads = live.settings, (lambda: daemon.ready), watched.leadership.holds
    control = build_control(watched.parts, leads, ready)
    behind = evolve(behind, control=control)
    daemon.control = ControlSocket(reactor, settings.data_dir, control.app.resource())
    if settings.metrics.listen_address is None:
        daemon.sites = build_sites(reactor, live, behind, leads, ready)
    else:
        # Who measures nothing need not have the library's memory.
        from webspaced.metrics.figures import Figures  # noqa: PLC0415

        figures = daemon.figures = Figures(reactor, settings, watched, ready)
        daemon.sites = figures.sites = build_sites(reactor, live, evolve(behind, metrics=figures.page), leads, ready)
        live.follow(figures.follow)
    live.follow(Tuned(known=behind.known, power=watched.parts.power, service=behind.service).follow)
    # Last: by then everybody knows how often to look.
    live.follow(daemon.follow)
    return daemon


def _ground(reactor: Any, settings: Settings, client: LxdClient, host: Host, network: ProfileNetwork) -> Ground:
    leases = NetworkLeases(client, network.name)
    return ground_of(reactor, settings, network, leases, loopback=host.loopback_containers)


def _join(known: Knowledge, served: Served, traefik: EmbeddedTraefik | None) -> None:
    """Let those hear of each other who are built one after the other."""
    if traefik is not None:
        traefik.brought, known.certificates.automatic = known.certificates.brought, traefik.automatic.hosts
    if served.watch is not None:
        served.watch.is_written = lambda: not served.publisher.unwritten.told()


async def _first_contact(client: LxdClient, settings: Settings) -> ProfileNetwork:
    await introduce(client, settings.lxd.tls.trust_password)
    return await profile_network(client, settings.webspaces.lxd_profile)


def _build_events(
    reactor: Any, settings: Settings, connections: Connections, reconciler: Reconciler, leadership: Leadership
) -> EventSubscription:
    def found() -> None:
        connections.found()
        # The lease is kept there, too.
        leadership.hurry()

    return EventSubscription(
        reactor, connections.endpoints, settings.lxd.project, reconciler, connections.lost, found
    )


def _build_knowledge(
    reactor: Any, settings: Settings, client: LxdClient, identity: IIdentity, host: Host
) -> Knowledge:
    webspaces = settings.webspaces
    words = Words(ProfileWords(client, settings.lxd.project, webspaces.instance_prefix))
    trail = trail_for(reactor, settings.audit_log, host.now)
    instances = audited(LxdInstances(client), trail, webspaces.instance_prefix)
    conditions = Conditions(reactor)
    registry = Registry(reactor, instances, webspaces.instance_prefix, config_defaults(settings), conditions, words)
    departures = Departures(reactor, registry, identity, settings.iam.grace, host.now)
    readiness = ReadinessTable()
    activity, room = Activity(reactor), Room(reactor, registry, webspaces.max_running, webspaces.max_wait)
    limits = boot_limits(settings, departures.has_departed)
    booter = Booter(reactor, registry, instances, conditions, limits, room)
    gate = BootGate(
        reactor,
        registry,
        booter,
        readiness,
        PortProbe(reactor),
        activity,
        patience=patience(settings),
        domain=webspaces.domain,
    )
    rules = claim_rules(settings)
    claims = Claims(reactor, registry, conditions, rules, host.now)
    allocator = Allocator(
        reactor,
        registry,
        claims,
        external=rules.ports,
        boot=range(webspaces.boot_ports.start, webspaces.boot_ports.end + 1),
        pick=host.pick,
        can_bind=lambda port: host.can_bind(settings.traefik.boot_address, port),
    )
    trail.owner_of = lambda uid: (observed.username or "") if (observed := registry.get(uid)) else ""
    return Knowledge(
        trail=trail,
        tracer=tracer_for(reactor, settings),
        instances=instances,
        conditions=conditions,
        registry=registry,
        departures=departures,
        readiness=readiness,
        booter=booter,
        gate=gate,
        documents=Documents(registry, instances),
        claims=claims,
        certificates=Certificates(reactor, registry, claims, conditions, host.now),
        allocator=allocator,
        housing=Housing(host.pick),
        filters=Filters(registry, webspaces.instance_prefix),
        activity=activity,
        room=room,
    )


def _build_served(
    reactor: Any, live: Live, known: Knowledge, host: Host, cluster: Kubernetes | None, leadership: Leadership,
    token: str | None, traefik: EmbeddedTraefik | None,
) -> Served:  # fmt: skip
    settings = live.settings
    store = route_store(reactor, settings, cluster)
    return Served(
        store=store,
        listeners=build_listeners(reactor, live, known, host.lines, host.seats, host.web_seats),
        publisher=Publisher(
            reactor, store, settings.traefik.settle_time, leadership.holds, asked_traefik(reactor, settings, traefik),
            host.now,
        ),
        exposure=exposure_for(reactor, settings, cluster, leadership.holds),
        document=RouteDocument(store, token) if IRouteDocument.providedBy(store) else None,
        watch=traefik_watch(reactor, settings, known.conditions, host.now, traefik),
    )


def _build_reconciler(
    reactor: Any, settings: Settings, known: Knowledge, identity: IIdentity, served: Served, leads: Callable[[], bool],
    now: Callable[[], float],
) -> Reconciler:  # fmt: skip
    serving = Serving(boot_address=settings.traefik.boot_address, settle_time=settings.traefik.settle_time)
    departures = known.departures
    membership = Membership(may_write=leads, departed=departures.has_departed, missing=departures.missing, now=now)
    adoption = Adoption(
        known.registry, known.documents, known.allocator, known.claims, known.housing, identity, known.conditions,
        membership,
    )  # fmt: skip
    reconciler = Reconciler(
        reactor,
        serving,
        Collaborators(
            registry=known.registry,
            readiness=known.readiness,
            booter=known.booter,
            gate=known.gate,
            adoption=adoption,
            claims=known.claims,
            certificates=known.certificates,
            conditions=known.conditions,
            publisher=served.publisher,
            listeners=served.listeners,
            exposure=served.exposure,
        ),
    )
    departures.subscribe(reconciler.departed)
    reconciler.after_pass(known.filters.look)
    note_conditions(served.publisher.unwritten, known.registry, known.conditions)
    return reconciler

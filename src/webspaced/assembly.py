"""The one place that builds every object and joins it to its collaborators; read it from top to bottom."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from attrs import frozen

from webspaced.addresses import address_rule, check_own_addresses
from webspaced.cluster import Kubernetes, cluster_for
from webspaced.core.command import Bounds
from webspaced.core.instance import IPAddress
from webspaced.core.webspace import Config
from webspaced.daemon import Daemon, Parts
from webspaced.dns import DomainRecords, resolver_for
from webspaced.election import Election, election_for
from webspaced.forward.choice import lines_for, seats_for
from webspaced.forward.lines import ILines
from webspaced.forward.listeners import Listeners, Where, looks
from webspaced.forward.visit import Destination, Means
from webspaced.http.api import Api, Backing
from webspaced.http.auth import Auth
from webspaced.http.health import Health
from webspaced.http.internal import Internal
from webspaced.http.routes import RouteDocument
from webspaced.http.site import Listening, Pages, Sites
from webspaced.http.terminals import Terminals
from webspaced.http.tickets import Tickets
from webspaced.iam.agent import iamd_agent
from webspaced.iam.client import IamdClient
from webspaced.iam.iamd import IamdIdentity
from webspaced.iam.static import UsersFile
from webspaced.interfaces import IDomainRecords, IExposure, IIdentity, IRouteDocument
from webspaced.leadership import Leadership
from webspaced.lib.addresses import can_bind
from webspaced.lib.instance_lock import InstanceLock
from webspaced.lib.memory import keep_for_good
from webspaced.lib.periodic import Periodic
from webspaced.lib.places import Places
from webspaced.lib.trusted import check_own_folder
from webspaced.lxd.agent import Connections, endpoints_for
from webspaced.lxd.client import LxdClient
from webspaced.lxd.events import EventSubscription
from webspaced.lxd.insides import LxdInsides
from webspaced.lxd.instances import LxdInstances, ProfileNetwork, profile_network
from webspaced.lxd.tls import Identities
from webspaced.lxd.trust import introduce
from webspaced.publishing import asked_traefik, embedded_traefik, exposure_for, route_store
from webspaced.reconcile.publisher import Publisher
from webspaced.reconcile.reconciler import Collaborators, Reconciler, Serving
from webspaced.settings import Settings
from webspaced.webspaces.adoption import Adoption
from webspaced.webspaces.allocator import Allocator
from webspaced.webspaces.booter import Booter, BootLimits
from webspaced.webspaces.conditions import Conditions
from webspaced.webspaces.creation import Creator, Workshop
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.domains import DomainRules, Domains
from webspaced.webspaces.gate import BootGate
from webspaced.webspaces.insides import Insides
from webspaced.webspaces.ports import Ports
from webspaced.webspaces.power import Power, StopTimes
from webspaced.webspaces.probe import PortProbe
from webspaced.webspaces.progress import Creations
from webspaced.webspaces.provision import Provision
from webspaced.webspaces.readiness import ReadinessTable
from webspaced.webspaces.registry import AWAY_PAUSE, Registry
from webspaced.webspaces.service import WebspaceService

REMARK = 60.0
"""Seconds between looks whether others are still led here."""
RETRY_UNBOUND = 5.0
"""Seconds between tries to bind a forward whose port somebody else has."""


@frozen(kw_only=True)
class Host:
    """What is used of the machine underneath, beside the reactor; tests and the simulator bring their own.

    ``lines`` are visitors' connections; ``can_bind`` tells whether a port of an address is free; ``seats`` are places for
    visitors, by descriptors; ``pick`` gives a number below its argument that nobody could guess;
    ``keep`` hears when what is in memory is there to stay.
    """

    lines: ILines
    records: IDomainRecords
    can_bind: Callable[[IPAddress, int], bool]
    seats: Places
    pick: Callable[[int], int] = secrets.randbelow
    loopback_containers: bool = False
    keep: Callable[[], None] = lambda: None


def this_host(reactor: Any, settings: Settings) -> Host:
    """Give the real one, whose folder and addresses are as they must be; `Invalid` if not."""
    check_own_folder(settings.data_dir, "data_dir")
    check_own_addresses(settings, can_bind)
    seats = seats_for(settings.webspaces.max_held)
    return Host(
        lines=lines_for(reactor, seats),
        records=DomainRecords(resolver_for(reactor, settings.webspaces.domains.resolvers)),
        can_bind=can_bind,
        seats=seats,
        keep=keep_for_good,
    )


@frozen(kw_only=True)
class Knowledge:
    """What is known of webspaces, and how they are woken and changed."""

    conditions: Conditions
    registry: Registry
    readiness: ReadinessTable
    booter: Booter
    gate: BootGate
    documents: Documents
    allocator: Allocator


@frozen(kw_only=True)
class Served:
    """How visitors get to webspaces: by listeners of ours, by Traefik's routes, by a load balancer's ports.

    ``document``: the routes, where Traefik fetches them from us.
    """

    listeners: Listeners
    publisher: Publisher
    exposure: IExposure
    document: RouteDocument | None


def build(reactor: Any, settings: Settings, host: Host | None = None) -> Daemon:
    """Give the whole daemon, ready to be started.

    :param host: the machine underneath, unless it is the real one.
    :raises WebspacedError: something that it needs is missing on this machine, or a file is wrong.
    """
    host = host or this_host(reactor, settings)
    identity = _build_identity(reactor, settings)
    connections = Connections(reactor, endpoints_for(reactor, settings.lxd.url, _identities(settings)))
    client = LxdClient(connections.agent, reactor, settings.lxd.project, suspect=lambda: connections.suspect)
    instances = LxdInstances(client)
    known = _build_knowledge(reactor, settings, instances, host)
    cluster = cluster_for(reactor, settings)
    election = election_for(reactor, settings, client, cluster)
    served = _build_served(reactor, settings, known, host, cluster, election.leadership)
    leads = election.leadership.holds
    reconciler = _build_reconciler(reactor, settings, known, identity, served, leads)
    insides = LxdInsides(client, connections.endpoints)
    service = _build_service(reactor, settings, known, instances, insides, served.listeners, reconciler, leads)
    daemon = Daemon(
        reactor, settings.timeouts.startup, settings.timeouts.shutdown,
        Parts(
            lock=InstanceLock(settings.data_dir),
            election=election,
            network=lambda: _first_contact(client, settings),
            rule=lambda network: address_rule(settings, network, loopback=host.loopback_containers),
            registry=known.registry,
            conditions=known.conditions,
            allocator=known.allocator,
            publisher=served.publisher,
            reconciler=reconciler,
            events=_build_events(reactor, settings, connections, reconciler, election.leadership),
            periodic=_build_periodic(reactor, settings, reconciler, served, election),
            listeners=served.listeners,
            exposure=served.exposure,
            lines=host.lines,
            traefik=embedded_traefik(reactor, settings),
            keep=host.keep,
        ),
    )
    listening = Listening.by(settings.http, reactor)
    backing = Backing(
        service=service,
        domains=_build_domains(settings, known, host, reconciler),
        insides=_build_insides(settings, known, insides),
        terminals=Terminals(reactor),
        auth=Auth(identity, listening.limits, listening.cors, Tickets(reactor)),
        resync=reconciler.resync,
        now=time.time,
    )
    pages = Pages(
        api=Api(backing),
        health=Health(lambda: daemon.ready, lambda: reconciler.connected_to_lxd),
        routes=served.document,
        internal=_build_internal(identity, listening, known, service),
        opened=settings.traefik.webspaced_url is not None,
    )
    daemon.sites = Sites(reactor, pages, listening, leads)
    return daemon


def _identities(settings: Settings) -> Identities:
    tls = settings.lxd.tls
    return Identities(
        server=tls.server_cert,
        ca=tls.ca,
        client=tls.client_cert,
        client_key=tls.client_key,
        insecure=tls.allow_insecure,
    )


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


def _build_identity(reactor: Any, settings: Settings) -> IIdentity:
    iam = settings.iam
    if iam.provider == "static":
        static: IIdentity = UsersFile(iam.users_file)
        return static
    client = IamdClient(iamd_agent(reactor, insecure=iam.allow_insecure), reactor, iam.url or "")
    iamd: IIdentity = IamdIdentity(client, reactor, iam.token, time.time)
    return iamd


def _build_knowledge(reactor: Any, settings: Settings, instances: LxdInstances, host: Host) -> Knowledge:
    webspaces = settings.webspaces
    conditions = Conditions()
    registry = Registry(reactor, instances, webspaces.instance_prefix, _config_defaults(settings), conditions)
    readiness = ReadinessTable()
    limits = BootLimits(
        max_concurrent=webspaces.max_concurrent_boots,
        max_running=webspaces.max_running,
        ip_timeout=webspaces.ip_timeout,
    )
    booter = Booter(reactor, registry, instances, conditions, limits)
    gate = BootGate(
        reactor,
        registry,
        booter,
        readiness,
        PortProbe(reactor),
        ready_timeout=webspaces.ready_timeout,
        domain=webspaces.domain,
    )
    allocator = Allocator(
        reactor,
        registry,
        external=range(webspaces.ports.start, webspaces.ports.end + 1),
        boot=range(webspaces.boot_ports.start, webspaces.boot_ports.end + 1),
        pick=host.pick,
        can_bind=lambda port: host.can_bind(settings.traefik.boot_address, port),
    )
    return Knowledge(
        conditions=conditions,
        registry=registry,
        readiness=readiness,
        booter=booter,
        gate=gate,
        documents=Documents(registry, instances),
        allocator=allocator,
    )


def _config_defaults(settings: Settings) -> Config:
    defaults = settings.webspaces.config_defaults
    return Config(
        startup_delay=defaults.startup_delay, http_port=defaults.http_port, sni_passthrough=defaults.sni_passthrough
    )


def _build_listeners(reactor: Any, settings: Settings, known: Knowledge, host: Host) -> Listeners:
    webspaces = settings.webspaces
    means = Means(
        clock=reactor,
        gate=known.gate,
        lines=host.lines,
        places=Places(webspaces.max_held, webspaces.max_held_per_webspace),
        seats=host.seats,
    )

    def web(uid: int) -> Destination | None:
        observed = known.registry.get(uid)
        if observed is None:
            return None
        return Destination(uid, observed.webspace.config.http_port, observed.web_is_http)

    where = Where(forwards=webspaces.ports.listen_address, boot=str(settings.traefik.boot_address))
    return Listeners(means, known.conditions, where, web)


def _build_served(
    reactor: Any, settings: Settings, known: Knowledge, host: Host, cluster: Kubernetes | None, leadership: Leadership
) -> Served:
    store = route_store(reactor, settings, cluster)
    return Served(
        listeners=_build_listeners(reactor, settings, known, host),
        publisher=Publisher(
            reactor, store, settings.traefik.settle_time, leadership.holds, asked_traefik(reactor, settings)
        ),
        exposure=exposure_for(reactor, settings, cluster, leadership.holds),
        document=RouteDocument(store) if IRouteDocument.providedBy(store) else None,
    )


def _build_reconciler(
    reactor: Any, settings: Settings, known: Knowledge, identity: IIdentity, served: Served, leads: Callable[[], bool]
) -> Reconciler:
    serving = Serving(
        domain=settings.webspaces.domain,
        boot_address=settings.traefik.boot_address,
        settle_time=settings.traefik.settle_time,
    )
    adoption = Adoption(known.registry, known.documents, known.allocator, identity, known.conditions, leads)
    return Reconciler(
        reactor,
        serving,
        Collaborators(
            registry=known.registry,
            readiness=known.readiness,
            booter=known.booter,
            gate=known.gate,
            adoption=adoption,
            conditions=known.conditions,
            publisher=served.publisher,
            listeners=served.listeners,
            exposure=served.exposure,
        ),
    )


def _build_service(
    reactor: Any, settings: Settings, known: Knowledge, instances: LxdInstances, insides: LxdInsides,
    listeners: Listeners, reconciler: Reconciler, leads: Callable[[], bool],
) -> WebspaceService:  # fmt: skip
    webspaces = settings.webspaces
    times = StopTimes(drain=webspaces.drain_time, graceful=webspaces.stop_timeout)
    power = Power(reactor, known.registry, instances, known.documents, known.booter, reconciler, times)
    ports = Ports(known.documents, known.allocator, listeners, webspaces.ports.max)
    workshop = Workshop(
        registry=known.registry,
        instances=instances,
        documents=known.documents,
        power=power,
        booter=known.booter,
        allocator=known.allocator,
        ports=ports,
        routes=reconciler,
        provision=Provision(reactor, insides, webspaces.install_timeout),
        creations=Creations(reactor),
        may_write=leads,
    )
    creator = Creator(workshop, webspaces.lxd_profile, _config_defaults(settings))
    reconciler.after_pass(creator.sweep)
    most = webspaces.max_startup_delay
    return WebspaceService(known.registry, instances, known.documents, power, creator, ports, reconciler, most)


def _build_internal(identity: IIdentity, listening: Listening, known: Knowledge, service: WebspaceService) -> Internal:
    # Old Traefiks ask on behalf of all visitors with one admin's token: as often as they like.
    return Internal(Auth(identity, listening.limits, counts_members=False), known.gate, service.read)


def _build_domains(settings: Settings, known: Knowledge, host: Host, reconciler: Reconciler) -> Domains:
    rules = DomainRules(service=settings.webspaces.domain, max=settings.webspaces.domains.max)
    return Domains(known.documents, known.allocator, host.records, reconciler, rules)


def _build_insides(settings: Settings, known: Knowledge, inside: LxdInsides) -> Insides:
    bounds = Bounds(seconds=settings.webspaces.exec.timeout, output=settings.webspaces.exec.max_output)
    return Insides(known.registry, known.documents, known.booter, inside, bounds)


def _build_periodic(
    reactor: Any, settings: Settings, reconciler: Reconciler, served: Served, election: Election
) -> tuple[Periodic, ...]:
    return (
        Periodic(reactor, settings.webspaces.resync_interval, "the full pass", reconciler.periodic_pass),
        Periodic(reactor, settings.webspaces.resync_interval, "the look at addresses", reconciler.look_at_addresses),
        Periodic(reactor, settings.webspaces.resync_interval, "the look at what is published", served.publisher.check),
        Periodic(reactor, REMARK, "the mark of the leader", election.remark),
        Periodic(reactor, RETRY_UNBOUND, "binding ports", reconciler.retry_unbound),
        Periodic(reactor, AWAY_PAUSE, "the search for absent cluster members", reconciler.return_of_members),
        *looks(reactor, served.listeners, settings.webspaces.max_wait, settings.webspaces.relay_idle_timeout),
    )

"""All of webspaced between LXD and Traefik, around the fake LXD and on a clock: for tests of how the parts work together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from ipaddress import ip_address, ip_network
from math import ceil, inf
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from zope.interface import implementer

from tests.contracts.fake_insides import FakeInsides
from tests.contracts.fake_instances import NIC, Container, FakeInstances
from tests.unit.timing import Time, watch
from webspaced.core.address import AddressRule, Endpoint
from webspaced.core.command import Bounds
from webspaced.core.config import Choices
from webspaced.core.forward import Forward
from webspaced.core.probing import Answer, Ask, judged
from webspaced.core.routes import Route
from webspaced.core.sleep import Floors, SleepRules
from webspaced.core.user import Caller, User
from webspaced.core.webspace import BOOT_PORT_KEY, KEY, USERNAME_KEY, Config, Webspace
from webspaced.errors import Conflict, NotFound, Unavailable
from webspaced.interfaces import IDomainRecords, IForwards, IHostKernel, IIdentity, IListeners, IRouteStore, IVisitors
from webspaced.lib.deferreds import sleep
from webspaced.reconcile.collaborators import Collaborators, Serving
from webspaced.reconcile.publisher import Publisher
from webspaced.reconcile.reconciler import Reconciler
from webspaced.reconcile.unexposed import Unexposed
from webspaced.reconcile.unwritten import note_conditions
from webspaced.settings.webspaces import RESERVED_NAMES
from webspaced.webspaces.activity import Activity
from webspaced.webspaces.adoption import Adoption, Membership
from webspaced.webspaces.allocator import Allocator
from webspaced.webspaces.boot_limits import BootLimits
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.certificates import Certificates
from webspaced.webspaces.claims import ClaimRules, Claims
from webspaced.webspaces.conditions import Conditions
from webspaced.webspaces.creation import Creator, Workshop
from webspaced.webspaces.departures import Departures
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.domains import DomainRules, Domains
from webspaced.webspaces.dozers import Dozers
from webspaced.webspaces.gate import BootGate, Patience
from webspaced.webspaces.housing import Housing
from webspaced.webspaces.images import Images
from webspaced.webspaces.insides import Insides
from webspaced.webspaces.meter import Meter
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.ownership import Ownership
from webspaced.webspaces.ports import Ports
from webspaced.webspaces.power import Power, StopTimes
from webspaced.webspaces.probe import ANSWER_TIMEOUT
from webspaced.webspaces.progress import Creations
from webspaced.webspaces.provision import Provision
from webspaced.webspaces.readiness import ReadinessTable
from webspaced.webspaces.registry import Registry
from webspaced.webspaces.revivals import Revivals
from webspaced.webspaces.room import Room
from webspaced.webspaces.schedule import Alarm, Schedule
from webspaced.webspaces.service import WebspaceService
from webspaced.webspaces.sleeper import Bed, Sleeper
from webspaced.webspaces.uploads import Uploads
from webspaced.webspaces.warden import Warden
from webspaced.webspaces.words import Words

CHOICES = Choices(max_startup_delay=60.0, sleep=("doze", "sleepAfter", "keepAwake", "wakeAt", "quietHours"))
FLOORS = Floors(sent=300, received=4096, cpu=1.2)
NO_SLEEP = SleepRules(allow=frozenset(CHOICES.sleep))
MAX_WAIT = 300.0
DEFAULTS = Config(startup_delay=3.0, http_port=80, sni_passthrough=False)
NETWORKS = (ip_network("10.7.0.0/24"), ip_network("fd00:7::/64"))
RULE = AddressRule(networks=NETWORKS, reserved=frozenset({ip_address("10.7.0.1")}))
BOOT_ADDRESS = ip_address("127.0.0.1")
DOMAIN = "example.org"
SETTLE, DRAIN, GRACE = 0.3, 1.0, 5.0
INSTALL_TIMEOUT = 600.0
GRACE_OF_IAM = 7 * 86400.0
EXTERNAL, BOOT = range(49152, 49162), range(20000, 20050)
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOhlw7EP23vl/l4skU1mByrz+lpgq09gAPeOQiE/Kq3F alice@example"
"""Of a member's account; the other half was thrown away."""
MEMBERS = {1: "alice", 2: "bob", 3: "carol", 4: "dave"}


def keys_of(uid: int, *, boot_port: int | None = None, **more: Any) -> dict[str, str]:
    """Give the keys of a webspace that is complete."""
    webspace = Webspace(**{"user": uid, "config": DEFAULTS, **more})
    port = 20000 + uid if boot_port is None else boot_port
    return {KEY: webspace.dump(), BOOT_PORT_KEY: str(port), USERNAME_KEY: MEMBERS[uid]}


class FakeProbe:
    """Connects to the fake's containers. ``tried`` has every endpoint that was asked."""

    def __init__(self, clock: Time, lxd: FakeInstances) -> None:
        self.tried: list[Endpoint] = []
        self.heads: list[tuple[Endpoint, str]] = []
        self.asked: list[Ask] = []
        self._clock = clock
        self._lxd = lxd

    async def accepts(self, endpoint: Endpoint, timeout: float) -> bool:
        self.tried.append(endpoint)
        if self._lxd.owner(endpoint.host) is None:
            # Nobody there: silence.
            await sleep(self._clock, timeout)
            return False
        await sleep(self._clock, 0.001)
        return self._lxd.answers(endpoint) is not None

    async def ask(self, endpoint: Endpoint, ask: Ask, host: str, timeout: float = ANSWER_TIMEOUT) -> Answer:
        self.heads.append((endpoint, host))
        self.asked.append(ask)
        container = self._lxd.answers(endpoint)
        if container is None:
            await sleep(self._clock, 0.001)
            return Answer.REFUSED
        says = container.head
        await sleep(self._clock, timeout if says is None and ask.waits_for_data else 0.001)
        if container.hangs_up or endpoint.host.version == container.hangs_up_at:
            return Answer.NOT_YET
        return Answer.SILENT if says is None else judged(says)


@implementer(IListeners, IForwards, IVisitors)
class FakeListeners:
    """Remembers what is wanted. Ports in ``taken`` cannot be bound. ``quiet_for``: seconds, of webspaces with visitors.

    ``told`` has the webspaces whose forwards were said, at each time.
    """

    def __init__(self) -> None:
        self.forwards: dict[int, dict[int, int]] = {}
        self.told: list[int] = []
        self.proxied: dict[int, dict[int, int]] = {}
        self.boot_ports: dict[int, int] = {}
        self.reserved: set[int] = set()
        self.taken: set[int] = set()
        self.cut: list[int] = []
        self.retries = 0
        self.quiet_for: dict[int, float] = {}
        self.watched: dict[int, Callable[[], None]] = {}

    def quiet(self, uid: int) -> float:
        return self.quiet_for.get(uid, inf)

    def watch(self, uid: int, stirred: Callable[[], None] | None) -> None:
        if stirred is None:
            self.watched.pop(uid, None)
        else:
            self.watched[uid] = stirred

    def reserve(self, port: int) -> None:
        if port in self.taken | self.reserved:
            raise Conflict(f"port {port} is in use on this machine")
        self.reserved.add(port)

    def unreserve(self, port: int) -> None:
        self.reserved.discard(port)

    def want_forwards(self, uid: int, forwards: Mapping[int, Forward]) -> None:
        self.told.append(uid)
        self.forwards[uid] = {external: forward.internal for external, forward in forwards.items()}
        self.proxied[uid] = {e: forward.proxy_protocol for e, forward in forwards.items() if forward.proxy_protocol}
        self.reserved -= forwards.keys()

    def want_boot_port(self, uid: int, port: int | None) -> None:
        if port in self.taken:
            raise CannotListenError("127.0.0.1", port, "taken")
        if port is None:
            self.boot_ports.pop(uid, None)
        else:
            self.boot_ports[uid] = port

    def cut_relayed(self, uid: int) -> None:
        self.cut.append(uid)

    def retry(self) -> None:
        self.retries += 1


@implementer(IRouteStore)
class FakeStore:
    """Routes in a dictionary; ``errors`` are raised by the next writes, ``delay`` is what a write takes.

    ``times`` has when each write began that came to something; ``tells``: each has a generation.
    """

    def __init__(self, clock: Time) -> None:
        self.routes: dict[str, Route] = {}
        self.writes: list[tuple[dict[str, Route], list[str]]] = []
        self.times: list[float] = []
        self.errors: list[Exception] = []
        self.different: Collection[str] | None = None
        self.stopped = False
        self.delay = 0.0
        self.tells = False
        self.writing = self.most_at_once = 0
        self._clock = clock

    async def load(self) -> Mapping[str, Route]:
        return dict(self.routes)

    async def apply(self, put: Mapping[str, Route], remove: Sequence[str]) -> int | None:
        began = self._clock.seconds()
        self.writing += 1
        self.most_at_once = max(self.most_at_once, self.writing)
        try:
            if self.delay:
                await sleep(self._clock, self.delay)
            if self.errors:
                raise self.errors.pop(0)
        finally:
            self.writing -= 1
        self.writes.append((dict(put), list(remove)))
        self.times.append(began)
        self.routes = {name: route for name, route in {**self.routes, **put}.items() if name not in remove}
        return len(self.writes) if self.tells else None

    async def differs(self) -> Collection[str] | None:
        return self.different

    def watch(self, differ: Callable[[Collection[str]], None]) -> None:
        self.differ = differ

    async def stop(self) -> None:
        self.stopped = True

    def backend(self, name: str) -> str | None:
        return str(self.routes[name].backend) if name in self.routes else None


@implementer(IHostKernel)
class FakeHost:
    """A machine with the containers of a fake LXD on it. ``packets`` by NIC; ``pressure`` in percent.

    ``of_tcp``: how many of the packets were of TCP, by pid, ``passed_on`` how many went to containers within; ``read`` has
    whose connections were gone through.
    """

    def __init__(self, lxd: FakeInstances) -> None:
        self.packets: dict[str, int] = {}
        self.pressure = 0.0
        self.of_tcp: dict[int, int] = {}
        self.passed_on: dict[int, int] = {}
        self.read: list[int] = []
        self._lxd = lxd

    def received(self) -> Mapping[str, int]:
        return self.packets

    def segments(self, pid: int) -> int | None:
        return self.of_tcp.get(pid)

    def forwarded(self, pid: int) -> int | None:
        return self.passed_on.get(pid)

    def has_unread(self, pid: int) -> Deferred[bool]:
        self.read.append(pid)
        return succeed(list(self._lxd.containers.values())[pid - 1].unread)

    def memory_pressure(self) -> float:
        return self.pressure


@implementer(IDomainRecords)
class FakeRecords:
    """Texts by domain; the next ``errors`` are raised. ``asked`` has every question."""

    def __init__(self, clock: Time) -> None:
        self.texts_of: dict[str, list[str]] = {}
        self.errors: list[Exception] = []
        self.asked: list[str] = []
        self._clock = clock

    def ask(self, make_resolver: Any) -> None:
        pass

    async def texts(self, domain: str) -> Sequence[str]:
        self.asked.append(domain)
        await sleep(self._clock, 0.01)
        if self.errors:
            raise self.errors.pop(0)
        return self.texts_of.get(domain, [])


@implementer(IIdentity)
class FakeIdentity:
    """Members by id; every token is its holder's name."""

    def __init__(self, members: Mapping[int, str] = MEMBERS) -> None:
        self.members = dict(members)
        self.admins: set[int] = set()
        self.away = False

    async def authenticate(self, token: str, *, anew: bool = False) -> Caller:
        return Caller(user=self._user(next(uid for uid, name in self.members.items() if name == token)), token=token)

    async def by_username(self, username: str, caller: Caller) -> User:
        for uid, name in self.members.items():
            if name == username:
                return self._user(uid)
        raise NotFound("there is no such user")

    async def by_id(self, uid: int) -> User:
        if self.away:
            raise Unavailable("IAM cannot be reached")
        if uid not in self.members:
            raise NotFound("there is no such user")
        return self._user(uid)

    def _user(self, uid: int) -> User:
        return User(id=uid, username=self.members[uid], is_admin=uid in self.admins)


class World:
    """See the module; ``start`` makes the first full pass."""

    ahead = 0.0
    """By how much the time of day is ahead of the clock, for sleep and schedules."""
    leads = True
    """Whether schedules may act."""

    def __init__(
        self, *, max_concurrent: int = 8, max_running: int = 0, ready_timeout: float = 30.0, sleep: SleepRules = NO_SLEEP
    ) -> None:
        self._max_concurrent = max_concurrent
        self.clock = Time()
        self.lxd = FakeInstances(self.clock)
        self.ownership = Ownership(NIC, self.lxd)
        self.insides = FakeInsides(self.clock, self.lxd)
        self.probe = FakeProbe(self.clock, self.lxd)
        self.listeners = FakeListeners()
        self.store = FakeStore(self.clock)
        self.identity = FakeIdentity()
        self.records, self.conditions = FakeRecords(self.clock), Conditions(self.clock)
        self.registry = Registry(self.clock, self.lxd, "ws-", DEFAULTS, self.conditions, Words(self.lxd))
        self.readiness = ReadinessTable()
        self.departures = Departures(self.clock, self.registry, self.identity, GRACE_OF_IAM, self.clock.seconds)
        limits = BootLimits(max_concurrent=max_concurrent, ip_timeout=10.0, departed=self.departures.has_departed)
        self.activity, self.room = Activity(self.clock), Room(self.clock, self.registry, max_running, MAX_WAIT)
        self.booter = Booter(self.clock, self.registry, self.lxd, self.conditions, limits, self.room)
        self.gate = BootGate(
            self.clock, self.registry, self.booter, self.readiness, self.probe, self.activity, domain=DOMAIN,
            patience=Patience(ready_timeout=ready_timeout, max_startup_delay=60.0),
        )
        self.documents = Documents(self.registry, self.lxd)
        rules = ClaimRules(domain=DOMAIN, ports=EXTERNAL, reserved=frozenset(RESERVED_NAMES))
        self.claims = Claims(self.clock, self.registry, self.conditions, rules, self.clock.seconds)
        self.certificates = Certificates(self.clock, self.registry, self.claims, self.conditions, self.clock.seconds)
        self.allocator = Allocator(
            self.clock, self.registry, self.claims, external=EXTERNAL, boot=BOOT, pick=lambda _: 0
        )
        membership = Membership(
            departed=self.departures.has_departed, missing=self.departures.missing, now=self.clock.seconds
        )
        self.housing = Housing(lambda _: 0)
        self.adoption = Adoption(
            self.registry, self.documents, self.allocator, self.claims, self.housing, self.identity, self.conditions,
            membership,
        )  # fmt: skip
        self.publisher = Publisher(self.clock, self.store, SETTLE, now=self.clock.seconds)
        note_conditions(self.publisher.unwritten, self.registry, self.conditions)
        self.reconciler = self._reconciler()
        self.departures.subscribe(self.reconciler.departed)
        times = StopTimes(drain=DRAIN, graceful=GRACE)
        self.power = Power(self.clock, self.registry, self.lxd, self.documents, self.booter, self.reconciler, times)
        self.ports = Ports(self.documents, self.allocator, self.listeners, 3)
        self.creator = Creator(self._workshop(), "webspace", DEFAULTS)
        self.service = WebspaceService(
            self.registry, self.lxd, self.documents, self.power, self.creator, self.ports, self.reconciler, CHOICES
        )
        self.host, self.sleep_floors = FakeHost(self.lxd), FLOORS
        self.schedule = self._schedule(sleep)
        bed = Bed(
            registry=self.registry, documents=self.documents, booter=self.booter, power=self.power,
            activity=self.activity, visitors=self.listeners, room=self.room, schedule=self.schedule,
            meter=Meter(self.clock, self.registry, self.lxd, self.activity, FLOORS),
        )
        self.sleeper = Sleeper(self.clock, sleep, bed, self.now, lambda: True)
        self.dozers = Dozers(self.clock, self.registry, self.lxd, self.host, self.booter, bed.meter, self.activity)
        domain_rules = DomainRules(service=DOMAIN, max=3)
        self.domains = Domains(
            self.documents, self.allocator, self.claims, self.records, self.reconciler, domain_rules
        )
        self.uploads = Uploads(self.documents, self.claims, self.certificates, self.reconciler, self.clock.seconds)
        bounds = Bounds(seconds=60, output=1000)
        self.interior = Insides(self.registry, self.documents, self.booter, self.activity, self.insides, bounds)
        self.reconciler.after_pass(self.creator.sweep)
        self.reconciler.after_pass(Revivals(self.registry, self.claims, self.domains).begin)
        self.reconciler.after_pass(Warden(self.clock, self.registry, self.booter, self.power, self.departures).watch)
        self.reconciler.after_pass(self.sleeper.begin)
        self.reconciler.after_pass(self.schedule.begin)
        self.lxd.listeners.append(self.reconciler)

    def now(self) -> float:
        """Give the time of day, as sleep and schedules have it."""
        return self.clock.seconds() + self.ahead

    def _schedule(self, rules: SleepRules) -> Schedule:
        alarm = Alarm(registry=self.registry, booter=self.booter, activity=self.activity, at_once=3)
        return Schedule(self.clock, rules, alarm, self.now, lambda: self.leads)

    def _workshop(self) -> Workshop:
        return Workshop(
            registry=self.registry,
            instances=self.lxd,
            documents=self.documents,
            power=self.power,
            booter=self.booter,
            allocator=self.allocator,
            housing=self.housing,
            ports=self.ports,
            routes=self.reconciler,
            provision=Provision(self.clock, self.insides, INSTALL_TIMEOUT),
            creations=Creations(self.clock),
            images=Images(self.clock, self.lxd),
            max_concurrent=self._max_concurrent,
            conditions=self.conditions,
            now=self.clock.seconds,
        )

    def _reconciler(self) -> Reconciler:
        serving = Serving(boot_address=BOOT_ADDRESS, settle_time=SETTLE)
        parts = Collaborators(
            registry=self.registry,
            readiness=self.readiness,
            booter=self.booter,
            gate=self.gate,
            adoption=self.adoption,
            claims=self.claims,
            certificates=self.certificates,
            conditions=self.conditions,
            publisher=self.publisher,
            listeners=self.listeners,
            exposure=Unexposed(),
        )
        return Reconciler(self.clock, serving, parts)

    def start(self) -> World:
        """Prepare, read the store and make the first full pass."""
        self.registry.prepare(NIC, RULE, self.ownership)
        self.clock.result_of(self.publisher.load())
        self.connect()
        self.clock.result_of(self.reconciler.lead())
        self.let_names_come()
        return self

    def connect(self) -> None:
        """Do what a new subscription does, again until it works."""
        for _ in range(20):
            try:
                self.clock.result_of(self.reconciler.connected())
            except Unavailable:
                self.clock.run_for(0.1)
            else:
                break
        # Routes may have been written a moment ago; then the next ones wait. A time that floats have exactly.
        self.clock.run_for(0.125)
        self.let_names_come()

    def let_names_come(self) -> None:
        """Wait until everybody's name was asked for, and what containers show was read: nobody else does."""
        reading = self.reconciler._reading
        self.clock.run_until(lambda: not self.reconciler.refreshing and (reading is None or reading.called))
        # A time that floats have exactly.
        self.clock.run_for(ceil(8 * self.clock.seconds()) / 8 - self.clock.seconds())

    def lose_lxd(self, *, finish: bool = False) -> None:
        """LXD goes away."""
        self.lxd.go_away(finish=finish)
        self.reconciler.disconnected("gone")

    def regain_lxd(self) -> None:
        """LXD is back."""
        self.lxd.come_back()
        self.connect()

    def webspace(self, uid: int, *, running: bool = False, **more: Any) -> Container:
        """Have a complete webspace in LXD."""
        return self.lxd.put(f"ws-u{uid}", running=running, **keys_of(uid, **more))

    def seen(self, uid: int) -> Observed:
        """Give a webspace as last seen, which must be."""
        observed = self.registry.get(uid)
        assert observed is not None
        return observed

    def calls(self, *kinds: str) -> list[tuple[str, str]]:
        """Give the calls of these kinds that LXD has got."""
        return [call for call in self.lxd.calls if call[0] in kinds]

    def ready(self, uid: int, port: int = 80, *, http: bool = True) -> Deferred[Endpoint]:
        """Visit."""
        return self.gate.ready(uid, port, Ask.HTTP if http else Ask.CONNECTION)


__all__ = ["World", "keys_of", "watch"]

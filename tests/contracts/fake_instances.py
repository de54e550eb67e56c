"""LXD in memory, on a clock: a verified fake of :class:`webspaced.interfaces.IInstances`.

What it does where the interface speaks is proved by ``contracts/instances.py``, which runs on the real LXD, too. Beside it
stand the things that happen behind webspaced's back, and an LXD that goes away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.core.creation import Progress, Step
from webspaced.core.instance import Image, Instance, InstanceState, Interface, IPAddress, NewInstance, Status
from webspaced.core.ownership import Lease
from webspaced.core.protection import protections
from webspaced.core.room import Memory
from webspaced.core.sleep import Usage
from webspaced.errors import Changed, NotFound, RemoteError, Unavailable
from webspaced.interfaces import IEventListener, IInstances, ILeases, IWords

FINGERPRINT = "f" * 64
NIC = "eth0"
BUSY_AFTER_STOP = 0.7
BUSY_AFTER_CRASH = 0.4


@frozen(kw_only=True)
class Timings:
    """Seconds that things take, about as on a real machine."""

    request: float = 0.002
    create: float = 0.2
    start: float = 0.26
    address: float = 0.13
    """After the start."""
    port: float = 0.14
    """After the start."""
    stop: float = 0.3
    force: float = 0.1
    delete: float = 0.1
    freeze: float = 0.006


METRICS_KEPT = 8.0
"""Seconds for which the same usage is told."""


@define
class Container:
    """One instance. ``extra`` are addresses that its root added; ``opens`` tells when ports open (``None``: never).

    ``six``: an IPv6 address that it has from ``six_after`` seconds after its start; in the family ``deaf`` no port answers.
    ``head``: the status that its web server answers, ``None`` if it says nothing; ``hangs_up``: at each connection at once
    (``hangs_up_at``: in this family).
    """

    name: str
    config: dict[str, str]
    mac: str
    created_at: str
    address: IPAddress
    status: Status = Status.STOPPED
    last_used_at: str = "1970-01-01T00:00:00Z"
    version: int = 0
    up_at: float = 0.0
    busy_until: float = 0.0
    starting: bool = False
    crashes: bool = False
    has_network: bool = True
    leased: bool = True
    head: int | None = 200
    hangs_up: bool = False
    hangs_up_at: int = 0
    six: IPAddress | None = None
    six_after: float = 0.0
    deaf: int = 0
    extra: list[tuple[IPAddress, str]] = field(factory=list)
    usage: Usage = field(factory=Usage)
    unread: bool = False
    """Whether somebody waits for it to read something."""
    opens: dict[int, float | None] = field(factory=dict)
    devices: dict[str, dict[str, str]] = field(factory=dict)
    snapshots: list[dict[str, str]] = field(factory=list)
    """Its configuration as it was at each."""


@implementer(IInstances, ILeases, IWords)
class FakeInstances:
    """See :class:`webspaced.interfaces.IInstances`. ``calls`` has every call with the instance's name."""

    def __init__(self, clock: IReactorTime, timings: Timings | None = None, network: str = "10.7.0.") -> None:
        self.containers: dict[str, Container] = {}
        self.others: dict[str, Container] = {}
        """Instances of another project."""
        self.busy: set[str] = set()
        """Names of those that LXD carries out an operation on."""
        self.shells: set[str] = set()
        """Names of those in which somebody has a shell by LXD's own tools."""
        self.calls: list[tuple[str, str]] = []
        self.listeners: list[IEventListener] = []
        self.admins_words: dict[int, str] = {}
        self.away = False
        self.on_away: list[Callable[[], None]] = []
        self.timings = timings or Timings()
        self.behaviour: dict[str, Any] = {}
        """Attributes of containers that are created from now on."""
        self.memory_total, self.memory_taken, self.memory_of_each = 1000, 0, 10
        self._told_at, self._told = -METRICS_KEPT, dict[str, Usage]()
        self._clock = clock
        self._network = network
        self._count = 0
        self._failures: dict[str, list[Exception]] = {}
        self._waiting: set[Deferred[None]] = set()
        self._operations: set[Any] = set()

    # --- what webspaced asks

    async def list_all(self) -> Sequence[Instance]:
        await self._request("list_all", "")
        return [self._instance(each, etag="") for each in self.containers.values()]

    async def go_through(self, told: Callable[[Instance], None]) -> None:
        for instance in await self.list_all():
            told(instance)

    async def go_through_others(self, told: Callable[[Instance], None]) -> None:
        await self._request("list_others", "")
        for each in self.others.values():
            told(evolve(self._instance(each, etag=""), project="other"))

    async def others_work(self, name: str, *, sessions: bool = False) -> str:
        await self._request("others_work", name)
        if sessions and name in self.shells:
            return "Executing command"
        return "'Backing up instance'" if name in self.busy else ""

    async def leases(self) -> Sequence[Lease]:
        """See :class:`webspaced.interfaces.ILeases`: whatever ran once has one, as DHCP servers remember."""
        await self._request("leases", "")
        every = [*self.containers.values(), *self.others.values()]
        four = [Lease(address=each.address, mac=each.mac) for each in every if each.leased]
        return [*four, *(Lease(address=each.six, mac=each.mac) for each in every if each.six)]

    async def has_snapshots(self, name: str) -> bool:
        await self._request("has_snapshots", name)
        return bool(self._found(name).snapshots)

    async def words(self) -> Mapping[int, str]:
        """See :class:`webspaced.interfaces.IWords`."""
        if self.away:
            raise Unavailable("LXD cannot be reached", 2.0)
        return dict(self.admins_words)

    async def keep_word(self, uid: int, text: str) -> None:
        """See :class:`webspaced.interfaces.IWords`."""
        await self._request("keep_word", str(uid))
        self.admins_words[uid] = text

    async def get(self, name: str) -> Instance:
        await self._request("get", name)
        container = self._found(name)
        return self._instance(container, etag=f'"{container.version}"')

    async def state(self, name: str, project: str = "") -> InstanceState:
        await self._request("state", name)
        container = self.others[name] if project == "other" else self._found(name)
        nics = () if container.status is Status.STOPPED else (self._nic(container),)
        used = container.usage
        counters = {"bytes_received": used.received, "bytes_sent": used.sent}
        document = {
            "status_code": int(container.status), "processes": len(nics),
            "pid": [*self.containers.values()].index(container) + 1 if nics and not project else 0,
            "cpu": {"usage": round(used.cpu * 1e9)},
            "network": {NIC: {"type": "broadcast", "counters": counters}} if nics else {},
        }  # fmt: skip
        return InstanceState(status=container.status, interfaces=nics, document=document)

    async def images(self) -> Sequence[Image]:
        await self._request("images", "")
        return [Image(fingerprint=FINGERPRINT, aliases=(("fast", ""),), properties={}, size=1)]

    async def create(self, new: NewInstance, told: Callable[[Progress], None] | None = None) -> None:
        await self._request("create", new.name)
        if new.fingerprint != FINGERPRINT:
            raise RemoteError("Image not found", 400)
        if told is not None:
            told(Progress(step=Step.UNPACK, percent=50))
        await self._operation(self.timings.create, lambda: self._create(new), cancellable=True)

    async def start(self, name: str) -> None:
        await self._request("start", name)
        container = self._found(name)
        if container.starting:
            # LXD lets a second start wait for the first.
            await self._operation(self.timings.start, lambda: None)
            return
        if container.status is not Status.STOPPED or self._clock.seconds() < container.busy_until:
            raise RemoteError("The instance is already running or busy", 400)
        container.starting = True
        try:
            await self._operation(self.timings.start, lambda: self._started(self._still(container)))
        finally:
            container.starting = False

    async def stop(self, name: str, timeout: float, *, force: bool) -> None:
        await self._request("force" if force else "stop", name)
        container = self._found(name)
        if container.status is Status.STOPPED:
            raise RemoteError("The instance is already stopped", 400)
        seconds = self.timings.force if force else self.timings.stop
        if seconds > timeout and not force:
            await self._operation(timeout, lambda: None)
            raise RemoteError('Failed shutting down instance, status is "Running": context deadline exceeded', 400)
        await self._operation(seconds, lambda: self._stopped(self._still(container), BUSY_AFTER_STOP))

    async def freeze(self, name: str) -> None:
        await self._request("freeze", name)
        container = self._found(name)
        if container.status is not Status.RUNNING:
            raise RemoteError("The instance isn't running", 500)
        await self._operation(self.timings.freeze, lambda: self._freeze(self._still(container)))

    async def usages(self, nic: str) -> Mapping[str, Usage]:
        await self._request("usages", "")
        if self._clock.seconds() - self._told_at >= METRICS_KEPT:
            alive = [each for each in self.containers.values() if each.status is not Status.STOPPED]
            self._told_at, self._told = self._clock.seconds(), {each.name: each.usage for each in alive}
        return self._told

    async def memory(self, location: str) -> Memory:
        await self._request("memory", location)
        alive = sum(each.status is not Status.STOPPED for each in self.containers.values())
        return Memory(total=self.memory_total, used=self.memory_taken + alive * self.memory_of_each)

    async def resume(self, name: str) -> None:
        await self._request("resume", name)
        container = self._found(name)
        if container.status is not Status.FROZEN:
            raise RemoteError("The instance is not frozen", 400)
        await self._operation(self.timings.freeze, lambda: self._change(self._still(container), Status.RUNNING))

    async def delete(self, name: str) -> None:
        await self._request("delete", name)
        container = self._found(name)
        self._check_stopped(container)
        if self._is_protected(container, "delete"):
            raise RemoteError("Container is protected", 400)
        await self._operation(self.timings.delete, lambda: self._delete(container))

    async def configure(self, name: str, changes: Mapping[str, str], etag: str) -> None:
        await self._request("configure", name)
        container = self._found(name)
        if etag and etag != f'"{container.version}"':
            raise Changed("ETag doesn't match", 412)
        self.set_keys(name, **changes)

    async def give_devices(self, name: str, devices: Mapping[str, Mapping[str, str]], etag: str) -> None:
        await self._request("give_devices", name)
        container = self._found(name)
        if etag and etag != f'"{container.version}"':
            raise Changed("ETag doesn't match", 412)
        self._house(container, devices)
        self._change(container, container.status)

    # --- what happens behind its back

    def crash(self, name: str) -> None:
        """End its processes at once."""
        self._stopped(self.containers[name], BUSY_AFTER_CRASH)

    def power_on(self, name: str) -> None:
        """Start it without webspaced."""
        self._started(self.containers[name])

    def use(self, name: str, *, sent: int = 0, received: int = 0, cpu: float = 0.0) -> None:
        """Let it use so much more."""
        container = self.containers[name]
        before = container.usage
        container.usage = Usage(cpu=before.cpu + cpu, sent=before.sent + sent, received=before.received + received)

    def reboot(self, name: str) -> None:
        """Reboot from inside: LXD shows it running all the time."""
        self._started(self.containers[name])

    def pause(self, name: str) -> None:
        """Stop its processes for a while."""
        self._change(self.containers[name], Status.FROZEN)

    def remove(self, name: str) -> None:
        """Delete it, in whatever state it is."""
        del self.containers[name]
        self._tell(name)

    def rename(self, name: str, new: str) -> None:
        """Give it another name."""
        container = self.containers[new] = self.containers.pop(name)
        container.name = new
        self._tell(new, name)

    def copy(self, name: str, new: str) -> None:
        """Copy it with all that webspaced keeps in it."""
        config = {key: value for key, value in self.containers[name].config.items() if not key.startswith("volatile.")}
        self._house(self._add(new, config), self.containers[name].devices)
        self._tell(new)

    def put(self, name: str, *, running: bool = False, **keys: str) -> Container:
        """Have an instance that somebody created."""
        container = self._add(name, keys)
        if running:
            self._started(container)
        return container

    def set_keys(self, name: str, **keys: str) -> None:
        """Change configuration keys."""
        container = self.containers[name]
        container.config.update(keys)
        container.config = {key: value for key, value in container.config.items() if value != ""}
        self._change(container, container.status)

    def snapshot(self, name: str) -> None:
        """Take a snapshot."""
        container = self.containers[name]
        container.snapshots.append(dict(container.config))

    def restore(self, name: str) -> None:
        """Restore the last snapshot."""
        container = self.containers[name]
        container.config = dict(container.snapshots[-1])
        self._change(container, container.status)

    def fail_next(self, call: str, *errors: Exception) -> None:
        """Let the next calls of this kind fail."""
        self._failures.setdefault(call, []).extend(errors)

    def fail_no_more(self) -> None:
        """Forget all failures that are still to come."""
        self._failures.clear()

    def go_away(self, *, finish: bool = False) -> None:
        """Stop to answer; what it was asked for is dropped, or with ``finish`` done all the same."""
        self.away = True
        if not finish:
            for call in self._operations:
                if call.active():
                    call.cancel()
            self._operations.clear()
        waiting, self._waiting = self._waiting, set()
        for each in waiting:
            each.errback(Unavailable("LXD cannot be reached", 2.0))
        for listener in self.on_away:
            listener()

    def come_back(self) -> None:
        """Answer again."""
        self.away = False

    # --- what a visitor's connection would see

    def owner(self, host: IPAddress) -> Container | None:
        """Give the running container that has an address now."""
        for container in self.containers.values():
            if container.status is Status.RUNNING and host in self._addresses(container):
                return container
        return None

    def answers(self, endpoint: Endpoint) -> Container | None:
        """Give the container that takes a connection to an endpoint now."""
        container = self.owner(endpoint.host)
        if container is None or endpoint.host.version == container.deaf:
            return None
        after = container.opens.get(endpoint.port, self.timings.port)
        return container if after is not None and self._clock.seconds() >= container.up_at + after else None

    # --- inside

    def _addresses(self, container: Container) -> list[IPAddress]:
        up = self._clock.seconds() - container.up_at if container.has_network else -1.0
        four = [container.address] if up >= self.timings.address else []
        return [*four, *([container.six] if container.six and up >= container.six_after else [])]

    async def _request(self, call: str, name: str) -> None:
        self.calls.append((call, name))
        await self._pass(self.timings.request)
        failures = self._failures.get(call)
        if failures:
            raise failures.pop(0)

    async def _pass(self, seconds: float) -> None:
        if self.away:
            raise Unavailable("LXD cannot be reached", 2.0)
        passing: Deferred[None] = Deferred()
        call = self._clock.callLater(seconds, passing.callback, None)
        self._waiting.add(passing)
        try:
            await passing
        finally:
            self._waiting.discard(passing)
            if call.active():
                call.cancel()

    async def _operation(self, seconds: float, effect: Callable[[], None], *, cancellable: bool = False) -> None:
        failed: list[RemoteError] = []

        def act() -> None:
            try:
                effect()
            except RemoteError as error:
                failed.append(error)

        call = self._clock.callLater(seconds, act)
        self._operations.add(call)
        try:
            await self._pass(seconds)
        except CancelledError:
            # LXD heeds that for creations, and carries others through.
            if cancellable and call.active():
                call.cancel()
            raise
        self._operations.discard(call)
        if failed:
            raise failed[0]

    def _found(self, name: str) -> Container:
        if name not in self.containers:
            raise NotFound("Instance not found")
        return self.containers[name]

    def _still(self, container: Container) -> Container:
        if self.containers.get(container.name) is not container:
            raise RemoteError("Instance not found", 404)
        return container

    def _check_stopped(self, container: Container) -> None:
        if container.status is not Status.STOPPED:
            raise RemoteError("Instance is running", 400)

    def _delete(self, container: Container) -> None:
        self._check_stopped(self._still(container))
        self.remove(container.name)

    def _create(self, new: NewInstance) -> None:
        if new.name in self.containers:
            raise RemoteError("Instance already exists", 400)
        self._house(self._add(new.name, dict(new.config)), new.devices)
        self._tell(new.name)

    def _house(self, container: Container, devices: Mapping[str, Mapping[str, str]]) -> None:
        container.devices |= {name: dict(device) for name, device in devices.items()}
        fixed = container.devices.get(NIC, {}).get("ipv4.address")
        if fixed:
            container.address = ip_address(fixed)

    def _add(self, name: str, config: dict[str, str]) -> Container:
        self._count += 1
        mac = f"00:16:3e:00:00:{self._count % 256:02x}"
        config = {**config, f"volatile.{NIC}.hwaddr": mac, "volatile.uuid": f"uuid-{self._count}"}
        container = Container(name, config, mac, f"2026-01-01T00:00:00.{self._count:09d}Z", self._free_address())
        for attribute, value in self.behaviour.items():
            setattr(container, attribute, value)
        self.containers[name] = container
        return container

    def _free_address(self) -> IPAddress:
        # The lowest: a new instance may get a deleted one's address at once.
        used = {container.address for container in self.containers.values()}
        addresses = (ip_address(f"{self._network}{n}") for n in range(10, 250))
        return next(address for address in addresses if address not in used)

    def _started(self, container: Container) -> None:
        self._count += 1
        container.last_used_at = f"2026-01-02T00:00:00.{self._count:09d}Z"
        container.up_at = self._clock.seconds()
        container.usage = Usage()
        self._change(container, Status.RUNNING)
        if container.crashes:
            self._stopped(container, BUSY_AFTER_CRASH)

    def _freeze(self, container: Container) -> None:
        if container.status is not Status.RUNNING:
            raise RemoteError("freezing the container failed", 500)
        self._change(container, Status.FROZEN)

    def _stopped(self, container: Container, busy: float) -> None:
        container.busy_until = self._clock.seconds() + busy
        container.extra.clear()
        self._change(container, Status.STOPPED)

    def _change(self, container: Container, status: Status) -> None:
        container.status = status
        container.version += 1
        self._tell(container.name)

    def _tell(self, *names: str) -> None:
        if not self.away:
            for listener in self.listeners:
                for name in names:
                    listener.happened(name)

    def _instance(self, container: Container, etag: str) -> Instance:
        return Instance(
            name=container.name,
            status=container.status,
            config=dict(container.config),
            expanded_devices={NIC: {"type": "nic", "network": "bridge"}, **container.devices},
            created_at=container.created_at,
            last_used_at=container.last_used_at,
            etag=etag,
            protected=protections(container.config),
        )

    def _is_protected(self, container: Container, what: str) -> bool:
        return what in protections(container.config)

    def _nic(self, container: Container) -> Interface:
        own = [(address, "global") for address in self._addresses(container)]
        return Interface(name=NIC, mac=container.mac, addresses=(*own, *container.extra))

"""The whole daemon as the assembly builds it of a settings file, on a clock: LXD and the network around it are fakes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import yaml
from treq.testing import StubTreq
from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.fake_insides import FakeInsides
from tests.contracts.fake_instances import NIC, FakeInstances
from tests.unit.fake_lease import FakeLease, Stored
from tests.unit.forward.wires import FakeHangups, Wire
from tests.unit.timing import Time, watch
from tests.unit.world import SSH_KEY, FakeProbe, FakeRecords
from webspaced.assembly import build as assembly
from webspaced.assembly import election
from webspaced.assembly.daemon import Daemon
from webspaced.core.routes import Route
from webspaced.forward.stock import StockLines
from webspaced.iam.users_file import hash_token
from webspaced.lxd.network import ProfileNetwork
from webspaced.reload.live import Live
from webspaced.settings import Settings, load
from webspaced.traefik.render import read

MEMBERS = {1: "alice", 2: "bob", 3: "carol"}
NETWORK = ProfileNetwork(nic=NIC, networks=(ip_network("10.7.0.0/24"),), gateways=(ip_address("10.7.0.1"),))


HEAD = b"GET / HTTP/1.1\r\nHost: alice.example.org\r\n\r\n"


class Machine(MemoryReactorClock, Time):
    """A reactor in memory. ``processes`` has the arguments of each that was started."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[list[str]] = []
        self.protocols: dict[Wire, Any] = {}

    def spawnProcess(
        self, protocol: Any, program: str, arguments: list[str], env: Any, childFDs: Mapping[int, Any] | None = None
    ) -> Any:
        self.processes.append(arguments)
        return None

    def listening(self) -> set[tuple[str, int]]:
        """Give where anything listens, or did."""
        return {(interface, port) for port, _, _, interface in self.tcpServers}

    def connect(self, port: int, address: str = "") -> Wire:
        """Connect to a port, from an address if it matters, and give the other end."""
        factory = next(factory for number, factory, _, _ in self.tcpServers if number == port)
        wire = Wire()
        protocol = factory.buildProtocol(IPv4Address("TCP", address, 40000) if address else None)
        protocol.makeConnection(wire)
        self.protocols[wire] = protocol
        return wire

    def visit(self, port: int, address: str = "", *, head: bytes = HEAD) -> Wire:
        """Connect to a boot port and ask for a page."""
        wire = self.connect(port, address)
        self.protocols[wire].dataReceived(head)
        return wire

    def said(self, wire: Wire) -> bytes:
        """Give what somebody was told."""
        return wire.value()


class AssembledCase(SynchronousTestCase):
    """`settings` are merged into a file that is enough; members are alice, bob and carol, and the admin root."""

    network = NETWORK
    """What LXD tells of the profile's network."""

    def build(self, **settings: Any) -> Daemon:
        """Build a daemon whose LXD is a fake."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.machine = Machine()
        self.lxd = FakeInstances(self.machine)
        self.probe = FakeProbe(self.machine, self.lxd)
        self.insides = FakeInsides(self.machine, self.lxd)
        self.patch(assembly, "LxdInstances", lambda _client: self.lxd)
        self.patch(assembly, "NetworkLeases", lambda *_: self.lxd)
        self.patch(assembly, "ProfileWords", lambda *_: self.lxd)
        self.patch(assembly, "LxdInsides", lambda *_: self.insides)
        self.patch(assembly, "PortProbe", lambda _reactor: self.probe)
        self.patch(assembly, "lines_for", lambda reactor, _seats: StockLines(reactor, FakeHangups()))
        self.patch(assembly, "EventSubscription", self._events)
        self.patch(assembly, "introduce", self._introduce)
        self.patch(assembly, "profile_network", self._network)
        self.kept: list[bool] = []
        self.patch(assembly, "keep_for_good", lambda: self.kept.append(self.daemon.ready))
        self.lease = FakeLease(self.machine, Stored())
        self.patch(election, "OwnerLease", lambda *_: self.lease)
        self.records = FakeRecords(self.machine)
        self.patch(assembly, "DomainRecords", self._records)
        self.patch(assembly, "can_bind", lambda _address, _port: True)
        self.settings = self.load(settings)
        self.live = Live(self.settings, lambda: load(self.file, {}))
        self.daemon = assembly.build(self.machine, self.live)
        self.public, self.internal = (StubTreq(root) for _, root in self.daemon.sites._sites)
        return self.daemon

    def load(self, more: dict[str, Any]) -> Settings:
        """Load a file of settings."""
        self.write_settings(more)
        return load(self.file, {})

    def write_settings(self, more: dict[str, Any]) -> None:
        """Write that file."""
        basic: dict[str, Any] = {
            "data_dir": str(self.folder / "data"),
            "iam": {"users_file": str(self.users())},
            "lxd": {"url": "unix:///nowhere/socket"},
            "webspaces": {"domain": "example.org"},
            "traefik": {"provider": "file"},
            # A machine whose clock runs for days shall not be woken all the time.
            "metrics": {"listen_address": "off"},
        }
        self.file = self.folder / "webspaced.yaml"
        self.file.write_text(yaml.safe_dump(_merged(basic, more)))

    def users(self) -> Path:
        """Write the members' file; each token is the holder's name."""
        path = self.folder / "users.yaml"
        members = [
            {"id": uid, "username": name, "token_sha256": hash_token(name), "ssh_key": SSH_KEY}
            for uid, name in MEMBERS.items()
        ]
        admin = {"id": 99, "username": "root", "token_sha256": hash_token("root"), "is_admin": True}
        path.write_text(yaml.safe_dump({"users": [*members, admin]}))
        path.chmod(0o600)
        return path

    def start(self, **settings: Any) -> None:
        """Build a daemon and let it start."""
        self.build(**settings)
        self.daemon.privilegedStartService()
        self.daemon.startService()
        self.machine.run_for(1)

    def _records(self, make_resolver: Any) -> Any:
        self.made_resolver = make_resolver
        return self.records

    def domains(self, *names: str) -> str:
        """Let the DNS say that domains are Alice's, and give the first."""
        self.records.texts_of.update({name: ["webspace:id:1"] for name in names})
        return names[0]

    async def _introduce(self, _client: Any, _secret: str | None) -> None:
        return None

    async def _network(self, _client: Any, _profile: str) -> ProfileNetwork:
        return self.network

    def _events(self, _reactor: Any, _endpoints: Any, _project: str, listener: Any, *_told: Any) -> Service:
        lxd = self.lxd

        class Events(Service):
            heard, losses = 0.0, 0

            def startService(self) -> None:
                super().startService()
                lxd.listeners.append(listener)
                listener.connected()

        return Events()

    # --- as a member, a visitor and an operator

    def ask(self, method: str, path: str, body: Any = None, *, name: str = "alice", limit: float = 200.0) -> Any:
        """Call the API about a webspace until it answers; gives status and document."""
        return self.call(method, f"/v1/webspace/{path}", body, name=name, limit=limit)

    def call(self, method: str, path: str, body: Any = None, *, name: str, limit: float = 200.0) -> Any:
        """Call the API until it answers; gives status and document."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {name}"}
        asking = watch(self.public.request(method, f"http://webspaced.test{path}", headers=headers, data=data))

        def answered() -> bool:
            self.public.flush()
            return asking.done

        self.machine.run_until(answered, limit)
        content = watch(self.public.content(asking.value)).value
        return asking.value.code, json.loads(content) if content else None

    def create(self, name: str = "alice") -> Any:
        """Create a webspace, which must work, and give it."""
        status, webspace = self.ask("POST", "self", {"image": "fast"}, name=name)
        self.assertEqual(status, 201, webspace)
        return webspace

    def key(self, key: str, name: str = "ws-u1") -> str:
        """Give what LXD remembers."""
        return self.lxd.containers[name].config[key]

    def boot_port(self, name: str = "ws-u1") -> int:
        """Give a webspace's boot port."""
        return int(self.key("user._webspaced_boot_port", name))

    def document(self) -> Any:
        """Give Traefik's configuration from the file."""
        return json.loads(self.settings.traefik.file.path.read_text())

    def route(self, name: str = "ws-u1") -> Route:
        """Give the published route of a webspace."""
        return read(self.document())[name]


def _merged(basic: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    both = basic.keys() & more.keys()
    inner = {key: _merged(basic[key], more[key]) for key in both if isinstance(basic[key], dict)}
    return {**basic, **more, **inner}

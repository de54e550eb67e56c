"""A whole deployment in memory and on a clock: the simulated LXD, the daemon as it is assembled, and who uses it.

Everything is reached as in reality: members speak HTTP to the API, visitors connect to where the published routes lead (as
Traefik would), the daemon speaks to LXD's socket. What stands in is Traefik, by the document that it would read, the DNS,
and the machine underneath.
"""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any, cast

import yaml
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogLevel, globalLogPublisher
from zope.interface import implementer

from tests.simulation.client import Exchange
from tests.unit.timing import Time
from webspaced.assembly.build import Host, build
from webspaced.assembly.daemon import Daemon
from webspaced.core.routes import Route
from webspaced.core.webspace import KEY
from webspaced.forward.stock import StockLines
from webspaced.interfaces import IDomainRecords, IHostKernel
from webspaced.lib.places import Places
from webspaced.reload.live import Live
from webspaced.settings import Settings, load
from webspaced.testing.hangups import WireHangups
from webspaced.testing.lxd.simulator import SimulatedLxd
from webspaced.testing.lxd.things import Instance
from webspaced.testing.network import MemoryReactor
from webspaced.testing.process import Process
from webspaced.traefik.render import read

MEMBERS = {1: "alice", 2: "bob", 3: "carol"}
ADMIN = "root"
ADMIN_ID = 99_999
SERVICE = "example.org"
API = ("127.0.0.1", 8001)
EXTERNAL = range(40000, 40010)
SETTLE = 0.3


@implementer(IDomainRecords)
class Records:
    """The DNS: every domain names everybody."""

    def __init__(self, members: Mapping[int, str]) -> None:
        self._members = members

    async def texts(self, domain: str) -> Sequence[str]:
        return [f"webspace:id:{uid}" for uid in self._members]


@implementer(IHostKernel)
class QuietHost:
    """A machine of which nothing is told but that no packet reached those who doze."""

    def received(self) -> Mapping[str, int]:
        return _Quiet()

    def segments(self, pid: int) -> int | None:
        return 0

    def forwarded(self, pid: int) -> int | None:
        return 0

    def has_unread(self, pid: int) -> Deferred[bool]:
        return succeed(False)

    def memory_pressure(self) -> float:
        return 0.0


class _Quiet(dict[str, int]):
    def get(self, key: str, default: Any = None) -> Any:
        return 0


class Deployment:
    """See the module; :meth:`start` brings the daemon up. ``mishaps`` has what only a bug logs.

    :param members: names by user id.
    :param webspaces: settings beside the usual ones.
    :param metrics: where its figures are; nothing is measured without.
    :param more: other settings, by their first names.
    """

    def __init__(
        self, members: Mapping[int, str] = MEMBERS, webspaces: Mapping[str, Any] | None = None, metrics: str = "off",
        more: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.members = members
        self._metrics, self._more = metrics, more or {}
        self.clock = Time()
        self.reactor = MemoryReactor(self.clock)
        self.lxd = SimulatedLxd(self.reactor)
        self.lxd.startService()
        self.directory = Path(tempfile.mkdtemp(prefix="webspaced-simulation-"))
        self.published: list[tuple[float, Mapping[str, Route]]] = [(0.0, {})]
        self.lxd_is_away = False
        self.day = 1.8e9
        """The time of day at the clock's beginning; whoever sets the machine's clock changes this."""
        self.ends = 0
        """How often the daemon was ended."""
        self.mishaps: list[str] = []
        self.daemon: Daemon | None = None
        self.process: Process | None = None
        self._graves: list[object] = []
        self._settings = self._write_settings(webspaces or {})
        # A function is one by nature (twisted.logger), which its types do not say.
        self._observer = cast(Any, self._observe)
        globalLogPublisher.addObserver(self._observer)

    def close(self) -> None:
        """End everything."""
        globalLogPublisher.removeObserver(self._observer)
        self.kill()
        self.lxd.stopService()
        self.clock.calls.clear()
        shutil.rmtree(self.directory)
        # What the dead say when they are freed belongs to no other deployment.
        self._graves.clear()
        gc.collect()

    def _observe(self, event: Mapping[str, Any]) -> None:
        gave_up = str(event.get("log_format")).startswith("webspaced cannot start: ")
        if not gave_up and (event.get("log_level") is LogLevel.critical or "log_failure" in event):
            failure = event.get("log_failure")
            self.mishaps.append(f"{event.get('log_format')} {failure and failure.getTraceback()}")

    def change_token(self, uid: int, token: str) -> None:
        """Give a member another token than their name."""
        self._write_users({**self.tokens, uid: token})

    def remove_member(self, uid: int) -> None:
        """Let IAM know a member no more."""
        self._write_users({other: token for other, token in self.tokens.items() if other != uid})

    def _write_users(self, tokens: Mapping[int, str]) -> None:
        self.tokens = tokens
        users = [{"id": uid, "username": self.members[uid], "token_sha256": _hash(token)} for uid, token in tokens.items()]
        users.append({"id": ADMIN_ID, "username": ADMIN, "token_sha256": _hash(ADMIN), "is_admin": True})
        (self.directory / "users.yaml").write_text(yaml.safe_dump({"users": users}))
        (self.directory / "users.yaml").chmod(0o600)

    def _write_settings(self, webspaces: Mapping[str, Any]) -> Settings:
        self._write_users(self.members)
        config = {
            "data_dir": str(self.directory),
            "lxd": {"url": f"unix://{self.lxd.socket}"},
            "http": {"listen_address": f"{API[0]}:{API[1]}", "internal_address": "127.0.0.1:8002"},
            "metrics": {"listen_address": self._metrics},
            "webspaces": {
                "sleep": {"doze_after": "20s", "stop_after": "200s", "look": "5s", "least": "5s"},
                "domain": SERVICE,
                "ports": {"start": EXTERNAL.start, "end": EXTERNAL.stop - 1, "listen_address": "127.0.0.1"},
                "boot_ports": {"start": 20000, "end": 20027 + len(self.members)},
                "max_concurrent_boots": 2,
                "ready_timeout": "5s",
                "stop_timeout": "5s",
                "domains": {"max": 3},
                **webspaces,
            },
            "traefik": {"settle_time": f"{SETTLE:g}s"},
            **self._more,
        }
        path = self.directory / "webspaced.yaml"
        path.write_text(yaml.safe_dump(config))
        return load(path, {})

    # --- the daemon

    def start(self) -> None:
        """Start the daemon; it may have to wait for LXD."""
        self.process = Process(self.reactor)
        host = Host(
            lines=StockLines(self.process, WireHangups()),
            records=Records(self.members),
            kernel=QuietHost(),
            can_bind=lambda address, port: not self.reactor.taken((str(address), port)),
            seats=Places(1000, 500),
            pick=Random(0).randrange,  # noqa: S311  (the same in each run)
            now=lambda: self.day + self.clock.seconds(),
        )
        self.live = Live(self._settings)
        self.daemon = build(self.process, self.live, host)
        self.daemon.privilegedStartService()
        self.daemon.startService()

    def kill(self) -> None:
        """Kill the daemon."""
        process, daemon = self.process, self.daemon
        self.process = self.daemon = None
        if process is not None:
            self._graves.append((process, daemon))
            self.ends += 1
            process.kill()
            if daemon is not None:
                # The system does that for whoever dies.
                daemon._parts.lock.let_go()

    def stop(self) -> None:
        """Stop the daemon in order."""
        if self.daemon is not None and self.process is not None:
            self.clock.result_of(self.daemon.stopService())
            self.kill()

    @property
    def ready(self) -> bool:
        """Whether the daemon says that it is."""
        return self.daemon is not None and self.daemon.ready

    def pass_time(self, seconds: float) -> None:
        """Let time go by, and see what is published meanwhile."""
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end - 1e-9:
            self.clock.run_for(min(0.05 if seconds < 10 else 35.0, end - self.clock.seconds()))
            self.look_at_routes()
            self._supervise()
        self.look_at_routes()

    def _supervise(self) -> None:
        """Start a daemon again that ended by itself: without LXD its start has a bound."""
        if self.process is not None and self.process.stopped:
            self.kill()
            self.start()

    # --- LXD itself

    def lose_lxd(self, seconds: float, *, finish: bool) -> None:
        """Kill LXD; it is started again after so many seconds."""
        if not self.lxd_is_away:
            self.lxd_is_away = True
            self.lxd.kill(finish=finish)
            self.clock.callLater(seconds, self._regain_lxd)

    def _regain_lxd(self) -> None:
        self.lxd_is_away = False
        self.lxd.come_back()

    # --- as Traefik

    def look_at_routes(self) -> None:
        """Take the published routes up."""
        path = self.directory / "traefik" / "dynamic" / "webspaced.yml"
        routes = read(json.loads(path.read_bytes())) if path.exists() else {}
        if routes != self.published[-1][1]:
            self.published.append((self.clock.seconds(), routes))

    def views(self) -> list[Mapping[str, Route]]:
        """Give every set of routes that Traefik may go by now, the newest first."""
        now = self.clock.seconds()
        views = []
        until = now
        for since, routes in reversed(self.published):
            if until < now - SETTLE:
                break
            views.append(routes)
            until = since
        return views

    # --- members and visitors

    def ask(self, uid: int, method: str, path: str, body: Any = None) -> Exchange:
        """Call the API as a member, below their webspace's path."""
        headers = {"Host": "api", "Authorization": f"Bearer {self.members[uid]}"}
        return Exchange(self.reactor, API, method, f"/v1/webspace/self{path}", headers, body)

    def ask_as_admin(self, uid: int, method: str, path: str, body: Any = None) -> Exchange:
        """Call the API as an admin, below a member's webspace's path."""
        headers = {"Host": "api", "Authorization": f"Bearer {ADMIN}"}
        return Exchange(self.reactor, API, method, f"/v1/webspace/{self.members[uid]}{path}", headers, body)

    def visit(self, host: str, view: Mapping[str, Route]) -> Exchange | None:
        """Request a page under a name where Traefik would lead to; ``None`` if it has no route for it."""
        for route in view.values():
            if host in route.hosts:
                return self.connect(str(route.backend.host), route.backend.port, host)
        return None

    def connect(self, address: str, port: int, host: str = "forwarded") -> Exchange:
        """Request a page of whoever listens there."""
        return Exchange(self.reactor, (address, port), "GET", "/", {"Host": host})

    # --- as somebody who works on LXD itself

    def lxd_ask(self, method: str, path: str, body: Any = None) -> Exchange:
        """Call LXD's own API."""
        return Exchange(self.reactor, self.lxd.socket, method, f"/1.0{path}", {"Host": "lxd"}, body)

    def put_state(self, uid: int, action: str, *, force: bool = False) -> Exchange:
        """Change an instance's run state behind webspaced's back."""
        return self.lxd_ask("PUT", f"/instances/ws-u{uid}/state", {"action": action, "timeout": 5, "force": force})

    # --- what is in LXD

    def instances(self) -> Iterator[tuple[int, Instance]]:
        """Give the webspaces that LXD has, by user id."""
        for (_, name), instance in list(self.lxd.machine.instances.items()):
            yield int(name.removeprefix("ws-u")), instance

    def document(self, uid: int) -> dict[str, Any] | None:
        """Give what LXD remembers of a webspace."""
        for other, instance in self.instances():
            if other == uid:
                document: dict[str, Any] = json.loads(instance.config[KEY])
                return document
        return None


def default_host(uid: int) -> str:
    """Give a member's default domain."""
    return f"{MEMBERS[uid]}.{SERVICE}"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


__all__ = ["EXTERNAL", "MEMBERS", "SETTLE", "Deployment", "default_host", "ip_address"]

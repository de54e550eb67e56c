"""Routers in namespaces: real programs, an LXD in this process that they are told of instances by, and clients."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.python import log as twisted_log

from tests.namespaces import Namespace, NamespaceCase
from webspaced.lib.deferreds import sleep
from webspaced.testing.lxd.machine import BRIDGE
from webspaced.testing.lxd.simulator import SimulatedLxd
from webspaced.testing.lxd.things import Instance

ROOT = Path(__file__).parents[1]
ROUTER, ROUTER6, TRAEFIK = "172.24.254.1", "fd42::1", "172.24.0.254"
OUTSIDE, WAN = "198.51.100.10", "198.51.100.1"
OPERATORS, PLAN = 9096, 9097
SCRIPT = """#!/bin/sh
case $1 in
bound|renew)
  ip addr flush dev $interface
  ip addr add $ip/$mask dev $interface
  ip route replace default via $router
  echo "$ip $router $dns $domain" > {told}
esac
exit 0
"""


def get(where: Namespace, path: str, port: int = OPERATORS, host: str = "127.0.0.1") -> tuple[int, str]:
    """Ask a page; (0, "") while nobody listens."""
    with where.inside():
        asking = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with asking:
        asking.settimeout(10)
        try:
            asking.connect((host, port))
            asking.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            whole = b""
            while data := asking.recv(65536):
                whole += data
        except OSError:
            return 0, ""
    head, _, body = whole.decode().partition("\r\n\r\n")
    return int(head.split()[1]), body


def dns_query(name: str, kind: int = 1) -> bytes:
    """A question (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def dns_answer(packet: bytes) -> tuple[int, list[bytes]]:
    """The code of an answer, and the data of its records of one address each."""
    _, flags, questions, answers, *_ = struct.unpack("!HHHHHH", packet[:12])
    place = 12
    for _ in range(questions):
        while packet[place]:
            place += packet[place] + 1
        place += 5
    found = []
    for _ in range(answers):
        # Names are pointers in what is asked here, two bytes long.
        kind, _, _, length = struct.unpack("!HHIH", packet[place + 2 : place + 12])
        if kind in (1, 28):
            found.append(packet[place + 12 : place + 12 + length])
        place += 12 + length
    return flags & 15, found


class Router:
    """One router process in a namespace."""

    def __init__(self, test: RouterCase, where: Namespace, settings: Mapping[str, Any], folder: Path) -> None:
        self.where, self.folder, self._test = where, folder, test
        self.config = folder / "config.yaml"
        self.config.write_text(yaml.safe_dump(dict(settings)))
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(folder)}

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = self.where.start(
                sys.executable, str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "webspaced-router",
                "--config", str(self.config),
                stdout=log, stderr=log, env=self.environment, cwd=self.folder,
            )  # fmt: skip

    def end(self, how: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait()

    @property
    def is_ready(self) -> bool:
        return get(self.where, "/ready")[0] == 204

    @property
    def serves(self) -> bool:
        return "webspaced_router_serving 1.0" in get(self.where, "/metrics")[1]

    def figure(self, name: str) -> float:
        lines = get(self.where, "/metrics")[1].splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + " ", name + "{")))

    def leases(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(get(self.where, "/leases", PLAN)[1])
        return found

    def dnsmasq(self) -> int | None:
        """The process id of its dnsmasq."""
        assert self.process is not None
        told = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next(
            (int(each) for each in told if b"dnsmasq" in Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")[0]), None
        )


class RouterCase(NamespaceCase):
    """A LAN with containers, one or two routers on it, and what plays the Internet behind them."""

    timeout = 60
    containers = 2
    routers = 1

    def setUp(self) -> None:
        super().setUp()
        # A UNIX socket's path is short.
        self.folder = Path(tempfile.mkdtemp(prefix="wsr-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.addCleanup(self.show)
        self.lxd = SimulatedLxd(reactor, self.folder)
        self.lxd.startService()
        self.addCleanup(self.lxd.stopService)
        self.made = 0
        ports = [(f"veth{n}", f"c{n}") for n in range(self.containers)] + [
            (f"mesh{n}", f"r{n}") for n in range(self.routers)
        ]
        self.switch, behind = self.bridged("lan", ports)
        self.inside, self.homes = behind[: self.containers], behind[self.containers :]
        self.outside, _ = self.bridged("wan", ())
        self.outside.ip(f"addr add {OUTSIDE}/24 dev wan")
        for number, home in enumerate(self.homes):
            home.ip("link set eth0 down", "link set eth0 name lan0", "link set lan0 up")
            self.outside.veth(f"out{number}", home, "wan0")
            self.outside.ip(f"link set out{number} master wan")
            home.ip(f"addr add 198.51.100.{number + 1}/24 dev wan0", f"route add default via {OUTSIDE}")

    def show(self) -> None:
        """Add what routers logged to the test's own log."""
        for log in self.folder.glob("*/log"):
            lines = [line for line in log.read_text().splitlines() if '"GET /' not in line]
            twisted_log.msg(f"{log.parent.name}:\n" + "\n".join(lines))

    def router(self, number: int = 0, **more: Mapping[str, Any]) -> Router:
        folder = self.folder / f"router{number}"
        folder.mkdir(exist_ok=True)
        settings: dict[str, Any] = {
            "data_dir": str(folder / "data"),
            "router": {"interface": "lan0", "address": f"{ROUTER}/16", "infrastructure": [TRAEFIK]},
            "lxd": {"url": f"unix://{self.lxd.socket}", "network": BRIDGE},
            "dhcp": {"plan": "172.24.1.1-172.24.253.254"},
            "dns": {"upstreams": []},
        }
        for section, values in more.items():
            settings[section] = {**settings.get(section, {}), **values} if isinstance(values, Mapping) else values
        return Router(self, self.homes[number], settings, folder)

    async def started(self, number: int = 0, **more: Mapping[str, Any]) -> Router:
        router = self.router(number, **more)
        router.start()
        await self.until(lambda: router.is_ready, router)
        return router

    def add(self, name: str, container: Namespace | None = None, **more: Any) -> Instance:
        """Have an instance in LXD, which says so; its hardware address is that of a container's namespace."""
        self.made += 1
        instance = self.lxd.machine.add(name, **more)
        instance.config["volatile.eth0.hwaddr"] = f"00:16:3e:00:00:{self.made:02x}"
        if container is not None:
            container.ip(
                "link set eth0 down", f"link set eth0 address {instance.config['volatile.eth0.hwaddr']}", "link set eth0 up"
            )
        self.lxd.machine.tell("instance-created", instance)
        return instance

    def address(self, name: str) -> str:
        """What stands in the instance's key."""
        return self.lxd.machine.instance(name).config.get("user._webspaced_address", "")

    async def until(self, holds: Callable[[], Any], *routers: Router) -> Any:
        """Wait until something holds; the test's own time-out is the bound. In a thread, as LXD is in this one."""
        while not (found := await deferToThread(holds)):
            for each in routers:
                if each.process is not None and each.process.poll() is not None:
                    raise AssertionError(each.log.read_text())
            await sleep(reactor, 0.02)  # type: ignore[arg-type]
        return found

    def asks_dhcp(self, container: Namespace, tries: int = 10) -> Deferred[tuple[list[str], float]]:
        """What a real client is told (address, router, server of names, domain; or nothing), and in how many seconds."""

        def ask() -> tuple[list[str], float]:
            told = self.folder / f"told-{container.name}"
            script = self.folder / f"script-{container.name}"
            told.unlink(missing_ok=True)
            script.write_text(SCRIPT.format(told=told))
            script.chmod(0o755)
            began = time.monotonic()
            container.run(
                "busybox",
                "udhcpc",
                "-i",
                "eth0",
                "-n",
                "-q",
                "-f",
                "-t",
                str(tries),
                "-T",
                "1",
                "-s",
                str(script),
                check=False,
            )
            taken = time.monotonic() - began
            return (told.read_text().split() if told.exists() else []), taken

        return deferToThread(ask)

    def asks_name(self, where: Namespace, name: str, kind: int = 1, server: str = ROUTER) -> Deferred[tuple[int, list[str]]]:
        """The code and addresses that a server of names answers with; (-1, []) if it does not."""

        def ask() -> tuple[int, list[str]]:
            asking = where.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
            asking.settimeout(3)
            try:
                asking.sendto(dns_query(name, kind), (server, 53))
                code, found = dns_answer(asking.recv(4096))
            except OSError:
                return -1, []
            return code, [socket.inet_ntop(socket.AF_INET if len(each) == 4 else socket.AF_INET6, each) for each in found]

        return deferToThread(ask)

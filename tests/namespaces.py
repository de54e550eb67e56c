"""Network namespaces that a test makes: they play containers, bridges, the router and the Internet.

Nothing of the machine's own namespace is changed: each namespace belongs to a process of the test's, and what lies in it
ends with that process. Sockets can be opened in any of them; they stay there.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import SkipTest
from unittest import TestCase as AnyTestCase

from twisted.trial.unittest import TestCase

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
BOUND = ("setpriv", "--pdeathsig", "KILL")
"""What begins so ends with the test's process, even if that is killed."""
NEEDED = ("setpriv", "unshare", "nsenter", "ip", "nft", "dnsmasq", "busybox")
_libc = ctypes.CDLL(None, use_errno=True)


def require_namespaces(*more: str) -> None:
    """Skip with the reason, where this machine cannot make them, or has not these programs."""
    if os.geteuid() != 0:
        raise SkipTest("needs root, for network namespaces of its own")
    missing = [program for program in (*NEEDED, *more) if shutil.which(program) is None]
    if missing:
        packages = "dnsmasq-base, nftables, iproute2, iputils-ping, busybox-static"
        raise SkipTest(f"needs {', '.join(missing)} (packages {packages})")


@contextmanager
def _held(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """One network namespace, with forwarding off and nothing but a loopback interface that is up."""

    def __init__(self, test: AnyTestCase, name: str) -> None:
        self.name, self._test = name, test
        arguments = [*BOUND, "unshare", "--net", "sh", "-c", "echo there; exec sleep infinity"]
        self._holder = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        test.addCleanup(self._end)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"there\n"
        self.ip("link set lo up")

    def _end(self) -> None:
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()

    @property
    def path(self) -> str:
        return f"/proc/{self._holder.pid}/ns/net"

    def wrapped(self, *arguments: str) -> list[str]:
        """The command line that runs a program inside."""
        return ["nsenter", f"--net={self.path}", *arguments]

    def run(self, *arguments: str, text: str = "", check: bool = True) -> str:
        """What a program inside says; it is waited for."""
        done = subprocess.run(self.wrapped(*arguments), input=text, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {' '.join(arguments)}: {done.stderr or done.stdout}\n{text}")
        return done.stdout

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        """A program inside that goes on until the test ends."""
        process = subprocess.Popen([*BOUND, *self.wrapped(*arguments)], **more)

        def end() -> None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

        self._test.addCleanup(end)
        return process

    def ip(self, *lines: str) -> None:
        self.run("ip", "-batch", "-", text="\n".join(lines) + "\n")

    def sysctl(self, **values: str) -> None:
        """Set values below /proc/sys/net of this namespace, with ``__`` for each slash."""
        for key, value in values.items():
            self.run("sh", "-c", f"echo {value} > /proc/sys/net/{key.replace('__', '/')}")

    def veth(self, own: str, other: Namespace, its: str) -> None:
        """Join it to another namespace: ``own`` here, ``its`` there, both up."""
        self.ip(f"link add {own} type veth peer name {its} netns {other._holder.pid}", f"link set {own} up")
        other.ip(f"link set {its} up")

    def mac(self, interface: str) -> str:
        found: str = json.loads(self.run("ip", "-json", "link", "show", interface))[0]["address"]
        return found

    def index(self, interface: str) -> int:
        with self.inside():
            return socket.if_nametoindex(interface)

    def addresses(self, interface: str) -> list[str]:
        """The global addresses of an interface."""
        told = json.loads(self.run("ip", "-json", "addr", "show", "dev", interface))
        return [each["local"] for link in told for each in link.get("addr_info", ()) if each.get("scope") == "global"]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let this thread open sockets in it."""
        # Before it is left: its path in /proc leads to where the thread is.
        with _held("/proc/thread-self/ns/net") as home, _held(self.path) as there:
            _enter(there)
            try:
                yield
            finally:
                _enter(home)

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        with self.inside():
            made = socket.socket(family, kind, protocol)
        self._test.addCleanup(made.close)
        made.settimeout(10)
        return made

    def packets(self, interface: str) -> socket.socket:
        """A socket that sends and receives whole frames."""
        made = self.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        made.bind((interface, ETH_P_ALL))
        return made

    def listen(self, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(512)
        return made

    def connects(self, address: str, port: int, timeout: float = 10, interface: str = "") -> bool:
        """Whether a TCP connection can be made from here; ``timeout`` is for those that are not answered at all.

        :param interface: by which one, for a link-local address.
        """
        made = self.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        made.settimeout(timeout)
        try:
            made.connect((address, port, 0, self.index(interface)) if interface else (address, port))
        except OSError:
            return False
        return True


class NamespaceCase(TestCase):
    """A test in network namespaces of its own."""

    timeout = 120

    def setUp(self) -> None:
        require_namespaces()

    def namespace(self, name: str) -> Namespace:
        return Namespace(self, name)

    def bridged(self, bridge: str, ports: Sequence[tuple[str, str]]) -> tuple[Namespace, list[Namespace]]:
        """A namespace with a bridge, and others behind its ports, each with an ``eth0``.

        :param ports: the name of the port, and of the namespace behind it.
        """
        switch = self.namespace(bridge)
        # Without snooping, which takes multicast for what nobody wants while nobody has asked for it.
        switch.ip(f"link add {bridge} type bridge mcast_snooping 0", f"link set {bridge} up")
        behind = [self.namespace(name) for _, name in ports]
        for (port, _), each in zip(ports, behind, strict=True):
            switch.veth(port, each, "eth0")
            switch.ip(f"link set {port} master {bridge}")
        return switch, behind


def temporary(test: TestCase) -> Path:
    """A folder of the test's with a short path."""
    path = Path(test.mktemp()).absolute()
    path.mkdir(parents=True)
    return path

"""Pods, as network namespaces with an agent of the container network in them, on a bridge with no way out."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from unittest import TestCase

import yaml

from tests.namespaces import Namespace
from tests.stack import wait_until

NETWORK = "198.18.0"
"""For such things (RFC 2544)."""


class Space(Namespace):
    """A namespace that is a pod's, or what is below all of them."""

    def answers(self, address: str, *, size: int = 56) -> bool:
        """Whether somebody answers to a ping that is not cut into pieces."""
        ping = ("ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", str(size), address)
        return subprocess.run(self.wrapped(*ping), capture_output=True, check=False).returncode == 0


class Below:
    """The network below, and its pods."""

    def __init__(self, test: TestCase, folder: Path) -> None:
        """:param folder: for what the pods write."""
        self.test, self.folder = test, folder
        self.pods: list[Pod] = []
        self.space = Space(test, "below")
        self.space.ip("link add below type bridge", "link set below up")

    def pod(self) -> Pod:
        made = Pod(self, len(self.pods) + 1)
        self.pods.append(made)
        return made


class Pod:
    """A namespace with an address below, and perhaps an agent in it."""

    def __init__(self, below: Below, number: int) -> None:
        self.number = number
        self.address = f"{NETWORK}.{number}"
        self.address6 = f"fd18::{number}"
        self.lan = f"10.99.0.{number}"
        self.space = Space(below.test, f"pod {number}")
        below.space.veth(f"v{number}", self.space, "eth0")
        below.space.ip(f"link set v{number} master below")
        self.space.ip(f"addr add {self.address}/24 dev eth0", f"addr add {self.address6}/64 dev eth0 nodad")
        self.file = below.folder / f"lan-{number}.yaml"
        self.log = below.folder / f"lan-{number}.log"
        self.hosts = below.folder / f"hosts-{number}"
        self.know("", ())
        below.test.addCleanup(self.end)
        self.agent: subprocess.Popen[bytes] | None = None

    def know(self, name: str, addresses: Iterable[str]) -> None:
        """Let a name have these addresses in the pod."""
        # In place: what is mounted is the file.
        with self.hosts.open("w") as hosts:
            hosts.write("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for address in addresses))

    def settings(self, peers: Sequence[str], **more: Any) -> dict[str, Any]:
        return {
            "ip": self.address, "peers": list(peers), "addresses": [f"{self.lan}/24"], "http_address": "127.0.0.1:8181",
            "look": "200ms", **more,
        }  # fmt: skip

    def begin(self, settings: dict[str, Any], *, wait: bool = True) -> None:
        """Start the agent, and wait until the device is there."""
        self.file.write_text(yaml.safe_dump(settings))
        program = str(Path(sys.executable).with_name("twistd"))
        command = (program, "--nodaemon", "--pidfile=", "webspaced-lan", "--config", str(self.file))
        # In a mount namespace of its own, so that it has the pod's names.
        mounting = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(self.hosts))
        with self.log.open("ab") as log:
            self.agent = self.space.start(*mounting, *command, stdout=log, stderr=log, start_new_session=True)
        if wait:
            wait_until("the device is there", self.is_up)

    def is_up(self) -> bool:
        assert self.agent is not None
        assert self.agent.poll() is None, self.log.read_text()
        return self.get("health").startswith("204")

    def get(self, page: str) -> str:
        """Give status and body of a page of the agent."""
        program = (
            "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8181, timeout=5);"
            f"c.request('GET', '/{page}'); r = c.getresponse(); print(r.status, r.read().decode())"
        )
        return self.space.run(sys.executable, "-c", program, check=False)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the agent."""
        agent, self.agent = self.agent, None
        if agent is not None:
            agent.send_signal(number)
            agent.wait()

    def device(self) -> str:
        """Give what the kernel says of the device."""
        return self.space.run("ip", "-d", "link", "show", "kubelan")

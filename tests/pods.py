"""Network namespaces that stand for pods; below them is a bridge in a namespace of its own, with no way out."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.stack import wait_until

NETWORK = "198.18.0"
"""For such things (RFC 2544)."""


def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


NETNS = Path("/etc/netns")
"""What `ip netns exec` puts in the place of files in /etc (ip-netns(8))."""


class Namespace:
    """One."""

    def __init__(self, name: str) -> None:
        self.name = name
        run("ip", "netns", "add", name)
        self.hosts = NETNS / name / "hosts"
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run("ip", "netns", "exec", self.name, *command, check=check)

    def start(self, *command: str | Path, **more: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, command)], **more)

    def answers(self, address: str, *, size: int = 56) -> bool:
        """Whether somebody answers to a ping that is not cut into pieces."""
        told = self.run("ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", str(size), address, check=False)
        return told.returncode == 0

    def know(self, name: str, addresses: Iterable[str]) -> None:
        """Let a name have these addresses for programs that are started after the first time; others see changes."""
        self.hosts.parent.mkdir(parents=True, exist_ok=True)
        # In place: what is mounted is the file.
        with self.hosts.open("w") as hosts:
            hosts.write("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for address in addresses))

    def delete(self) -> None:
        run("ip", "netns", "del", self.name, check=False)
        shutil.rmtree(self.hosts.parent, ignore_errors=True)


class Below:
    """The network below, and its pods."""

    def __init__(self, mtu: int = 1500) -> None:
        self.mark = secrets.token_hex(2)
        self.mtu = mtu
        self.pods: list[Pod] = []
        self.space = Namespace(f"wsl{self.mark}")
        self.space.run("ip", "link", "add", "below", "type", "bridge")
        self.space.run("ip", "link", "set", "below", "up", "mtu", str(mtu))

    def pod(self, mtu: int | None = None) -> Pod:
        made = Pod(self, len(self.pods) + 1, mtu or self.mtu)
        self.pods.append(made)
        return made

    def delete(self) -> None:
        for pod in self.pods:
            pod.end()
            pod.space.delete()
        self.space.delete()


class Pod:
    """A namespace with an address below, and perhaps an agent in it."""

    def __init__(self, below: Below, number: int, mtu: int) -> None:
        self.number = number
        self.address = f"{NETWORK}.{number}"
        self.address6 = f"fd18::{number}"
        self.lan = f"10.99.0.{number}"
        self.space = Namespace(f"wsl{below.mark}-{number}")
        cable = f"v{below.mark}{number}"
        run("ip", "link", "add", cable, "netns", below.space.name, "type", "veth", "peer", "name", "eth0",
            "netns", self.space.name)  # fmt: skip
        below.space.run("ip", "link", "set", cable, "master", "below", "up", "mtu", str(mtu))
        self.space.run("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self.space.run("ip", "addr", "add", f"{self.address6}/64", "dev", "eth0", "nodad")
        self.space.run("ip", "link", "set", "eth0", "up", "mtu", str(mtu))
        self.agent: subprocess.Popen[bytes] | None = None
        self.log = Path()

    def settings(self, peers: Sequence[str], **more: Any) -> dict[str, Any]:
        return {
            "ip": self.address, "peers": list(peers), "addresses": [f"{self.lan}/24"], "http_address": "127.0.0.1:8181",
            "look": "200ms", **more,
        }  # fmt: skip

    def begin(self, folder: Path, settings: dict[str, Any], *, wait: bool = True) -> None:
        """Start the agent, and wait until the device is there."""
        self.file = folder / f"lan-{self.number}.yaml"
        self.file.write_text(yaml.safe_dump(settings))
        self.log = folder / f"lan-{self.number}.log"
        program = Path(sys.executable).with_name("twistd")
        with self.log.open("ab") as log:
            self.agent = self.space.start(
                program, "--nodaemon", "--pidfile=", "webspaced-lan", "--config", self.file,
                stdout=log, stderr=log, env=dict(os.environ), start_new_session=True,
            )  # fmt: skip
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
        return self.space.run(sys.executable, "-c", program, check=False).stdout

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the agent."""
        agent, self.agent = self.agent, None
        if agent is not None:
            agent.send_signal(number)
            agent.wait()

    def device(self) -> str:
        """Give what the kernel says of the device."""
        return self.space.run("ip", "-d", "link", "show", "kubelan").stdout

"""A deployment in Kubernetes, as far as one machine can have it: a real API server, Traefik, and two webspaced "pods".

A pod is a process with an address of its own and a Pod object; a Service is whoever asks which pod has the leader's label.
LXD is simulated: its containers are listeners of a process of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from http.client import HTTPException
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Self

import yaml

from harness import network
from tests.kube_server import RBAC, KubeServer
from tests.stack import MEMBERS, Answer, exchange, free_port, hash_of, wait_until
from tests.visitors import PATIENCE, receive_all
from webspaced.testing.lxd.simulator import LOOPBACK_PORTS
from webspaced.traefik.embedded import find_traefik

API, INTERNAL = 8001, 8002
FORWARDS = (30000, 30019)
"""Not among those of outgoing connections, of which some begin at a pod's own address."""


class Pod:
    """One webspaced."""

    def __init__(self, deployment: Deployment, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self._deployment = deployment
        self._directory = deployment.directory / name
        self._directory.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self._write_settings()

    def _write_settings(self) -> None:
        users = [{"id": uid, "username": name, "token_sha256": hash_of(f"token-{name}")} for uid, name in MEMBERS.items()]
        path = self._directory / "users.yaml"
        path.write_text(yaml.safe_dump({"users": users}))
        path.chmod(0o600)
        settings = {
            "data_dir": str(self._directory / "data"),
            "iam": {"users_file": str(path)},
            "lxd": {"url": f"unix://{self._deployment.directory}/unix.socket"},
            "webspaces": {
                "domain": "example.org",
                "config_defaults": {"http_port": LOOPBACK_PORTS.web},
                "ports": {"listen_address": self.address, "start": FORWARDS[0], "end": FORWARDS[1]},
                "boot_ports": {"start": 20000, "end": 20019},
            },
            "http": {"listen_address": f"{self.address}:{API}", "internal_address": f"{self.address}:{INTERNAL}"},
            "metrics": {"listen_address": "off"},
            "traefik": {
                "provider": "kubernetes",
                "boot_address": self.address,
                "settle_time": "500ms",
                "http_entrypoint": "web",
                "https_entrypoint": "websecure",
            },
            "leadership": {"pod": self.name},
        }
        (self._directory / "webspaced.yaml").write_text(yaml.safe_dump(settings))

    def start(self) -> None:
        """Start it, and wait until it is ready, leading or not."""
        command = [
            str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "webspaced",
            "--config", str(self._directory / "webspaced.yaml"),
        ]  # fmt: skip
        environment = {**os.environ, "KUBECONFIG": str(self._deployment.kubeconfig)}
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._directory, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        wait_until(f"{self.name} is ready", self._is_ready)

    def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            message = f"{self.name} ended:\n{self.log()[-4000:]}"
            raise AssertionError(message)
        with suppress(OSError):
            return self.ask("GET", "/ready").status == 204
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def ended(self) -> int:
        """Wait for its end, and give the exit status."""
        assert self._process is not None
        process, self._process = self._process, None
        return process.wait(PATIENCE)

    def end(self) -> None:
        """End it if it runs, in order."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            self.ended()

    def ask(self, method: str, path: str, body: bytes | None = None, name: str = "alice") -> Answer:
        """Call its API."""
        return exchange(self.address, API, method, path, body, {"Authorization": f"Bearer token-{name}"})

    def log(self) -> str:
        """Give all that it said."""
        return (self._directory / "log").read_text(errors="replace")


class Asking(threading.Thread):
    """Asks again and again; ``seen`` has what was answered, or how it failed."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self._ask = ask
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self.seen.append(self._ask())
            except (OSError, HTTPException, LookupError) as error:
                self.seen.append(repr(error))
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


class Deployment:
    """See the module. Needs root, for addresses that are not loopback."""

    def __init__(self, server: KubeServer) -> None:
        self.server = server
        self.namespace = server.namespace("hosting")
        self.directory = Path(tempfile.mkdtemp(prefix="webspaced-kube-"))
        self.kubeconfig = self.directory / "kubeconfig"
        self.http = free_port()
        self._cleaning = ExitStack()
        self._cleaning.callback(shutil.rmtree, self.directory)

    def up(self) -> None:
        """Start everything but the pods."""
        for user in ("webspaced", "traefik"):
            self.server.allow(user, RBAC / f"{user}.yaml", self.namespace)
        subnet = ip_network(network.free_subnet())
        # Every address of it is this machine's.
        subprocess.run(["ip", "route", "add", "local", str(subnet), "dev", "lo"], check=True)
        self._cleaning.callback(subprocess.run, ["ip", "route", "del", "local", str(subnet), "dev", "lo"], check=True)
        self.server.write_kubeconfig(self.kubeconfig, self._token(), self.namespace)
        self._start_lxd(f"{subnet[1]}/{subnet.prefixlen}")
        self._start_traefik()
        self.pods = [self._pod("pod-a", str(subnet[201])), self._pod("pod-b", str(subnet[202]))]

    def down(self) -> None:
        """End everything."""
        self._cleaning.close()

    def _pod(self, name: str, address: str) -> Pod:
        spec = {"containers": [{"name": "webspaced", "image": "webspaced"}]}
        document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        self.server.ask("POST", f"/api/v1/namespaces/{self.namespace}/pods", document)
        pod = Pod(self, name, address)
        self._cleaning.callback(pod.end)
        return pod

    def _token(self) -> str:
        """Give the token of the pods' account."""
        return self.server.tokens["webspaced"]

    def _start_lxd(self, gateway: str) -> None:
        command = [sys.executable, "-m", "webspaced.testing.lxd.process", str(self.directory), gateway]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdin is not None
        assert child.stdout is not None
        self._cleaning.callback(child.wait, PATIENCE)
        self._cleaning.callback(child.stdout.close)
        self._cleaning.callback(child.stdin.close)
        assert child.stdout.readline() == b"ready\n"

    def _start_traefik(self) -> None:
        provider = {
            "endpoint": self.server.url,
            "token": self.server.tokens["traefik"],
            "certAuthFilePath": str(self.server.authority),
            "namespaces": [self.namespace],
            "allowEmptyServices": True,
            "safeNaming": True,
            "disableClusterScopeResources": True,
            "throttleDuration": "100ms",
        }
        static = {
            "entryPoints": {
                "web": {"address": f"127.0.0.1:{self.http}"},
                "websecure": {"address": f"127.0.0.1:{free_port()}"},
            },
            "providers": {"providersThrottleDuration": "100ms", "kubernetesCRD": provider},
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        }
        path = self.directory / "traefik.yml"
        path.write_text(yaml.safe_dump(static))
        with (self.directory / "traefik.log").open("ab") as log:
            child = subprocess.Popen([find_traefik(), f"--configFile={path}"], stdout=log, stderr=log)
        self._cleaning.callback(child.wait, PATIENCE)
        self._cleaning.callback(child.terminate)

    # --- as visitors and Services see it

    def visit(self, name: str) -> Answer:
        """Ask for a member's page, through Traefik."""
        return exchange("127.0.0.1", self.http, "GET", "/", None, {"Host": f"{name}.example.org"})

    def shows(self, name: str) -> bool:
        """Whether a member's page is there."""
        uid = next(uid for uid, each in MEMBERS.items() if each == name)
        with suppress(OSError, HTTPException):
            return self.visit(name).body == f"ws-u{uid}\n".encode()
        return False

    def leaders(self) -> list[str]:
        """Give the names of the pods that a Service for the leader selects."""
        selector = "labelSelector=webspaced%2Fleader%3Dtrue"
        found = self.server.ask("GET", f"/api/v1/namespaces/{self.namespace}/pods?{selector}")
        return [each["metadata"]["name"] for each in found["items"]]

    def leader(self) -> Pod:
        """Wait for the one leader, and give it."""
        wait_until("there is a leader", lambda: len(self.leaders()) == 1)
        (name,) = self.leaders()
        return next(pod for pod in self.pods if pod.name == name)

    def backend(self, name: str) -> str:
        """Give the address that a route leads to."""
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices/{name}"
        return str(self.server.ask("GET", path)["endpoints"][0]["addresses"][0])

    def echo(self, port: int) -> bytes:
        """Send to a forwarded port as a Service would, and give what comes back; nothing if that fails."""
        pods = {pod.name: pod.address for pod in self.pods}
        with suppress(OSError):
            for name in self.leaders():
                with socket.create_connection((pods[name], port), 5) as connection:
                    connection.sendall(b"hello")
                    connection.shutdown(socket.SHUT_WR)
                    return receive_all(connection)
        return b""


class Visitor(Asking):
    """Visits a webspace so; ``seen`` has status and body."""

    def __init__(self, deployment: Deployment, name: str) -> None:
        def visit() -> tuple[int, bytes]:
            answer = deployment.visit(name)
            return answer.status, answer.body

        super().__init__(visit)

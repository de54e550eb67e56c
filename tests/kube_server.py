"""A real Kubernetes API for tests: a kube-apiserver on an etcd, on loopback, with the custom resources that webspaced uses.

``make test`` finds or builds the programs (``harness/kube.py``) and says where they are. Everything here blocks.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import SkipTest

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.crds import custom_resource_definitions
from tests.stack import free_port, wait_until

APISERVER_VARIABLE, ETCD_VARIABLE = "WEBSPACED_TEST_KUBE_APISERVER", "WEBSPACED_TEST_ETCD"
ADMIN = "system:masters"
RBAC = Path(__file__).parent.parent / "deploy" / "rbac"
"""The rights that the chart gives."""


def programs() -> tuple[str, str]:
    """Give kube-apiserver and etcd; skips the test where there are none."""
    found = os.environ.get(APISERVER_VARIABLE), os.environ.get(ETCD_VARIABLE)
    if not found[0] or not found[1]:
        message = f"no kube-apiserver ({APISERVER_VARIABLE}, {ETCD_VARIABLE}): run them by `make test`"
        raise SkipTest(message)
    return found[0], found[1]


class KubeServer:
    """``tokens`` by user; ``admin`` may do everything, others what they are given roles for."""

    def __init__(self, users: tuple[str, ...] = ()) -> None:
        self._apiserver, self._etcd = programs()
        self.tokens = {user: secrets.token_hex(16) for user in ("admin", *users)}
        self.directory = Path(tempfile.mkdtemp(prefix="webspaced-kube-"))
        self.port, self._etcd_port, self._peer_port = free_port(), free_port(), free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        """The certificate authority of the server's certificate."""
        return self.directory / "certificates" / "apiserver.crt"

    def start(self) -> None:
        """Start both, with the custom resources."""
        self._write_secrets()
        self._run("etcd", self._etcd_command())
        self.start_apiserver()
        for definition in custom_resource_definitions():
            self.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
            name = definition["metadata"]["name"]
            path = f"/apis/{definition['spec']['group']}/{definition['spec']['versions'][-1]['name']}"
            plural = name.partition(".")[0]
            wait_until(f"{name} is served", lambda path=path, plural=plural: self.status("GET", f"{path}/{plural}") == 200)

    def _write_secrets(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        (self.directory / "accounts.key").write_bytes(text)
        lines = [f'{token},{user},{user},"{ADMIN if user == "admin" else ""}"' for user, token in self.tokens.items()]
        (self.directory / "tokens.csv").write_text("\n".join(lines))

    def _etcd_command(self) -> list[str]:
        clients, peers = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        return [
            self._etcd, f"--data-dir={self.directory / 'etcd'}", "--unsafe-no-fsync", "--logger=zap",
            f"--listen-client-urls={clients}", f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=default={peers}",
        ]  # fmt: skip

    def start_apiserver(self) -> None:
        """Start the API server and wait until it is ready."""
        self.launch_apiserver()
        self.wait_until_ready()

    def launch_apiserver(self) -> None:
        """Start the API server. It ends with the thread that calls this: that has to be the main one."""
        folder = self.directory
        self._run("kube-apiserver", [
            self._apiserver, f"--etcd-servers=http://127.0.0.1:{self._etcd_port}", f"--secure-port={self.port}",
            "--bind-address=127.0.0.1", f"--cert-dir={folder / 'certificates'}",
            f"--service-account-key-file={folder / 'accounts.key'}", "--service-account-issuer=https://webspaced.test",
            f"--service-account-signing-key-file={folder / 'accounts.key'}", "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC", f"--token-auth-file={folder / 'tokens.csv'}",
            "--endpoint-reconciler-type=none", "--disable-admission-plugins=ServiceAccount",
        ])  # fmt: skip

    def wait_until_ready(self) -> None:
        """Wait until the API server answers."""
        wait_until("the API server is ready", self._is_ready)

    def _is_ready(self) -> bool:
        if self._processes[-1].poll() is not None:
            log = (self.directory / "kube-apiserver.log").read_text()[-2000:]
            message = f"the API server ended: {log}"
            raise AssertionError(message)
        return self.status("GET", "/readyz") == 200

    def _run(self, name: str, command: list[str]) -> None:
        # The wrapper makes the kernel end it with us.
        wrapper = [sys.executable, "-m", "webspaced.lib.bound_to_parent"]
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen([*wrapper, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            )

    def stop_apiserver(self) -> None:
        """End the API server at once; what it kept stays."""
        process = self._processes.pop()
        process.kill()
        process.wait()

    def delete(self) -> None:
        """End everything and remove it."""
        while self._processes:
            self.stop_apiserver()
        shutil.rmtree(self.directory)

    def status(self, method: str, path: str) -> int:
        """Give the status of an answer, 0 for none."""
        try:
            return self._answer(method, path, None, "admin")[0]
        except OSError:
            return 0

    def ask(self, method: str, path: str, document: Any = None, user: str = "admin") -> Any:
        """Ask as a user and give the document; an error fails the test."""
        status, body = self._answer(method, path, document, user)
        if status >= 300:
            message = f"{method} {path}: {status} {body[:500]!r}"
            raise AssertionError(message)
        return json.loads(body)

    def _answer(self, method: str, path: str, document: Any, user: str) -> tuple[int, bytes]:
        if not self.authority.exists():
            return 0, b""
        trust = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=trust)
        headers = {"Authorization": f"Bearer {self.tokens[user]}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if document is None else json.dumps(document), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def namespace(self, prefix: str = "test") -> str:
        """Make a namespace of the test's own."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        self.ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def allow(self, user: str, roles: Path, namespace: str) -> None:
        """Give a user the roles of a file in a namespace."""
        group = "rbac.authorization.k8s.io"
        path = f"/apis/{group}/v1/namespaces/{namespace}"
        for role in yaml.safe_load_all(roles.read_text()):
            self.ask("POST", f"{path}/roles", role)
            binding = {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": role["metadata"]["name"]},
                "roleRef": {"apiGroup": group, "kind": "Role", "name": role["metadata"]["name"]},
                "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
            }
            self.ask("POST", f"{path}/rolebindings", binding)


_shared: list[KubeServer] = []
USERS = ("webspaced", "traefik")


def shared_server() -> KubeServer:
    """Give the one of this run of tests, started when it is first asked for; it ends with the process."""
    if not _shared:
        server = KubeServer(USERS)
        try:
            server.start()
        except BaseException:
            server.delete()
            raise
        _shared.append(server)
    return _shared[0]


def end_shared_server() -> None:
    """End it."""
    while _shared:
        _shared.pop().delete()

"""A real Kubernetes API: a kube-apiserver on an etcd, on loopback. Everything here blocks."""

import http.client
import json
import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import places, ports, processes
from harness.kube import Programs
from harness.saying import CannotGoOn, tail

ADMIN = "system:masters"
RBAC = places.CHECKOUT / "deploy" / "rbac"
"""The rights that the chart gives."""
PATIENCE = 180.0
ROLES = "rbac.authorization.k8s.io"


class KubeServer:
    """``tokens`` by user; ``admin`` may do everything, others what they are given roles for.

    ``key`` is a private RSA key, as PEM, with which the server signs the tokens of service accounts; nothing comes of it.
    """

    def __init__(self, programs: Programs, key: bytes, users: Sequence[str] = ()) -> None:
        self._programs = programs
        self.tokens = {user: secrets.token_hex(16) for user in ("admin", *users)}
        self.directory = Path(tempfile.mkdtemp(prefix="webspaced-kube-"))
        self.port, self._etcd_port, self._peer_port = (ports.by_chance() for _ in range(3))
        self._processes: list[subprocess.Popen[bytes]] = []
        (self.directory / "accounts.key").write_bytes(key)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://{ports.LOOPBACK}:{self.port}"

    @property
    def authority(self) -> Path:
        """The certificate authority of the server's certificate."""
        return self.directory / "certificates" / "apiserver.crt"

    def start(self, definitions: Iterable[Mapping[str, Any]]) -> None:
        """Start both, with these CustomResourceDefinitions."""
        lines = [f'{token},{user},{user},"{ADMIN if user == "admin" else ""}"' for user, token in self.tokens.items()]
        (self.directory / "tokens.csv").write_text("\n".join(lines))
        self._run("etcd", self._etcd_command())
        self.start_apiserver()
        for definition in definitions:
            self._define(definition)

    def _define(self, definition: Mapping[str, Any]) -> None:
        self.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        spec = definition["spec"]
        path = f"/apis/{spec['group']}/{spec['versions'][-1]['name']}/{spec['names']['plural']}"
        if not processes.wait_until(lambda: self.status("GET", path) == 200, PATIENCE):
            raise CannotGoOn(f"{path} is not served")

    def _etcd_command(self) -> list[str]:
        clients, peers = (f"http://{ports.LOOPBACK}:{port}" for port in (self._etcd_port, self._peer_port))
        return [
            str(self._programs.etcd), f"--data-dir={self.directory / 'etcd'}", "--unsafe-no-fsync", "--logger=zap",
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
            str(self._programs.apiserver), f"--etcd-servers=http://{ports.LOOPBACK}:{self._etcd_port}",
            f"--secure-port={self.port}", f"--bind-address={ports.LOOPBACK}", f"--cert-dir={folder / 'certificates'}",
            f"--service-account-key-file={folder / 'accounts.key'}", "--service-account-issuer=https://webspaced.test",
            f"--service-account-signing-key-file={folder / 'accounts.key'}", "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC", f"--token-auth-file={folder / 'tokens.csv'}",
            "--endpoint-reconciler-type=none", "--disable-admission-plugins=ServiceAccount",
        ])  # fmt: skip

    def wait_until_ready(self) -> None:
        """Wait until the API server answers."""
        if not processes.wait_until(self._is_ready, PATIENCE):
            raise CannotGoOn("the API server is not ready")

    def _is_ready(self) -> bool:
        if self._processes[-1].poll() is not None:
            raise CannotGoOn(f"the API server ended:\n{tail(self.directory / 'kube-apiserver.log')}")
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

    # --- as users of it

    def status(self, method: str, path: str) -> int:
        """Give the status of an answer, 0 for none."""
        try:
            return self._answer(method, path, None, "admin")[0]
        except OSError:
            return 0

    def ask(self, method: str, path: str, document: Any = None, user: str = "admin") -> Any:
        """Ask as a user and give the document; raises CannotGoOn for an error."""
        return json.loads(self.text(method, path, document, user))

    def text(self, method: str, path: str, document: Any = None, user: str = "admin") -> bytes:
        """Ask as a user and give the text; raises CannotGoOn for an error."""
        status, body = self._answer(method, path, document, user)
        if status >= 300:
            raise CannotGoOn(f"{method} {path}: {status} {body[:500]!r}")
        return body

    def connection(self) -> http.client.HTTPSConnection:
        """Give a connection, not yet open."""
        trust = ssl.create_default_context(cafile=str(self.authority))
        return http.client.HTTPSConnection(ports.LOOPBACK, self.port, timeout=PATIENCE, context=trust)

    def headers(self, user: str = "admin") -> dict[str, str]:
        """Give a user's headers."""
        return {"Authorization": f"Bearer {self.tokens[user]}", "Content-Type": "application/json"}

    def _answer(self, method: str, path: str, document: Any, user: str) -> tuple[int, bytes]:
        if not self.authority.exists():
            return 0, b""
        connection = self.connection()
        try:
            connection.request(method, path, None if document is None else json.dumps(document), self.headers(user))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def namespace(self, prefix: str = "test") -> str:
        """Make a namespace of one's own."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        self.ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def give(self, user: str, roles: Iterable[Mapping[str, Any]], namespace: str) -> None:
        """Give a user roles in a namespace."""
        path = f"/apis/{ROLES}/v1/namespaces/{namespace}"
        for role in roles:
            self.ask("POST", f"{path}/roles", role)
            binding = {
                "apiVersion": f"{ROLES}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": role["metadata"]["name"]},
                "roleRef": {"apiGroup": ROLES, "kind": "Role", "name": role["metadata"]["name"]},
                "subjects": [{"apiGroup": ROLES, "kind": "User", "name": user}],
            }
            self.ask("POST", f"{path}/rolebindings", binding)

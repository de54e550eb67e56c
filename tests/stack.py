"""A whole webspaced for tests: real LXD, real Traefik, the daemon as a process of its own that can be killed.

The LXD is the run's (``make test`` starts it and says where it is); each stack has an LXD project of its own in it, so that
test cases do not meet. Everything here blocks: the daemon under test is another process.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest, TestCase

import yaml

from harness import own_lxd, ports, tiny_image
from harness.ports import by_chance as free_port
from harness.private_lxd import PrivateLxd
from harness.rest import Rest
from tests.alone import alone_with
from tests.visitors import GREETING, PATIENCE, echo, echoes

MEMBERS = {1: "alice", 2: "bob", 3: "carol", 4: "dave", 5: "erin", 6: "frank"}
ADMIN = 99
LXD_VARIABLE, INCUS_VARIABLE = "WEBSPACED_TEST_LXD_DIR", "WEBSPACED_TEST_INCUS_DIR"
WITHOUT_VARIABLE = "WEBSPACED_TEST_WITHOUT"
"""What ``make test`` could not bring up, and why."""


def lxd_of_this_run(variable: str = LXD_VARIABLE) -> PrivateLxd:
    """Give the LXD or Incus that ``make test`` started; skips the test where there is none."""
    directory = os.environ.get(variable)
    lxd = own_lxd.known(Path(directory)) if directory else None
    if lxd is None:
        reason = os.environ.get(WITHOUT_VARIABLE) or "run them by `make test` as root"
        message = f"no server for tests ({variable}): {reason}"
        raise SkipTest(message)
    return lxd


def free_ports(count: int) -> list[int]:
    """Give so many different ones."""
    return [free_port() for _ in range(count)]


def wait_until(what: str, true: Callable[[], Any]) -> Any:
    """Wait until something is true, and give it; fails with ``what`` only when it hangs."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if result := true():
            return result
        time.sleep(0.02)
    message = f"waited in vain until {what}"
    raise AssertionError(message)


class Answer:
    """An HTTP response, read whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def __repr__(self) -> str:
        """Show what a failed assertion needs."""
        return f"<{self.status} {self.body[:300]!r}>"


class Stack:
    """One webspaced with its Traefik, its ports, its directory and its LXD project."""

    members = MEMBERS
    """Names by id; each member's token is ``token-<name>``."""

    def __init__(self, lxd: PrivateLxd, **webspaces: Any) -> None:
        self.lxd = lxd
        self.directory = Path(tempfile.mkdtemp(prefix="webspaced-test-"))
        self.project = f"t{secrets.token_hex(4)}"
        self.rest = Rest(lxd.socket, self.project)
        self.api_port, self.internal_port, self.http_port, self.https_port = free_ports(4)
        self._reserved = [ports.reserve(ports.GRAIN, among) for among in (ports.BOOT, ports.FORWARDS)]
        self.boot_ports, self.forward_ports = ((each.ports[0], each.ports[-1]) for each in self._reserved)
        self.link: Mapping[str, Any] = {"url": f"unix://{lxd.socket}"}
        self._webspaces = webspaces
        self._traefik_settings: dict[str, Any] = {}
        self._timeouts: dict[str, Any] = {}
        self._daemon: subprocess.Popen[bytes] | None = None
        self._log = self.directory / "log"

    # --- life

    def set_up(self, *variants: str) -> None:
        """Create the project and import images."""
        body = {"name": self.project, "config": {"features.images": "false", "features.profiles": "false"}}
        self.lxd.rest.ask("POST", "/1.0/projects", body)
        with alone_with(self.lxd.directory, "images"):
            for variant in variants or ("fast",):
                tiny_image.import_image(self.lxd.rest, variant, variant)

    def tear_down(self) -> None:
        """Stop the daemon, remove the containers, the project and the directory."""
        self.stop()
        for url in self.rest.get("/1.0/instances"):
            self.remove_instance(url)
        self.lxd.rest.ask("DELETE", f"/1.0/projects/{self.project}")
        self.give_back()

    def give_back(self) -> None:
        """Remove the directory and let others have the ports."""
        shutil.rmtree(self.directory)
        for each in self._reserved:
            each.release()

    def remove_instance(self, url: str) -> None:
        """Stop by force and delete, whatever state it is in."""
        path = url.partition("?")[0]
        wait_until(f"{path} is gone", lambda: self._removed(path))

    def _removed(self, path: str) -> bool:
        if not self.rest.exists(path):
            return True
        try:
            if self.rest.get(path)["status"] != "Stopped":
                self.rest.ask("PUT", f"{path}/state", {"action": "stop", "force": True, "timeout": 10})
            self.rest.ask("DELETE", path)
        except Exception:  # noqa: BLE001  (LXD may be busy with it: the next try sees)
            return False
        return True

    def set_webspaces(self, **webspaces: Any) -> None:
        """Change settings below ``webspaces``, for the next start."""
        self._webspaces.update(webspaces)

    def set_traefik(self, **traefik: Any) -> None:
        """Change settings below ``traefik``, for the next start."""
        self._traefik_settings.update(traefik)

    def set_timeouts(self, **timeouts: Any) -> None:
        """Change settings below ``timeouts``, for the next start."""
        self._timeouts.update(timeouts)

    def write_configuration(self) -> None:
        """Write the settings and the members' file; each member's token is ``token-<name>``."""
        users = [
            {"id": uid, "username": name, "token_sha256": hash_of(f"token-{name}"), "is_admin": uid == ADMIN}
            for uid, name in [*self.members.items(), (ADMIN, "root")]
        ]
        (self.directory / "users.yaml").write_text(yaml.safe_dump({"users": users}))
        (self.directory / "webspaced.yaml").write_text(yaml.safe_dump(self._settings()))

    def _settings(self) -> dict[str, Any]:
        webspaces: dict[str, Any] = {
            "domain": "example.test",
            "ports": {"listen_address": "127.0.0.1", "start": self.forward_ports[0], "end": self.forward_ports[1]},
            "boot_ports": {"start": self.boot_ports[0], "end": self.boot_ports[1]},
            "drain_time": "200ms",
            "stop_timeout": "5s",
        }
        return {
            "data_dir": str(self.directory / "data"),
            "iam": {"provider": "static", "users_file": str(self.directory / "users.yaml")},
            "timeouts": self._timeouts,
            "lxd": {**self.link, "project": self.project},
            "webspaces": {**webspaces, **self._webspaces},
            "http": {
                "listen_address": f"127.0.0.1:{self.api_port}",
                "internal_address": f"127.0.0.1:{self.internal_port}",
            },
            "metrics": {"listen_address": "off"},
            "traefik": {
                "provider": "file",
                "embedded": True,
                "http_address": f"127.0.0.1:{self.http_port}",
                "https_address": f"127.0.0.1:{self.https_port}",
                # What is answered, Traefik has taken up: on a busy machine, too.
                "settle_time": "10s",
                **self._traefik_settings,
            },
        }

    def start(self, *, wait: bool = True) -> None:
        """Start the daemon and wait until it is ready."""
        command = [
            str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "webspaced",
            "--config", str(self.directory / "webspaced.yaml"),
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            wait_until("webspaced is ready", self._is_ready)

    def _is_ready(self) -> bool:
        if self._daemon is None or self._daemon.poll() is not None:
            message = f"webspaced ended:\n{self.log()[-4000:]}"
            raise AssertionError(message)
        try:
            return self.ask("GET", "/ready").status == 204
        except OSError:
            return False

    def stop(self) -> int | None:
        """Stop the daemon in order and give its exit status."""
        return self._end(signal.SIGTERM)

    def wait_for_end(self) -> int | None:
        """Wait until the daemon ends by itself, and give its exit status."""
        daemon, self._daemon = self._daemon, None
        return None if daemon is None else daemon.wait(PATIENCE)

    def kill(self) -> int | None:
        """Kill the daemon."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int | None:
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return None
        if daemon.poll() is None:
            daemon.send_signal(number)
        return daemon.wait(PATIENCE)

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self._daemon is not None
        return self._daemon.pid

    def log(self) -> str:
        """Everything that the daemon has logged."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def mishaps(self) -> list[str]:
        """Give the lines of the log that only a bug writes, each with what follows it."""
        lines = self.log().splitlines()
        bad = ("Traceback", "Unhandled", "#critical")
        return ["\n".join(lines[n : n + 30]) for n, line in enumerate(lines) if any(word in line for word in bad)]

    # --- as a member

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = "token-alice") -> Answer:
        """Call the API."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return exchange("127.0.0.1", self.api_port, method, path, raw, headers)

    def create(self, name: str = "alice", image: str = "fast") -> None:
        """Create a member's webspace, which must work."""
        answer = self.ask("POST", "/v1/webspace/self", {"image": image}, token=f"token-{name}")
        assert answer.status == 201, answer

    def forward(self, internal: int, name: str = "alice") -> int:
        """Forward a random port to an internal one, which must work; gives the external one."""
        answer = self.ask("POST", f"/v1/webspace/self/ports/{internal}", token=f"token-{name}")
        assert answer.status == 201, answer
        return int(answer.json["ePort"])

    # --- as a visitor

    def visit(self, name: str = "alice", path: str = "/", method: str = "GET", patience: float = PATIENCE) -> Answer:
        """Request a page of a member's webspace through Traefik."""
        headers = {"Host": f"{name}.example.test"}
        return exchange("127.0.0.1", self.http_port, method, path, None, headers, patience)

    def visit_host(self, host: str) -> Answer:
        """Request a page under some name."""
        return exchange("127.0.0.1", self.http_port, "GET", "/", None, {"Host": host})

    def visit_https(self, name: str = "alice") -> Answer:
        """Request a page over HTTPS; the certificate is Traefik's own, so it is not verified."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.https_port), PATIENCE)
        with context.wrap_socket(plain, server_hostname=f"{name}.example.test") as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}.example.test\r\nConnection: close\r\n\r\n".encode())
            response = http.client.HTTPResponse(connection)
            response.begin()
            return Answer(response)

    def echo(self, port: int, data: bytes = GREETING) -> bytes:
        """Send to a forwarded port, end one's own side, and give all that comes back."""
        return echo(port, data)

    def echoes(self, port: int) -> bool:
        """Whether a forwarded echo service answers a visitor."""
        return echoes(port)

    # --- as an operator

    def status(self, uid: int = 1) -> str:
        """Give LXD's word for the state of a webspace's instance."""
        return str(self.rest.get(f"/1.0/instances/ws-u{uid}")["status"])

    def put_state(self, action: str, uid: int = 1, *, force: bool = False) -> None:
        """Change an instance's state behind webspaced's back."""
        body = {"action": action, "force": force, "timeout": 10}
        self.rest.ask("PUT", f"/1.0/instances/ws-u{uid}/state", body)

    def run_inside(self, *command: str, uid: int = 1) -> str:
        """Run a command as the container's root."""
        return self.lxd.lxc("--project", self.project, "exec", f"ws-u{uid}", "--", *command)

    def key(self, key: str, uid: int = 1) -> str | None:
        """Give a configuration key of an instance."""
        value = self.rest.get(f"/1.0/instances/ws-u{uid}")["config"].get(key)
        return None if value is None else str(value)

    def routes(self) -> Mapping[str, str]:
        """Give the published backends by route name."""
        services = (self.document().get("http") or {}).get("services") or {}
        return {name: service["loadBalancer"]["servers"][0]["url"] for name, service in services.items()}

    def document(self) -> dict[str, Any]:
        """Give what Traefik is told now."""
        path = self.directory / "data" / "traefik" / "dynamic" / "webspaced.yml"
        document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return document

    def leads_to_itself(self, uid: int = 1) -> bool:
        """Whether a webspace's route names its boot port."""
        port = self.key("user._webspaced_boot_port", uid)
        return self.routes().get(f"ws-u{uid}") == f"http://127.0.0.1:{port}"

    def is_direct(self, uid: int = 1) -> bool:
        """Whether a webspace's route names the container."""
        route = self.routes().get(f"ws-u{uid}", "")
        return bool(route) and not route.startswith("http://127.")


def hash_of(token: str) -> str:
    """Give what the users file holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def exchange(
    host: str, port: int, method: str, path: str, body: bytes | None, headers: Mapping[str, str], patience: float = PATIENCE
) -> Answer:
    """Make one HTTP request."""
    connection = http.client.HTTPConnection(host, port, timeout=patience)
    try:
        connection.request(method, path, body, dict(headers))
        return Answer(connection.getresponse())
    finally:
        connection.close()


class StackCase(TestCase):
    """A test case of which each test has a stack of its own: up in about a second, and no test sees another's."""

    variants: ClassVar[tuple[str, ...]] = ("fast",)
    webspaces: ClassVar[Mapping[str, Any]] = {}
    variable: ClassVar[str] = LXD_VARIABLE
    """Whose directory: LXD's, or Incus's."""
    starts: ClassVar[bool] = True
    """Whether the daemon runs when the test begins."""

    def lxd(self) -> PrivateLxd:
        """Give the LXD of the stack; the run's unless a test case needs another."""
        return lxd_of_this_run(self.variable)

    def make_stack(self) -> Stack:
        """Give the test's stack, not yet set up."""
        return Stack(self.lxd(), **self.webspaces)

    def setUp(self) -> None:
        self.stack: Any = self.make_stack()
        self.addCleanup(self.stack.tear_down)
        self.addCleanup(self._no_mishap)
        self.stack.set_up(*self.variants)
        self.prepare()
        self.stack.write_configuration()
        if self.starts:
            self.stack.start()

    def prepare(self) -> None:
        """Change the stack before its daemon starts."""

    def _no_mishap(self) -> None:
        """Whatever a test is about: the daemon must not have stumbled."""
        self.assertEqual(self.stack.mishaps(), [])

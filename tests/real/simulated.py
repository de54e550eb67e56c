"""The daemon by ``--simulate``, as a process of its own: all of webspaced where there is no LXD."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar
from unittest import TestCase

import yaml

from harness import ports
from tests.stack import ADMIN, MEMBERS, Answer, exchange, free_ports, hash_of, wait_until
from tests.visitors import PATIENCE

TOKEN = {"Authorization": "Bearer token-alice"}


class SimulatedCase(TestCase):
    """Alice's and others' tokens are ``token-`` and the name; ``root`` is an admin."""

    settings: ClassVar[dict[str, object]] = {}
    """Settings of the test's own, by the names of their variables."""
    files = 0
    """How many files and sockets the daemon may have, if that matters."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="webspaced-test-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.api, self.internal, self.http, self.https = free_ports(4)
        # Many, as none is given again for ten minutes.
        self.boots = ports.reserve(10 * ports.GRAIN, ports.BOOT)
        self.addCleanup(self.boots.release)
        users = [{"id": uid, "username": name, "token_sha256": hash_of(f"token-{name}")} for uid, name in MEMBERS.items()]
        admin = {"id": ADMIN, "username": "root", "is_admin": True, "token_sha256": hash_of("token-root")}
        (self.directory / "users.yaml").write_text(yaml.safe_dump({"users": [*users, admin]}))
        (self.directory / "users.yaml").chmod(0o600)
        self.log = self.directory / "log"
        self.process = self.start()
        self.addCleanup(self.end)
        wait_until("it is ready", self.is_ready)

    def start(self) -> subprocess.Popen[bytes]:
        settings = {
            "DATA_DIR": self.directory,
            "HTTP_LISTEN_ADDRESS": f"127.0.0.1:{self.api}",
            "METRICS_LISTEN_ADDRESS": "off",
            "HTTP_INTERNAL_ADDRESS": f"127.0.0.1:{self.internal}",
            "TRAEFIK_HTTP_ADDRESS": f"127.0.0.1:{self.http}",
            "TRAEFIK_HTTPS_ADDRESS": f"127.0.0.1:{self.https}",
            "WEBSPACES_BOOT_PORTS_START": self.boots.ports[0],
            "WEBSPACES_BOOT_PORTS_END": self.boots.ports[-1],
            "WEBSPACES_DOMAIN": "example.test",
            **self.settings,
        }
        variables = {f"WSD_{name}": str(value) for name, value in settings.items()}
        program = str(Path(sys.executable).with_name("twistd"))
        command = [program, "-n", "--pidfile=", "webspaced", "--simulate", *(["--as-root"] if os.geteuid() == 0 else [])]
        if self.files:
            command = ["prlimit", f"--nofile={self.files}:{self.files}", *command]
        with self.log.open("wb") as log:
            return subprocess.Popen(
                command, cwd=self.directory, env={**os.environ, **variables, "TMPDIR": str(self.directory)},
                stdout=log, stderr=log,
            )  # fmt: skip

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def is_ready(self) -> bool:
        self.assertIsNone(self.process.poll(), self.log.read_text())
        try:
            return exchange("127.0.0.1", self.api, "GET", "/ready", None, {}).status == 204
        except OSError:
            return False

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Make one of Alice's calls about her own webspace."""
        return exchange("127.0.0.1", self.api, method, f"/v1/webspace/self{path}", body, TOKEN)

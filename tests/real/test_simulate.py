"""A machine without LXD: the daemon by `--simulate`, with its real Traefik, as a member and a visitor use it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import TestCase

import yaml

from tests.stack import MEMBERS, PATIENCE, Answer, exchange, free_port, hash_of, receive_all, wait_until

TOKEN = {"Authorization": "Bearer token-alice"}


class SimulateTests(TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="webspaced-test-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.api, self.http = free_port(), free_port()
        users = [{"id": uid, "username": name, "token_sha256": hash_of(f"token-{name}")} for uid, name in MEMBERS.items()]
        (self.directory / "users.yaml").write_text(yaml.safe_dump({"users": users}))
        (self.directory / "users.yaml").chmod(0o600)
        self.log = self.directory / "log"
        self.process = self.start()
        self.addCleanup(self.end)

    def start(self) -> subprocess.Popen[bytes]:
        settings = {
            "DATA_DIR": self.directory,
            "HTTP_LISTEN_ADDRESS": f"127.0.0.1:{self.api}",
            "HTTP_INTERNAL_ADDRESS": f"127.0.0.1:{free_port()}",
            "TRAEFIK_HTTP_ADDRESS": f"127.0.0.1:{self.http}",
            "TRAEFIK_HTTPS_ADDRESS": f"127.0.0.1:{free_port()}",
            "WEBSPACES_DOMAIN": "example.test",
        }
        variables = {f"WSD_{name}": str(value) for name, value in settings.items()}
        program = str(Path(sys.executable).with_name("twistd"))
        command = [program, "-n", "--pidfile=", "webspaced", "--simulate", *(["--as-root"] if os.geteuid() == 0 else [])]
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

    def test_from_creation_to_a_visit_and_a_forward(self) -> None:
        wait_until("it is ready", self.is_ready)
        created = exchange("127.0.0.1", self.api, "POST", "/v1/webspace/self", b'{"image": "fast"}', TOKEN)
        self.assertEqual(created.status, 201, created)
        self.assertEqual(self.visit(), b"ws-u1\n")
        self.assertEqual(self.ask("DELETE", "/state").status, 204)
        self.assertEqual(self.ask("GET", "/state").json["running"], False)
        port = self.ask("POST", "/ports/7007").json["ePort"]
        # For two seconds after a stop visitors do not wake it.
        wait_until("its echo answers", lambda: self.echo(port) == b"hello")
        wait_until("it is awake again", lambda: self.visit() == b"ws-u1\n")
        self.assertEqual(self.end(), -signal.SIGTERM)
        self.assertNotIn("Traceback", self.log.read_text())
        self.assertEqual(list(self.directory.glob("webspaced-*")), [])

    def echo(self, port: int) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                connection.sendall(b"hello")
                connection.shutdown(socket.SHUT_WR)
                return receive_all(connection)
        except ConnectionResetError:
            return b""

    def visit(self) -> bytes:
        return exchange("127.0.0.1", self.http, "GET", "/", None, {"Host": "alice.example.test"}).body

    def ask(self, method: str, path: str) -> Answer:
        return exchange("127.0.0.1", self.api, method, f"/v1/webspace/self{path}", None, TOKEN)

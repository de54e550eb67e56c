"""Parts are killed and come back while the rest goes on: nobody's running webspace is interrupted, and all ends right."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.stack import StackCase, wait_until
from tests.visitors import PATIENCE, receive_all


class LxdTests(StackCase):
    def setUp(self) -> None:
        super().setUp()
        # Whatever a test does to LXD, the next one needs it.
        self.addCleanup(self._lxd_back)

    def _lxd_back(self) -> None:
        self.stack.lxd.up()

    def test_running_webspaces_are_served_while_lxd_is_away(self) -> None:
        self.stack.create("alice")
        self.stack.create("bob")
        port = self.stack.forward(7)
        self.assertEqual(self.stack.echo(port), b"hello")
        wait_until("Alice is served directly", self.stack.is_direct)
        wait_until("Traefik has Bob's route", lambda: self.stack.leads_to_itself(2))
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as old:
            old.sendall(b"before")
            self.assertEqual(old.recv(6), b"before")
            self.stack.lxd.kill()
            wait_until("webspaced has noticed", lambda: self.stack.ask("GET", "/health").status == 500)
            self.assertEqual(self.stack.ask("GET", "/ready").status, 204)
            self.assertEqual(self.stack.visit().body, b"ws-u1\n")
            self.assertEqual(self.stack.echo(port), b"hello")
            old.sendall(b"during")
            self.assertEqual(old.recv(6), b"during")
            self._refused_politely()
            self.stack.lxd.up()
            wait_until("webspaced is connected again", lambda: self.stack.ask("GET", "/health").status == 204)
            old.sendall(b"after")
            old.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(old), b"after")
        self.assertEqual(self.stack.visit("bob").body, b"ws-u2\n")

    def _refused_politely(self) -> None:
        answer = self.stack.ask("GET", "/v1/webspace/self")
        self.assertEqual(answer.status, 503)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        sleeping = self.stack.visit("bob")
        self.assertEqual(sleeping.status, 503)
        self.assertIn(b"LXD cannot be reached", sleeping.body)

    def test_what_happened_while_lxd_was_away_is_seen(self) -> None:
        self.stack.create()
        port = self.stack.forward(7)
        self.assertEqual(self.stack.echo(port), b"hello")
        wait_until("the route is direct", self.stack.is_direct)
        pid = self.stack.rest.get("/1.0/instances/ws-u1/state")["pid"]
        self.stack.lxd.kill()
        os.kill(pid, signal.SIGKILL)
        self.stack.lxd.up()
        wait_until("its end is seen", self.stack.leads_to_itself)
        wait_until("a visit works", lambda: self.stack.visit().body == b"ws-u1\n")
        self.assertEqual(self.stack.echo(port), b"hello")

    def test_a_start_without_lxd_waits_for_it(self) -> None:
        self.stack.create()
        self.stack.stop()
        self.stack.lxd.kill()
        self.stack.start(wait=False)
        wait_until("webspaced says what it waits for", lambda: "LXD cannot be reached" in self.stack.log())
        self.stack.lxd.up()
        wait_until("webspaced is ready", self._ready)
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")

    def _ready(self) -> bool:
        with suppress(OSError):
            return self.stack.ask("GET", "/ready").status == 204
        return False


class DaemonTests(StackCase):
    def test_killed_and_started_again(self) -> None:
        self.stack.create("alice")
        self.stack.create("bob")
        port = self.stack.forward(7)
        self.assertEqual(self.stack.echo(port), b"hello")
        wait_until("the route is direct", self.stack.is_direct)
        before = self.stack.routes()
        self.stack.kill()
        with self.assertRaises(OSError):
            self.stack.visit()
        self.assertEqual(self.stack.status(), "Running")
        self.stack.start()
        self.assertEqual(self.stack.routes(), before)
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")
        self.assertEqual(self.stack.echo(port), b"hello")
        self.assertEqual(self.stack.visit("bob").body, b"ws-u2\n")

    def test_killed_within_a_boot(self) -> None:
        self.stack.create()
        port = self.stack.forward(7)
        with socket.create_connection(("127.0.0.1", port), PATIENCE):
            wait_until("LXD starts it", lambda: self.stack.rest.get("/1.0/operations"))
            self.stack.kill()
        self.stack.start()
        self.assertEqual(self.stack.echo(port), b"hello")
        wait_until("the route is direct", self.stack.is_direct)

    def test_an_orderly_stop_leaves_routes_and_containers(self) -> None:
        self.stack.create()
        self.assertEqual(self.stack.ask("POST", "/v1/webspace/self/state").status, 204)
        wait_until("the route is direct", self.stack.is_direct)
        before = self.stack.routes()
        # Twisted ends itself by the signal again, once it has stopped in order.
        self.assertEqual(self.stack.stop(), -signal.SIGTERM)
        self.assertEqual(self.stack.routes(), before)
        self.assertEqual(self.stack.status(), "Running")

    def test_what_it_cannot_bind_ends_it(self) -> None:
        self.stack.stop()
        with socket.create_server(("127.0.0.1", self.stack.api_port)):
            self.assertEqual(self._run_to_its_end(), 1)
        self.assertIn(f"cannot listen on 127.0.0.1:{self.stack.api_port}", self.stack.log())

    def test_a_wrong_configuration_ends_it_with_a_line_for_each_mistake(self) -> None:
        self.stack.stop()
        path = self.stack.directory / "webspaced.yaml"
        path.write_text(path.read_text() + "nonsense: 1\nlog_level: loud\n")
        self.assertEqual(self._run_to_its_end(), 1)
        self.assertIn("nonsense", self.stack.log())
        self.assertIn("log_level", self.stack.log())
        self.assertNotIn("Traceback", self.stack.log())

    def _run_to_its_end(self) -> int:
        command = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "webspaced"]
        options = ["--config", str(self.stack.directory / "webspaced.yaml")]
        ended = subprocess.run(
            [*command, *options], cwd=self.stack.directory, capture_output=True, timeout=PATIENCE, check=False
        )
        with (self.stack.directory / "log").open("ab") as log:
            log.write(ended.stdout + ended.stderr)
        return ended.returncode


class TraefikTests(StackCase):
    def _traefik(self) -> int | None:
        children = Path(f"/proc/{self.stack.pid}/task/{self.stack.pid}/children").read_text().split()
        return next((int(pid) for pid in children if "traefik" in Path(f"/proc/{pid}/comm").read_text()), None)

    def test_a_killed_traefik_is_started_again(self) -> None:
        self.stack.create()
        wait_until("Traefik has the route", lambda: self.stack.visit(method="HEAD").status == 200)
        first = self._traefik()
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until("another Traefik serves", self._served)
        self.assertNotEqual(self._traefik(), first)

    def _served(self) -> bool:
        with suppress(OSError):
            return self.stack.visit().status == 200
        return False

    def test_traefik_ends_with_a_killed_daemon(self) -> None:
        pid = self._traefik()
        self.stack.kill()
        wait_until("Traefik is gone", lambda: not Path(f"/proc/{pid}").exists())


class PortTests(StackCase):
    def test_a_forward_that_cannot_be_bound_is_tried_again(self) -> None:
        self.stack.create()
        port = self.stack.forward(7)
        self.stack.stop()
        with socket.create_server(("127.0.0.1", port)):
            self.stack.start()
            wait_until("it is said", lambda: "forward-unbound" in self.stack.log())
            self.assertEqual(self.stack.ask("GET", "/ready").status, 204)
        wait_until("the forward works", lambda: self.stack.echoes(port))

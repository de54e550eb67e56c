"""Whatever happens to a container, whoever does it: the routes are right in the end, and the next visitor is served."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress

from harness.private_lxd import ClientFailed
from tests.stack import StackCase, wait_until
from tests.visitors import PATIENCE


class BehindTheBackTests(StackCase):
    def setUp(self) -> None:
        super().setUp()
        self.stack.create()
        self.port = self.stack.forward(7)
        self.assertEqual(self.stack.echo(self.port), b"hello")
        wait_until("the route is direct", self.stack.is_direct)

    def _asleep_and_woken(self) -> None:
        wait_until("it is stopped", lambda: self.stack.status() == "Stopped")
        wait_until("the route is ours", self.stack.leads_to_itself)
        # A power-off from inside leaves a window until Traefik has taken the change up (design decision 5).
        wait_until("a visit works", lambda: self.stack.visit().body == b"ws-u1\n")
        self.assertEqual(self.stack.echo(self.port), b"hello")
        wait_until("the route is direct", self.stack.is_direct)

    def test_graceful_stop(self) -> None:
        self.stack.put_state("stop")
        self._asleep_and_woken()

    def test_forced_stop(self) -> None:
        self.stack.put_state("stop", force=True)
        self._asleep_and_woken()

    def test_stop_by_api(self) -> None:
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self/state").status, 204)
        self._asleep_and_woken()

    def _kill_init(self, number: str) -> None:
        # The command itself may end with its container.
        with suppress(ClientFailed):
            self.stack.run_inside("kill", number, "1")

    def test_power_off_from_inside(self) -> None:
        self._kill_init("-PWR")
        self._asleep_and_woken()

    def test_crash(self) -> None:
        pid = self.stack.rest.get("/1.0/instances/ws-u1/state")["pid"]
        os.kill(pid, signal.SIGKILL)
        self._asleep_and_woken()

    def test_reboot_from_inside(self) -> None:
        before = self.stack.rest.get("/1.0/instances/ws-u1")["last_used_at"]
        self._kill_init("-TERM")
        wait_until("it has restarted", lambda: self.stack.rest.get("/1.0/instances/ws-u1")["last_used_at"] != before)
        wait_until("the echo answers", lambda: self.stack.echoes(self.port))
        wait_until("the route is direct", self.stack.is_direct)
        self.assertEqual(self.stack.visit().status, 200)

    def test_reboot_by_api(self) -> None:
        self.assertEqual(self.stack.ask("PUT", "/v1/webspace/self/state").status, 204)
        self.assertEqual(self.stack.echo(self.port), b"hello")
        wait_until("the route is direct", self.stack.is_direct)

    def test_restart_by_lxd(self) -> None:
        self.stack.put_state("restart", force=True)
        wait_until("the echo answers", lambda: self.stack.echoes(self.port))
        wait_until("the route is direct", self.stack.is_direct)
        self.assertEqual(self.stack.visit().status, 200)

    def test_freeze(self) -> None:
        self.stack.put_state("freeze")
        wait_until("the route is ours", self.stack.leads_to_itself)
        wait_until("visitors are told", self._tells_of_the_pause)
        self.assertFalse(self.stack.echoes(self.port))
        for method in ("DELETE", "PUT"):
            self.assertEqual(self.stack.ask(method, "/v1/webspace/self/state").status, 409)
        # Whoever froze it thaws it.
        self.assertEqual(self.stack.status(), "Frozen")
        self.stack.put_state("unfreeze")
        wait_until("the echo answers", lambda: self.stack.echoes(self.port))
        wait_until("the route is direct", self.stack.is_direct)

    def _tells_of_the_pause(self) -> bool:
        # One that Traefik still sends to the frozen container itself gets no answer: the next one is tried instead.
        with suppress(OSError):
            return b"it is paused" in self.stack.visit(patience=1).body
        return False

    def test_deletion(self) -> None:
        self.stack.put_state("stop", force=True)
        self.stack.remove_instance("/1.0/instances/ws-u1")
        wait_until("the route is gone", lambda: "ws-u1" not in self.stack.routes())
        wait_until("the forward is closed", self._closed)
        self.assertEqual(self.stack.ask("GET", "/v1/webspace/self").status, 404)
        wait_until("Traefik knows", lambda: self.stack.visit().status == 404)

    def _closed(self) -> bool:
        try:
            self.stack.echo(self.port)
        except OSError:
            return True
        return False

    def test_an_open_connection_ends_with_the_container(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            connection.sendall(b"x")
            self.assertEqual(connection.recv(1), b"x")
            self.stack.put_state("stop", force=True)
            # An end or a reset, but no hanging.
            with suppress(ConnectionResetError):
                self.assertEqual(connection.recv(1), b"")

"""LXD is killed in the middle of every kind of operation, and started again.

Who asked is told that it worked, or in a problem document why not and when to try again; and then everything is as if LXD
had never been away: what exists is served, what does not is gone, and asking again works.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from harness.ports import listening
from tests.dns_server import DnsServer
from tests.stack import Answer, StackCase, wait_until
from tests.visitors import PATIENCE

PATH = "/v1/webspace/self"
BODY = b"ws-u1\n"
FAILURES = {409, 502, 503, 504}
Point = Callable[[Future[Any]], None]


class MidwayCase(StackCase):
    def setUp(self) -> None:
        super().setUp()
        # Whatever a test does to LXD, the next one needs it.
        self.addCleanup(self.stack.lxd.up)
        self.pids = self.stack.lxd._daemons()

    # --- when it is killed

    def at_once(self, _asked: Future[Any]) -> None:
        """While the request is on its way."""

    def within(self, asked: Future[Any]) -> None:
        """While LXD carries it out."""
        wait_until("LXD is at it", lambda: asked.done() or self.stack.rest.get("/1.0/operations").get("running"))

    def afterwards(self, asked: Future[Any]) -> None:
        """As soon as it is done."""
        asked.result()

    def struck(self, point: Point, act: Callable[[], Any]) -> Any:
        """Act, have LXD killed and started again at a point of that, and give what came of it."""
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(act)
            point(asked)
            for pid in self.pids:
                os.kill(pid, signal.SIGKILL)
            self.stack.lxd.kill()
            self.stack.lxd.up()
            self.pids = self.stack.lxd._daemons()
            result = asked.result()
        wait_until("webspaced is well again", lambda: self.stack.ask("GET", "/health").status == 204)
        return result

    def asked(self, point: Point, success: int, method: str, path: str = "", body: Any = None) -> bool:
        """Whether a request that LXD was killed under was said to have worked; how else it is answered is checked."""
        answer: Answer = self.struck(point, lambda: self.stack.ask(method, PATH + path, body))
        with self.subTest(method=method, path=path, point=point.__name__):
            if answer.status != success:
                self.check_problem(answer)
        return answer.status == success

    def check_problem(self, answer: Answer) -> None:
        self.assertIn(answer.status, FAILURES, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertTrue(answer.json["message"], answer)
        if answer.status == 503:
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)

    def again(self, allowed: set[int], method: str, path: str = "", body: Any = None) -> None:
        """Ask again, now that LXD is there."""
        answer = self.stack.ask(method, PATH + path, body)
        self.assertIn(answer.status, allowed, (method, path, answer))

    # --- what must hold in the end

    def exists(self) -> bool:
        status = self.stack.ask("GET", PATH).status
        self.assertIn(status, (200, 404))
        return status == 200

    def bound(self) -> set[int]:
        start, end = self.stack.boot_ports
        return listening() & set(range(start, end + 1))

    def check_there(self) -> None:
        """It exists, its boot port is bound, and it alone; and whoever comes is served."""
        self.assertTrue(self.exists())
        self.assertEqual(self.bound(), {int(self.stack.key("user._webspaced_boot_port") or 0)})
        wait_until("a visit reaches it", lambda: self.stack.visit().body == BODY)

    def check_gone(self) -> None:
        """Nothing of it is left."""
        wait_until("LXD has nothing of it", lambda: self.stack.rest.get("/1.0/instances") == [])
        wait_until("its boot port is free", lambda: not self.bound())
        self.assertFalse(self.exists())
        wait_until("its route is gone", lambda: "ws-u1" not in self.stack.routes())


class ExistenceTests(MidwayCase):
    def shown(self, asked: Future[Any]) -> None:
        """As soon as LXD shows the instance."""
        wait_until("it is shown", lambda: asked.done() or self.stack.rest.exists("/1.0/instances/ws-u1"))

    def test_creation(self) -> None:
        for point in (self.at_once, self.within, self.shown, self.afterwards):
            if not self.asked(point, 201, "POST", body={"image": "fast"}):
                self.check_gone()
                self.again({201}, "POST", body={"image": "fast"})
            self.check_there()
            self.again({204}, "DELETE")
            self.check_gone()

    def test_creation_with_a_password(self) -> None:
        body = {"image": "fast", "password": "geheim"}
        for step in ("boot", "password", "stop", "finish"):
            if not self.asked(self.at(step), 201, "POST", body=body):
                self.check_gone()
                self.again({201}, "POST", body=body)
            self.check_there()
            self.assertIsNone(self.stack.key("user._webspaced_creating"))
            self.again({204}, "DELETE")
            self.check_gone()

    def at(self, step: str) -> Point:
        """As soon as a creation is at a step, or past it."""
        steps = ("unpack", "boot", "password", "stop", "finish")

        def reached() -> bool:
            answer = self.stack.ask("GET", f"{PATH}/creation")
            # The outcome of the one before can still be asked for.
            under_way = answer.status == 200 and answer.json["state"] == "creating"
            return under_way and steps.index(answer.json["step"]) >= steps.index(step)

        return lambda asked: wait_until(f"it is at {step}", lambda: asked.done() or reached())

    def test_deletion(self) -> None:
        for point in (self.at_once, self.within, self.afterwards):
            self.stack.create()
            wait_until("a visit reaches it", lambda: self.stack.visit().body == BODY)
            if not self.asked(point, 204, "DELETE"):
                if self.exists():
                    self.check_there()
                self.again({204, 404}, "DELETE")
            self.check_gone()


class PowerTests(MidwayCase):
    def setUp(self) -> None:
        super().setUp()
        self.stack.create()
        self.port = self.stack.forward(7)

    def running(self) -> None:
        wait_until("a visit reaches it", lambda: self.stack.visit().body == BODY)

    def stopped(self) -> None:
        self.again({204, 404}, "DELETE", "/state")
        self.assertEqual(self.stack.status(), "Stopped")

    def test_reboot(self) -> None:
        for point in (self.at_once, self.within):
            self.running()
            if not self.asked(point, 204, "PUT", "/state"):
                self.again({204, 404}, "PUT", "/state")
            self.check_there()

    def test_shutdown_and_boot(self) -> None:
        for point in (self.at_once, self.within, self.afterwards):
            self.running()
            if not self.asked(point, 204, "DELETE", "/state"):
                self.again({204, 404}, "DELETE", "/state")
            self.assertEqual(self.stack.status(), "Stopped")
            if self.asked(point, 204, "POST", "/state"):
                self.assertEqual(self.stack.status(), "Running")
            else:
                self.again({204, 409}, "POST", "/state")
            self.check_there()

    def echoed(self) -> bool:
        """Whether a visitor got through; otherwise it was cut off, and not left hanging."""
        return bool(self.stack.echoes(self.port))

    def test_a_visit_to_a_frozen_one(self) -> None:
        for point in (self.at_once, self.within):
            self.running()
            # Whoever came before webspaced knew of it would be frozen with it.
            wait_until("the route is direct", self.stack.is_direct)
            self.stack.put_state("freeze")
            wait_until("the route is ours", self.stack.leads_to_itself)
            self.struck(point, self.echoed)
            # Whoever froze it thaws it; until then its visitors are told, and not left hanging.
            self.assertEqual(self.stack.status(), "Frozen")
            self.stack.put_state("unfreeze")
            wait_until("the echo answers", self.echoed)
            self.check_there()

    def test_a_visit_that_wakes_it(self) -> None:
        self.stopped()
        answer = self.struck(self.within, self.stack.visit)
        if answer.body != BODY:
            self.assertEqual(answer.status, 503, answer)
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.check_there()


class DocumentTests(MidwayCase):
    """Changes that LXD makes at once: they are on their way, or done, when it is killed."""

    def prepare(self) -> None:
        self.dns = DnsServer()
        self.addCleanup(self.dns.close)
        self.dns.texts["own.example"] = ["webspace:id:1"]
        self.stack.set_webspaces(domains={"resolvers": [self.dns.address]})

    def setUp(self) -> None:
        super().setUp()
        self.stack.create()

    def changed(self, success: int, again: set[int], method: str, path: str, body: Any = None) -> None:
        """Have LXD killed under a change, and see that it is made in the end."""
        if not self.asked(self.at_once, success, method, path, body):
            self.again({success, *again}, method, path, body)

    def get(self, path: str) -> Any:
        return self.stack.ask("GET", PATH + path).json

    def test_config_and_resync(self) -> None:
        self.changed(204, set(), "PATCH", "/state")
        self.changed(200, set(), "PATCH", "/config", {"startupDelay": 7})
        self.assertEqual(self.get("/config")["startupDelay"], 7)
        self.asked(self.afterwards, 200, "PATCH", "/config", {"startupDelay": 8})
        self.assertEqual(self.get("/config")["startupDelay"], 8)
        self.check_there()

    def test_ports(self) -> None:
        wanted = self.stack.forward_ports[0]
        self.changed(201, {409}, "POST", f"/ports/{wanted}/7")
        self.assertEqual(self.stack.echo(wanted), b"hello")
        self.changed(204, {404}, "DELETE", f"/ports/{wanted}")
        self.assertEqual(self.get("/ports"), {})
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", wanted), PATIENCE)
        answer: Answer = self.struck(self.at_once, lambda: self.stack.ask("POST", f"{PATH}/ports/7"))
        ports = self.get("/ports")
        self.assertLessEqual(len(ports), 1)
        for port in ports:
            self.assertEqual(self.stack.echo(int(port)), b"hello")
        if answer.status == 201:
            self.assertEqual(list(ports), [str(answer.json["ePort"])])
        else:
            self.check_problem(answer)
        self.check_there()

    def test_domains(self) -> None:
        self.changed(201, {409}, "POST", "/domains/own.example")
        wait_until("it is served under its own name", lambda: self.stack.visit_host("own.example").body == BODY)
        self.changed(204, {404}, "DELETE", "/domains/own.example")
        wait_until("it is not any more", lambda: self.stack.visit_host("own.example").status == 404)
        self.check_there()

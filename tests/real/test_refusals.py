"""LXD says no, at once or late: members and visitors are told why, and nothing stays broken."""

from __future__ import annotations

import socket
import time
from typing import Any, ClassVar

from harness import tiny_files
from harness.flavour import INCUS, LXD
from tests.stack import INCUS_VARIABLE, Answer, StackCase, wait_until
from tests.visitors import PATIENCE

STATE = "/v1/webspace/self/state"


class LateTests(StackCase):
    """A start that fails after seconds: the webspace's root has removed its first process."""

    variants = ("fast", "broken")

    def setUp(self) -> None:
        super().setUp()
        self.stack.create(image="broken")
        wait_until("the route exists", self.stack.leads_to_itself)
        wait_until("Traefik has it", lambda: self.stack.visit(method="HEAD").status != 404)

    def failures(self) -> int:
        return self.stack.log().count("webspace 1 did not boot")

    def booted(self) -> Answer | None:
        answer = self.stack.ask("POST", STATE)
        return None if answer.status == 409 else answer

    def repair(self) -> None:
        name = {LXD: "LXD", INCUS: "Incus"}[self.stack.lxd.flavour]
        headers = {f"X-{name}-mode": "0755", f"X-{name}-type": "file"}
        self.stack.rest.ask("POST", "/1.0/instances/ws-u1/files?path=/sbin/init", tiny_files.INIT.encode(), headers)

    def test_everybody_is_told_and_it_works_once_repaired(self) -> None:
        # The visitor of setUp was the first to fail: the next ones are not kept waiting for the same.
        failures = self.failures()
        self.assertGreaterEqual(failures, 1)
        answer = self.stack.visit()
        self.assertEqual(answer.status, 503, answer)
        self.assertIn(b"LXD could not start it", answer.body)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        port = self.stack.forward(7)
        # LXD's own words are for the member. (Incus says for a moment that it runs.)
        booted = wait_until("it can be booted", self.booted)
        self.assertEqual(booted.status, 502, booted)
        self.assertTrue(booted.json["message"].startswith("LXD could not start it: "), booted)
        self.assertGreater(self.failures(), failures)
        failures = self.failures()
        # The reset may come while this side still connects.
        with self.assertRaises(ConnectionResetError), socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.recv(1)
        self.assertEqual(self.failures(), failures)
        self.repair()
        booted = wait_until("it can be booted", self.booted)
        self.assertEqual(booted.status, 204, booted)
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")
        self.assertEqual(self.stack.echo(port), b"hello")

    def test_once_repaired_a_visitor_alone_wakes_it(self) -> None:
        self.repair()
        wait_until("a visit works", lambda: self.stack.visit().body == b"ws-u1\n")


class LateOnIncusTests(LateTests):
    variable = INCUS_VARIABLE


class StubbornTests(StackCase):
    webspaces: ClassVar[dict[str, Any]] = {"stop_timeout": "1s"}

    def test_one_that_does_not_heed_a_graceful_stop_is_stopped_by_force(self) -> None:
        self.stack.create()
        # Graceful stops send a signal that the image's first process does not know.
        config = {"raw.lxc": "lxc.signal.halt = SIGUSR2"}
        self.stack.rest.ask("PATCH", "/1.0/instances/ws-u1", {"config": config})
        self.assertEqual(self.stack.ask("POST", STATE).status, 204)
        began = time.monotonic()
        self.assertEqual(self.stack.ask("DELETE", STATE).status, 204)
        # It was given its time.
        self.assertGreaterEqual(time.monotonic() - began, 1)
        self.assertEqual(self.stack.status(), "Stopped")
        self.assertIn("did not stop by itself", self.stack.log())
        self.assertEqual(self.stack.ask("POST", STATE).status, 204)
        self.assertEqual(self.stack.ask("PUT", STATE).status, 204)
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")


class StubbornOnIncusTests(StubbornTests):
    variable = INCUS_VARIABLE


class MissingTests(StackCase):
    """What a creation needs is not there."""

    def prepare(self) -> None:
        self.profile = f"profile-{self.stack.project}"
        definition = {key: self.stack.rest.get("/1.0/profiles/webspace")[key] for key in ("config", "devices")}
        self.stack.rest.ask("POST", "/1.0/profiles", {"name": self.profile, **definition})
        self.addCleanup(self.remove_profile)
        self.stack.set_webspaces(lxd_profile=self.profile)

    def remove_profile(self) -> None:
        if self.stack.rest.exists(f"/1.0/profiles/{self.profile}"):
            self.stack.rest.ask("DELETE", f"/1.0/profiles/{self.profile}")

    def check_nothing_is_left(self) -> None:
        self.assertEqual(self.stack.rest.get("/1.0/instances"), [])
        self.assertEqual(self.stack.ask("GET", "/v1/webspace/self").status, 404)

    def test_an_image(self) -> None:
        for image in ("nothing", "0" * 64):
            answer = self.stack.ask("POST", "/v1/webspace/self", {"image": image})
            self.assertEqual(answer.status, 404, answer)
            self.assertIn(image, answer.json["message"])
            self.check_nothing_is_left()

    def test_the_profile(self) -> None:
        self.remove_profile()
        answer = self.stack.ask("POST", "/v1/webspace/self", {"image": "fast"})
        self.assertEqual(answer.status, 502, answer)
        self.assertIn("rofile", answer.json["message"])
        self.check_nothing_is_left()

    def test_the_profile_at_the_start(self) -> None:
        self.stack.stop()
        self.remove_profile()
        self.stack.start(wait=False)
        self.assertEqual(self.stack.wait_for_end(), 1)
        self.assertIn(f"LXD has no profile {self.profile} (webspaces.lxd_profile)", self.stack.log())

    def _no_mishap(self) -> None:
        self.assertEqual([line for line in self.stack.mishaps() if "cannot start" not in line], [])


class MissingOnIncusTests(MissingTests):
    variable = INCUS_VARIABLE

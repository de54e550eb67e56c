"""One daemon serves a project's webspaces: the mark in the real servers, and a second daemon beside the first."""

from __future__ import annotations

import signal
from typing import Any

from twisted.internet.threads import deferToThread

from tests.contracts.lease import LeaseContract
from tests.real.servers import INCUS_VARIABLE, ServerCase
from tests.stack import Stack, StackCase, wait_until
from webspaced.lxd.owner import OwnerLease


class OwnerTests(ServerCase, LeaseContract):
    def setUp(self) -> None:
        super().setUp()
        self.first, self.second = (OwnerLease(self.client, self.project, "ws-") for _ in range(2))

    async def cleared(self) -> None:
        profile = f"/1.0/profiles/webspaced-owner-{self.project}-ws"
        if await deferToThread(self.rest.exists, profile):
            await deferToThread(self.rest.ask, "DELETE", profile)


class IncusOwnerTests(OwnerTests):
    variable = INCUS_VARIABLE


class SecondDaemonTests(StackCase):
    def second(self) -> Stack:
        """Give another installation for the same webspaces; its ports are its own."""
        second = Stack(self.stack.lxd)
        second.project = self.stack.project
        self.addCleanup(second.give_back)
        self.addCleanup(second.stop)
        second.write_configuration()
        return second

    def test_is_refused_while_the_first_lives(self) -> None:
        second = self.second()
        second.start(wait=False)
        self.assertEqual(second.wait_for_end(), 1)
        self.assertIn("serves these webspaces already", second.log())
        self.assertNotIn("Traceback", second.log())
        self.assertEqual(self.stack.ask("GET", "/ready").status, 204)

    def test_takes_over_at_once_what_was_given_up(self) -> None:
        self.stack.create()
        second = self.second()
        self.assertEqual(self.stack.stop(), -signal.SIGTERM)
        second.start()
        # Its boot ports are others, so the webspace gets one of these first.
        wait_until("it is served", lambda: second.visit().body == b"ws-u1\n")

    def test_one_that_was_stalled_ends_when_it_finds_another_in_its_place(self) -> None:
        self.stack.create()
        second = self.second()
        self.stack._daemon.send_signal(signal.SIGSTOP)
        second.start()
        self.stack._daemon.send_signal(signal.SIGCONT)
        self.assertEqual(self.stack.wait_for_end(), 1)
        self.expected = "another webspaced serves these webspaces now"
        # Its boot ports are others, so the webspace gets one of these first.
        wait_until("it is served", lambda: second.visit().body == b"ws-u1\n")

    def test_a_restart_after_a_crash_need_not_wait(self) -> None:
        self.stack.kill()
        self.stack.start()
        wait_until("it changes things", lambda: self.stack.ask("POST", "/v1/webspace/self", {"image": "fast"}).status == 201)

    def _no_mishap(self) -> None:
        expected = ("serves these webspaces already", "another webspaced serves these webspaces now")
        mishaps: list[Any] = [each for each in self.stack.mishaps() if not any(words in each for words in expected)]
        self.assertEqual(mishaps, [])

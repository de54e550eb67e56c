"""The way to LXD fails without a word: webspaced finds out, says so, serves on, and is right again afterwards."""

from __future__ import annotations

from tests.link import Link
from tests.stack import StackCase, wait_until


class LinkTests(StackCase):
    def prepare(self) -> None:
        path = self.stack.directory / "link.socket"
        self.link = Link(path, self.stack.lxd.socket)
        self.addCleanup(self.link.close)
        self.stack.link = {"url": f"unix://{path}"}

    def setUp(self) -> None:
        super().setUp()
        self.stack.create("alice")
        self.assertEqual(self.stack.visit().status, 200)
        self.stack.create("bob")
        wait_until("the route is direct", self.stack.is_direct)

    def unwell(self) -> bool:
        return self.stack.ask("GET", "/health").status == 500

    def well(self) -> bool:
        return self.stack.ask("GET", "/health").status == 204

    def check_right_again(self) -> None:
        """What happened behind the failed link is seen, and everything works."""
        wait_until("it is well again", self.well)
        wait_until("the stop is seen", self.stack.leads_to_itself)
        wait_until("Alice is woken", lambda: self.stack.visit().status == 200)
        self.assertEqual(self.stack.visit("bob").status, 200)
        self.assertEqual(self.stack.ask("GET", "/v1/webspace/self/state").json["running"], True)

    def test_a_stalled_link(self) -> None:
        self.link.stall()
        wait_until("it is unwell", self.unwell)
        wait_until("the silence is noticed", lambda: "no sign of life" in self.stack.log())
        # What runs is served, and whoever needs LXD is told that this is temporary.
        self.assertEqual(self.stack.visit().status, 200)
        answer = self.stack.ask("GET", "/v1/webspace/self")
        self.assertEqual((answer.status, "Retry-After" in answer.headers), (503, True), answer)
        self.assertEqual(self.stack.visit("bob").status, 503)
        self.assertEqual(self.stack.ask("GET", "/ready").status, 204)
        accepted = self.link.accepted
        self.stack.put_state("stop", force=True)
        self.link.heal()
        self.check_right_again()
        # Neither the silence nor the return made it ask in a loop.
        self.assertLess(accepted, 100)
        self.assertLess(self.link.accepted - accepted, 100)

    def test_a_half_open_link(self) -> None:
        self.link.half_open()
        self.stack.put_state("stop", force=True)
        # Not told by anybody: the silence of the event stream is noticed, and a new one works at once.
        wait_until("the silence is noticed", lambda: "no sign of life" in self.stack.log())
        self.check_right_again()

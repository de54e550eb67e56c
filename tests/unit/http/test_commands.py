"""Plain commands: how many there may be, and that none outlives its client."""

from __future__ import annotations

import json

from tests.unit.http.served import MOST_COMMANDS, Answer, Line, ServedCase, request

SELF = "/v1/webspace/self"


class CommandTests(ServedCase):
    def setUp(self) -> None:
        super().setUp()
        for name in ("alice", "bob"):
            self.ask("POST", SELF, {"image": "fast"}, token=name)
            self.assertEqual(self.run_it("true", name).status, 200)

    def begin(self, command: str, name: str = "alice") -> Line:
        line = self.line()
        line.say(request("POST", f"{SELF}/exec", {"command": command}, token=name, headers={"Connection": "close"}))
        self.w.clock.run_for(1)
        return line

    def run_it(self, command: str, name: str = "alice") -> Answer:
        return self.ask("POST", f"{SELF}/exec", {"command": command}, token=name)

    def refused(self, answer: Answer) -> None:
        self.assertEqual((answer.status, answer.headers["retry-after"]), (429, "5"))
        self.assertIn("commands", answer.json["message"])

    def test_so_many_of_one_webspace(self) -> None:
        lines = [self.begin("sleep 30") for _ in range(MOST_COMMANDS)]
        self.assertEqual(len(self.w.insides.running), MOST_COMMANDS)
        self.refused(self.run_it("true"))
        self.assertEqual(self.run_it("true", "bob").status, 200)
        for line in lines:
            self.wait(line)
            self.assertEqual(json.loads(Answer(line.value(), "POST").body)["exitCode"], 0)
        self.assertEqual(self.run_it("true").status, 200)

    def test_so_many_in_all(self) -> None:
        self.configure(commands=2)
        lines = [self.begin("sleep 30", name) for name in ("alice", "bob")]
        self.refused(self.run_it("true", "bob"))
        for line in lines:
            line.hang_up()
        self.assertEqual(self.run_it("true", "bob").status, 200)

    def test_a_client_that_goes_away_ends_its_command(self) -> None:
        for _ in range(2 * MOST_COMMANDS):
            line = self.begin("sleep 30")
            self.assertEqual(len(self.w.insides.running), 1)
            line.hang_up()
            self.w.clock.run_for(1)
            self.assertEqual(len(self.w.insides.running), 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_one_that_waits_for_a_boot(self) -> None:
        self.ask("DELETE", f"{SELF}/state", token="alice")
        known = len(self.w.insides.commands)
        line = self.line()
        line.say(request("POST", f"{SELF}/exec", {"command": "true"}, token="alice"))
        line.hang_up()
        self.w.clock.run_for(60)
        self.assertEqual(len(self.w.insides.commands), known)
        self.assertEqual(self.run_it("true").status, 200)

"""Terminals and consoles in the audit log: that they were opened and ended, never what was typed or shown."""

from __future__ import annotations

import json
from typing import Any

from tests.simulation.deployment import Deployment
from tests.unit.audit.kept import Kept
from tests.unit.http import test_terminals
from webspaced.audit import trail


class SessionTests(test_terminals.TerminalCase):
    def setUp(self) -> None:
        self.kept = Kept()
        self.patch(trail, "writer_for", lambda _where: self.kept)
        self.d = Deployment(more={"audit_log": "/kept"})
        self.addCleanup(self.d.close)
        self.d.start()
        self.d.pass_time(3)
        self.create()

    def lines(self, action: str) -> list[dict[str, Any]]:
        return [each for each in map(json.loads, self.kept.lines) if each["action"].startswith(action)]

    def test_opened_and_ended(self) -> None:
        client = self.shell("sh", "-c", "echo shown-words; exit 3")
        client.socket.write(b"typed-words\n")
        self.ended(client)
        self.until(lambda: len(self.lines("terminal.")) == 2)
        opened, ended = self.lines("terminal.")
        self.assertEqual([opened["action"], ended["action"]], ["terminal.open", "terminal.end"])
        for each in (opened, ended):
            self.assertEqual(each["who"], {"kind": "member", "id": 1, "user": "alice"})
            self.assertEqual((each["webspace"], each["owner"], each["target"]), (1, "alice", {"what": "exec"}))
            self.assertTrue(each["from"]["address"])
            self.assertTrue(each["request_id"])
        self.assertEqual(ended["reason"], "1000 3")
        (start,) = self.lines("instance.start")
        self.assertEqual((start["cause"], start["request_id"]), ("call", opened["request_id"]))
        everything = "".join(self.kept.lines)
        self.assertNotIn("-words", everything)
        self.assertEqual([each for each in map(json.loads, self.kept.lines) if each["action"].endswith(".refuse")], [])

    def test_the_console(self) -> None:
        client = self.open("console")
        client.say(width=80, height=24)
        self.d.pass_time(1)
        client.socket.close(1000, "")
        self.until(lambda: len(self.lines("terminal.")) == 2)
        self.assertEqual({each["target"]["what"] for each in self.lines("terminal.")}, {"console"})

    def test_who_may_not(self) -> None:
        self.begin(who="alice", token="bob")
        (line,) = self.lines("terminal.")
        self.assertEqual((line["action"], line["who"]["user"], line["status"]), ("terminal.refuse", "bob", 403))

"""A whole deployment in memory whose audit log is kept in a list."""

from __future__ import annotations

import itertools
import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.client import Exchange
from tests.simulation.deployment import API, default_host
from tests.unit.metrics.lived import Lived
from webspaced.audit import trail
from webspaced.vocabulary.actions import ACTIONS, CALLS, CAUSES, EFFECTS, MEMBERS

CALL_NAMES = {action.name for action in CALLS}
EFFECT_NAMES = {action.name for action in EFFECTS}


class Kept:
    """Stands in for the writer."""

    written, lost, trouble = 0, 0, ""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def put(self, line: str) -> None:
        self.lines.append(line)

    def close(self) -> bool:
        return True


class AuditCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.kept = Kept()
        self.patch(trail, "writer_for", lambda _where: self.kept)
        self.ids = itertools.count()

    def begin(self, **webspaces: Any) -> None:
        """Start a daemon that keeps an audit log, with a webspace that sleeps."""
        self.lived = Lived(more={"audit_log": "/kept"}, webspaces=webspaces)
        self.addCleanup(self.lived.close)
        self.assertEqual(self.lived.ask("POST", "", {"image": "fast"}), 201)
        self.lived.d.pass_time(2)
        self.kept.lines.clear()

    def call(
        self, method: str, path: str, body: Any = None, token: str | None = "alice", **headers: str
    ) -> tuple[Exchange, str]:
        """Call the API; gives the answer, and the request's id."""
        ours = f"call-{next(self.ids)}"
        fields = {"Host": "api", "X-Request-ID": ours, **headers}
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        return self.lived.finish(Exchange(self.lived.d.reactor, API, method, path, fields, body), 120), ours

    def visit(self) -> int:
        exchange = self.lived.d.visit(default_host(1), self.lived.d.views()[0])
        return self.lived.finish(exchange).status

    def lines(self, **members: Any) -> list[dict[str, Any]]:
        """Give the lines with these members, each of which must be as the reference has it."""
        told = [json.loads(line) for line in self.kept.lines]
        for each in told:
            self.assertEqual(set(each) - set(MEMBERS) - {"visit_id", "boot_id"}, set(), each)
            self.assertIn(each["action"], ACTIONS)
            self.assertIn(each["cause"], CAUSES)
            self.assertIn(each["outcome"], ("ok", "refused", "failed", "cancelled"))
        return [each for each in told if members.items() <= each.items()]

    def effects(self, **members: Any) -> list[tuple[str, str, str]]:
        """Give what LXD was asked for but documents: action, cause and kind of who."""
        found = [each for each in self.lines(**members) if each["action"] in EFFECT_NAMES - {"instance.configure"}]
        return [(each["action"], each["cause"], each["who"]["kind"]) for each in found]

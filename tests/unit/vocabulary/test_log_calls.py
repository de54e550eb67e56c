"""Every log call of webspaced is in the catalogue as it is, and the catalogue has nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.logs import IDS
from webspaced.vocabulary.actions import ACTIONS, CAUSES, EFFECTS, SESSIONS
from webspaced.vocabulary.actions import GROUPS as ACTIONS_BY_CAUSE
from webspaced.vocabulary.events import EVENTS, GROUPS
from webspaced.vocabulary.members import FIELDS, OF_EACH_LINE
from webspaced.vocabulary.reference import markdown

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "src" / "webspaced"
METHODS = {"debug", "info", "warn", "error", "critical", "failure", "emit"}
FORMERLY = re.compile(r"twisted\.python(\.| import )log\b|import logging\b|from logging\b")
"""Other ways to log something; what OpenTelemetry logs by one of them is brought into our log."""


@frozen
class Call:
    where: str
    event: object
    levels: frozenset[str]
    fields: frozenset[str]


def _calls() -> Iterator[Call]:
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                owner = ast.unparse(node.func.value)
                if owner.rpartition(".")[2].strip("_") == "log":
                    yield _call(f"{path.relative_to(SOURCES)}:{node.lineno}", node, node.func.attr)


def _call(where: str, node: ast.Call, method: str) -> Call:
    given = {each.arg: each.value for each in node.keywords if each.arg is not None}
    name = given.pop("event", None)
    for beside in ("failure", *(each.name for each in IDS)):
        given.pop(beside, None)
    levels = {"critical" if method == "failure" else method}
    if method == "emit":
        levels = set(re.findall(r"LogLevel\.(\w+)", ast.unparse(node)))
    return Call(where, name.value if isinstance(name, ast.Constant) else None, frozenset(levels), frozenset(given))


class CallTests(SynchronousTestCase):
    def test_each_call_is_in_the_catalogue(self) -> None:
        for call in _calls():
            self.assertIn(call.event, EVENTS, f"{call.where} names no event of webspaced.vocabulary.events")
            event = EVENTS[str(call.event)]
            self.assertEqual(set(event.fields), call.fields, f"{call.where}: {event.name}'s fields")
            if call.levels:
                self.assertEqual(set(event.levels), call.levels, f"{call.where}: {event.name}'s level")

    def test_each_event_of_the_catalogue_is_told(self) -> None:
        told = [str(call.event) for call in _calls()]
        self.assertEqual(set(EVENTS), set(told))
        self.assertEqual(sorted(set(told)), sorted(told), "a name is at one place: two that are alike are two events")

    def test_there_is_no_other_log(self) -> None:
        for path in SOURCES.rglob("*.py"):
            if path != SOURCES / "tracing" / "otel.py":
                self.assertIsNone(FORMERLY.search(path.read_text(encoding="utf-8")), path)


class CatalogueTests(SynchronousTestCase):
    def test_names(self) -> None:
        self.assertEqual(len(EVENTS), sum(map(len, GROUPS.values())), "a name is there twice")
        for event in EVENTS.values():
            self.assertRegex(event.name, r"^[a-z]+\.[a-z]+(-[a-z]+)*$")
            self.assertRegex(event.meaning, r"^[A-Z`].*\.$")

    def test_fields_have_one_meaning_and_none_is_a_member_of_each_line(self) -> None:
        self.assertEqual({field for event in EVENTS.values() for field in event.fields}, set(FIELDS))
        self.assertEqual(set(FIELDS) & set(OF_EACH_LINE), set())
        self.assertEqual({each.name for each in IDS} - set(OF_EACH_LINE), set())

    def test_the_page_is_committed(self) -> None:
        committed = (ROOT / "docs" / "reference" / "log-events.md").read_text(encoding="utf-8")
        again = "python -m webspaced.vocabulary.reference > docs/reference/log-events.md"
        self.assertEqual(committed, markdown(), f"print it again: {again}")


class ActionTests(SynchronousTestCase):
    def test_each_effect_and_session_is_told_of_somewhere(self) -> None:
        sources = "".join(path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py") if path.name != "actions.py")
        for action in (*EFFECTS, *SESSIONS):
            self.assertIn(f'"{action.name}"', sources)

    def test_names(self) -> None:
        self.assertEqual(len(ACTIONS), sum(map(len, ACTIONS_BY_CAUSE.values())), "a name is there twice")
        for action in ACTIONS.values():
            self.assertRegex(action.name, r"^[a-z]+\.[a-z]+(-[a-z]+)*$")
            self.assertTrue(action.meaning.endswith("."), action.name)
        sources = "".join(path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py") if path.name != "actions.py")
        for cause in CAUSES:
            self.assertIn(f'"{cause}"', sources)

"""The pages of calls and errors are those of the document and of the code."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.openapi import operations
from tests.unit.http.test_openapi import of_route
from tests.unit.http.test_paths import ADMINS_ONLY, MEMBERS_ONLY, TABLE
from webspaced.http.problems import STATUSES
from webspaced.http.reference import CONDITION_REMEDIES, REMEDIES, api, problems, rights
from webspaced.webspaces.conditions import Kind

PAGES = Path(__file__).parents[3] / "docs" / "reference"
AGAIN = "print it again: python -m webspaced.http.reference {0} > docs/reference/{0}.md"


class PageTests(SynchronousTestCase):
    def test_the_page_of_calls_is_as_the_document_is(self) -> None:
        self.assertEqual((PAGES / "api.md").read_text(encoding="utf-8"), api(), AGAIN.format("api"))

    def test_the_page_of_errors_is_as_the_code_is(self) -> None:
        self.assertEqual((PAGES / "errors.md").read_text(encoding="utf-8"), problems(), AGAIN.format("errors"))


class CallTests(SynchronousTestCase):
    def test_every_call_is_on_it_once(self) -> None:
        for method, path, call in operations():
            self.assertEqual(api().count(f"| `{method} {path}` | {call['summary']} |"), 1, f"{method} {path}")

    def test_rights_are_those_that_the_server_asks_for(self) -> None:
        for (method, path), row in TABLE.items():
            said = rights(path, of_route(method, path))
            asked = {str(MEMBERS_ONLY): "member", str(ADMINS_ONLY): "admin"}.get(str(row.refused), "no token")
            self.assertEqual(said, asked, f"{method} {path}")


class ErrorTests(SynchronousTestCase):
    def test_every_error_has_a_remedy(self) -> None:
        self.assertEqual(set(REMEDIES), {kind for kind, _ in STATUSES})

    def test_every_condition_has_a_remedy_and_a_meaning(self) -> None:
        self.assertEqual(set(CONDITION_REMEDIES), set(Kind))
        for kind in Kind:
            self.assertRegex(problems(), rf"\| `{kind.value}` \| [A-Z].*\. \| .+\. \|\n")

"""Operators' calls at the API: for admins only, told of in the audit log as theirs."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.assembled import AssembledCase
from tests.unit.audit.kept import Kept
from webspaced.audit import trail


class RemoteTests(AssembledCase):
    def begin(self) -> None:
        self.told = Kept()
        self.patch(trail, "writer_for", lambda _where: self.told)
        self.start(audit_log="stdout")
        self.create()
        self.told.lines.clear()

    def asked(self, method: str, path: str, body: Any = None, name: str = "root") -> tuple[int, Any]:
        status, document = self.call(method, f"/operator{path}", body, name=name)
        return status, document

    def test_what_an_admin_sees(self) -> None:
        self.begin()
        status, told = self.asked("GET", "/status")
        self.assertEqual((status, told["leads"], told["boots_under_way"]), (200, True, 0))
        self.assertTrue(told["leader"])
        status, told = self.asked("GET", "/webspaces")
        self.assertEqual((status, [each["user"] for each in told["webspaces"]]), (200, ["alice"]))

    def test_nobody_else_sees_anything(self) -> None:
        self.begin()
        changes = (("POST", "/sync"), ("POST", "/reload"), ("PUT", "/documents"))
        for method, path in (*changes, ("GET", "/status"), ("GET", "/documents"), ("GET", "/x")):
            self.assertEqual(self.asked(method, path, name="alice")[0], 401, path)
            self.assertEqual(self.asked(method, path, name="nobody")[0], 403, path)

    def test_what_an_admin_changes_is_told_of_as_theirs(self) -> None:
        self.begin()
        status, told = self.asked("PUT", "/webspaces/alice/desired", {"desired": "suspended", "reason": "spam"})
        self.assertEqual(status, 200, told)
        (line,) = [each for each in map(json.loads, self.told.lines) if each["action"] == "order.want"]
        self.assertEqual((line["who"], line["outcome"]), ({"kind": "admin", "id": 99, "user": "root"}, "ok"))
        self.assertEqual(self.ask("GET", "self")[1]["desired"], "suspended")

    def test_settings_are_read_again_at_the_daemon_itself(self) -> None:
        self.begin()
        status, told = self.asked("POST", "/reload")
        self.assertEqual(status, 403)
        self.assertIn("webspaced reload", told["message"])

    def test_documents_are_kept_and_put_back(self) -> None:
        self.begin()
        _, kept = self.asked("GET", "/documents")
        self.assertEqual(self.asked("PUT", "/documents", kept), (200, {"changes": {}, "missing": [], "beside": []}))

    def test_what_there_is_not(self) -> None:
        self.begin()
        self.assertEqual(self.asked("GET", "/nothing")[0], 404)
        self.assertEqual(self.asked("DELETE", "/status")[0], 405)

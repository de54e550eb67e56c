"""What is wanted of a webspace, and what is wrong with it, by the API."""

from __future__ import annotations

from tests.unit.http.test_api import SELF, ApiCase
from webspaced.webspaces.conditions import Kind

DESIRED = f"{SELF}/desired"
ALICES = "/v1/webspace/alice/desired"
SPAM = {"desired": "suspended", "reason": "sends spam", "publicReason": "a break"}


class DesiredTests(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        self.create()

    def test_usually_it_is_auto_and_existing_clients_notice_nothing(self) -> None:
        self.assertEqual(self.ask("GET", DESIRED).json, {"desired": "auto"})
        self.assertEqual(set(self.ask("GET", SELF).json), {"user", "config", "domains", "ports"})

    def test_a_member_switches_it_off_and_on(self) -> None:
        for wish in ("stopped", "auto"):
            self.assertEqual(self.ask("PUT", DESIRED, {"desired": wish}).json, {"desired": wish})
            self.assertEqual(self.ask("GET", DESIRED).json, {"desired": wish})
            self.assertEqual(self.ask("GET", SELF).json.get("desired", "auto"), wish)

    def test_one_that_is_off_runs_no_commands(self) -> None:
        self.ask("PUT", DESIRED, {"desired": "stopped"})
        self.assertIn("switched off", self.problem(409, "POST", f"{SELF}/exec", {"command": "true"}))
        self.assertEqual(self.w.calls("start"), [])
        self.nothing(204, "POST", f"{SELF}/state")
        self.assertEqual(self.ask("GET", DESIRED).json, {"desired": "auto"})

    def test_an_admin_suspends_it_and_its_member_sees_why(self) -> None:
        told = {**SPAM, "by": "root"}
        self.assertEqual(self.ask("PUT", ALICES, SPAM, token="root").json, told)
        self.assertEqual(self.ask("GET", DESIRED).json, told)
        shown = self.ask("GET", SELF).json
        self.assertEqual(shown["conditions"], [{"kind": "suspended", "detail": "sends spam"}])
        for method, path, body in (
            ("PUT", DESIRED, {"desired": "auto"}),
            ("PUT", DESIRED, {"desired": "stopped"}),
            ("POST", f"{SELF}/state", None),
            ("POST", f"{SELF}/exec", {"command": "true"}),
        ):
            self.assertIn("suspended by root: sends spam", self.problem(403, method, path, body))
        self.ask("PUT", ALICES, {"desired": "auto"}, token="root")
        self.assertEqual(self.ask("GET", DESIRED).json, {"desired": "auto"})
        self.assertNotIn("conditions", self.ask("GET", SELF).json)

    def test_only_an_admin_suspends_and_never_without_a_reason(self) -> None:
        self.problem(403, "PUT", DESIRED, SPAM)
        for body in ({"desired": "suspended"}, {"desired": "suspended", "reason": " "}, {**SPAM, "reason": "x" * 501}):
            self.problem(400, "PUT", ALICES, body, token="root")

    def test_what_is_no_wish(self) -> None:
        for body in ({}, {"desired": "off"}, {"desired": None}, {"desired": "stopped", "until": 7}, {"desired": []}):
            self.problem(400, "PUT", DESIRED, body)
        for reason in ("holidays", {}, 0):
            self.assertIn("reason", self.problem(400, "PUT", DESIRED, {"desired": "stopped", "reason": reason}))

    def test_without_a_webspace_there_is_none(self) -> None:
        self.problem(404, "GET", DESIRED, token="bob")
        self.problem(404, "PUT", DESIRED, {"desired": "stopped"}, token="bob")


class ConditionTests(ApiCase):
    def test_what_is_wrong_is_told_as_long_as_it_is(self) -> None:
        self.create()
        self.w.conditions.note(1, Kind.HOST_CLASH, "granted to another webspace: shop.example")
        told = [{"kind": "host-clash", "detail": "granted to another webspace: shop.example"}]
        self.assertEqual(self.ask("GET", SELF).json["conditions"], told)
        self.w.conditions.note(1, Kind.HOST_CLASH, None)
        self.assertNotIn("conditions", self.ask("GET", SELF).json)

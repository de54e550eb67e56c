"""Stops and wakes, with their causes, in the whole daemon as it is assembled."""

from __future__ import annotations

from typing import Any

from tests.unit.audit.kept import AuditCase
from webspaced.core.webspace import KEY
from webspaced.lxd.instances import LxdInstances

ITSELF = "webspaced"


class WakeTests(AuditCase):
    def test_by_a_visitor(self) -> None:
        self.begin()
        self.assertEqual(self.visit(), 200)
        (line,) = self.lines(action="instance.start")
        self.assertEqual((line["cause"], line["who"], line["outcome"]), ("visit", {"kind": "visitor"}, "ok"))
        self.assertEqual(line["from"]["port"], 80)
        self.assertTrue(line["from"]["address"])
        self.assertEqual((line["webspace"], line["owner"], line["target"]), (1, "alice", {"instance": "ws-u1"}))
        self.assertGreater(line["seconds"], 0)
        self.assertTrue(line["visit_id"].startswith("v-"))
        self.assertTrue(line["boot_id"].startswith("b-"))

    def test_by_a_visitor_of_a_forward(self) -> None:
        self.begin()
        self.assertEqual(self.lived.ask("POST", "/ports/40001/80"), 201)
        self.kept.lines.clear()
        self.assertEqual(self.lived.finish(self.lived.d.connect("127.0.0.1", 40001)).status, 200)
        (line,) = self.lines(action="instance.start")
        self.assertEqual((line["cause"], line["from"]["port"]), ("visit", 80))

    def test_by_the_members_call(self) -> None:
        self.begin()
        _, ours = self.call("POST", "/v1/webspace/self/state")
        self.assertEqual(self.effects(request_id=ours), [("instance.start", "call", "member")])

    def test_from_a_doze(self) -> None:
        self.begin()
        self.visit()
        self.lived.d.pass_time(60)
        self.assertEqual(self.visit(), 200)
        self.assertEqual(self.effects(), [
            ("instance.start", "visit", "visitor"),
            ("instance.freeze", "idle", ITSELF),
            ("instance.thaw", "visit", "visitor"),
        ])  # fmt: skip

    def test_by_a_schedule(self) -> None:
        self.begin()
        answer, _ = self.call("PATCH", "/v1/webspace/self/config", {"wakeAt": ["0 * * * *"]})
        self.assertEqual(answer.status, 200, answer)
        self.kept.lines.clear()
        self.lived.d.pass_time(3700)
        self.assertIn(("instance.start", "schedule", ITSELF), self.effects())


class StopTests(AuditCase):
    def test_of_who_is_idle(self) -> None:
        self.begin()
        self.visit()
        self.kept.lines.clear()
        self.lived.d.pass_time(400)
        self.assertEqual(self.effects()[0], ("instance.freeze", "idle", ITSELF))
        self.assertEqual(self.effects()[-1], ("instance.stop", "idle", ITSELF))
        (line,) = self.lines(action="instance.stop")
        self.assertEqual(line["params"], {"force": False})

    def test_for_others(self) -> None:
        self.begin(max_running=1)
        self.assertEqual(self.lived.ask("POST", "", {"image": "fast"}, 2), 201)
        self.visit()
        self.lived.d.pass_time(8)
        self.kept.lines.clear()
        self.assertEqual(self.lived.ask("POST", "/state", None, 2), 204)
        (line,) = self.lines(action="instance.stop")
        self.assertEqual((line["cause"], line["owner"], line["who"]["kind"]), ("room", "alice", ITSELF))

    def test_by_the_member_and_by_force(self) -> None:
        self.begin()
        self.visit()
        self.kept.lines.clear()
        self.lived.d.lxd.faults.refuse("PUT", "/1.0/instances/ws-u1/state")
        _, ours = self.call("DELETE", "/v1/webspace/self/state")
        stops = self.lines(action="instance.stop", request_id=ours)
        self.assertEqual([(each["outcome"], each["params"]["force"]) for each in stops], [("failed", False), ("ok", True)])
        self.assertEqual({each["who"]["user"] for each in stops}, {"alice"})

    def test_by_an_admin(self) -> None:
        self.begin()
        self.visit()
        self.kept.lines.clear()
        wish = {"desired": "suspended", "reason": "spam"}
        _, ours = self.call("PUT", "/v1/webspace/alice/desired", wish, token="root")
        self.assertEqual(self.effects(request_id=ours), [("instance.stop", "call", "admin")])

    def test_of_one_that_is_to_stay_off(self) -> None:
        self.begin()
        self.call("PUT", "/v1/webspace/self/desired", {"desired": "stopped"})
        self.kept.lines.clear()
        self.lived.d.put_state(1, "start")
        self.lived.d.pass_time(30)
        self.assertEqual(self.effects(), [("instance.stop", "unwanted", ITSELF)])

    def test_a_deletion(self) -> None:
        self.begin()
        _, ours = self.call("DELETE", "/v1/webspace/self")
        self.assertEqual(self.effects(request_id=ours)[-1], ("instance.delete", "call", "member"))


class OtherTests(AuditCase):
    def test_documents_are_told_by_their_keys(self) -> None:
        self.begin()
        _, ours = self.call("PATCH", "/v1/webspace/self/config", {"httpPort": 8080})
        (line,) = self.lines(action="instance.configure", request_id=ours)
        self.assertEqual(line["params"], {"keys": [KEY]})

    def test_without_the_setting_nothing_is_written_and_nothing_is_in_between(self) -> None:
        self.begin()
        plain: Any = type(self.lived)()
        self.addCleanup(plain.close)
        self.assertIs(type(plain.d.daemon._parts.registry._instances), LxdInstances)
        self.kept.lines.clear()
        self.assertEqual(plain.ask("POST", "", {"image": "fast"}), 201)
        self.assertEqual(self.kept.lines, [])

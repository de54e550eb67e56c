"""What is exported, compared, and put back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import World
from webspaced.control.documents import KEYS, Kept
from webspaced.core.desired import AUTO, suspension
from webspaced.core.webspace import BOOT_PORT_KEY, KEY, USERNAME_KEY
from webspaced.errors import Invalid, RemoteError
from webspaced.webspaces.conditions import Kind

SUSPENDED = suspension("root", "spam", "")


class DocumentsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        self.w.webspace(1, ports={40000: 22})
        self.w.webspace(2)
        self.w.start()
        self.kept = Kept(self.w.registry, self.w.lxd, self.w.documents)
        self.document: dict[str, Any] = self.w.clock.result_of(self.kept.exported())

    def differences(self, wanted: Mapping[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.w.clock.result_of(self.kept.differences(wanted or self.kept.parsed(self.document)))
        return found

    def restored(self, *names: str) -> Mapping[str, str]:
        wanted = self.kept.parsed(self.document)
        failed: Mapping[str, str] = self.w.clock.result_of(self.kept.restore({name: wanted[name] for name in names}))
        return failed

    def test_it_is_json_with_what_is_a_webspaces_own(self) -> None:
        webspaces = json.loads(json.dumps(self.document))["webspaces"]
        self.assertEqual(set(webspaces), {"ws-u1", "ws-u2"})
        for keys in webspaces.values():
            self.assertEqual(set(keys), set(KEYS))

    def test_nothing_differs_from_itself(self) -> None:
        self.assertEqual(self.differences(), {"changes": {}, "missing": [], "beside": []})

    def test_what_was_changed_since_is_put_back(self) -> None:
        before = self.document["webspaces"]["ws-u1"][KEY]
        self.w.clock.result_of(self.w.ports.remove(1, 40000))
        changes = self.differences()["changes"]
        self.assertEqual([list(keys) for keys in changes.values()], [[KEY]])
        self.assertEqual(changes["ws-u1"][KEY][1], before)
        self.assertEqual(self.restored("ws-u1"), {})
        self.assertIn(40000, self.w.seen(1).webspace.ports)
        self.assertEqual(self.differences()["changes"], {})

    def test_a_suspension_that_was_ended_since_is_put_back(self) -> None:
        self.w.clock.result_of(self.w.power.want(1, SUSPENDED, by_admin=True))
        self.document = self.w.clock.result_of(self.kept.exported())
        self.w.clock.result_of(self.w.power.want(1, AUTO, by_admin=True))
        self.assertEqual(self.restored("ws-u1"), {})
        self.assertEqual(self.w.seen(1).webspace.desired, SUSPENDED)
        self.assertEqual(self.differences()["changes"], {})

    def test_one_that_was_suspended_since_is_not_any_more(self) -> None:
        self.w.clock.result_of(self.w.power.want(1, SUSPENDED, by_admin=True))
        self.assertEqual(self.restored("ws-u1"), {})
        self.assertEqual(self.w.seen(1).webspace.desired, AUTO)

    def test_one_that_cannot_be_read_any_more_is_exported_and_put_back(self) -> None:
        self.w.lxd.set_keys("ws-u1", **{KEY: "garbage"})
        self.w.clock.run_for(2)
        self.assertIsNone(self.w.registry.get(1))
        self.assertIn(Kind.UNREADABLE, self.w.conditions.everybody()[1])
        self.assertEqual(self.w.clock.result_of(self.kept.exported())["webspaces"]["ws-u1"][KEY], "garbage")
        self.assertEqual(list(self.differences()["changes"]), ["ws-u1"])
        self.assertEqual(self.restored("ws-u1"), {})
        self.assertIn(40000, self.w.seen(1).webspace.ports)

    def test_ones_failure_is_its_own(self) -> None:
        for uid in (1, 2):
            self.w.lxd.set_keys(f"ws-u{uid}", **{USERNAME_KEY: "other"})
        self.w.clock.run_for(2)
        self.w.lxd.fail_next("configure", RemoteError("no space left", 500))
        failed = self.restored("ws-u1", "ws-u2")
        self.assertEqual(len(failed), 1)
        self.assertIn("no space left", str(failed))

    def test_what_lxd_does_not_have_and_what_the_export_does_not_know(self) -> None:
        wanted = dict(self.kept.parsed(self.document))
        wanted["ws-u9"] = wanted.pop("ws-u2")
        told = self.differences(wanted)
        self.assertEqual((told["missing"], told["beside"]), (["ws-u9"], ["ws-u2"]))

    def test_what_is_no_export_or_would_make_a_webspace_unreadable(self) -> None:
        good = self.document["webspaces"]["ws-u1"]
        for document in (
            {}, {"format": 2, "webspaces": {}}, {"format": True, "webspaces": {}}, {"format": 1},
            {"format": 1, "webspaces": {"ws-u1": "x"}}, {"format": 1, "webspaces": {"other": good}},
            {"format": 1, "webspaces": {"ws-u1": {"security.privileged": "true"}}},
            {"format": 1, "webspaces": {"ws-u1": {KEY: 1}}}, {"format": 1, "webspaces": {"ws-u1": {KEY: "garbage"}}},
            {"format": 1, "webspaces": {"ws-u2": good}}, {"format": 1, "webspaces": {"ws-u1": {USERNAME_KEY: "a b"}}},
            {"format": 1, "webspaces": {"ws-u1": {BOOT_PORT_KEY: "-1"}}},
        ):  # fmt: skip
            self.assertRaises(Invalid, self.kept.parsed, document)

"""What is exported, compared, and put back."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import World
from webspaced.control.documents import KEYS, differences, exported, parsed, restore
from webspaced.core.webspace import KEY
from webspaced.errors import Invalid, NotFound


class DocumentsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        self.w.webspace(1, ports={40000: 22})
        self.w.webspace(2)
        self.w.start()
        self.document = exported(self.w.registry)

    def look(self, uid: int) -> None:
        self.w.clock.result_of(self.w.registry.look(uid))

    def test_it_is_json_with_what_is_a_webspaces_own(self) -> None:
        webspaces = json.loads(json.dumps(self.document))["webspaces"]
        self.assertEqual(set(webspaces), {"ws-u1", "ws-u2"})
        for keys in webspaces.values():
            self.assertEqual(set(keys), set(KEYS))

    def test_nothing_differs_from_itself(self) -> None:
        told = differences(self.w.registry, parsed(self.document))
        self.assertEqual(told, {"changes": {}, "missing": [], "beside": []})

    def test_what_was_changed_since_is_put_back(self) -> None:
        before = self.document["webspaces"]["ws-u1"][KEY]
        self.w.clock.result_of(self.w.ports.remove(1, 40000))
        changes = differences(self.w.registry, parsed(self.document))["changes"]
        self.assertEqual([list(keys) for keys in changes.values()], [[KEY]])
        self.assertEqual(changes["ws-u1"][KEY][1], before)
        self.w.clock.result_of(
            restore(self.w.documents, self.w.registry, "ws-u1", parsed(self.document)["ws-u1"])
        )
        self.assertIn(40000, self.w.seen(1).webspace.ports)
        self.assertEqual(differences(self.w.registry, parsed(self.document))["changes"], {})

    def test_what_lxd_does_not_have_and_what_the_export_does_not_know(self) -> None:
        wanted = dict(parsed(self.document))
        wanted["ws-u9"] = wanted.pop("ws-u2")
        told = differences(self.w.registry, wanted)
        self.assertEqual((told["missing"], told["beside"]), (["ws-u9"], ["ws-u2"]))
        self.w.clock.result_of(self.w.reconciler.full_pass())
        for name in ("ws-u9", "other"):
            self.assertRaises(
                NotFound, self.w.clock.result_of, restore(self.w.documents, self.w.registry, name, {})
            )

    def test_what_is_no_export(self) -> None:
        for document in (
            {}, {"format": 2, "webspaces": {}}, {"format": 1}, {"format": 1, "webspaces": {"ws-u1": "x"}},
            {"format": 1, "webspaces": {"ws-u1": {"security.privileged": "true"}}},
            {"format": 1, "webspaces": {"ws-u1": {KEY: 1}}},
        ):  # fmt: skip
            self.assertRaises(Invalid, parsed, document)

"""What admins do about a webspace whose member nobody knows any more, at every path, and what others see of it."""

from __future__ import annotations

from typing import Any

from tests.unit.http.served import ServedCase
from tests.unit.http.test_paths import TAKEN
from tests.unit.iam.memory import Service
from tests.unit.world import GRACE_OF_IAM
from webspaced.core.user import User
from webspaced.core.webspace import UNKNOWN_SINCE_KEY
from webspaced.iam.static import StaticIdentity
from webspaced.iam.users_file import hash_token
from webspaced.interfaces import IIdentity

ALICE, BOB, ROOT = 1, 2, 99
OWN = "own.example"
CALLS: tuple[tuple[str, str, Any, int], ...] = (
    ("GET", "", None, 200),
    ("GET", "/state", None, 200),
    ("PATCH", "/state", None, 204),
    ("GET", "/config", None, 200),
    ("PATCH", "/config", {"httpPort": 8080}, 200),
    ("GET", "/desired", None, 200),
    ("GET", "/domains", None, 200),
    ("DELETE", f"/domains/{OWN}", None, 204),
    ("GET", "/ports", None, 200),
    ("PATCH", f"/ports/{TAKEN}", {"proxyProtocol": 2}, 204),
    ("DELETE", f"/ports/{TAKEN}", None, 204),
    ("GET", "/log", None, 200),
    ("DELETE", "/log", None, 204),
    ("GET", "/creation", None, 404),
    ("POST", "/ticket", {"path": "exec"}, 201),
    ("PUT", "/desired", {"desired": "suspended", "reason": "gone"}, 200),
    ("PUT", "/desired", {"desired": "auto"}, 200),
    ("DELETE", "", None, 204),
)


class StaticDepartedTests(ServedCase):
    """With the users file."""

    def identity_without(self, *gone: int) -> IIdentity:
        users = {ALICE: "alice", BOB: "bob"}
        known = [(User(id=uid, username=name), hash_token(name)) for uid, name in users.items() if uid not in gone]
        return StaticIdentity([*known, (User(id=ROOT, username="root", is_admin=True), hash_token("root"))])

    def token(self, uid: int) -> str:
        return {ALICE: "alice", BOB: "bob", ROOT: "root"}[uid]

    def setUp(self) -> None:
        super().setUp()
        self.begin()

    def begin(self, **keys: str) -> None:
        container = self.w.webspace(ALICE, ports={TAKEN: 22}, domains=(OWN,))
        container.config.update(keys)
        self.w.identity.members.pop(ALICE, None)
        self.w.connect()
        self.configure(identity=self.identity_without(ALICE))

    def call(self, method: str, who: str, path: str = "", body: Any = None, uid: int = ROOT) -> Any:
        return self.ask(method, f"/v1/webspace/{who}{path}", body, token=self.token(uid))

    def test_an_admin_reaches_it_by_its_id_and_by_the_remembered_name_at_every_path(self) -> None:
        for who in ("id:1", "alice", "Alice", "id%3A1"):
            self.begin()
            for method, path, body, status in CALLS:
                found = self.call(method, who, path, body)
                self.assertEqual(found.status, status, (who, method, path, found.body))
            self.assertNotIn("ws-u1", self.w.lxd.containers)
            self.assertEqual(self.call("GET", who).status, 404)

    def test_within_the_grace_it_can_be_run_and_after_it_only_be_stopped(self) -> None:
        self.assertEqual(self.call("POST", "id:1", "/state").status, 204)
        self.assertEqual(self.call("POST", "alice", "/exec", {"command": "true"}).status, 200)
        self.assertEqual(self.call("PUT", "alice", "/state").status, 204)
        self.assertEqual(self.call("DELETE", "id:1", "/state").status, 204)
        self.assertEqual(self.call("DELETE", "id:1", "/state").status, 404)
        self.w.clock.run_for(GRACE_OF_IAM)
        self.assertEqual(self.call("DELETE", "id:1", "/state").status, 204)
        for method, path, body, status in (
            ("POST", "/state", None, 409), ("POST", "/exec", {"command": "true"}, 409), ("GET", "/exec", None, 409),
        ):  # fmt: skip
            found = self.call(method, "id:1", path, body)
            self.assertEqual(found.status, status, (method, path, found.body))
        self.assertEqual([each["kind"] for each in self.call("GET", "id:1").json["conditions"]], ["departed"])

    def test_members_learn_nothing_of_it(self) -> None:
        for who in ("alice", "nobody", "ws-u1"):
            there = self.call("GET", who, uid=BOB)
            self.assertEqual((there.status, there.json["message"]), (403, "another user's webspace"))
        for who in ("id:1", "id:7"):
            self.assertEqual(self.call("GET", who, uid=BOB).status, 401)

    def test_whom_neither_iam_nor_lxd_knows_is_nobody(self) -> None:
        for who in ("id:7", "nobody", "ws-u1"):
            for method, path, body, _ in CALLS:
                self.assertEqual(self.call(method, who, path, body).status, 404, (who, method, path))

    def test_a_name_that_is_somebody_elses_by_now_is_that_ones(self) -> None:
        self.w.lxd.containers["ws-u1"].config["user._webspaced_username"] = "bob"
        self.w.connect()
        self.assertEqual(self.call("GET", "bob").status, 404)
        self.assertEqual(self.call("GET", "id:1").json["user"], ALICE)

    def test_a_name_that_several_remember_is_none(self) -> None:
        self.w.webspace(3)
        del self.w.identity.members[3]
        self.w.lxd.containers["ws-u3"].config["user._webspaced_username"] = "alice"
        self.w.connect()
        found = self.call("DELETE", "alice")
        self.assertEqual(found.status, 404)
        self.assertIn("id:1, id:3", found.json["message"])
        self.assertEqual(len(self.w.lxd.containers), 2)

    def test_one_who_is_back_is_served_from_their_first_call_on(self) -> None:
        self.w.clock.run_for(GRACE_OF_IAM)
        self.configure(identity=self.identity_without())
        self.w.identity.members[ALICE] = "alice"
        self.assertEqual(self.call("POST", "self", "/state", uid=ALICE).status, 204)
        self.assertNotIn(UNKNOWN_SINCE_KEY, self.w.lxd.containers["ws-u1"].config)

    def test_before_everything_was_seen_nobody_is_told_to_be_nobody(self) -> None:
        self.w.registry.complete = False
        self.assertEqual([self.call("GET", who).status for who in ("id:1", "alice", "id:7", "nobody")], [503] * 4)


class IamdDepartedTests(StaticDepartedTests):
    """With an iamd."""

    def identity_without(self, *gone: int) -> IIdentity:
        self.iam = Service()
        for uid in gone:
            del self.iam.iamd.accounts[uid]
        return self.iam.identity

    def token(self, uid: int) -> str:
        return self.iam.iamd.token(uid)

    def test_an_iam_that_is_away_is_no_iam_that_knows_nobody(self) -> None:
        self.assertEqual(self.call("GET", "id:1").status, 200)
        self.iam.agent.failures = [ConnectionRefusedError()] * 20
        self.assertEqual([self.call("GET", who).status for who in ("id:1", "alice")], [503] * 2)

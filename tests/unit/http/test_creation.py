"""How far a creation is, as its clients see it."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.http.test_api import SELF, ApiCase
from tests.unit.timing import watch
from tests.unit.world import EXTERNAL, SSH_KEY
from webspaced.core.creation import Progress, Step
from webspaced.core.user import User
from webspaced.http.auth import Auth
from webspaced.http.creation import KEEP_ALIVE
from webspaced.http.rights import INTERVAL
from webspaced.iam.static import StaticIdentity
from webspaced.iam.users_file import hash_token
from webspaced.testing.lxd.timings import Behaviour
from webspaced.webspaces.progress import KEPT

HERE = f"{SELF}/creation"
WISHES = {"image": "fast", "password": "secret", "ssh": True}


class Case(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        alice = (User(id=1, username="alice", ssh_key=SSH_KEY), hash_token("alice"))
        root = (User(id=99, username="root", is_admin=True), hash_token("root"))
        self.api._auth = Auth(StaticIdentity([alice, (User(id=2, username="bob"), hash_token("bob")), root]))

    def listen(self, accept: str = "text/event-stream") -> list[bytes]:
        """Begin to listen; gives a list that grows."""
        asking = self.begin("GET", HERE, Accept=accept)
        self.heard: list[bytes] = []
        self.over = watch(self.treq.collect(asking.value, self.heard.append))
        self.headers = asking.value.headers
        self.let(0)
        return self.heard

    def let(self, seconds: float) -> None:
        self.w.clock.run_for(seconds)
        self.treq.flush()

    def events(self) -> list[tuple[str, Any]]:
        parts = b"".join(self.heard).decode().split("\n\n")[:-1]
        lines = [part.split("\n") for part in parts if not part.startswith(":")]
        return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in lines]


class SnapshotTests(Case):
    def test_none_is_under_way(self) -> None:
        self.assertIn("no webspace is being created", self.problem(404, "GET", HERE))
        self.problem(401, "GET", HERE, token=None)
        self.problem(403, "GET", "/v1/webspace/alice/creation", token="bob")

    def test_on_the_way_done_and_forgotten(self) -> None:
        creating = self.begin("POST", SELF, WISHES)
        answer = self.ask("GET", HERE)
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"))
        self.assertEqual((answer.json["state"], answer.json["message"]), ("creating", None))
        steps = ["unpack", "boot", "password", "packages", "ssh", "stop", "finish"]
        self.assertEqual((answer.json["step"], answer.json["steps"]), ("unpack", steps))
        self.let(20)
        self.assertEqual(creating.value.code, 201)
        done = self.ask("GET", HERE).json
        self.assertEqual((done["state"], done["step"], done["message"]), ("done", "finish", None))
        self.assertTrue(0 < done["seconds"] < 20)
        self.assertEqual(self.ask("GET", "/v1/webspace/alice/creation", token="root").status, 200)
        self.problem(404, "GET", HERE, token="bob")
        self.let(KEPT)
        self.problem(404, "GET", HERE)

    def test_the_answer_is_as_ever(self) -> None:
        answer = self.ask("POST", SELF, WISHES)
        config = {"startupDelay": 3.0, "httpPort": 80, "sniPassthrough": False, "protocol": "http"}
        self.assertEqual(answer.json, {"user": 1, "config": config, "domains": [], "ports": {str(EXTERNAL[0]): 22}})
        self.assertEqual(self.ask("GET", SELF).json, answer.json)

    def test_failed(self) -> None:
        self.w.insides.behaviour = Behaviour(failing=frozenset({"chpasswd"}))
        message = self.problem(502, "POST", SELF, WISHES)
        self.assertNotIn("secret", message)
        told = self.ask("GET", HERE).json
        self.assertEqual((told["state"], told["step"], told["message"]), ("failed", "password", message))

    def test_what_is_refused_at_once_does_not_hide_what_was(self) -> None:
        self.assertEqual(self.ask("POST", SELF, WISHES).status, 201)
        self.problem(409, "POST", SELF, WISHES)
        self.problem(404, "POST", SELF, {**WISHES, "image": "none"})
        self.assertEqual(self.ask("GET", HERE).json["state"], "done")

    def test_empty_fields_are_none(self) -> None:
        answer = self.ask("POST", SELF, {"image": "fast", "password": "", "ssh": None})
        self.assertEqual((answer.status, answer.json["ports"]), (201, {}))
        self.assertEqual(self.w.insides.commands, [])

    def test_other_calls_meanwhile(self) -> None:
        self.begin("POST", SELF, WISHES)
        self.let(1)
        self.assertIn("still being created", self.problem(404, "GET", SELF))
        self.assertIn("being created", self.problem(409, "DELETE", SELF))
        self.assertIn("being created", self.problem(409, "POST", SELF, WISHES))
        self.let(20)
        self.assertEqual(self.ask("GET", SELF).status, 200)


class EventTests(Case):
    def test_every_step_and_the_end(self) -> None:
        self.begin("POST", SELF, WISHES)
        self.listen()
        shown = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}
        self.assertEqual({name: self.headers.getRawHeaders(name)[0] for name in shown}, shown)
        self.let(0.1)
        self.assertFalse(self.over.done)
        self.let(20)
        self.assertTrue(self.over.done)
        kinds, documents = zip(*self.events(), strict=True)
        self.assertEqual((set(kinds[:-1]), kinds[-1]), ({"progress"}, "done"))
        steps = [(each["step"], each["percent"]) for each in documents]
        self.assertEqual(steps[:3], [("unpack", None), ("unpack", 50), ("boot", None)])
        self.assertEqual([step for step, _ in steps][3:], ["password", "packages", "ssh", "stop", "finish", "finish"])

    def test_a_failure(self) -> None:
        self.w.insides.behaviour = Behaviour(failing=frozenset({"chpasswd"}))
        self.begin("POST", SELF, WISHES)
        self.listen()
        self.let(20)
        kind, document = self.events()[-1]
        self.assertEqual((kind, document["state"]), ("failed", "failed"))
        self.assertIn("the password could not be set", document["message"])

    def test_a_bug_is_told_by_a_constant_text(self) -> None:
        self.patch(self.w.creator._with.provision, "set_password", None)
        self.begin("POST", SELF, WISHES)
        self.listen()
        self.let(20)
        self.assertIn("the operator finds it", self.events()[-1][1]["message"])
        self.assertEqual(self.w.lxd.containers, {})
        self.flushLoggedErrors()

    def test_comments_keep_it_open(self) -> None:
        self.w.insides.behaviour = Behaviour(stuck=frozenset({"apt-get"}))
        self.begin("POST", SELF, WISHES)
        self.let(5)
        self.listen()
        self.assertEqual(len(self.heard), 1)
        self.let(KEEP_ALIVE * 3)
        self.assertEqual(self.heard[1:], [b": still at it\n\n"] * 3)

    def test_it_ends_with_the_right_to_it(self) -> None:
        self.w.insides.behaviour = Behaviour(stuck=frozenset({"apt-get"}))
        creating = self.begin("POST", SELF, WISHES)
        self.let(5)
        self.listen()
        self.patch(self.api._auth, "_identity", StaticIdentity([]))
        self.let(INTERVAL)
        self.assertEqual((self.over.done, self.heard[1:]), (True, [b": the token is not valid\n\n"]))
        # What was asked for while there was a right to it goes on.
        self.assertFalse(creating.done)

    def test_one_that_has_ended_is_told_and_over(self) -> None:
        self.ask("POST", SELF, WISHES)
        self.listen("text/html, Text/Event-Stream;q=0.9")
        self.assertTrue(self.over.done)
        self.assertEqual([kind for kind, _ in self.events()], ["done"])

    def test_json_for_those_who_do_not_ask_for_events(self) -> None:
        self.ask("POST", SELF, WISHES)
        for accept in ("*/*", "application/json", "text/event-streams"):
            self.assertEqual(self.ask("GET", HERE, Accept=accept).headers["content-type"], "application/json")

    def test_a_listener_that_leaves_disturbs_nobody(self) -> None:
        creating = self.begin("POST", SELF, WISHES)
        creation = self.w.creator.creations.get(1)
        waiting = watch(creation.changed(10.0))
        waiting.deferred.cancel()
        self.assertEqual(creation._waiting, [])
        creation.tell(Progress(step=Step.UNPACK, percent=1))
        self.let(20)
        self.assertEqual(creating.value.code, 201)

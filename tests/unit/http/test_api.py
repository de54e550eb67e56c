"""The API as its clients see it, on the real rules and a fake LXD."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from unittest import mock

from treq.testing import StubTreq
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from tests.contracts.fake_instances import FINGERPRINT
from tests.openapi import check_answer
from tests.unit.timing import watch
from tests.unit.world import EXTERNAL, MEMBERS, World
from webspaced.core.instance import Status
from webspaced.core.user import User
from webspaced.errors import RemoteError, Unavailable
from webspaced.http.api import Api, Backing
from webspaced.http.auth import Auth
from webspaced.http.bodies import LARGEST, LARGEST_COMMAND
from webspaced.http.health import Health
from webspaced.http.site import _Root
from webspaced.http.terminals import Terminals
from webspaced.iam.static import StaticIdentity
from webspaced.iam.users_file import hash_token
from webspaced.webspaces.images import KEPT
from webspaced.webspaces.members import Members

ADMIN = 99
PROBLEM = "application/problem+json"
SELF = "/v1/webspace/self"


class Answer:
    def __init__(self, response: Any, body: bytes) -> None:
        self.status, self.body = response.code, body
        self.headers = {name.decode().lower(): values[0].decode() for name, values in response.headers.getAllRawHeaders()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ApiCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World().start()
        users = [(User(id=uid, username=name), hash_token(name)) for uid, name in MEMBERS.items()]
        admin = (User(id=ADMIN, username="root", is_admin=True), hash_token("root"))
        identity = StaticIdentity([*users, admin])
        resync = self.w.reconciler.resync
        backing = Backing(
            service=self.w.service,
            domains=self.w.domains,
            uploads=self.w.uploads,
            insides=self.w.interior,
            terminals=Terminals(self.w.clock, 500, 32),
            commands=(200, 16),
            auth=Auth(Members(identity, self.w.registry, self.w.documents)),
            resync=resync,
            sleeper=self.w.sleeper,
            now=lambda: 1000.0,
            conditions=self.w.conditions,
        )
        self.api = api = Api(backing)
        self.is_ready, self.is_healthy = True, True
        self.trouble = ""
        health = Health(lambda: self.is_ready, lambda: self.is_healthy, lambda: self.trouble)
        self.treq = StubTreq(_Root(health.app, api.app))

    def begin(self, method: str, path: str, body: Any = None, *, token: str | None = "alice", **headers: str) -> Any:
        fields = {**headers, **({} if token is None else {"Authorization": f"Bearer {token}"})}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        asking = watch(self.treq.request(method, f"http://webspaced.test{path}", headers=fields, data=data))
        self.treq.flush()
        return asking

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = "alice", **headers: str) -> Answer:
        asking = self.begin(method, path, body, token=token, **headers)
        for _ in range(1000):
            if asking.done:
                break
            self.w.clock.run_for(0.05)
            self.treq.flush()
        content = watch(self.treq.content(asking.value))
        self.treq.flush()
        answer = Answer(asking.value, content.value)
        check_answer(method, path, answer.status, answer.headers, answer.body)
        return answer

    def problem(self, status: int, *request: Any, **more: Any) -> str:
        """Make a request that must fail so, and give the message."""
        answer = self.ask(*request, **more)
        self.assertEqual((answer.status, answer.headers["content-type"]), (status, PROBLEM), (request, answer.body))
        self.assertEqual((answer.json["status"], answer.json["detail"]), (status, answer.json["message"]))
        self.assertTrue(answer.json["title"])
        return answer.json["message"]

    def nothing(self, status: int, *request: Any, **more: Any) -> None:
        """Make a request that must work and say nothing."""
        answer = self.ask(*request, **more)
        self.assertEqual((answer.status, answer.body), (status, b""), request)

    def create(self, token: str = "alice") -> None:
        answer = self.ask("POST", SELF, {"image": "fast"}, token=token)
        self.assertEqual(answer.status, 201, answer.body)


class WebspaceTests(ApiCase):
    def test_images_need_no_token(self) -> None:
        answer = self.ask("GET", "/v1/images", token=None)
        image = {"aliases": [{"name": "fast", "description": ""}], "fingerprint": FINGERPRINT, "properties": {}, "size": 1}
        self.assertEqual((answer.status, answer.json, answer.headers["content-type"]), (200, [image], "application/json"))

    def test_created_read_and_deleted(self) -> None:
        created = self.ask("POST", SELF, {"image": "fast"})
        config = {"startupDelay": 3.0, "httpPort": 80, "sniPassthrough": False, "protocol": "http"}
        config |= {"sleep": "auto", "sleepAfter": 0}
        self.assertEqual((created.status, created.json), (201, {"user": 1, "config": config, "domains": [], "ports": {}}))
        self.assertEqual(self.ask("GET", SELF).json, created.json)
        self.nothing(204, "DELETE", SELF)
        self.problem(404, "GET", SELF)

    def test_twice_at_once_is_one_and_a_conflict(self) -> None:
        one, two = self.begin("POST", SELF, {"image": "fast"}), self.begin("POST", SELF, {"image": "fast"})
        self.w.clock.run_for(5)
        self.treq.flush()
        self.assertEqual(sorted([one.value.code, two.value.code]), [201, 409])

    def test_mistakes_in_a_creation(self) -> None:
        self.assertIn("imagee", self.problem(400, "POST", SELF, {"imagee": "fast"}))
        self.assertIn("image", self.problem(400, "POST", SELF, {}))
        self.assertIn("image", self.problem(400, "POST", SELF, {"image": 3}))
        self.problem(400, "POST", SELF)
        for body in (b"{", b"[]", b"null", b"\xff", b"[" * LARGEST):
            self.problem(400, "POST", SELF, body)
        self.problem(404, "POST", SELF, {"image": "none"})
        for password in ("se\ncret", "se\x00cret", "secret" * 100, "sec\u2028ret"):
            self.assertNotIn("cret", self.problem(400, "POST", SELF, {"image": "fast", "password": password}))
        self.assertIn("password", self.problem(400, "POST", SELF, {"image": "fast", "password": 7}))
        self.assertIn("ssh", self.problem(400, "POST", SELF, {"image": "fast", "ssh": "yes"}))
        self.assertIn("there is none", self.problem(400, "POST", SELF, {"image": "fast", "ssh": True}))
        self.assertEqual(self.w.lxd.containers, {})

    def test_a_change_goes_on_when_its_client_is_gone(self) -> None:
        request = mock.Mock()
        request.requestHeaders = Headers({"Authorization": ["Bearer alice"]})
        request.content = BytesIO(b'{"image": "fast"}')
        # Klein cancels the handler's Deferred then.
        creating = watch(self.api.create_webspace(request, "self"))
        self.w.clock.run_for(0.05)
        creating.deferred.cancel()
        self.w.clock.run_for(5)
        self.assertIn("ws-u1", self.w.lxd.containers)

    def test_a_body_that_is_too_large(self) -> None:
        self.assertIn(str(LARGEST), self.problem(413, "POST", SELF, b" " * (LARGEST + 1)))
        self.problem(400, "POST", SELF, b" " * LARGEST)
        # A command may be longer than anything else.
        path = f"{SELF}/exec"
        self.assertIn(str(LARGEST_COMMAND), self.problem(413, "POST", path, b" " * (LARGEST_COMMAND + 1)))
        self.problem(400, "POST", path, b" " * LARGEST_COMMAND)
        # What is costly to parse is not parsed.
        fields = b"{" + b",".join(b'"k%d":1' % number for number in range(20_000)) + b"}"
        for body in (fields, b'{"command": [%s]}' % b",".join([b"1.5"] * 60_000), b"[" * 200_000):
            self.assertIn("not because of a long text", self.problem(400, "POST", path, body))
        quotes = "echo '" + '"\\' * 20_000 + "'"
        self.problem(404, "POST", path, json.dumps({"command": quotes}).encode())
        self.problem(413, "PATCH", f"{SELF}/config", b" " * (LARGEST + 1))

    def test_an_error_repeats_little_of_what_it_is_about(self) -> None:
        self.create()
        many = {f"k{number}": 1 for number in range(200)}
        endless = {"x" * 4000: 1}
        for method, path in (("PATCH", f"{SELF}/config"), ("POST", SELF), ("POST", f"{SELF}/ticket")):
            self.assertIn("k0, k1, k2, and more", self.problem(400, method, path, many))
            self.assertLess(len(self.problem(400, method, path, endless)), 100)
        self.assertLess(len(self.problem(400, "POST", f"{SELF}/ports/{'9' * 4000}")), 400)
        self.assertLess(len(self.problem(404, "POST", SELF, {"image": "x" * 4000})), 400)

    def test_head_is_get_without_a_body(self) -> None:
        self.create()
        answer = self.ask("HEAD", SELF)
        self.assertEqual((answer.status, answer.body), (200, b""))


class StateTests(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        self.create()
        self.container = self.w.lxd.containers["ws-u1"]

    def test_every_field_is_there_though_it_sleeps(self) -> None:
        usage = {"cpu": 0, "disks": {}, "memory": 0, "processes": 0}
        self.assertEqual(self.ask("GET", f"{SELF}/state").json, {
            "running": False, "uptime": 0, "usage": usage, "networkInterfaces": {}, "depth": "asleep",
            "lastActive": "1970-01-01T00:00:00Z", "sleepsAt": None, "wakesAt": None,
        })  # fmt: skip

    def test_boot_reboot_and_shut_down(self) -> None:
        self.nothing(204, "POST", f"{SELF}/state")
        self.assertIs(self.container.status, Status.RUNNING)
        self.assertTrue(self.ask("GET", f"{SELF}/state").json["running"])
        self.assertIn("running already", self.problem(409, "POST", f"{SELF}/state"))
        self.nothing(204, "PUT", f"{SELF}/state")
        self.assertIs(self.container.status, Status.RUNNING)
        self.nothing(204, "DELETE", f"{SELF}/state")
        self.assertIs(self.container.status, Status.STOPPED)
        for method in ("PUT", "DELETE"):
            self.assertIn("not running", self.problem(404, method, f"{SELF}/state"))

    def test_of_one_that_dozes_and_how_it_is_kept_awake(self) -> None:
        self.nothing(204, "POST", f"{SELF}/state")
        self.w.clock.result_of(self.w.power.doze(1, self.is_idle))
        self.assertIs(self.container.status, Status.FROZEN)
        state = self.ask("GET", f"{SELF}/state").json
        self.assertEqual((state["running"], state["depth"]), (True, "dozing"))
        self.assertEqual(self.ask("POST", f"{SELF}/awake", {"seconds": 60}).json["until"][:11], "1970-01-01T")
        self.assertIs(self.container.status, Status.RUNNING)
        self.assertEqual(self.ask("POST", f"{SELF}/awake", {"seconds": 0}).json, {"until": None})
        for wrong in ({}, {"seconds": -1}, {"seconds": "60"}, {"seconds": True}, {"second": 1}, {"seconds": 1e9}):
            self.problem(400, "POST", f"{SELF}/awake", wrong)

    async def is_idle(self) -> bool:
        return True

    def test_when_its_schedule_wakes_it(self) -> None:
        self.ask("PATCH", f"{SELF}/config", {"wakeAt": ["04:30"]})
        self.assertEqual(self.ask("GET", f"{SELF}/state").json["wakesAt"], "1970-01-01T04:30:00Z")
        self.ask("PATCH", f"{SELF}/config", {"wakeAt": []})
        self.assertIsNone(self.ask("GET", f"{SELF}/state").json["wakesAt"])

    def test_resync(self) -> None:
        self.nothing(204, "PATCH", f"{SELF}/state")
        self.problem(404, "PATCH", f"{SELF}/state", token="bob")

    def test_a_boot_that_fails(self) -> None:
        self.container.crashes = True
        self.assertIn("stopped again", self.problem(502, "POST", f"{SELF}/state"))


class ConfigTests(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        self.create()

    def test_a_patch_answers_with_the_old_one(self) -> None:
        old = self.ask("GET", f"{SELF}/config").json
        self.assertEqual(self.ask("PATCH", f"{SELF}/config", {"httpPort": 8080}).json, old)
        self.assertEqual(self.ask("GET", f"{SELF}/config").json, {**old, "httpPort": 8080})

    def test_schedules(self) -> None:
        old = self.ask("GET", f"{SELF}/config").json
        given = {"wakeAt": ["*/30  * * * *", "04:30"], "quietHours": ["23:00-07:00"]}
        self.assertEqual(self.ask("PATCH", f"{SELF}/config", given).json, old)
        shown = {**old, "wakeAt": ["*/30 * * * *", "04:30"], "quietHours": ["23:00-07:00"]}
        self.assertEqual(self.ask("PATCH", f"{SELF}/config", {"wakeAt": None, "quietHours": None}).json, shown)
        self.assertEqual(self.ask("PATCH", f"{SELF}/config", {"wakeAt": [], "quietHours": []}).json, shown)
        self.assertEqual(self.ask("GET", f"{SELF}/config").json, old)

    def test_mistakes_in_schedules_are_named(self) -> None:
        for patch, said in (
            ({"wakeAt": ["0 0 30 2 *"]}, "'0 0 30 2 *' never comes"), ({"wakeAt": "04:30"}, "wakeAt must be a list"),
            ({"wakeAt": ["* * * * *"]}, "closer than 300 seconds"), ({"wakeAt": [4]}, "wakeAt"),
            ({"wakeAt": ["04:30"] * 17}, "at most 16"), ({"wakeAt": ["4" * 1000]}, "at most 100 characters"),
            ({"quietHours": ["23-7"]}, "'23-7' is not two"), ({"quietHours": ["01:00-02:00"] * 9}, "at most 8"),
        ):  # fmt: skip
            self.assertIn(said, self.problem(400, "PATCH", f"{SELF}/config", patch))

    def test_mistakes_are_named(self) -> None:
        for patch, said in (({"zzz": 1}, "zzz"), ({"httpPort": 0}, "port"), ({"startupDelay": 61}, "at most 60")):
            self.assertIn(said, self.problem(400, "PATCH", f"{SELF}/config", patch))

    def test_forwards(self) -> None:
        self.nothing(201, "POST", f"{SELF}/ports/{EXTERNAL[0]}/22")
        random = self.ask("POST", f"{SELF}/ports/23")
        self.assertEqual((random.status, random.json), (201, {"ePort": EXTERNAL[1]}))
        self.assertEqual(self.ask("GET", f"{SELF}/ports").json, {str(EXTERNAL[0]): 22, str(EXTERNAL[1]): 23})
        self.problem(409, "POST", f"{SELF}/ports/{EXTERNAL[0]}/22")
        self.nothing(204, "DELETE", f"{SELF}/ports/{EXTERNAL[0]}")
        self.problem(404, "DELETE", f"{SELF}/ports/{EXTERNAL[0]}")

    def test_forwards_that_tell_who_visits(self) -> None:
        self.nothing(201, "POST", f"{SELF}/ports/{EXTERNAL[0]}/22", {"proxyProtocol": 1})
        self.assertEqual(self.ask("POST", f"{SELF}/ports/23", {"proxyProtocol": 2}).json, {"ePort": EXTERNAL[1]})
        self.nothing(201, "POST", f"{SELF}/ports/{EXTERNAL[2]}/24", {"proxyProtocol": None})
        self.assertEqual(self.told(), {str(EXTERNAL[0]): 1, str(EXTERNAL[1]): 2})
        # What old clients read is as it always was.
        self.assertEqual(self.ask("GET", f"{SELF}/ports").json, {str(EXTERNAL[n]): 22 + n for n in range(3)})

    def test_whether_a_forward_tells_who_visits_can_be_changed(self) -> None:
        self.nothing(201, "POST", f"{SELF}/ports/{EXTERNAL[0]}/22")
        self.assertIsNone(self.told())
        for version, told in ((2, {str(EXTERNAL[0]): 2}), (1, {str(EXTERNAL[0]): 1}), (None, None)):
            self.nothing(204, "PATCH", f"{SELF}/ports/{EXTERNAL[0]}", {"proxyProtocol": version})
            self.assertEqual(self.told(), told)
        self.problem(404, "PATCH", f"{SELF}/ports/{EXTERNAL[1]}", {"proxyProtocol": 2})
        self.assertIn("missing", self.problem(400, "PATCH", f"{SELF}/ports/{EXTERNAL[0]}", {}))

    def test_when_a_forward_is_ready(self) -> None:
        self.nothing(201, "POST", f"{SELF}/ports/{EXTERNAL[0]}/22", {"ready": "data"})
        self.nothing(201, "POST", f"{SELF}/ports/{EXTERNAL[1]}/23", {"ready": None})
        self.assertEqual(self.ask("GET", SELF).json["ready"], {str(EXTERNAL[0]): "data"})
        for change, ready in (({"proxyProtocol": None}, {str(EXTERNAL[0]): "data"}), ({"ready": "connection"}, None)):
            self.nothing(204, "PATCH", f"{SELF}/ports/{EXTERNAL[0]}", change)
            self.assertEqual((self.ask("GET", SELF).json.get("ready"), self.told()), (ready, None))
        for odd in ("banner", 1, True, ["data"], {}):
            self.assertIn("connection or data", self.problem(400, "PATCH", f"{SELF}/ports/{EXTERNAL[0]}", {"ready": odd}))

    def test_what_of_a_visitor_wakes_it(self) -> None:
        self.nothing(201, "POST", f"{SELF}/ports/{EXTERNAL[0]}/22", {"wakeOn": "data", "ready": "data"})
        self.nothing(201, "POST", f"{SELF}/ports/{EXTERNAL[1]}/23", {"wakeOn": None})
        self.assertEqual(self.ask("GET", SELF).json["wakeOn"], {str(EXTERNAL[0]): "data"})
        for change, wake_on in (({"ready": None}, {str(EXTERNAL[0]): "data"}), ({"wakeOn": "connection"}, None)):
            self.nothing(204, "PATCH", f"{SELF}/ports/{EXTERNAL[0]}", change)
            self.assertEqual((self.ask("GET", SELF).json.get("wakeOn"), self.told()), (wake_on, None))
        for odd in ("word", 1, True, ["data"], {}):
            self.assertIn("connection or data", self.problem(400, "PATCH", f"{SELF}/ports/{EXTERNAL[0]}", {"wakeOn": odd}))

    def told(self) -> Any:
        return self.ask("GET", SELF).json.get("proxyProtocol")

    def test_what_is_no_version_of_the_proxy_protocol(self) -> None:
        self.nothing(201, "POST", f"{SELF}/ports/{EXTERNAL[0]}/22")
        for path, method in (("ports/23", "POST"), (f"ports/{EXTERNAL[1]}/23", "POST"), (f"ports/{EXTERNAL[0]}", "PATCH")):
            for body, said in (({"proxyProtocol": 3}, "1 or 2"), ({"proxyProtocol": True}, "1 or 2"), ({"zzz": 1}, "zzz")):
                self.assertIn(said, self.problem(400, method, f"{SELF}/{path}", body))
            for body in ([], "text", 1, b"null"):
                self.assertIn("object", self.problem(400, method, f"{SELF}/{path}", body))
        self.assertEqual(self.ask("GET", SELF).json["ports"], {str(EXTERNAL[0]): 22})

    def test_clients_that_send_no_body_or_an_empty_one_get_a_plain_forward(self) -> None:
        for number, body in enumerate((b"", b" ", b"{}")):
            self.nothing(201, "POST", f"{SELF}/ports/{EXTERNAL[number]}/22", body)
            self.nothing(204, "DELETE", f"{SELF}/ports/{EXTERNAL[number]}")
        self.assertIsNone(self.told())

    def test_what_is_no_port(self) -> None:
        for path in ("ports/0", "ports/x", "ports/65536", f"ports/{EXTERNAL[0]}/0", "ports/1/22", "ports/x/22"):
            self.problem(400, "POST", f"{SELF}/{path}")
        self.problem(400, "DELETE", f"{SELF}/ports/x")


class WhoTests(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        self.create()

    def test_self_name_and_id(self) -> None:
        for who in ("self", "alice", "Alice", "+alice", "%61lice", "alice%20"):
            self.assertEqual(self.ask("GET", f"/v1/webspace/{who}").status, 200, who)
        for who in ("alice", "id:1", "id%3A1", "id%3a1"):
            self.assertEqual(self.ask("GET", f"/v1/webspace/{who}", token="root").status, 200, who)

    def test_no_or_half_a_token(self) -> None:
        for header in ("", "Bearer", "Bearer ", "Basic YWxpY2U6", "alice"):
            answer = self.ask("GET", SELF, token=None, Authorization=header)
            self.assertEqual((answer.status, answer.headers["www-authenticate"]), (401, "Bearer"))
        self.problem(401, "GET", SELF, token=None)

    def test_a_wrong_token(self) -> None:
        self.problem(403, "GET", SELF, token="eve")

    def test_others_are_an_admins_business(self) -> None:
        self.problem(403, "GET", "/v1/webspace/alice", token="bob")
        self.problem(403, "GET", "/v1/webspace/nobody", token="bob")
        self.problem(401, "GET", "/v1/webspace/id:2", token="bob")
        self.problem(404, "GET", "/v1/webspace/nobody", token="root")
        self.problem(404, "GET", "/v1/webspace/id:77", token="root")

    def test_what_can_be_no_name(self) -> None:
        for who in ("a.b", "a_b", "-", "%60", "id:", "id:x", "id:-1", "%C3%A4", "a" * 64):
            self.problem(404, "GET", f"/v1/webspace/{who}", token="root")


class DomainTests(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        self.create()
        self.w.records.texts_of = {"xn--bcher-kva.example": ["webspace:id:1"], "example.net": ["webspace:id:1"]}

    def names(self) -> list[str]:
        return self.ask("GET", f"{SELF}/domains").json

    def test_the_default_one_first(self) -> None:
        self.assertEqual(self.names(), ["alice.example.org"])
        answer = self.ask("POST", f"{SELF}/domains/example.net")
        self.assertEqual((answer.status, answer.body), (201, b""))
        self.assertEqual(self.names(), ["alice.example.org", "example.net"])
        self.assertEqual(self.ask("GET", SELF).json["domains"], ["example.net"])

    def test_an_encoded_international_one(self) -> None:
        self.assertEqual(self.ask("POST", f"{SELF}/domains/b%C3%BCcher.example").status, 201)
        self.assertEqual(self.names()[1:], ["xn--bcher-kva.example"])
        self.assertEqual(self.ask("DELETE", f"{SELF}/domains/b%C3%BCcher.example").status, 204)
        self.assertEqual(self.names()[1:], [])

    def test_what_is_refused(self) -> None:
        self.assertIn("webspace:id:1", self.problem(400, "POST", f"{SELF}/domains/example.com"))
        for path in ("*.example.net", "%2A.example.net", "192.0.2.1", "bob.example.org", "org", "a+b.net", "%FF.net"):
            self.problem(400, "POST", f"{SELF}/domains/{path}")
        self.problem(400, "DELETE", f"{SELF}/domains/alice.example.org")
        self.problem(404, "DELETE", f"{SELF}/domains/example.com")
        self.ask("POST", f"{SELF}/domains/example.net")
        self.problem(409, "POST", f"{SELF}/domains/example.net")

    def test_somebody_elses(self) -> None:
        for method in ("POST", "DELETE"):
            self.problem(403, method, "/v1/webspace/alice/domains/example.net", token="bob")
            self.problem(401, method, f"{SELF}/domains/example.net", token=None)

    def test_dns_away(self) -> None:
        self.w.records.errors = [Unavailable("the DNS servers do not tell", retry_after=5.0)]
        answer = self.ask("POST", f"{SELF}/domains/example.net")
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "5"))

    def test_no_webspace(self) -> None:
        self.problem(404, "GET", f"{SELF}/domains", token="bob")
        self.problem(404, "POST", f"{SELF}/domains/example.net", token="bob")


class RimTests(ApiCase):
    def test_other_methods_are_told_which_there_are(self) -> None:
        answer = self.ask("PUT", SELF)
        self.assertEqual((answer.status, answer.headers["content-type"]), (405, PROBLEM))
        self.assertEqual(set(answer.headers["allow"].split(", ")), {"GET", "HEAD", "POST", "DELETE"})

    def test_nothing_is_there(self) -> None:
        for path in ("/", "/v1", "/v1/", "/v2/images", "/v1/webspace", f"{SELF}/nothing", "/live/x"):
            self.problem(404, "GET", path)

    def test_a_header_that_is_no_text(self) -> None:
        fields = Headers({b"authorization": [b"Bearer \xff\xfe"]})
        asking = watch(self.treq.request("GET", f"http://webspaced.test{SELF}", headers=fields))
        self.treq.flush()
        self.assertIn(asking.value.code, (401, 403))

    def test_lxd_away(self) -> None:
        self.create()
        self.w.lose_lxd()
        answer = self.ask("GET", SELF)
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "2"))
        # What was seen a moment ago is shown on.
        self.assertEqual(self.ask("GET", "/v1/images", token=None).status, 200)
        self.w.clock.run_for(KEPT)
        self.problem(503, "GET", "/v1/images", token=None)

    def test_lxds_errors(self) -> None:
        self.w.lxd.fail_next("images", RemoteError("broken", 500))
        self.problem(502, "GET", "/v1/images")

    def test_our_own_mistake_says_nothing_and_is_logged(self) -> None:
        self.w.lxd.fail_next("images", ValueError("secret"))
        self.assertNotIn("secret", self.problem(500, "GET", "/v1/images"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class HealthTests(ApiCase):
    def test_none_needs_a_token_or_touches_lxd(self) -> None:
        self.w.lxd.calls.clear()
        for path in ("/live", "/ready", "/health"):
            self.nothing(204, "GET", path, token=None)
        self.assertEqual(self.w.lxd.calls, [])

    def test_while_it_starts(self) -> None:
        self.is_ready = False
        self.problem(503, "GET", "/ready")
        self.nothing(204, "GET", "/live")

    def test_while_lxd_is_away(self) -> None:
        self.is_healthy = False
        self.problem(500, "GET", "/health")
        self.nothing(204, "GET", "/ready")

    def test_while_routes_cannot_be_written(self) -> None:
        self.trouble = "routes cannot be written since 2027-01-15T08:00:00Z: No space left on device"
        self.assertEqual(self.problem(500, "GET", "/health"), self.trouble)
        self.is_healthy = False
        self.assertEqual(self.problem(500, "GET", "/health"), f"LXD cannot be reached; {self.trouble}")
        for path in ("/ready", "/live"):
            self.nothing(204, "GET", path)

"""Every call that changes something leaves one line, whoever makes it and however it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.simulation.client import Exchange
from tests.simulation.deployment import API
from tests.unit.audit.kept import CALL_NAMES, AuditCase
from webspaced.http.api import Api
from webspaced.http.internal import Internal
from webspaced.vocabulary.actions import CALLS

READING = {"GET", "HEAD", "OPTIONS"}
UPGRADED = {"open_terminal", "open_console"}
VALUES = {"<who>": "self", "<domain>": "www.example.net", "<port>": "40001", "<external>": "40001", "<internal>": "80"}
SECRETS = ("hunter2-secret", "PRIVATE KEY", "echo-of-a-command")


def changing() -> Iterator[tuple[str, str, str]]:
    """Give endpoint, method and path of everything that changes something, or opens a terminal."""
    for app in (Api.app, Internal.app):
        for rule in app.url_map.iter_rules():
            path = str(rule.rule)
            for name, value in VALUES.items():
                path = path.replace(name, value)
            for method in sorted(rule.methods or ()):
                endpoint = str(rule.endpoint).rpartition(".")[2]
                if method not in READING or (endpoint in UPGRADED and method == "GET"):
                    yield endpoint, method, path


class EveryCallTests(AuditCase):
    def test_each_endpoint_that_changes_something_has_an_action(self) -> None:
        self.assertEqual({endpoint for endpoint, _, _ in changing()}, {action.endpoint for action in CALLS})

    def test_one_line_each(self) -> None:
        self.begin()
        names = {action.endpoint: action.name for action in CALLS}
        for endpoint, method, path in sorted(changing(), key=lambda each: each[0] == "delete_webspace"):
            if path.startswith("/internal"):
                # It is on a listener of its own: see below.
                continue
            answer, ours = self.call(method, path, {})
            told = [each for each in self.lines(request_id=ours) if each["action"] in CALL_NAMES]
            self.assertEqual([each["action"] for each in told], [names[endpoint]], (method, path, answer))
            (line,) = told
            self.assertEqual(line["status"], answer.status)
            word = "ok" if answer.status < 400 else "refused" if answer.status < 500 else "failed"
            self.assertEqual(line["outcome"], word)
            self.assertEqual(line["who"], {"kind": "member", "id": 1, "user": "alice"})
            self.assertEqual((line["webspace"], line["owner"], line["cause"]), (1, "alice", "call"))
            self.assertTrue(line["from"]["address"])

    def test_one_line_each_for_who_has_no_token(self) -> None:
        self.begin()
        for _endpoint, method, path in changing():
            if path.startswith("/v1"):
                answer, ours = self.call(method, path, {}, token=None)
                self.assertEqual(answer.status, 401, (method, path))
                (line,) = self.lines(request_id=ours)
                self.assertEqual((line["who"], line["outcome"], line["status"]), ({"kind": "nobody"}, "refused", 401))
                self.assertEqual(line["target"]["who"], "self")
                self.assertTrue(line["reason"])

    def test_the_internal_one(self) -> None:
        self.begin()
        headers = {"Host": "a", "Authorization": "Bearer root", "X-Request-ID": "inside"}
        where = ("127.0.0.1", 8002)
        asked = Exchange(self.lived.d.reactor, where, "POST", "/internal/alice/ensure-started", headers)
        self.assertEqual(self.lived.finish(asked).status, 200)
        (line,) = self.lines(action="webspace.ensure-started")
        self.assertEqual((line["who"]["kind"], line["owner"], line["outcome"]), ("admin", "alice", "ok"))
        self.assertEqual(self.effects(request_id="inside"), [("instance.start", "call", "admin")])

    def test_reading_leaves_none(self) -> None:
        self.begin()
        for path in ("", "/state", "/config", "/desired", "/domains", "/ports", "/log", "/creation"):
            self.assertEqual(self.call("GET", f"/v1/webspace/self{path}")[0].status, 200, path)
        self.assertEqual([each for each in self.lines() if each["action"] in CALL_NAMES], [])


class OneCallTests(AuditCase):
    def test_what_was_asked_for(self) -> None:
        self.begin()
        for method, path, body, params, target in (
            ("PATCH", "/config", {"httpPort": 8080}, {"httpPort": 8080}, None),
            ("POST", "/ports/40003/22", {"wakeOn": "data"}, {"wakeOn": "data"}, {"external": "40003", "internal": "22"}),
            ("POST", "/domains/www.example.net", None, None, {"domain": "www.example.net"}),
            ("PUT", "/desired", {"desired": "stopped"}, {"desired": "stopped"}, None),
        ):
            answer, ours = self.call(method, f"/v1/webspace/self{path}", body)
            self.assertLess(answer.status, 300, answer)
            (line,) = [each for each in self.lines(request_id=ours) if each["action"] in CALL_NAMES]
            self.assertEqual((line.get("params"), line.get("target")), (params, target))

    def test_an_admin_on_behalf_of_a_member(self) -> None:
        self.begin()
        wish = {"desired": "suspended", "reason": "spam"}
        _, ours = self.call("PUT", "/v1/webspace/alice/desired", wish, token="root")
        (line,) = [each for each in self.lines(request_id=ours) if each["action"] in CALL_NAMES]
        self.assertEqual((line["who"]["kind"], line["who"]["user"], line["owner"]), ("admin", "root", "alice"))
        self.assertEqual(line["params"], wish)

    def test_somebody_elses_webspace(self) -> None:
        self.begin()
        _, ours = self.call("DELETE", "/v1/webspace/alice", token="bob")
        (line,) = self.lines(request_id=ours)
        self.assertEqual((line["who"]["user"], line["outcome"], line["status"]), ("bob", "refused", 403))
        self.assertEqual(line["target"], {"who": "alice"})
        self.assertNotIn("webspace", line)

    def test_a_client_that_leaves_is_told_of_when_its_change_is_done(self) -> None:
        self.begin()
        headers = {"Host": "api", "Authorization": "Bearer bob", "X-Request-ID": "left"}
        asked = Exchange(self.lived.d.reactor, API, "POST", "/v1/webspace/self", headers, {"image": "fast"})
        self.lived.d.clock.run_for(0.02)
        asked.leave()
        self.lived.d.clock.run_for(0.01)
        self.assertEqual(self.lines(action="webspace.create"), [])
        self.lived.d.pass_time(10)
        (line,) = self.lines(action="webspace.create")
        self.assertEqual((line["outcome"], line["request_id"], line["owner"]), ("ok", "left", "bob"))
        self.assertNotIn("status", line)

    def test_a_change_that_fails(self) -> None:
        self.begin()
        for _ in range(60):
            self.lived.d.lxd.faults.refuse("PUT", "/1.0/instances/ws-u1/state")
        answer, ours = self.call("POST", "/v1/webspace/self/state")
        (line,) = self.lines(request_id=ours, action="webspace.boot")
        self.assertEqual((answer.status, line["outcome"]), (502, "failed"))
        self.assertTrue(line["reason"])
        failed = self.lines(request_id=ours, action="instance.start")
        self.assertEqual({each["outcome"] for each in failed}, {"failed"})

    def test_who_is_refused_without_end_fills_no_disk(self) -> None:
        self.begin()
        for _ in range(600):
            self.call("DELETE", "/v1/webspace/alice", token="bob")
        self.assertLess(len(self.lines(outcome="refused")), 500)
        self.assertEqual(self.call("PATCH", "/v1/webspace/self/config", {"httpPort": 81})[0].status, 200)
        self.assertTrue(self.lines(action="webspace.configure", outcome="ok"), "what is done is always told of")


class SecretTests(AuditCase):
    def test_none_is_told(self) -> None:
        self.begin()
        self.call("POST", "/v1/webspace/self", {"image": "fast", "password": SECRETS[0]}, token="bob")
        self.call("POST", "/v1/webspace/self", {"image": "no such one", "password": SECRETS[0]}, token="carol")
        self.call("POST", "/v1/webspace/self/domains/www.example.net")
        key = f"-----BEGIN {SECRETS[1]}-----"
        self.call("PUT", "/v1/webspace/self/domains/www.example.net/certificate", {"certificate": "x", "key": key})
        self.call("POST", "/v1/webspace/self/exec", {"command": SECRETS[2]})
        ticket = json.loads(self.call("POST", "/v1/webspace/self/ticket", {"path": "exec"})[0].body)["ticket"]
        self.call("GET", f"/v1/webspace/self/exec?token={SECRETS[0]}", token="not-a-token")
        everything = "".join(self.kept.lines)
        self.assertIn("command.run", everything)
        self.assertIn("certificate.put", everything)
        for secret in (*SECRETS, ticket, "Bearer", "not-a-token", '"alice"}, "token'):
            self.assertNotIn(secret, everything)

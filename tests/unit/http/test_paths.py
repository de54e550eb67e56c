"""No data of one user is ever reachable by another: who gets what at every path of the application.

The table below has a row for each path and method. The paths are read from the application itself, so one that is new and
has no row fails with its name: add a row, and say who may call it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen
from klein import Klein
from twisted.internet.defer import succeed

from tests.contracts.fake_instances import FakeInstances
from tests.unit.http.served import Answer, ServedCase
from tests.unit.iam.memory import Service
from tests.unit.world import EXTERNAL
from webspaced.core.user import User
from webspaced.http.api import WEBSPACE, Api
from webspaced.http.health import Health
from webspaced.http.internal import Internal
from webspaced.http.manual import Manual
from webspaced.http.routes import RouteDocument

ALICE, BOB, ROOT = 1, 2, 99
CHANGES = ("create", "start", "stop", "resume", "delete", "configure")
"""What nobody may make LXD do who is refused."""
FREE, TAKEN = EXTERNAL[1], EXTERNAL[0]


@frozen(kw_only=True)
class Caller:
    """A kind of caller: whose token it has, or what instead; ``who`` is how Alice is named, if not by each of her names."""

    name: str
    token: Callable[[Service], str | None]
    who: tuple[str, ...]


NOBODY = Caller(name="no token", token=lambda _: None, who=("self", "alice", "id%3A1"))
MALFORMED = Caller(name="malformed", token=lambda _: "not.a-jwt", who=("self", "alice", "id:1"))
EXPIRED = Caller(name="expired", token=lambda iam: iam.iamd.token(ALICE, lifetime=-1), who=("self", "alice"))
FORGED = Caller(name="forged", token=lambda iam: f"{iam.iamd.token(ALICE)[:-4]}AAAA", who=("self", "alice", "id:1"))
OTHER = Caller(name="other user", token=lambda iam: iam.iamd.token(BOB), who=("alice", "Alice", "%61lice"))
OTHER_BY_ID = Caller(name="other user, by id", token=lambda iam: iam.iamd.token(BOB), who=("id:1", "id%3A1", "+id:1"))
# A claim of rights that IAM did not give.
PRETENDER = Caller(name="pretended admin", token=lambda iam: iam.iamd.token(BOB, is_admin=True), who=("alice",))
OWNER = Caller(name="self", token=lambda iam: iam.iamd.token(ALICE), who=("self", "alice"))
OWNER_BY_ID = Caller(name="self, by id", token=lambda iam: iam.iamd.token(ALICE), who=("id:1",))
ADMIN = Caller(name="admin", token=lambda iam: iam.iamd.token(ROOT), who=("alice", "id:1"))
CALLERS = (NOBODY, MALFORMED, EXPIRED, FORGED, OTHER, OTHER_BY_ID, PRETENDER, OWNER, OWNER_BY_ID, ADMIN)

MEMBERS_ONLY = {
    NOBODY: 401, MALFORMED: 401, EXPIRED: 403, FORGED: 403, OTHER: 403, OTHER_BY_ID: 401, OWNER_BY_ID: 401,
}  # fmt: skip
"""What everybody gets who may not; the owner and admins get the status of the row. A pretended admin has no rights but to
be refused by IAM (the version of the token's rights) or as any other user."""
ADMINS_ONLY = {**MEMBERS_ONLY, OTHER: 401, OWNER: 401}


@frozen(kw_only=True)
class Row:
    """A method at a path. ``ok``: the status for who may; ``refused``: what others get; ``inside``: on which listener."""

    ok: int
    refused: Mapping[Caller, int]
    body: Any = None
    inside: bool = False
    parameters: Mapping[str, str] = {}
    exists: bool = True
    """Whether Alice has a webspace before."""


def member(ok: int, body: Any = None, *, exists: bool = True, **parameters: object) -> Row:
    """Give the row of a path that is its user's, and admins'."""
    texts = {name: str(value) for name, value in parameters.items()}
    return Row(ok=ok, refused=MEMBERS_ONLY, body=body, exists=exists, parameters=texts)


def everybody(ok: int, *, inside: bool = False, **parameters: str) -> Row:
    """Give the row of a path at which no token is looked at."""
    return Row(ok=ok, refused={}, inside=inside, parameters=parameters)


TABLE: dict[tuple[str, str], Row] = {
    ("GET", "/v1/images"): everybody(200),
    ("GET", WEBSPACE): member(200),
    ("POST", WEBSPACE): member(201, {"image": "fast"}, exists=False),
    ("DELETE", WEBSPACE): member(204),
    ("GET", f"{WEBSPACE}/state"): member(200),
    ("POST", f"{WEBSPACE}/state"): member(204),
    ("PUT", f"{WEBSPACE}/state"): member(404),  # it does not run
    ("PATCH", f"{WEBSPACE}/state"): member(204),
    ("DELETE", f"{WEBSPACE}/state"): member(404),
    ("GET", f"{WEBSPACE}/config"): member(200),
    ("PATCH", f"{WEBSPACE}/config"): member(200, {"httpPort": 8080}),
    ("POST", f"{WEBSPACE}/awake"): member(200, {"seconds": 60}),
    ("GET", f"{WEBSPACE}/desired"): member(200),
    ("PUT", f"{WEBSPACE}/desired"): member(200, {"desired": "stopped"}),
    ("GET", f"{WEBSPACE}/domains"): member(200),
    ("POST", f"{WEBSPACE}/domains/<domain>"): member(201, domain="own.example"),
    ("DELETE", f"{WEBSPACE}/domains/<domain>"): member(404, domain="own.example"),
    # it is no domain of the webspace yet
    ("GET", f"{WEBSPACE}/domains/<domain>/certificate"): member(404, domain="own.example"),
    ("PUT", f"{WEBSPACE}/domains/<domain>/certificate"): member(404, {"certificate": "x", "key": "x"}, domain="own.example"),
    ("DELETE", f"{WEBSPACE}/domains/<domain>/certificate"): member(404, domain="own.example"),
    ("GET", f"{WEBSPACE}/ports"): member(200),
    ("POST", f"{WEBSPACE}/ports/<port>"): member(201, port=22),
    ("PATCH", f"{WEBSPACE}/ports/<port>"): member(204, {"proxyProtocol": 2}, port=TAKEN),
    ("DELETE", f"{WEBSPACE}/ports/<port>"): member(204, port=TAKEN),
    ("POST", f"{WEBSPACE}/ports/<external>/<internal>"): member(201, external=FREE, internal=22),
    ("GET", f"{WEBSPACE}/log"): member(200),
    ("DELETE", f"{WEBSPACE}/log"): member(204),
    ("POST", f"{WEBSPACE}/exec"): member(200, {"command": "true"}),
    ("GET", f"{WEBSPACE}/exec"): member(400),  # a plain request
    ("GET", f"{WEBSPACE}/console"): member(400),
    ("GET", f"{WEBSPACE}/creation"): member(200),
    ("POST", f"{WEBSPACE}/ticket"): member(201, {"path": "exec"}),
    ("POST", "/internal/<who>/ensure-started"): Row(ok=200, refused=ADMINS_ONLY, inside=True),
    ("GET", "/routes"): everybody(503, inside=True),
    ("GET", "/live"): everybody(204),
    ("GET", "/ready"): everybody(204),
    ("GET", "/health"): everybody(204),
    ("GET", "/static/api.yaml"): everybody(200),
    ("GET", "/swagger"): everybody(200),
    ("GET", "/swagger/<name>"): everybody(200, name="initializer.js"),
}
PAGES: tuple[Klein, ...] = (Api.app, Internal.app, Health.app, RouteDocument.app, Manual.app)


def methods_and_paths() -> Iterator[tuple[str, str]]:
    """Walk what the application serves. A path that took any method would have ``*``; nearly every GET can be a HEAD."""
    for app in PAGES:
        for rule in app.url_map.iter_rules():
            for method in sorted((rule.methods or {"*"}) - {"HEAD"}):
                yield method, rule.rule


class TableTests(ServedCase):
    def test_no_path_is_forgotten(self) -> None:
        served = set(methods_and_paths())
        for method, path in sorted(served - set(TABLE)):
            self.fail(f"{method} {path} has no row in TABLE of {__name__}: add one that says who may call it")
        self.assertEqual(sorted(set(TABLE) - served), [], "in the table, but not served")
        self.assertGreater(len(served), 20)

    def test_all_that_is_a_users_is_refused_to_others(self) -> None:
        # A row cannot be written so that it lets somebody else in.
        for (method, path), row in TABLE.items():
            if "<who>" in path:
                self.assertIn(row.refused, (MEMBERS_ONLY, ADMINS_ONLY), f"{method} {path}")


class PathCase(ServedCase):
    def world(self, *, exists: bool = True, **more: Any) -> FakeInstances:
        """Begin anew: Alice has a webspace with a forwarded port, and IAM is an iamd."""
        super().setUp()
        self.iam = Service()
        self.configure(identity=self.iam.identity, opened=True, **more)
        self.w.records.texts_of["own.example"] = ["webspace:id:1"]
        if exists:
            self.answer(OWNER, "self", "POST", WEBSPACE, Row(ok=201, refused={}, body={"image": "fast"}))
            self.answer(OWNER, "self", "POST", f"{WEBSPACE}/ports/{TAKEN}/22", Row(ok=201, refused={}))
        self.w.lxd.calls.clear()
        return self.w.lxd

    def answer(self, caller: Caller, who: str, method: str, path: str, row: Row, *, inside: bool = False) -> Answer:
        filled = re.sub("<(.*?)>", lambda match: {"who": who, **row.parameters}[match[1]], path)
        return self.ask(method, filled, row.body, token=caller.token(self.iam), inside=inside)

    def changes(self) -> list[tuple[str, str]]:
        return [call for call in self.w.lxd.calls if call[0] in CHANGES]


class PathTests(PathCase):
    def test_everybody_at_every_path(self) -> None:
        for (method, path), row in TABLE.items():
            for caller in CALLERS:
                if caller in row.refused or caller is PRETENDER:
                    self.check_refused(caller, method, path, row)
                else:
                    self.check_served(caller, method, path, row)

    def check_refused(self, caller: Caller, method: str, path: str, row: Row) -> None:
        expected = row.refused.get(caller, row.refused.get(OTHER, row.ok))
        if not hasattr(self, "iam") or self.changes() or not self.w.lxd.containers:
            self.world()
        for who in caller.who if "<who>" in path else ("self",):
            answer = self.answer(caller, who, method, path, row, inside=row.inside)
            self.assertEqual(answer.status, expected, (caller.name, who, method, path, answer.body))
            if row.refused:
                self.assertEqual(set(answer.json), {"message", "title", "status", "detail", "requestId"})
        self.assertTrue(not row.refused or not self.changes(), (caller.name, method, path))

    def check_served(self, caller: Caller, method: str, path: str, row: Row) -> None:
        for who in caller.who if "<who>" in path else ("self",):
            self.world(exists=row.exists)
            if "ensure-started" in path:
                self.w.clock.run_for(1)
            answer = self.answer(caller, who, method, path, row, inside=row.inside)
            self.assertEqual(answer.status, row.ok, (caller.name, who, method, path, answer.body))


class OutsideTests(PathCase):
    """What is for the operator's own machines, asked from outside."""

    def statuses(self, method: str, path: str) -> set[int]:
        found = set()
        for caller in CALLERS:
            for inner in (path, path.replace("/internal", "/%69nternal"), path.replace("/internal", "//internal")):
                found.add(self.answer(caller, "alice", method, inner, everybody(404)).status)
        return found

    def test_nothing_of_it_is_there(self) -> None:
        self.world()
        self.configure(identity=self.iam.identity, opened=False)
        for method, path in (("POST", "/internal/<who>/ensure-started"), ("GET", "/metrics"), ("GET", "/routes")):
            self.assertEqual(self.statuses(method, path), {404}, path)
        self.assertEqual(self.changes(), [])

    def test_the_internal_paths_are_opened_for_old_traefiks(self) -> None:
        row = TABLE["POST", "/internal/<who>/ensure-started"]
        for caller in CALLERS:
            for who in caller.who:
                self.world()
                answer = self.answer(caller, who, "POST", "/internal/<who>/ensure-started", row)
                expected = row.refused.get(OTHER if caller is PRETENDER else caller, row.ok)
                self.assertEqual(answer.status, expected, (caller.name, who))
        for method, path in (("GET", "/metrics"), ("GET", "/routes"), ("GET", "/internal"), ("POST", "/internal/alice/x")):
            self.assertEqual(self.statuses(method, path), {404}, path)


class OwnRulesTests(ServedCase):
    def test_whatever_iam_would_tell(self) -> None:
        # Who may see whom is decided here as well: an IAM that tells everybody's name to anybody opens nothing.
        found = User(id=ALICE, username="alice")
        for method in ("by_username", "by_id"):
            self.patch(self.identity, method, lambda *_: succeed(found))
        for who, status in (("alice", 403), ("id:1", 401)):
            self.assertEqual(self.ask("GET", f"/v1/webspace/{who}", token="bob").status, status)


class FreshTests(ServedCase):
    def test_nothing_of_a_user_can_be_changed_by_a_call(self) -> None:
        # Values are frozen: what one call found out of its user cannot leak into another's.
        alice = self.w.clock.result_of(self.identity.authenticate("alice"))
        for target, name in ((alice, "user"), (alice.user, "is_admin"), (alice.user, "username")):
            self.assertRaises(AttributeError, setattr, target, name, None)

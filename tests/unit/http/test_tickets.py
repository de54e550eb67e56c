from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.http.served import ADMIN, ServedCase
from tests.unit.timing import Time, watch
from webspaced.core.user import Caller, User
from webspaced.errors import Forbidden, Unauthenticated
from webspaced.http.problems import TooManyRequests
from webspaced.http.tickets import LIFETIME, PATHS, Tickets, offers_ours, ticket_among
from webspaced.iam.static import StaticIdentity
from webspaced.iam.users_file import hash_token

ALICE, BOB = User(id=1, username="alice"), User(id=2, username="bob")
ROOT = User(id=99, username="root", is_admin=True)
PAGE, EVIL = "https://panel.example.org", "https://evil.example"


class TicketTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.clock.advance(1e9)
        self.tickets = Tickets(self.clock, most=5, most_per_user=3)

    def issue(self, caller: User = ALICE, subject: User = ALICE) -> str:
        return self.tickets.issue(Caller(user=caller, token=caller.username), subject, "exec", PAGE)

    def refused(self, ticket: str, who: str = "self", path: str = "exec", origin: str | None = PAGE) -> None:
        error = self.assertRaises(Unauthenticated, self.tickets.redeem, ticket, who, path, origin)
        self.assertNotIn(ticket, str(error))

    def test_once(self) -> None:
        ticket = self.issue()
        caller, subject = self.tickets.redeem(ticket, "self", "exec", PAGE)
        self.assertEqual((caller.user, caller.token, subject), (ALICE, "alice", ALICE))
        self.refused(ticket)
        self.assertEqual(len(self.tickets), 0)

    def test_thirty_seconds(self) -> None:
        early, late = self.issue(), self.issue()
        self.clock.advance(LIFETIME - 0.001)
        self.tickets.redeem(early, "self", "exec", PAGE)
        self.clock.advance(0.001)
        self.refused(late)

    def test_a_clock_that_is_set_back_prolongs_nothing(self) -> None:
        ticket = self.issue()
        self.clock.rightNow -= 1
        self.refused(ticket)

    def test_for_one_thing_and_used_up_by_another(self) -> None:
        for wrong in (
            {"path": "console"},
            {"origin": EVIL},
            {"origin": None},
            {"who": "bob"},
            {"who": "id:1"},
            {"who": "id:2"},
            {"who": ""},
        ):
            ticket = self.issue()
            self.refused(ticket, **wrong)
            self.refused(ticket)

    def test_the_names_of_a_user(self) -> None:
        named = ((ALICE, ALICE, "Alice"), (ROOT, ALICE, "alice"), (ROOT, ALICE, "id:1"), (ROOT, ROOT, "self"))
        for caller, subject, who in named:
            ticket = self.issue(caller, subject)
            redeemed, whose = self.tickets.redeem(ticket, who, "exec", PAGE)
            self.assertEqual((redeemed.user, whose), (caller, subject))
        self.refused(self.issue(ROOT, ALICE), "self")

    def test_bounded(self) -> None:
        for _ in range(3):
            self.issue()
        error = self.assertRaises(TooManyRequests, self.issue)
        self.assertEqual(error.retry_after, LIFETIME)
        self.issue(BOB, BOB)
        self.issue(BOB, BOB)
        self.assertRaises(TooManyRequests, self.issue, ROOT, ROOT)
        self.clock.advance(LIFETIME)
        for caller in (ALICE, BOB, ROOT):
            self.issue(caller, caller)
        self.assertEqual(len(self.tickets), 3)

    def test_no_two_are_alike_and_none_is_kept_as_it_is(self) -> None:
        tickets = {self.issue() for _ in range(3)}
        self.assertEqual(len(tickets), 3)
        for ticket in tickets:
            self.assertGreaterEqual(len(ticket), 43)
            self.assertNotIn(ticket, repr(vars(self.tickets)))

    def test_among_subprotocols(self) -> None:
        for offered, found in (
            (["webspaced, webspaced.ticket.abc"], "abc"),
            (["webspaced", "webspaced.ticket.a-_b "], "a-_b"),
            (["webspaced.ticket."], ""),
            (["chat,webspaced"], None),
            ([], None),
        ):
            self.assertEqual(ticket_among(offered), found)
        self.assertTrue(offers_ours(["a, webspaced"]))
        self.assertFalse(offers_ours(["webspaced.ticket.abc"]))


class UpgradeTests(ServedCase):
    """What a WebSocket's endpoint asks, and how a page comes by a ticket."""

    def setUp(self) -> None:
        super().setUp()
        self.configure(origins=(PAGE,))

    def ticket(self, who: str = "self", token: str = "alice", path: str = "exec", origin: str | None = PAGE) -> str:
        headers = {} if origin is None else {"Origin": origin}
        answer = self.ask("POST", f"/v1/webspace/{who}/ticket", {"path": path}, token=token, headers=headers)
        self.assertEqual((answer.status, answer.json["expiresIn"]), (201, 30), answer.body)
        return str(answer.json["ticket"])

    def upgrade(
        self,
        ticket: str | None = None,
        who: str = "self",
        path: str = "exec",
        origin: str | None = PAGE,
        token: str | None = None,
    ) -> User:
        line = self.line()
        seen: list[Any] = []
        patches = (
            self.patch(self.public, "getResourceFor", seen.append),
            self.patch(self.public.requestFactory, "render", lambda *_: None),
        )
        headers = {"Origin": origin, "Authorization": token and f"Bearer {token}"}
        headers["Sec-WebSocket-Protocol"] = ticket and f"webspaced, webspaced.ticket.{ticket}"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        line.say(f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
        for patch in patches:
            patch.restore()
        user: User = watch(self.auth.grant_of_upgrade(seen[0], who, path)).value.subject
        return user

    def test_a_ticket_is_as_good_as_a_token(self) -> None:
        self.assertEqual(self.upgrade(self.ticket()).username, "alice")
        self.assertEqual(self.upgrade(self.ticket("alice"), who="self").username, "alice")
        self.assertEqual(self.upgrade(self.ticket("id%3A2", "root", "console"), "id:2", "console").username, "bob")
        self.assertEqual(self.upgrade(self.ticket(origin=None), origin=None).username, "alice")

    def test_not_for_anything_else(self) -> None:
        ticket = self.ticket()
        self.assertRaises(Unauthenticated, self.upgrade, ticket, path="console")
        self.assertRaises(Unauthenticated, self.upgrade, ticket)
        self.assertRaises(Unauthenticated, self.upgrade, self.ticket(), origin=None)
        self.assertRaises(Unauthenticated, self.upgrade, self.ticket(), who="bob")
        self.assertRaises(Unauthenticated, self.upgrade)
        self.assertRaises(Unauthenticated, self.upgrade, "")

    def test_it_dies_with_its_token_and_with_an_admins_right(self) -> None:
        hers, roots = self.ticket(), self.ticket("id%3A2", "root", "console")
        # Another token of hers; and root is an ordinary member now.
        users = [(User(id=1, username="alice"), hash_token("new")), (User(id=ADMIN, username="root"), hash_token("root"))]
        self.patch(self.auth, "_identity", StaticIdentity(users))
        self.assertRaises(Forbidden, self.upgrade, hers)
        self.assertRaises(Forbidden, self.upgrade, roots, "id:2", "console")

    def test_a_token_counts_before_a_ticket(self) -> None:
        ticket = self.ticket()
        self.assertRaises(Forbidden, self.upgrade, ticket, token="eve")
        self.assertEqual(self.upgrade(ticket, token="bob").username, "bob")
        self.assertEqual(self.upgrade(ticket).username, "alice")

    def test_pages_of_other_origins_are_refused_whatever_they_have(self) -> None:
        ticket = self.ticket(origin=EVIL)
        for token in (None, "alice"):
            self.assertRaises(Forbidden, self.upgrade, ticket, origin=EVIL, token=token)
        self.assertEqual(self.upgrade(token="alice", origin=None).username, "alice")

    def test_what_is_no_wish(self) -> None:
        for body in ({}, {"path": "log"}, {"path": 3}, {"path": "exec", "x": 1}, None, []):
            self.assertEqual(self.ask("POST", "/v1/webspace/self/ticket", body, token="alice").status, 400, body)
        self.assertEqual(PATHS, ("exec", "console"))
        self.assertEqual(self.ask("POST", "/v1/webspace/alice/ticket", {"path": "exec"}, token="bob").status, 403)
        self.assertEqual(len(self.tickets), 0)

"""IAM's answers become callers and users, and its failures are told apart from refusals."""

from __future__ import annotations

import io
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.logger import LogLevel, globalLogPublisher, textFileLogObserver
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseNeverReceived

from tests.contracts.identity import ALICE, BOB, NOBODY, ROOT
from tests.unit.iam.memory import BASE, OWN, Service
from tests.unit.timing import watch
from webspaced.core.user import LARGEST_ID, Caller
from webspaced.errors import Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from webspaced.iam.client import LARGEST_ANSWER, REQUEST_TIMEOUT
from webspaced.iam.iamd import AWAY_TIME, CACHE_SIZE, CACHE_TIME, IamdIdentity

VALIDATION, SELF = "/users/self/token", "/users/self"


class IamdCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.s = Service()
        self.iamd, self.identity, self.clock = self.s.iamd, self.s.identity, self.s.clock
        self.alice, self.root = self.iamd.token(ALICE), self.iamd.token(ROOT)
        self.log = io.StringIO()
        self.events: list[Any] = []
        for observer in (textFileLogObserver(self.log), self.events.append):
            globalLogPublisher.addObserver(observer)
            self.addCleanup(globalLogPublisher.removeObserver, observer)

    def tearDown(self) -> None:
        """Whatever a test was about: no token may have been logged, nor be in an error."""
        for token in (self.alice, self.root, self.s.own):
            self.assertNotIn(token, self.log.getvalue())

    def fails(self, kind: type[Exception], work: Any) -> Any:
        error = watch(work).error
        self.assertIs(type(error), kind)
        for token in (self.alice, self.root, self.s.own):
            self.assertNotIn(token, f"{error!r} {error.__cause__!r}")
        return error

    def caller(self, token: str) -> Caller:
        return watch(self.identity.authenticate(token)).value

    def levels(self) -> list[LogLevel]:
        return [event["log_level"] for event in self.events]


class TokenTests(IamdCase):
    def test_an_id_that_no_path_could_name_is_refused_and_told(self) -> None:
        for uid, told in ((LARGEST_ID, False), (LARGEST_ID + 1, True)):
            self.iamd.add(uid, f"u{uid}")
            asking = watch(self.identity.authenticate(self.iamd.token(uid)))
            self.assertEqual(isinstance(asking.results[0], Failure), told)
            self.assertEqual(str(LARGEST_ID) in self.log.getvalue(), told)

    def test_it_is_validated_first_by_the_one_call_that_does(self) -> None:
        self.caller(self.alice)
        self.assertEqual(self.s.asked(), [VALIDATION, SELF])
        for request, headers in self.s.agent.sent:
            self.assertTrue(request.startswith(f"GET {BASE}/users/self"))
            self.assertEqual(headers["authorization"], [f"Bearer {self.alice}"])

    def test_iams_reason_is_passed_on_if_it_is_one(self) -> None:
        for said, passed in (
            (b'{"message": "token is expired by 5m3s"}', "IAM refuses the token: token is expired by 5m3s"),
            (f'{{"message": "what is {self.alice}"}}'.encode(), "IAM refuses the token"),
            (b'{"message": "a\\nb"}', "IAM refuses the token"),
            (b'{"message": 3}', "IAM refuses the token"),
            (b'{"message": ""}', "IAM refuses the token"),
            (b'["message"]', "IAM refuses the token"),
            (b'{"message": "%s"}' % (b"x" * 1000), "IAM refuses the token"),
            (b"<html>", "IAM refuses the token"),
        ):
            self.iamd.next_answers = [(401, said)]
            self.assertEqual(str(self.fails(Forbidden, self.identity.authenticate(self.alice))), passed)

    def test_refused_ones(self) -> None:
        expired, early = self.iamd.token(ALICE, lifetime=-1), self.iamd.token(ALICE, nbf=self.clock.seconds() + 1)
        outdated = self.iamd.token(ROOT)
        self.iamd.set_admin(ROOT, admin=False)
        strange = [self.iamd.token(ALICE, iss="other"), self.iamd.token(ALICE, aud=["verification"])]
        lying = self.iamd.token(ALICE, is_admin=True)[:-3] + "AAA"
        for token in (expired, early, outdated, lying, *strange):
            self.fails(Forbidden, self.identity.authenticate(token))
        # Nothing is taken from a call that an expired token can make.
        self.assertEqual(set(self.s.asked()), {VALIDATION})

    def test_a_claim_alone_makes_nobody_an_admin(self) -> None:
        # Even one that IAM signed: what counts is what IAM says of the user now.
        self.assertFalse(self.caller(self.iamd.token(ALICE, is_admin=True)).user.is_admin)

    def test_what_can_be_no_token_is_not_sent(self) -> None:
        head, payload, signature = self.alice.split(".")
        broken = (
            head, f"{head}.{payload}", f"{head}..{signature}", f"{head}.{payload}.{signature}.x", f"{head}.AAAA.{signature}",
            f"{head}.W10.{signature}", f" {self.alice}", f"{self.alice}\n", f"{self.alice}é",
            f"{head}.{payload}.{'x' * 9000}", f"{head}.{'W1tb' * 1000}.{signature}",
        )  # fmt: skip
        for token in broken:
            self.fails(Unauthenticated, self.identity.authenticate(token))
        self.assertEqual(self.s.agent.sent, [])

    def test_whom_iam_does_not_know_any_more(self) -> None:
        for status in (401, 403, 404):
            self.iamd.next_answers = [(204, b""), (status, b"{}")]
            self.fails(Forbidden, self.identity.authenticate(self.alice))

    def test_another_users_data_is_believed_of_nobody(self) -> None:
        somebody = b'{"id": 99, "username": "root", "is_admin": true}'
        self.iamd.next_answers = [(204, b""), (200, somebody)]
        self.fails(Unavailable, self.identity.authenticate(self.alice))


class CacheTests(IamdCase):
    def test_many_calls_are_two_requests(self) -> None:
        for _ in range(10):
            self.caller(self.alice)
        self.assertEqual(self.s.asked(), [VALIDATION, SELF])
        self.clock.advance(CACHE_TIME - 0.1)
        self.caller(self.alice)
        self.assertEqual(self.s.asked(), [])
        self.clock.advance(0.1)
        self.caller(self.alice)
        self.assertEqual(self.s.asked(), [VALIDATION, SELF])

    def test_who_has_logged_out_is_out_when_it_is_over(self) -> None:
        self.caller(self.root)
        self.iamd.log_out(ROOT)
        self.clock.advance(CACHE_TIME)
        self.fails(Forbidden, self.identity.authenticate(self.root))

    def test_who_has_logged_out_is_out_at_once_for_whoever_asks_anew_and_for_all_after_that(self) -> None:
        self.caller(self.root)
        self.iamd.log_out(ROOT)
        self.caller(self.root)
        self.fails(Forbidden, self.identity.authenticate(self.root, anew=True))
        self.fails(Forbidden, self.identity.authenticate(self.root))

    def test_it_never_outlives_the_token(self) -> None:
        short = self.iamd.token(ALICE, lifetime=2.5)
        self.caller(short)
        self.clock.advance(2.4)
        self.caller(short)
        self.clock.advance(0.1)
        self.fails(Forbidden, self.identity.authenticate(short))

    def test_an_end_that_is_no_time_does_not_prolong_it(self) -> None:
        self.patch(self.iamd, "is_valid", lambda _token: True)
        for strange in ("never", None, 1e400, float("nan"), [], 10**400):
            token = self.iamd.token(ALICE, exp=strange)
            self.caller(token)
            self.assertEqual(self.s.asked(), [VALIDATION, SELF], strange)
            self.clock.advance(CACHE_TIME)
            self.caller(token)
            self.assertEqual(self.s.asked(), [VALIDATION, SELF], strange)

    def test_a_refusal_is_not_remembered(self) -> None:
        token = self.iamd.token(ALICE, nbf=self.clock.seconds() + 1)
        self.fails(Forbidden, self.identity.authenticate(token))
        self.clock.advance(1)
        self.assertEqual(self.caller(token).user.id, ALICE)

    def test_no_token_is_kept(self) -> None:
        self.caller(self.alice)
        self.assertNotIn(self.alice, repr(vars(self.identity._accepted)))

    def test_it_is_bounded(self) -> None:
        for number in range(CACHE_SIZE + 10):
            self.identity._accepted.put(b"%d" % number, Any, 1e9)
        self.assertEqual(len(self.identity._accepted), CACHE_SIZE)

    def test_at_once_they_share_one_flight(self) -> None:
        self.iamd.answer = (None, b"")
        asking = [watch(self.identity.authenticate(self.alice)) for _ in range(5)]
        other = watch(self.identity.authenticate(self.root))
        self.assertEqual(self.s.asked(), [VALIDATION, VALIDATION])
        asking[0].deferred.cancel()
        self.assertIsInstance(asking[0].error, CancelledError)
        self.assertFalse(any(each.done for each in [*asking[1:], other]))
        self.assertEqual(self.iamd.given_up, 0)
        self.clock.advance(REQUEST_TIMEOUT)
        self.assertEqual({type(each.error) for each in [*asking[1:], other]}, {Unavailable})

    def test_lookups_by_id_too(self) -> None:
        for _ in range(3):
            watch(self.identity.by_id(BOB)).value  # noqa: B018
        self.assertEqual(self.s.asked(), [f"/users/id:{BOB}"])
        self.clock.advance(CACHE_TIME)
        watch(self.identity.by_id(BOB)).value  # noqa: B018
        self.assertEqual(self.s.asked(), [f"/users/id:{BOB}"])

    def test_lookups_by_id_share_one_flight(self) -> None:
        self.iamd.answer = (None, b"")
        asking = [watch(self.identity.by_id(BOB)) for _ in range(5)]
        self.assertEqual(self.s.asked(), [f"/users/id:{BOB}"])
        self.clock.advance(REQUEST_TIMEOUT)
        self.assertEqual({type(each.error) for each in asking}, {Unavailable})


class FailureTests(IamdCase):
    """IAM being away, slow or strange is nobody's refusal."""

    def setUp(self) -> None:
        super().setUp()
        self.caller_then = self.caller(self.root)
        self.clock.advance(CACHE_TIME)
        self.s.asked()

    def ways(self) -> list[Any]:
        return [
            lambda: self.identity.authenticate(self.alice),
            lambda: self.identity.by_username("bob", self.caller_then),
            lambda: self.identity.by_id(BOB),
        ]

    def all_unavailable(self) -> None:
        for way in self.ways():
            error = self.fails(Unavailable, way())
            self.assertGreater(error.retry_after, 0)
            self.assertIn("IAM", str(error))
        # What was remembered of the failure is not what is tested next.
        self.clock.advance(AWAY_TIME)

    def test_statuses_that_iamd_does_not_give(self) -> None:
        for status in (500, 502, 503, 504, 429, 400, 302, 418, 201):
            self.iamd.answer = (status, b"secret text of a proxy")
            self.all_unavailable()
        self.assertNotIn("secret text", self.log.getvalue())

    def test_redirects_are_not_followed(self) -> None:
        self.iamd.answer, self.iamd.headers = (301, b""), {"Location": "http://evil.example/"}
        self.all_unavailable()
        self.assertFalse([request for request, _ in self.s.agent.sent if "evil" in request])

    def test_cookies_are_not_kept(self) -> None:
        self.iamd.answer, self.iamd.headers = (500, b""), {"Set-Cookie": "session=1; Path=/"}
        self.all_unavailable()
        self.all_unavailable()
        self.assertFalse([headers for _, headers in self.s.agent.sent if "cookie" in headers])

    def test_answers_that_are_no_user(self) -> None:
        wrong = (
            b"", b"<html>", b"[]", b"null", b"3", b"{}", b"\xff", b"[" * 50_000, b'{"id": 2}',
            b'{"id": "2", "username": "bob"}', b'{"id": true, "username": "bob"}', b'{"id": -2, "username": "bob"}',
            b'{"id": 2, "username": 3}', b'{"id": 2, "username": "b_b"}', b'{"id": 2, "username": "bob", "ssh_key": 3}',
        )  # fmt: skip
        for body in wrong:
            self.iamd.answer = (200, body)
            self.all_unavailable()

    def test_another_user_than_was_asked_for(self) -> None:
        self.iamd.answer = (200, b'{"id": 1, "username": "alice", "is_admin": false}')
        for way in self.ways()[1:]:
            self.fails(Unavailable, way())

    def test_an_answer_without_end_is_cut(self) -> None:
        for size, kind in ((LARGEST_ANSWER + 1, "more than"), (LARGEST_ANSWER, "not JSON")):
            self.iamd.answer = (200, b" " * size)
            self.fails(Unavailable, self.identity.by_id(BOB))
            self.assertIn(kind, self.log.getvalue().splitlines()[-1])
            self.clock.advance(AWAY_TIME)

    def test_connections_that_fail(self) -> None:
        for error in (ConnectError(), ResponseNeverReceived([Failure(ConnectionLost("cut"))]), OSError(5, "no")):
            self.s.agent.failures = [error] * 3
            self.all_unavailable()
        self.assertIn("ConnectionLost", self.log.getvalue())

    def test_answers_that_do_not_come(self) -> None:
        self.iamd.answer = (None, b"")
        for way in self.ways():
            asking = watch(way())
            self.clock.advance(REQUEST_TIMEOUT - 0.1)
            self.assertFalse(asking.done)
            self.clock.advance(0.1)
            self.assertIs(type(asking.error), Unavailable)
            self.s.agent.flush()
        self.assertEqual(self.iamd.given_up, 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelling_reaches_the_request(self) -> None:
        self.iamd.answer = (None, b"")
        asking = watch(self.identity.by_username("bob", self.caller_then))
        asking.deferred.cancel()
        self.s.agent.flush()
        self.assertTrue(asking.done)
        self.assertEqual((self.iamd.given_up, self.clock.getDelayedCalls()), (1, []))

    def test_it_is_asked_again_at_once_for_a_caller(self) -> None:
        self.s.agent.failures = [ConnectError()]
        self.fails(Unavailable, self.identity.authenticate(self.alice))
        self.assertEqual(self.caller(self.alice).user.id, ALICE)


class OwnTokenTests(IamdCase):
    def test_it_is_used_for_ids_only(self) -> None:
        self.caller(self.root)
        watch(self.identity.by_username("bob", self.caller(self.root))).value  # noqa: B018
        self.assertNotIn(self.s.own, repr(self.s.agent.sent))
        watch(self.identity.by_id(BOB)).value  # noqa: B018
        self.assertEqual(self.s.agent.sent[-1][1]["authorization"], [f"Bearer {self.s.own}"])

    def test_refused_it_is_the_operators_business(self) -> None:
        del self.iamd.accounts[OWN]
        error = self.fails(Unavailable, self.identity.by_id(BOB))
        self.assertIn("webspaced's own token", str(error))
        self.assertIn("iam.token", self.log.getvalue())
        self.assertEqual(self.levels(), [LogLevel.error])

    def test_of_one_who_is_no_admin_likewise(self) -> None:
        self.iamd.accounts[OWN].is_admin = False
        self.fails(Unavailable, self.identity.by_id(BOB))
        self.assertEqual(self.levels(), [LogLevel.error])

    def test_after_a_failure_lookups_by_id_rest(self) -> None:
        # A start asks for a thousand members: each would wait for a deadline of its own, or write a line of its own.
        del self.iamd.accounts[OWN]
        for uid in range(50):
            self.fails(Unavailable, self.identity.by_id(uid))
        self.assertEqual((len(self.s.asked()), len(self.events)), (1, 1))
        self.iamd.add(OWN, "webspaced", is_admin=True)
        self.clock.advance(AWAY_TIME)
        self.assertEqual(watch(self.identity.by_id(BOB)).value.username, "bob")

    def test_without_one_nobody_is_said_not_to_exist(self) -> None:
        s = Service(own_token=False)
        self.assertIn("iam.token is not set", self.log.getvalue())
        self.fails(Unavailable, s.identity.by_id(BOB))
        self.assertEqual(s.agent.sent, [])
        self.assertEqual(watch(s.identity.authenticate(s.iamd.token(ALICE))).value.user.id, ALICE)

    def test_one_that_no_header_can_hold_ends_the_start(self) -> None:
        for token in ("a b", "a\nb", "é", ""):
            error = self.assertRaises(Invalid, IamdIdentity, self.s.client, self.clock, token, self.clock.seconds)
            self.assertNotIn(token or "nothing", str(error))


class AbsenceTests(IamdCase):
    """Whose name is taken from LXD because IAM does not know them must really be unknown."""

    def test_a_404_of_iamd_itself(self) -> None:
        self.fails(NotFound, self.identity.by_id(NOBODY))
        self.assertEqual(self.s.asked(), [f"/users/id:{NOBODY}", VALIDATION])
        self.fails(NotFound, self.identity.by_id(NOBODY + 1))
        self.assertEqual(self.s.asked(), [f"/users/id:{NOBODY + 1}"])
        self.clock.advance(CACHE_TIME)
        self.fails(NotFound, self.identity.by_id(NOBODY))
        self.assertEqual(self.s.asked(), [f"/users/id:{NOBODY}", VALIDATION])

    def test_a_404_of_a_proxy_or_a_wrong_url(self) -> None:
        self.iamd.answer = (404, b'{"message": "not found"}')
        self.fails(Unavailable, self.identity.by_id(BOB))
        self.fails(Unavailable, self.identity.authenticate(self.alice))
        self.assertIn("is iam.url right?", self.log.getvalue())

    def test_with_an_expired_token_of_our_own(self) -> None:
        identity = IamdIdentity(self.s.client, self.clock, self.iamd.token(OWN, lifetime=-1), self.clock.seconds)
        self.assertEqual(watch(identity.by_id(BOB)).value.username, "bob")
        self.fails(NotFound, identity.by_id(NOBODY))


class NameTests(IamdCase):
    def test_on_the_callers_behalf(self) -> None:
        root = self.caller(self.root)
        self.s.asked()
        watch(self.identity.by_username("bob", root)).value  # noqa: B018
        self.assertEqual(self.s.asked(), ["/users/bob"])
        self.assertEqual(self.s.agent.sent[-1][1]["authorization"], [f"Bearer {self.root}"])

    def test_ones_own_is_known(self) -> None:
        caller = self.caller(self.alice)
        self.s.asked()
        self.assertIs(watch(self.identity.by_username("alice", caller)).value, caller.user)
        self.assertEqual(self.s.asked(), [])

    def test_a_caller_whose_token_has_ended_meanwhile(self) -> None:
        root = self.caller(self.root)
        self.iamd.key = "another"
        self.fails(Forbidden, self.identity.by_username("bob", root))

    def test_upper_case_of_iam_is_lower_case_here(self) -> None:
        self.iamd.accounts[BOB].username = "BoB"
        self.assertEqual(watch(self.identity.by_id(BOB)).value.username, "bob")

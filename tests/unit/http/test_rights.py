"""What is open ends with the right to it, and with nothing else."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time, watch
from webspaced.core.user import Caller, User
from webspaced.errors import DeadlineExceeded, Forbidden, Unauthenticated, Unavailable
from webspaced.http.rights import INTERVAL, Grant, Watch, ended

ALICE, BOB = User(id=1, username="alice"), User(id=2, username="bob")
ROOT = User(id=99, username="root", is_admin=True)
HER_OWN = Grant(subject=ALICE, caller=Caller(user=ALICE, token="t"))
BY_ROOT = Grant(subject=ALICE, caller=Caller(user=ROOT, token="t"))


class Identity:
    """Says of every token the same."""

    def __init__(self, answer: User | Exception) -> None:
        self.answer = answer

    async def authenticate(self, token: str, *, anew: bool = False) -> Caller:
        # What was said a moment ago would leave a revoked one open for as long again.
        assert anew
        if isinstance(self.answer, Exception):
            raise self.answer
        return Caller(user=self.answer, token=token)


class EndedTests(SynchronousTestCase):
    def reason(self, answer: User | Exception, grant: Grant) -> str | None:
        found: str | None = watch(ended(Identity(answer), grant)).value
        return found

    def test_as_long_as_iam_says_so(self) -> None:
        self.assertIsNone(self.reason(ALICE, HER_OWN))
        self.assertIsNone(self.reason(ROOT, BY_ROOT))

    def test_a_token_that_is_refused(self) -> None:
        for error in (Forbidden("the token is not valid"), Unauthenticated("it is malformed")):
            self.assertEqual(self.reason(error, HER_OWN), str(error))

    def test_an_admin_who_is_none_any_more(self) -> None:
        self.assertIsNotNone(self.reason(User(id=99, username="root"), BY_ROOT))
        # Not for their own webspace, either: another's terminal is no member's.
        self.assertIsNotNone(self.reason(BOB, HER_OWN))

    def test_an_iam_that_is_away_ends_nothing(self) -> None:
        for error in (Unavailable("IAM cannot be reached"), DeadlineExceeded("IAM took longer than 5 s")):
            for grant in (HER_OWN, BY_ROOT):
                self.assertIsNone(self.reason(error, grant))


class WatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.reason: str | None = None
        self.asked = 0
        self.told: list[str] = []
        self.watch = Watch(self.clock, self.ask, self.told.append)

    async def ask(self) -> str | None:
        self.asked += 1
        return self.reason

    def test_every_ten_seconds_until_it_ends(self) -> None:
        self.clock.run_for(INTERVAL - 0.1)
        self.assertEqual(self.asked, 0)
        self.clock.run_for(3 * INTERVAL)
        self.assertEqual((self.asked, self.told), (3, []))
        self.reason = "it ended"
        self.clock.run_for(3 * INTERVAL)
        self.assertEqual((self.asked, self.told, self.clock.getDelayedCalls()), (4, ["it ended"], []))

    def test_stopped_between_two_looks_and_within_one(self) -> None:
        self.watch.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        answer: Deferred[str | None] = Deferred()

        async def slow() -> str | None:
            return await answer

        within = Watch(self.clock, slow, self.told.append)
        self.clock.run_for(INTERVAL)
        within.stop()
        self.clock.run_for(INTERVAL)
        self.assertEqual((self.told, self.clock.getDelayedCalls()), ([], []))

    def test_a_mistake_of_ours_ends_nothing(self) -> None:
        async def wrong() -> str | None:
            self.asked += 1
            raise ValueError

        Watch(self.clock, wrong, self.told.append)
        self.watch.stop()
        self.clock.run_for(2 * INTERVAL)
        self.assertEqual((self.asked, self.told), (2, []))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

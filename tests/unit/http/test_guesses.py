"""Guesses of tokens that are under way: they are charged when IAM has answered, so few may be."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.unit.http.served import OFF, Answer, Line, ServedCase, request
from webspaced.core.user import Caller
from webspaced.errors import Forbidden, Unavailable
from webspaced.http.limits import MOST_ASKED, LimitSettings
from webspaced.lib.buckets import Rate

SELF = "/v1/webspace/self"


class InFlightTests(ServedCase):
    def setUp(self) -> None:
        super().setUp()
        self.configure(limits=LimitSettings(address=Rate(200, 2000), user=OFF.user))

    def in_flight(self, tokens: list[str]) -> tuple[list[Line], list[Deferred[Caller]]]:
        """Ask with all tokens at once, of which IAM still thinks."""
        thinking: list[Deferred[Caller]] = []

        def authenticate(_token: str, **_more: bool) -> Deferred[Caller]:
            thinking.append(Deferred())
            return thinking[-1]

        self.patch(self.identity, "authenticate", authenticate)
        lines = [self.line() for _ in tokens]
        for line, token in zip(lines, tokens, strict=True):
            line.say(request("GET", SELF, token=token, headers={"Connection": "close"}))
        return lines, thinking

    def test_a_flood_of_guesses_does_not_reach_iam(self) -> None:
        guesses = 0
        for burst in range(100):
            lines, thinking = self.in_flight([f"guess{burst}.{number}" for number in range(200)])
            self.assertLessEqual(len(thinking), MOST_ASKED)
            guesses += len(thinking)
            for each in thinking:
                each.errback(Forbidden("no"))
            self.assertIn({Answer(line.value(), "GET").status for line in lines}, ({403, 429}, {429}))
            self.w.clock.run_for(1)
        # What the burst allows, and one a second.
        self.assertLess(guesses, 130)

    def test_who_is_refused_for_that_may_come_back_at_once(self) -> None:
        lines, thinking = self.in_flight([f"token{number}" for number in range(MOST_ASKED + 1)])
        answer = Answer(lines[-1].value(), "GET")
        self.assertEqual((answer.status, answer.headers["retry-after"]), (429, "1"))
        for each in thinking:
            each.errback(Unavailable("away"))
        self.assertEqual(len(self.in_flight(["token"])[1]), 1)

    def test_one_token_may_be_used_many_times_at_once(self) -> None:
        self.assertEqual(len(self.in_flight(["alice"] * 50)[1]), 50)

    def test_a_token_that_was_accepted_is_not_slowed_by_guesses(self) -> None:
        self.assertEqual(self.ask("GET", SELF, token="alice").status, 404)
        tokens = [f"guess{number}" for number in range(2 * MOST_ASKED)]
        self.assertEqual(len(self.in_flight([*tokens, *["alice"] * 10])[1]), MOST_ASKED + 10)

    def test_who_goes_away_is_no_longer_in_question(self) -> None:
        for _ in range(3):
            lines, thinking = self.in_flight([f"token{number}" for number in range(MOST_ASKED)])
            self.assertEqual(len(thinking), MOST_ASKED)
            for line in lines:
                line.hang_up()

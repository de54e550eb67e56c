"""What a token claims, read without a key."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.errors import Unauthenticated
from webspaced.iam.tokens import is_bearer_token, read_claims


def token(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"aa.{payload}.bb"


class ClaimsTests(SynchronousTestCase):
    def test_the_two_that_are_read(self) -> None:
        for exp in (5, 5.0, 5.25):
            claims = read_claims(token({"sub": "7", "exp": exp, "is_admin": True}))
            self.assertEqual((claims.subject, claims.expires), ("7", exp))

    def test_what_is_no_time_never_comes(self) -> None:
        for exp in (None, "x", [], {}, math.nan, 10**400):
            self.assertEqual(read_claims(token({"exp": exp})).expires, math.inf, exp)

    def test_what_is_no_subject_is_nobody(self) -> None:
        for sub in (None, 7, [], ""):
            self.assertEqual(read_claims(token({"sub": sub})).subject, "")

    def test_every_length_of_padding(self) -> None:
        for length in range(8):
            self.assertEqual(read_claims(token({"sub": "7" * length})).subject, "7" * length)

    @given(st.text())
    def test_any_text_is_read_or_malformed(self, text: str) -> None:
        for each in (text, f"a.{text}.b"):
            try:
                read_claims(each)
            except Unauthenticated as error:
                self.assertEqual(str(error), "the token is malformed")

    def test_what_a_header_can_hold(self) -> None:
        for good in ("a.b-c_d~e+f/g==", "x"):
            self.assertTrue(is_bearer_token(good))
        for bad in ("", "a b", "=a", "a\n", "é", "x" * 9000):
            self.assertFalse(is_bearer_token(bad))

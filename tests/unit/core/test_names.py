"""What may become part of a host rule or of an instance's name."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.names import default_domain, instance_name, is_domain, parse_username, uid_of_instance
from webspaced.errors import Invalid


class UsernameTests(SynchronousTestCase):
    def test_is_given_in_lower_case(self) -> None:
        self.assertEqual(parse_username("Alice-7"), "alice-7")

    def test_is_one_dns_label(self) -> None:
        for text in ("", "a.b", "-a", "a-", "a_b", "a b", "a`b", "ä", "a\n", "a" * 64, "id:7", "*"):
            with self.assertRaises(Invalid, msg=text):
                parse_username(text)
        self.assertEqual(parse_username("a" * 63), "a" * 63)

    @settings(deadline=None, max_examples=200)
    @given(st.text(max_size=70))
    def test_whatever_is_accepted_cannot_leave_a_rule(self, text: str) -> None:
        try:
            name = parse_username(text)
        except Invalid:
            return
        self.assertRegex(name, re.compile(r"\A[a-z0-9-]+\Z"))


class DomainTests(SynchronousTestCase):
    def test_good_ones(self) -> None:
        for text in ("a", "a.b", "xn--bcher-kva.example", "1.2.3", "a" * 63 + ".org"):
            self.assertTrue(is_domain(text), text)

    def test_bad_ones(self) -> None:
        breaking_out = "a`) || Host(`b"
        for text in ("", ".", "a.", ".a", "a..b", "A.org", "a_b.org", breaking_out, "*.org", "a.org\n", "a" * 64 + ".org"):
            self.assertFalse(is_domain(text), text)

    def test_the_longest(self) -> None:
        longest = ".".join(["a" * 63] * 3 + ["a" * 61])
        self.assertEqual(len(longest), 253)
        self.assertTrue(is_domain(longest))
        self.assertFalse(is_domain(longest + "a"))

    def test_default_domain(self) -> None:
        self.assertEqual(default_domain("alice", "example.org"), "alice.example.org")


class InstanceNameTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=100)
    @given(st.integers(0, 10**18 - 1), st.sampled_from(["ws-", "", "u", "ws-u1"]))
    def test_a_name_leads_back_to_its_user(self, uid: int, prefix: str) -> None:
        self.assertEqual(uid_of_instance(prefix, instance_name(prefix, uid)), uid)

    def test_other_names_are_nobodys(self) -> None:
        for name in ("ws-u", "ws-u07", "ws-u7x", "ws-u7\n", "xws-u7", "ws-7", "ws-u-7", "WS-u7", "ws-u٣", "ws-u" + "9" * 19):
            self.assertIsNone(uid_of_instance("ws-", name), name)

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.domains import normalized, parse_own_domain, proof
from webspaced.core.names import is_domain
from webspaced.errors import Invalid

SERVICE = "spaces.example.org"
# Digits and full stops of full width.
WIDE = "192.0.2.1".translate({code: code + 0xFEE0 for code in range(0x2E, 0x3A)})


class DomainTests(SynchronousTestCase):
    def parsed(self, text: str) -> str:
        return parse_own_domain(text, SERVICE)

    def refused(self, text: str) -> str:
        return str(self.assertRaises(Invalid, self.parsed, text))

    def test_what_is_one(self) -> None:
        for text, domain in {
            "example.net": "example.net",
            "WWW.Example.NET": "www.example.net",
            "example.net.": "example.net",
            " example.net ": "example.net",
            "bücher.example": "xn--bcher-kva.example",
            "BÜCHER.example": "xn--bcher-kva.example",
            "xn--bcher-kva.example": "xn--bcher-kva.example",
            "straße.example": "xn--strae-oqa.example",
            "例え.テスト": "xn--r8jz45g.xn--zckzah",
            "例え。テスト": "xn--r8jz45g.xn--zckzah",
            "a-b.c0.example": "a-b.c0.example",
            "example.org.net": "example.org.net",
            "notspaces.example.org": "notspaces.example.org",
        }.items():
            self.assertEqual(self.parsed(text), domain, text)

    def test_no_wildcard(self) -> None:
        for text in ("*.example.net", "*", "a.*.net"):
            self.assertIn("wildcard", self.refused(text))

    def test_no_address(self) -> None:
        for text in (WIDE, "192.0.2.1\u200b", "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "127.1", "192.0.2.1."):
            self.assertIn("address", self.refused(text))

    def test_nothing_of_the_service(self) -> None:
        for text in (SERVICE, f"alice.{SERVICE}", f"a.b.{SERVICE}", SERVICE.upper(), f"ALICE.{SERVICE}."):
            self.assertIn("belongs to this service", self.refused(text))

    def test_nothing_above_it(self) -> None:
        self.assertIn("above", self.refused("example.org"))
        self.assertIn("above", self.refused("Example.Org."))

    def test_what_is_none(self) -> None:
        for text in (
            "", ".", "localhost", "org", "a..net", ".example.net", "-a.example", "a-.example", "a_b.example", "a b.example",
            "example.net`) || Host(`x", "example.net/path", "user@example.net", "example.net:80", "a\u200b.b\u0000.net",
            "\ud800.example", "x" * 64 + ".net", ".".join(["abcdefgh"] * 40),
        ):  # fmt: skip
            self.refused(text)

    @given(st.text(max_size=30) | st.from_regex(r"[a-zA-Z0-9.*-]{1,20}", fullmatch=True))
    def test_whatever_is_accepted_can_stand_in_a_rule(self, text: str) -> None:
        try:
            domain = self.parsed(text)
        except Invalid:
            return
        self.assertTrue(is_domain(domain) and "." in domain and domain.isascii())
        self.assertEqual(self.parsed(domain), domain)
        self.assertEqual(normalized(text), domain)

    def test_what_is_to_be_found_is_spelt_as_it_was_stored(self) -> None:
        self.assertEqual(normalized("BÜCHER.example."), "xn--bcher-kva.example")
        self.assertEqual(normalized("Alice.spaces.Example.org"), "alice.spaces.example.org")
        self.assertEqual(normalized("No_Name"), "no_name")

    def test_the_proof_names_the_user(self) -> None:
        self.assertEqual(proof(7), "webspace:id:7")

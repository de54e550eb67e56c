from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.settings.values import (
    Address,
    format_duration,
    parse_certificate_name,
    parse_domain,
    parse_duration,
)

MICROSECOND = 1_000_000
PORTS = st.integers(0, 65535)
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
HOSTS = st.one_of(
    st.just(""),
    st.ip_addresses().map(str),
    st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "example"])),
)


class DurationTests(SynchronousTestCase):
    @given(st.integers(0, 400 * 86400 * MICROSECOND))
    def test_round_trip(self, micros: int) -> None:
        seconds = micros / MICROSECOND
        self.assertEqual(parse_duration(format_duration(seconds)), seconds)

    @given(st.text())
    def test_any_text_is_a_duration_or_a_value_error(self, text: str) -> None:
        try:
            self.assertGreaterEqual(parse_duration(text), 0)
        except ValueError as error:
            self.assertIn("must be a duration", str(error))

    def test_go_forms(self) -> None:
        expected = {
            "0": 0,
            "0s": 0,
            "30s": 30,
            "1m30s": 90,
            "250ms": 0.25,
            "1.5h": 5400,
            "2h3m4.5s": 7384.5,
            "10us": 1e-5,
            "10\u00b5s": 1e-5,
            "5ns": 5e-9,
        }
        self.assertEqual({text: parse_duration(text) for text in expected}, expected)

    def test_refused(self) -> None:
        for text in ("", "30", "-1s", "1 s", "s", "1d", "1m30", "1.s", "\u0663s", "9" * 400 + "h"):
            self.assertRaises(ValueError, parse_duration, text)

    def test_written_as_people_would(self) -> None:
        given = (0.0, 0.25, 1.0, 90.0, 300.0, 3600.0, 2.5, 0.00001)
        expected = ["0s", "250ms", "1s", "1m30s", "5m", "1h", "2.5s", "0.01ms"]
        self.assertEqual([format_duration(seconds) for seconds in given], expected)


class AddressTests(SynchronousTestCase):
    @given(HOSTS, PORTS)
    def test_round_trip(self, host: str, port: int) -> None:
        address = Address(host, port)
        self.assertEqual(Address.parse(str(address)), address)

    @given(st.text(alphabet="[]:.0129afgz%-_ "))
    def test_any_text_is_given_back_or_a_value_error(self, text: str) -> None:
        try:
            address = Address.parse(text)
        except ValueError:
            return
        self.assertEqual(Address.parse(str(address)), address)

    def test_forms(self) -> None:
        expected = {
            ":80": Address("", 80),
            "127.0.0.1:0": Address("127.0.0.1", 0),
            "redis_1.internal:6379": Address("redis_1.internal", 6379),
            "[::1]:443": Address("::1", 443),
        }
        self.assertEqual({text: Address.parse(text) for text in expected}, expected)
        self.assertEqual([str(address) for address in expected.values()], list(expected))

    def test_refused(self) -> None:
        wrong = ("", "80", "host", "host:", "host:65536", "host:-1", "host:http", "::1:80")
        for text in (
            *wrong,
            "[::1]",
            "[::1:80",
            "[host]:80",
            "a b:80",
            "127.0.0.256:80",
            "-a:1",
            "h:\u0663",
        ):
            self.assertRaises(ValueError, Address.parse, text)


class DomainTests(SynchronousTestCase):
    def test_lower_case(self) -> None:
        self.assertEqual(parse_domain("Example.ORG"), "example.org")

    def test_single_label(self) -> None:
        self.assertEqual(parse_domain("localhost"), "localhost")

    def test_refused(self) -> None:
        wrong = (
            "",
            ".",
            "a..b",
            "example.org.",
            "-a.org",
            "a-.org",
            "a_b.org",
            "a b",
            "*.a.org",
            "10.0.0.1",
        )
        for text in (
            *wrong,
            "ex\u00e4mple.org",
            "a" * 64 + ".org",
            "a.\n",
            ".".join(["a" * 60] * 5),
        ):
            self.assertRaises(ValueError, parse_domain, text)

    def test_certificate_names_may_have_one_wildcard(self) -> None:
        self.assertEqual(parse_certificate_name("*.Example.org"), "*.example.org")
        self.assertEqual(parse_certificate_name("example.org"), "example.org")
        for text in ("*.*.example.org", "*", "a.*.org", "*example.org"):
            self.assertRaises(ValueError, parse_certificate_name, text)

"""Requests, as far as they decide who wakes and who waits how."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.visitor import Request, read_request, weighted

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HEAD = (
    b"GET /a/b?c=d HTTP/1.1\r\nHost: alice.example.org\r\nUser-Agent: Mozilla/5.0 (X11)\r\nAccept: text/html\r\n"
    b"accept-language: de-AT, en;q=0.5\r\nSec-Fetch-Mode: navigate\r\nX-Forwarded-For: 192.0.2.1\r\n"
    b"X-Forwarded-For: 192.0.2.2, 192.0.2.3\r\n\r\n"
)


class ReadTests(SynchronousTestCase):
    def test_all_that_counts(self) -> None:
        request = Request(
            method="GET", path="/a/b", host="alice.example.org", agent="Mozilla/5.0 (X11)", accept="text/html",
            languages="de-AT, en;q=0.5",
            mode="navigate", forwarded_for=("192.0.2.1", "192.0.2.2, 192.0.2.3"),
        )  # fmt: skip
        self.assertEqual(read_request(HEAD), request)
        self.assertEqual(read_request(HEAD + b"a body, or the next request"), request)

    def test_a_head_as_long_as_may_be(self) -> None:
        long = HEAD[:-2] + b"Cookie: " + b"c" * 65000 + b"\r\n\r\n"
        self.assertEqual(read_request(long), read_request(HEAD))

    def test_the_path_in_every_form(self) -> None:
        for target, path in (
            (b"/", "/"), (b"http://a.example/x?y", "/x"), (b"http://a.example", "/"), (b"*", "*"),
            (b"/x?u=http://a.example/z", "/x"), (b"/http://a", "/http://a"),
        ):  # fmt: skip
            request = read_request(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(request and request.path, path)

    def test_what_is_no_request(self) -> None:
        for head in (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"PRI * HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\n\n", b"", b"\n\n",
            b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nx", b"SSH-2.0-OpenSSH\r\n\r\n",
        ):  # fmt: skip
            self.assertIsNone(read_request(head), head)

    @given(st.binary(max_size=300))
    def test_whatever_is_sent_is_a_request_or_none(self, head: bytes) -> None:
        found = read_request(head + b"\r\n\r\n")
        self.assertTrue(found is None or found.is_navigation in (True, False))

    @given(st.text(max_size=60))
    def test_weights_are_weights(self, header: str) -> None:
        self.assertTrue(all(name and 0 <= weight <= 1 for name, weight in weighted(header)))

    def test_weights(self) -> None:
        self.assertEqual(
            weighted("de-AT, en;q=0.5;x=1, *;Q=0, ,fr;q=much, es; q=2, it;q=nan"),
            [("de-at", 1), ("en", 0.5), ("*", 0), ("fr", 0), ("es", 0), ("it", 0)],
        )


class KindTests(SynchronousTestCase):
    def test_a_person_before_a_browser(self) -> None:
        for mode in ("", "navigate"):
            self.assertTrue(Request(method="GET", path="/", accept=BROWSER, mode=mode).is_navigation)

    def test_everything_else_needs_the_real_answer(self) -> None:
        for request in (
            Request(method="POST", path="/", accept=BROWSER),
            Request(method="HEAD", path="/", accept=BROWSER),
            Request(method="GET", path="/", accept="*/*"),
            Request(method="GET", path="/"),
            Request(method="GET", path="/", accept="application/json, text/html;q=0"),
            Request(method="GET", path="/", accept=BROWSER, mode="cors"),
            Request(method="GET", path="/", accept=BROWSER, mode="no-cors"),
            Request(method="GET", path="/", accept=BROWSER, upgrade="websocket"),
        ):
            self.assertFalse(request.is_navigation, request)

    def test_agents_are_found_by_a_piece_of_their_name(self) -> None:
        request = Request(method="GET", path="/", agent="Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)")
        self.assertTrue(request.is_of(("zgrab", "ahrefsbot")))
        self.assertFalse(request.is_of(()))
        self.assertFalse(request.is_of(("semrushbot",)))

    def test_challenges(self) -> None:
        for path, is_challenge in (("/.well-known/acme-challenge/t", True), ("/x/.well-known/acme-challenge/t", False)):
            self.assertIs(Request(method="GET", path=path).is_challenge, is_challenge)

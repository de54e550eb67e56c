from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.http.cors import Cors
from webspaced.settings import parse_origin

ORIGIN = "https://panel.example.org"
NAMES = st.from_regex(r"\A[a-z][a-z0-9-]{0,10}(\.[a-z]{2,5}){1,2}\Z")
ORIGINS = st.builds("{}://{}{}".format, st.sampled_from(["http", "https"]), NAMES, st.sampled_from(["", ":8080"]))
ALLOW, WITH = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"


class OriginTests(SynchronousTestCase):
    def test_one_form(self) -> None:
        for text in (ORIGIN, "HTTPS://Panel.Example.org", f"{ORIGIN}:443", f"{ORIGIN}/"):
            self.assertEqual(parse_origin(text), ORIGIN, text)
        self.assertEqual(parse_origin("http://[::1]:80"), "http://[::1]")
        self.assertEqual(parse_origin(f"{ORIGIN}:80"), f"{ORIGIN}:80")
        for text in ("example.org", "https://", "https://*.example.org", f"{ORIGIN}/x", "https://a@b.example", ""):
            self.assertRaises(ValueError, parse_origin, text)


class CorsTests(SynchronousTestCase):
    @given(ORIGINS, ORIGINS)
    def test_only_what_is_listed(self, listed: str, asking: str) -> None:
        cors = Cors((listed,))
        self.assertTrue(cors.allows(listed))
        self.assertEqual(cors.allows(asking), asking == listed)
        for near in (f"{listed}.evil.example", f"{listed}x", listed.replace("://", "://evil"), f"evil {listed}", "null"):
            self.assertFalse(cors.allows(near), near)
            self.assertNotIn(ALLOW, dict(cors.headers(near)))

    @given(st.lists(st.just("*") | ORIGINS), ORIGINS | st.text())
    def test_never_any_origin_together_with_credentials(self, origins: list[str], asking: str) -> None:
        for headers in (Cors(origins).headers(asking), Cors([*origins, asking]).headers(asking)):
            if dict(headers).get(ALLOW) == "*":
                self.assertNotIn(WITH, dict(headers))
            if WITH in dict(headers):
                self.assertEqual(dict(headers)[ALLOW], asking)

    def test_a_listed_one(self) -> None:
        headers = dict(Cors((ORIGIN,)).headers(ORIGIN))
        self.assertEqual((headers[ALLOW], headers[WITH], headers["Vary"]), (ORIGIN, "true", "Origin"))
        self.assertIn("X-Request-ID", headers["Access-Control-Expose-Headers"])

    def test_caches_are_told_even_when_no_page_asks(self) -> None:
        self.assertEqual(Cors((ORIGIN,)).headers(None), (("Vary", "Origin"),))
        self.assertEqual(Cors(("*",)).headers(None), ())

    def test_any(self) -> None:
        cors = Cors(("*",))
        for origin in (ORIGIN, "null"):
            self.assertEqual(dict(cors.headers(origin))[ALLOW], "*")
        self.assertTrue(cors.allows(None))

    def test_a_preflight(self) -> None:
        answer = dict(Cors((ORIGIN,)).preflight(ORIGIN, "authorization,content-type"))
        self.assertIn("PATCH", answer["Access-Control-Allow-Methods"])
        self.assertEqual(answer["Access-Control-Allow-Headers"], "authorization,content-type")
        self.assertEqual(Cors((ORIGIN,)).preflight("https://evil.example", ""), ())
        for nonsense in ("", "a\tb", "x" * 2000, "a\x00"):
            said = dict(Cors((ORIGIN,)).preflight(ORIGIN, nonsense))["Access-Control-Allow-Headers"]
            self.assertEqual(said, "Authorization, Content-Type")

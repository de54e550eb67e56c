"""Which certificates are accepted, and that nothing tells of their keys."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import DAY, PKCS8, Issued, authority, issue
from webspaced.core import kept_certificates
from webspaced.core.certificate import LARGEST_CHAIN, MOST_CERTIFICATES, Certificate, accept, beyond, understand
from webspaced.errors import Invalid

NOW = 1_000 * DAY
END = NOW + 90 * DAY
ROOT = authority("root", ends=END)
MIDDLE = authority("middle", by=ROOT, ends=END)
LEAF = issue("www.example.net", "example.net", by=MIDDLE, ends=END)
CHAIN = LEAF.pem + MIDDLE.pem + ROOT.pem
DOMAIN = "www.example.net"


class AcceptTests(SynchronousTestCase):
    def take(self, chain: str = CHAIN, key: str = LEAF.key, domain: str = DOMAIN, now: float = NOW) -> Certificate:
        return accept(chain, key, domain, now)

    def refused(self, *words: str, **what: Any) -> None:
        with self.assertRaises(Invalid) as caught:
            self.take(**what)
        said = str(caught.exception)
        for word in words:
            self.assertIn(word, said)
        self.assertNotIn("PRIVATE", said.replace("BEGIN PRIVATE KEY", ""))
        self.assertLess(len(said), 300)
        # Nothing that repeats what was read hangs on it either.
        self.assertIsNone(caught.exception.__cause__)

    def refused_of(self, leaf: Issued, *words: str, **more: Any) -> None:
        self.refused(*words, **{"chain": leaf.pem, "key": leaf.key, **more})

    def test_what_is_told_of_it(self) -> None:
        taken = self.take()
        self.assertEqual(taken.names, ("www.example.net", "example.net"))
        self.assertEqual((taken.not_before, taken.not_after), (0.0, END))
        self.assertEqual((taken.issuer, len(taken.fingerprint)), ("CN=middle", 64))
        self.assertEqual(taken.chain, CHAIN)
        self.assertNotIn("BEGIN", repr(taken))

    def test_text_around_it_is_left_out(self) -> None:
        taken = self.take(chain=f"subject=somebody\n{LEAF.pem}\r\n  issuer\n{MIDDLE.pem}", key=f"Bag Attributes\n{LEAF.key}")
        self.assertEqual((taken.chain, taken.key), (LEAF.pem + MIDDLE.pem, LEAF.key))

    def test_every_kind_of_key_that_traefik_serves_in_every_form(self) -> None:
        for private in (
            *(ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)),
            rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate(),
        ):  # fmt: skip
            own = issue(DOMAIN, private=private, ends=END)
            forms = [PKCS8]
            if not isinstance(private, ed25519.Ed25519PrivateKey):
                forms.append(serialization.PrivateFormat.TraditionalOpenSSL)
            for form in forms:
                self.assertEqual(self.take(chain=own.pem, key=own.key_as(form)).key, own.key)
        parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        self.take(key=parameters + LEAF.key_as(serialization.PrivateFormat.TraditionalOpenSSL))

    def test_other_kinds_are_refused(self) -> None:
        for private in (ec.generate_private_key(ec.SECP256K1()), ec.generate_private_key(ec.SECP224R1())):
            self.refused_of(issue(DOMAIN, private=private, ends=END), "kind", "P-256")
        signed = issue(DOMAIN, private=ed448.Ed448PrivateKey.generate(), by=ROOT, ends=END)
        self.refused_of(signed, "kind", "Ed25519")
        self.refused("kind", key=ed448_key())
        small = rsa.generate_private_key(65537, 1024)  # noqa: S505  (that is what it is about)
        self.refused_of(issue(DOMAIN, private=small, ends=END), "1024 bits", "2048")

    def test_no_pem(self) -> None:
        for text in ("x", "{}", "BEGIN CERTIFICATE", LEAF.key.replace("PRIVATE KEY", "PUBLIC KEY"), "é" + LEAF.pem):
            self.refused("certificate is not PEM", chain=text)
        for text in ("x", LEAF.pem, "é" + LEAF.key):
            self.refused("key is not PEM", key=text)

    def test_what_is_broken(self) -> None:
        self.refused("certificate cannot be read", chain=LEAF.pem[:200] + LEAF.pem[210:])
        self.refused("key cannot be read", key=LEAF.key[:60] + LEAF.key[64:])
        self.refused("cannot be read", chain="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    def test_a_key_in_the_wrong_place(self) -> None:
        self.refused("private key", chain=LEAF.key + LEAF.pem)

    def test_sizes(self) -> None:
        self.refused("characters", chain="x" * (LARGEST_CHAIN + 1))
        self.refused("characters", key=LEAF.key + "x" * 9000)
        self.refused("chain of more", chain=LEAF.pem + MIDDLE.pem * MOST_CERTIFICATES)
        many = issue(*(f"n{n}.example.net" for n in range(101)), ends=END)
        self.refused_of(many, "1 to 100", domain="n1.example.net")

    def test_another_ones_key(self) -> None:
        self.refused("key is not the certificate's", key=MIDDLE.key)
        self.refused("key is not the certificate's", key=issue("x", private=rsa.generate_private_key(65537, 2048)).key)

    def test_an_encrypted_key(self) -> None:
        locked = serialization.BestAvailableEncryption(b"secret")
        for form in (PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
            self.refused("encrypted", key=LEAF.key_as(form, locked))

    def test_a_key_that_only_looks_right(self) -> None:
        private = rsa.generate_private_key(65537, 2048)
        own = issue(DOMAIN, private=private, ends=END)
        numbers = private.private_numbers()
        wrong = rsa.RSAPrivateNumbers(
            numbers.p, numbers.q, numbers.d - 2, numbers.dmp1 - 2, numbers.dmq1 - 2, numbers.iqmp, numbers.public_numbers
        ).private_key(unsafe_skip_rsa_key_validation=True)
        self.refused("key cannot be read", chain=own.pem, key=Issued(certificate=own.certificate, private=wrong).key)

    def test_names(self) -> None:
        self.refused("not for other.example", "www.example.net", domain="other.example")
        star = issue("*.example.net", ends=END)
        self.assertEqual(self.take(star.pem, star.key, "shop.example.net").names, ("*.example.net",))
        for domain in ("example.net", "a.b.example.net"):
            self.refused_of(star, "not for", domain=domain)
        # Only the subject's alternative names count.
        self.refused_of(issue(common_name=DOMAIN, ends=END), "subjectAltName")

    def test_names_that_traefik_would_take_for_others(self) -> None:
        for names, common in (
            (("www.example.net", "x,victim.example"), None),
            (("www.example.net", "*.*.example"), None),
            (("www.example.net", "*"), None),
            (("www.example.net",), "x,victim.example"),
            (("www.example.net",), "*.example"),
        ):
            self.refused_of(issue(*names, common_name=common, ends=END), "name")
        self.refused_of(issue(DOMAIN, addresses=["192.0.2.1"], ends=END), "IP addresses")
        other = issue(DOMAIN, common_name="Victim.Example.", ends=END)
        self.assertIn("victim.example", self.take(other.pem, other.key).shown_for)

    def test_dates(self) -> None:
        self.refused("ended", now=END)
        late = issue(DOMAIN, begins=NOW + 1, ends=END)
        self.refused_of(late, "not valid before")
        old = authority("old", ends=NOW - 1)
        self.refused("certificate 2", "ended", chain=(own := issue(DOMAIN, by=old, ends=END)).pem + old.pem, key=own.key)

    def test_what_it_is_for(self) -> None:
        self.refused_of(issue(DOMAIN, is_authority=True, ends=END), "CA:TRUE")
        self.refused_of(issue(DOMAIN, client=True, ends=END), "extendedKeyUsage")
        own = issue(DOMAIN, is_authority=None, ends=END)
        self.take(own.pem, own.key)

    def test_the_order_of_the_chain(self) -> None:
        self.take(chain=LEAF.pem)
        self.take(chain=LEAF.pem + MIDDLE.pem)
        self.refused("certificate 2", "not signed", chain=LEAF.pem + ROOT.pem + MIDDLE.pem)
        self.refused("CA:TRUE", chain=MIDDLE.pem + LEAF.pem)
        # The same name, another key.
        self.refused("certificate 2", chain=LEAF.pem + authority("middle", ends=END).pem)
        server = issue("middle", by=ROOT, ends=END)
        below = issue(DOMAIN, by=server, ends=END)
        self.refused("certificate 2", "no authority", chain=below.pem + server.pem, key=below.key)

    @given(st.text(), st.text())
    def test_any_text_is_refused_in_our_words(self, chain: str, key: str) -> None:
        self.assertRaises(Invalid, self.take, chain, key)

    @settings(max_examples=300)
    @given(st.integers(0, len(CHAIN) - 1), st.characters(max_codepoint=255), st.booleans())
    def test_whatever_is_changed_in_it(self, at: int, by: str, in_key: bool) -> None:
        chain, key = CHAIN, LEAF.key
        if in_key:
            at %= len(key)
            key = key[:at] + by + key[at + 1 :]
        else:
            chain = chain[:at] + by + chain[at + 1 :]
        # Under its bare name trial would take it for something of its own.
        with contextlib.suppress(Invalid):
            self.assertEqual(self.take(chain, key).names, ("www.example.net", "example.net"))


def ed448_key() -> str:
    return Issued(certificate=LEAF.certificate, private=ed448.Ed448PrivateKey.generate()).key


class BeyondTests(SynchronousTestCase):
    def test_names_that_are_not_shown_to_be_ones_own(self) -> None:
        for domains, names, foreign in (
            (["www.example.net"], ["www.example.net"], []),
            (["www.example.net"], ["*.example.net", "a.www.example.net", "*.www.example.net"], []),
            (["www.example.net"], ["example.net"], ["example.net"]),
            (["www.example.net"], ["wwww.example.net", "*.net"], ["wwww.example.net", "*.net"]),
            (["example.net"], ["a.b.example.net", "*.example.net"], []),
            ([], ["a.example"], ["a.example"]),
            # The service's own are nobody's, whatever a document says.
            (["a.example.org"], ["*.example.org", "x.hosting.example.org"], ["*.example.org", "x.hosting.example.org"]),
            (["hosting.example.org"], ["hosting.example.org"], ["hosting.example.org"]),
        ):
            self.assertEqual(beyond(names, domains, "hosting.example.org"), foreign, (domains, names))


class KeptTests(SynchronousTestCase):
    def kept(self, uid: int = 7, **texts: str) -> dict[str, str]:
        return {"user._webspaced": "{}", **{kept_certificates.certificate_key(name): text for name, text in texts.items()}}

    def test_what_is_written_is_read(self) -> None:
        certificate = understand(CHAIN, LEAF.key)
        config = self.kept(**{DOMAIN: kept_certificates.dump(certificate, 7)})
        self.assertEqual(kept_certificates.load(config, 7).good, {DOMAIN: certificate})
        self.assertNotIn("BEGIN", repr(kept_certificates.load(config, 7)))
        self.assertEqual(kept_certificates.load(config, 8), kept_certificates.Kept())

    def test_what_was_written_by_hand_is_a_reason_not_an_error(self) -> None:
        good = json.loads(kept_certificates.dump(understand(CHAIN, LEAF.key), 7))
        for text in (
            "x", "[]", "{}", '{"user": 7}', "1e999", json.dumps({**good, "user": True}), json.dumps({**good, "key": 1}),
            json.dumps({**good, "key": "x"}), json.dumps({**good, "certificate": MIDDLE.pem}), "x" * 100_000,
            "[" * 40_000,
        ):  # fmt: skip
            found = kept_certificates.load(self.kept(**{DOMAIN: text}), 7)
            self.assertEqual((dict(found.good), list(found.bad)), ({}, [DOMAIN]), text[:80])
            self.assertNotIn("-----", found.bad[DOMAIN])
        wrong = kept_certificates.load(self.kept(**{"other.example": json.dumps(good)}), 7)
        self.assertEqual(wrong.bad, {"other.example": "it is for other names"})
        self.assertEqual(kept_certificates.load(self.kept(**{"a/b": "x", "*.x": "x", "": "x", DOMAIN: ""}), 7).bad, {})

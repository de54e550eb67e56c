"""A certificate over the API: brought, told of, taken away, and its key said to nobody."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.certificates import DAY, Issued, authority, issue
from tests.unit.http.served import Answer, ServedCase
from webspaced.http.bodies import LARGEST_CERTIFICATE

DOMAIN = "own.example"
PATH = f"/v1/webspace/self/domains/{DOMAIN}/certificate"
FAR = 10_000 * DAY


class CertificatesCase(ServedCase):
    def setUp(self) -> None:
        super().setUp()
        self.w.webspace(1, domains=(DOMAIN, "bücher.example"))
        self.w.clock.result_of(self.w.registry.look(1))
        self.w.clock.run_for(5)

    def put(self, issued: Issued, path: str = PATH, **more: Any) -> Answer:
        body = {"certificate": issued.pem, "key": issued.key, **more}
        return self.ask("PUT", path, body, token="alice")


class CertificateTests(CertificatesCase):
    def test_the_life_of_a_certificate(self) -> None:
        root = authority("Root", ends=FAR)
        first = issue(DOMAIN, f"*.{DOMAIN}", by=root, ends=86400.0 * 700)
        self.assertEqual(self.ask("GET", PATH, token="alice").status, 404)
        answer = self.put(first)
        told = {
            "uploaded": True,
            "names": [DOMAIN, f"*.{DOMAIN}"],
            "issuer": "CN=Root",
            "fingerprint": answer.json["fingerprint"],
            "notBefore": "1970-01-01T00:00:00Z",
            "notAfter": "1971-12-02T00:00:00Z",
        }
        self.assertEqual((answer.status, answer.json), (201, told))
        read = self.ask("GET", PATH, token="alice")
        self.assertEqual((read.status, read.json), (200, told))
        second = self.put(issue(DOMAIN, ends=FAR))
        self.assertEqual((second.status, second.json["names"]), (200, [DOMAIN]))
        self.assertNotEqual(second.json["fingerprint"], told["fingerprint"])
        self.assertEqual(self.ask("DELETE", PATH, token="alice").status, 204)
        self.assertEqual(self.ask("DELETE", PATH, token="alice").status, 404)
        self.assertEqual(self.ask("GET", PATH, token="alice").status, 404)

    def test_admins_may_others_may_not(self) -> None:
        body = {"certificate": "x", "key": "y"}
        path = PATH.replace("self", "alice")
        self.assertEqual(self.ask("PUT", path, body, token="bob").status, 403)
        self.put(issue(DOMAIN, ends=FAR))
        self.assertEqual(self.ask("GET", path, token="bob").status, 403)
        self.assertEqual(self.ask("GET", path, token="root").status, 200)

    def test_what_is_wrong_is_said(self) -> None:
        own, other = issue(DOMAIN, ends=FAR), issue("other.example", ends=FAR)
        for body, status, words in (
            ({"certificate": own.pem}, 400, "key must be a text"),
            ({"key": own.key}, 400, "certificate must be a text"),
            ({"certificate": own.pem, "key": 1}, 400, "key must be a text"),
            ({"certificate": own.pem, "key": own.key, "chain": ""}, 400, "unknown field: chain"),
            ({"certificate": own.pem, "key": other.key}, 400, "not the certificate's"),
            ({"certificate": other.pem, "key": other.key}, 400, "not for own.example"),
            ({"certificate": "x", "key": own.key}, 400, "not PEM"),
            ({"certificate": own.pem + " " * LARGEST_CERTIFICATE, "key": own.key}, 413, "larger"),
            (b"not JSON", 400, "JSON"),
        ):
            answer = self.ask("PUT", PATH, body, token="alice")
            self.assertEqual(answer.status, status, answer.body)
            self.assertIn(words, answer.json["message"])
            self.assertEqual(answer.headers["content-type"], "application/problem+json")
        default = PATH.replace(DOMAIN, "alice.example.org")
        self.assertEqual(self.put(issue("alice.example.org", ends=FAR), default).status, 400)
        self.assertEqual(self.put(issue("none.example", ends=FAR), PATH.replace(DOMAIN, "none.example")).status, 404)
        taken = issue(DOMAIN, f"bob.{DOMAIN}", ends=FAR)
        self.w.webspace(2, domains=(f"bob.{DOMAIN}",))
        self.w.clock.result_of(self.w.registry.look(2))
        self.assertEqual(self.put(taken).status, 409)

    def test_the_largest_that_anybody_has_fits_into_a_body(self) -> None:
        large = rsa.generate_private_key(65537, 4096)
        root = authority("Root", ends=FAR, private=large)
        middle = authority("Middle", by=root, ends=FAR, private=large)
        names = [DOMAIN, *(f"n{number}.{DOMAIN}" for number in range(99))]
        leaf = issue(*names, by=middle, ends=FAR, private=large)
        body = {"certificate": leaf.pem + middle.pem + root.pem, "key": leaf.key}
        self.assertEqual(self.ask("PUT", PATH, body, token="alice").status, 201)

    def test_names_may_be_written_as_they_are(self) -> None:
        path = PATH.replace(DOMAIN, "b%C3%BCcher.example")
        self.assertEqual(self.put(issue("xn--bcher-kva.example", ends=FAR), path).status, 201)

    def test_the_end_is_a_condition(self) -> None:
        self.put(issue(DOMAIN, ends=self.w.clock.seconds() + 13 * DAY))
        conditions = self.ask("GET", "/v1/webspace/self", token="alice").json["conditions"]
        self.assertEqual([each["kind"] for each in conditions], ["certificate-ends"])
        self.assertIn("own.example ends 1970-01-", conditions[0]["detail"])


class SecretTests(CertificatesCase):
    """The key is in nothing that anybody is told or that is logged."""

    def test_nowhere(self) -> None:
        logs = [self.listen_to_log(form) for form in ("text", "json")]
        issued, strange = issue(DOMAIN, ends=self.w.clock.seconds() + DAY), issue(DOMAIN, ends=FAR)
        parts = [line for each in (issued, strange) for line in each.key.splitlines()[1:-1]]
        bodies: tuple[Any, ...] = (
            {"certificate": issued.pem, "key": strange.key},
            {"certificate": issued.key, "key": issued.key},
            {"certificate": issued.pem, "key": issued.key[:-60]},
            {"certificate": issued.pem, "key": issued.key.replace("PRIVATE", "ENCRYPTED PRIVATE")},
            {"certificate": issued.pem, issued.key: "x", "key": "x"},
            {"certificate": issued.pem, "key": [issued.key]},
            json.dumps({"certificate": issued.pem, "key": issued.key}).encode()[:-1],
            {"certificate": issued.pem, "key": issued.key},
        )
        said = [self.ask("PUT", PATH, body, token="alice").body for body in bodies]
        self.w.store.errors = [OSError("no room")]
        said.append(self.ask("PUT", PATH, {"certificate": strange.pem, "key": strange.key}, token="alice").body)
        paths = ("", "/domains", f"/domains/{DOMAIN}/certificate", "/config", "/state")
        said += [self.ask("GET", f"/v1/webspace/self{path}", token="alice").body for path in paths]
        said += [log.getvalue().encode() for log in logs]
        said += [repr(self.w.conditions.of(1)).encode(), repr(list(self.w.registry)).encode()]
        for text in said:
            for part in parts:
                self.assertNotIn(part.encode(), text)
        # It was there to be found.
        self.assertIn(parts[0], "".join(self.w.lxd.containers["ws-u1"].config.values()) + issued.key)

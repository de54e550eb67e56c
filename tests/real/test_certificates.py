"""A member's own certificate, from the upload to the visitor who sees it: real LXD, real Traefik, the whole daemon."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.certificates import DAY, Issued, authority, issue
from tests.dns_server import DnsServer
from tests.stack import PATIENCE, StackCase, wait_until

DOMAINS = "/v1/webspace/self/domains"
OWN, OTHER, DEFAULT = "www.own.example", "other.example", "alice.example.test"


class CertificateTests(StackCase):
    def prepare(self) -> None:
        self.dns = DnsServer()
        self.addCleanup(self.dns.close)
        self.stack.set_webspaces(domains={"resolvers": [self.dns.address]})
        self.root = authority("Root of the test")
        self.middle = authority("Middle of the test", by=self.root)

    def add(self, domain: str, name: str = "alice", uid: int = 1) -> None:
        self.dns.texts[domain] = [f"webspace:id:{uid}"]
        self.assertEqual(self.stack.ask("POST", f"{DOMAINS}/{domain}", token=f"token-{name}").status, 201)

    def put(self, domain: str, issued: Issued, *chain: Issued) -> Any:
        body = {"certificate": "".join(each.pem for each in (issued, *chain)), "key": issued.key}
        return self.stack.ask("PUT", f"{DOMAINS}/{domain}/certificate", body)

    def shown(self, host: str, trust: Issued | None = None) -> bytes | None:
        """Give the certificate that a host shows a visitor, who trusts it by this authority, or looks at nothing."""
        context = ssl.create_default_context(cadata=trust.pem if trust else None)
        if trust is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.stack.https_port), PATIENCE)
        with context.wrap_socket(plain, server_hostname=host) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            self.assertIn(b"200 OK", connection.makefile("rb").readline())
            return connection.getpeercert(binary_form=True)

    def shows_traefiks(self, *hosts: str) -> None:
        """See that hosts show what Traefik made itself, anew at each change."""
        for host in hosts:
            shown = x509.load_der_x509_certificate(self.shown(host) or b"")
            self.assertEqual(shown.subject.rfc4514_string(), "CN=TRAEFIK DEFAULT CERT", host)

    def test_the_life_of_a_certificate(self) -> None:
        self.stack.create()
        self.stack.create("bob")
        self.add(OWN)
        self.add(OTHER)
        self.add("bob.own.example", "bob", 2)
        self.shows_traefiks(OWN, OTHER, DEFAULT)
        first = issue(OWN, by=self.middle, private=rsa.generate_private_key(65537, 4096))
        answer = self.put(OWN, first, self.middle)
        self.assertEqual(answer.status, 201, answer)
        # When the answer is there, visitors see it, with its chain: they trust nothing but the root.
        self.assertEqual(self.shown(OWN, self.root), first.der)
        self.shows_traefiks(OTHER, DEFAULT, "bob.own.example")
        path = f"{DOMAINS}/{OWN}/certificate"
        told = self.stack.ask("GET", path)
        self.assertEqual((told.json, told.json["issuer"]), (answer.json, "CN=Middle of the test"))
        # It is kept in LXD beside the document, and nowhere in it.
        self.assertIn("BEGIN", str(self.stack.key(f"user._webspaced_certificate.{OWN}")))
        self.assertNotIn("BEGIN", str(self.stack.key("user._webspaced")))
        # Through a start and a stop of the webspace, and of webspaced.
        self.stack.put_state("stop", force=True)
        wait_until("webspaced has heard of it", self.stack.leads_to_itself)
        # Traefik reads that a moment later; who visits before meets the container that is gone.
        wait_until("it is woken", lambda: self.stack.visit().status == 200)
        self.assertEqual(self.shown(OWN, self.root), first.der)
        self.stack.kill()
        self.stack.start()
        self.assertEqual(self.shown(OWN, self.root), first.der)
        # What cannot be is refused, and changes nothing.
        for wrong, status in ((issue(OTHER), 400), (issue(OWN, "alice.example.test"), 400), (issue("*.own.example"), 409)):
            self.assertEqual(self.put(OWN, wrong).status, status)
        self.assertEqual(self.shown(OWN, self.root), first.der)
        # Replaced, nearly over, and taken away.
        second = issue(OWN, by=self.root, ends=time.time() + 3 * DAY)
        self.assertEqual(self.put(OWN, second).status, 200)
        self.assertEqual(self.shown(OWN, self.root), second.der)
        conditions = self.stack.ask("GET", "/v1/webspace/self").json["conditions"]
        self.assertEqual([each["kind"] for each in conditions], ["certificate-ends"])
        self.assertEqual(self.stack.ask("DELETE", path).status, 204)
        self.shows_traefiks(OWN)
        self.assertIsNone(self.stack.key(f"user._webspaced_certificate.{OWN}"))
        self.assertNotIn("conditions", self.stack.ask("GET", "/v1/webspace/self").json)
        self.no_key_is_told(first, second)

    def test_what_somebody_wrote_by_hand_harms_nobody_else(self) -> None:
        self.stack.create()
        self.add(OWN)
        self.add(OTHER)
        good = issue(OTHER, by=self.root)
        self.assertEqual(self.put(OTHER, good).status, 201)
        self.stack.lxd.lxc("--project", self.stack.project, "config", "set", "ws-u1", f"user._webspaced_certificate.{OWN}=x")
        wait_until("it is told", lambda: "bad-certificate" in str(self.stack.ask("GET", "/v1/webspace/self").body))
        self.assertEqual(self.shown(OTHER, self.root), good.der)
        self.shows_traefiks(OWN)
        # It goes with the domain.
        for domain in (OWN, OTHER):
            self.assertEqual(self.stack.ask("DELETE", f"{DOMAINS}/{domain}").status, 204)
            self.assertIsNone(self.stack.key(f"user._webspaced_certificate.{domain}"))
        self.no_key_is_told(good)

    def no_key_is_told(self, *certificates: Issued) -> None:
        """See that no key is in the log, and that what holds one is for its owner only."""
        lines = [line for each in certificates for line in each.key.splitlines()[1:-1]]
        log = self.stack.log()
        self.assertFalse([line for line in lines if line in log])
        for path in Path(self.stack.directory / "data").rglob("*"):
            if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
                self.assertEqual((path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777), (0o600, 0o700), path)

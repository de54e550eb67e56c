"""A member's own domain, from the DNS record to the page."""

from __future__ import annotations

from tests.dns_server import DnsServer
from tests.stack import StackCase, wait_until

DOMAINS = "/v1/webspace/self/domains"


class DomainTests(StackCase):
    def prepare(self) -> None:
        self.dns = DnsServer()
        self.addCleanup(self.dns.close)
        self.stack.set_webspaces(domains={"resolvers": [self.dns.address]})
        self.stack.set_traefik(cert_resolver="acme")

    def test_from_the_record_to_the_page_and_away_again(self) -> None:
        self.stack.create()
        self.assertEqual(self.stack.ask("POST", f"{DOMAINS}/webspaced.invalid").status, 400)
        refused = self.stack.ask("POST", f"{DOMAINS}/b%C3%BCcher.example")
        self.assertEqual(refused.status, 400, refused)
        self.assertIn("webspace:id:1", refused.json["message"])
        self.dns.texts["xn--bcher-kva.example"] = ["v=spf1 -all", "webspace:id:1"]
        added = self.stack.ask("POST", f"{DOMAINS}/b%C3%BCcher.example")
        self.assertEqual((added.status, added.body), (201, b""))
        # The answer came when Traefik knew it; the webspace sleeps, and is woken by this visit.
        self.assertEqual(self.stack.visit_host("xn--bcher-kva.example").body, b"ws-u1\n")
        self.assertEqual(self.stack.ask("GET", DOMAINS).json, ["alice.example.test", "xn--bcher-kva.example"])
        self.stack.create("bob")
        self.assertEqual(self.stack.ask("POST", f"{DOMAINS}/xn--bcher-kva.example", token="token-bob").status, 409)
        self.dns.texts["xn--bcher-kva.example"] = ["webspace:id:2"]
        # Nobody asks for the proof of what is served, and it stays through restarts.
        self.stack.kill()
        self.stack.start()
        self.assertEqual(self.stack.visit_host("xn--bcher-kva.example").body, b"ws-u1\n")
        # Somebody else proves it, and the old proof is gone.
        self.assertEqual(self.stack.ask("POST", f"{DOMAINS}/xn--bcher-kva.example", token="token-bob").status, 201)
        self.assertEqual(self.stack.visit_host("xn--bcher-kva.example").body, b"ws-u2\n")
        conditions = self.stack.ask("GET", "/v1/webspace/self").json["conditions"]
        self.assertIn("xn--bcher-kva.example", conditions[0]["detail"])
        self.assertEqual(self.stack.ask("DELETE", f"{DOMAINS}/xn--bcher-kva.example", token="token-bob").status, 204)
        # DNS still names the second one: it is not the first one's by itself.
        conditions = self.stack.ask("GET", "/v1/webspace/self").json["conditions"]
        self.assertEqual([each["kind"] for each in conditions], ["host-unproved"])
        wait_until("it is nobody's", lambda: self.stack.visit_host("xn--bcher-kva.example").status == 404)
        self.dns.texts["xn--bcher-kva.example"] = ["webspace:id:1"]
        self.assertEqual(self.stack.ask("POST", f"{DOMAINS}/xn--bcher-kva.example").status, 201)
        self.assertEqual(self.stack.visit_host("xn--bcher-kva.example").body, b"ws-u1\n")

    def test_the_certificate_resolver_is_named_for_own_domains_only(self) -> None:
        self.stack.create()
        self.dns.texts["own.example"] = ["webspace:id:1"]
        self.assertEqual(self.stack.ask("POST", f"{DOMAINS}/own.example").status, 201)
        routers = self.stack.document()["http"]["routers"]
        self.assertEqual(routers["ws-u1-domains"]["tls"], {"certResolver": "acme", "domains": [{"main": "own.example"}]})
        self.assertEqual(routers["ws-u1-https"]["tls"], {})

    def test_dns_that_does_not_answer_is_nobodys_fault(self) -> None:
        self.stack.create()
        self.dns.silent = True
        answer = self.stack.ask("POST", f"{DOMAINS}/own.example")
        self.assertEqual((answer.status, "Retry-After" in answer.headers), (503, True), answer)

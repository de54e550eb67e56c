"""Questions to DNS: the resolver of twisted.names, against its own server where sockets are at hand."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.defer import TimeoutError as QueryTimeout
from twisted.internet.error import CannotListenError
from twisted.names import dns
from twisted.names.authority import FileAuthority
from twisted.names.client import Resolver
from twisted.names.error import DNSNameError, DNSServerError, ResolverError
from twisted.names.server import DNSServerFactory
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.unit.timing import watch
from webspaced.errors import Unavailable
from webspaced.network.dns import DomainRecords, resolver_for
from webspaced.settings import Address


class Zone(FileAuthority):
    """A zone of the test's own making; it knows nothing else."""

    def __init__(self, *records: tuple[str, Any]) -> None:
        self.given = records
        super().__init__(None)

    def loadFile(self, filename: None) -> None:
        soa = dns.Record_SOA("ns.test", "root.test", 1, 1, 1, 1, 1)
        self.soa = (b"test", soa)
        self.records = {b"test": [soa]}
        for name, record in self.given:
            self.records.setdefault(name.encode(), []).append(record)


class ServerTests(TestCase):
    """Real datagrams on loopback."""

    def serve(self, *records: tuple[str, Any]) -> DomainRecords:
        factory = DNSServerFactory(authorities=[Zone(*records)])
        for _ in range(20):
            tcp = reactor.listenTCP(0, factory, interface="127.0.0.1")
            port = tcp.getHost().port
            try:
                udp = reactor.listenUDP(port, dns.DNSDatagramProtocol(factory), interface="127.0.0.1")
            except CannotListenError:
                tcp.stopListening()
                continue
            break
        self.addCleanup(tcp.stopListening)
        self.addCleanup(udp.stopListening)
        return DomainRecords(resolver_for(reactor, (Address("127.0.0.1", port),)))

    async def check(self, *records: tuple[str, Any], texts: list[str], name: str = "a.test") -> None:
        self.assertEqual(await self.serve(*records).texts(name), texts)

    def test_every_record(self) -> Deferred[None]:
        texts = [dns.Record_TXT(b"v=spf1 -all"), dns.Record_TXT(b"webspace:id:7")]
        return Deferred.fromCoroutine(
            self.check(*(("a.test", text) for text in texts), texts=["v=spf1 -all", "webspace:id:7"])
        )

    def test_one_in_pieces(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.check(("a.test", dns.Record_TXT(b"webspace", b":id:7")), texts=["webspace:id:7"]))

    def test_more_than_a_datagram_holds(self) -> Deferred[None]:
        long = [("a.test", dns.Record_TXT(str(n).encode() * 200)) for n in range(9)]
        texts = [str(n) * 200 for n in range(9)]
        return Deferred.fromCoroutine(self.check(*long, texts=texts))

    def test_none(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.check(("a.test", dns.Record_A("192.0.2.1")), texts=[]))

    def test_no_such_name(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.check(texts=[], name="nowhere.test"))


class FaultTests(SynchronousTestCase):
    def ask(self, answer: Deferred[Any]) -> Any:
        class Answering:
            def lookupText(self, name: str, timeout: object) -> Deferred[Any]:
                return answer

        return watch(DomainRecords(Answering).texts("example.net"))

    def test_no_answer_is_no_proof_and_no_refutation(self) -> None:
        for error in (DNSServerError("no"), QueryTimeout("no"), ResolverError("no"), OSError("no")):
            self.assertIsInstance(self.ask(fail(error)).error, Unavailable)

    def test_no_such_name_is_an_answer(self) -> None:
        self.assertEqual(self.ask(fail(DNSNameError("no"))).value, [])

    def test_an_alias_as_recursive_servers_answer_it(self) -> None:
        alias = dns.RRHeader(b"a", dns.CNAME, payload=dns.Record_CNAME(b"b"))
        text = dns.RRHeader(b"b", dns.TXT, payload=dns.Record_TXT(b"webspace:id:7"))
        self.assertEqual(self.ask(succeed(([alias, text], [], []))).value, ["webspace:id:7"])

    def test_what_is_no_text(self) -> None:
        odd = dns.RRHeader(b"a", dns.TXT, payload=dns.Record_TXT(b"\xff\xfe"))
        self.assertEqual(len(self.ask(succeed(([odd], [], []))).value), 1)

    def test_the_systems_servers_unless_others_are_named(self) -> None:
        made = resolver_for(None, (Address("192.0.2.53", 5353),))()
        self.assertEqual((made.servers, made.resolv), ([("192.0.2.53", 5353)], None))
        self.patch(Resolver, "maybeParseConfig", lambda _: None)
        self.assertEqual(resolver_for(None, ())().resolv, "/etc/resolv.conf")

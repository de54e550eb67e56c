"""What an entry point answers, and what that says of a generation."""

from __future__ import annotations

from twisted.internet.error import ConnectError
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.assembled import Machine
from tests.unit.timing import Watched, watch
from webspaced.traefik.entry_point import TIMEOUT, EntryPoint


class EntryPointTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.machine = Machine()

    def asked(self, url: str = "http://192.0.2.1:8080") -> Watched:
        return watch(EntryPoint(self.machine, url).has(17))

    def answered(self, answer: bytes) -> Watched:
        asking = self.asked()
        host, port, factory, *_ = self.machine.tcpClients[-1]
        self.assertEqual((host, port), ("192.0.2.1", 8080))
        protocol, transport = factory.buildProtocol(None), StringTransport()
        protocol.makeConnection(transport)
        self.assertIn(b"HEAD / HTTP/1.1\r\nHost: g17.webspaced.invalid\r\n", transport.value())
        protocol.dataReceived(answer)
        return asking

    def test_418_is_yes_and_a_redirection_tells_nothing(self) -> None:
        for status, has in ((418, True), (404, False), (200, False), (502, False), (301, None), (308, None)):
            self.assertIs(self.answered(b"HTTP/1.1 %d It is so\r\n" % status).value, has)

    def test_no_answer_is_waited_for_for_long(self) -> None:
        asking = self.answered(b"")
        self.machine.run_for(TIMEOUT + 0.01)
        self.assertIsNone(asking.value)

    def test_nobody_there_tells_nothing(self) -> None:
        asking = self.asked()
        _, _, factory, timeout, _ = self.machine.tcpClients[-1]
        self.assertEqual(timeout, TIMEOUT)
        factory.clientConnectionFailed(None, ConnectError())
        self.assertIsNone(asking.value)

    def test_where_is_what_the_url_says(self) -> None:
        for url, where in (
            ("http://192.0.2.1", ("192.0.2.1", 80)),
            ("https://192.0.2.1/somewhere", ("192.0.2.1", 443)),
            ("https://[2001:db8::1]:8443", ("2001:db8::1", 8443)),
        ):
            self.asked(url)
            self.assertEqual(self.machine.tcpClients[-1][:2], where)
            self.assertIs(isinstance(self.machine.tcpClients[-1][2]._wrappedFactory, TLSMemoryBIOFactory), "https" in url)

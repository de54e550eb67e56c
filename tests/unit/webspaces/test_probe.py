"""Asking a port, with connections in memory."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from twisted.internet import error
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.forward.wires import ENDPOINT, Network, lose
from tests.unit.timing import Watched, watch
from webspaced.core.address import Endpoint
from webspaced.core.probing import Answer, Ask
from webspaced.webspaces.probe import ANSWER_TIMEOUT, HEAD_START, PortProbe, first_that_accepts


class ProbeCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network()
        self.probe = PortProbe(self.network)


class AcceptsTests(ProbeCase):
    def setUp(self) -> None:
        super().setUp()
        self.asking = watch(self.probe.accepts(ENDPOINT, 0.05))

    def test_a_port_that_accepts_is_let_go_at_once(self) -> None:
        host, port, _, timeout, _ = self.network.tcpClients[0]
        self.assertEqual((host, port, timeout), ("10.7.0.10", 22, 0.05))
        connection = self.network.accept()
        self.assertEqual((self.asking.value, connection.transport.ends), (True, ["reset"]))

    def test_one_that_refuses_or_says_nothing(self) -> None:
        for way in (error.ConnectionRefusedError(), error.TimeoutError(), error.NoRouteError()):
            self.setUp()
            self.network.refuse(way)
            self.assertIs(self.asking.value, False)


class AskCase(ProbeCase):
    asks = Ask.CONNECTION

    def ask(self, *answers: bytes, timeout: float = ANSWER_TIMEOUT) -> tuple[Watched, Any]:
        asking = watch(self.probe.ask(ENDPOINT, self.asks, "alice.example.org", timeout))
        connection = self.network.accept()
        for answer in answers:
            connection.dataReceived(answer)
        return asking, connection


class HttpTests(AskCase):
    asks = Ask.HTTP

    def test_the_request(self) -> None:
        _, connection = self.ask()
        head, _, rest = connection.transport.value().partition(b"\r\n\r\n")
        self.assertEqual(head.split(b"\r\n")[:2], [b"HEAD / HTTP/1.1", b"Host: alice.example.org"])
        self.assertIn(b"Connection: close", head)
        self.assertEqual(rest, b"")

    def test_the_status_as_soon_as_its_line_is_there(self) -> None:
        for answers in ([b"HTTP/1.1 503 Service Unavailable\r\n"], [b"HTTP/1.0 5", b"03 x\r\nA: b"], [b"HTTP/1.1 503\n"]):
            asking, connection = self.ask(*answers)
            self.assertEqual((asking.value, connection.transport.ends), (Answer.NOT_YET, ["reset"]))
        self.assertIs(self.ask(b"HTTP/1.1 404 x\r\n")[0].value, Answer.GOOD)

    def test_what_is_no_http_is_a_server_all_the_same(self) -> None:
        for answer in (b"SSH-2.0-x\r\n", b"HTTP/2 200\r\n", b"HTTP/1.1 999 x\r\n", b"\n", b"x" * 256, b"HTTP/1.1 20\r\n"):
            self.assertIs(self.ask(answer)[0].value, Answer.GOOD)

    def test_one_that_hangs_up_without_a_word_is_not_there_yet(self) -> None:
        asking, connection = self.ask()
        lose(connection)
        self.assertIs(asking.value, Answer.NOT_YET)

    def test_one_that_hangs_up_within_a_word_is_there(self) -> None:
        asking, connection = self.ask(b"HTT")
        lose(connection)
        self.assertIs(asking.value, Answer.GOOD)

    def test_one_that_says_nothing_in_time_is_let_go(self) -> None:
        asking, connection = self.ask(b"HTTP/1.1 200")
        self.network.advance(ANSWER_TIMEOUT)
        self.assertEqual((asking.value, connection.transport.ends), (Answer.SILENT, ["reset"]))

    def test_one_that_cannot_be_connected_to(self) -> None:
        for way, answer in ((error.ConnectionRefusedError(), Answer.REFUSED), (error.TimeoutError(), Answer.SILENT)):
            asking = watch(self.probe.ask(ENDPOINT, Ask.HTTP, "x"))
            self.network.refuse(way)
            self.assertIs(asking.value, answer)


class DataTests(AskCase):
    """Servers that speak first."""

    asks = Ask.DATA

    def test_nothing_is_said_to_it_and_its_first_byte_is_enough(self) -> None:
        asking, connection = self.ask()
        self.assertEqual((connection.transport.value(), asking.done), (b"", False))
        connection.dataReceived(b"S")
        self.assertEqual((asking.value, connection.transport.ends), (Answer.GOOD, ["reset"]))

    def test_silence_and_hanging_up(self) -> None:
        asking, _ = self.ask(timeout=7.0)
        self.network.advance(6.9)
        self.assertFalse(asking.done)
        self.network.advance(0.2)
        self.assertIs(asking.value, Answer.SILENT)
        asking, connection = self.ask()
        lose(connection)
        self.assertIs(asking.value, Answer.NOT_YET)


class FirstWordsTests(ProbeCase):
    """Where something else is spoken than HTTP/1 in plain."""

    def said(self, asks: Ask) -> bytes:
        watch(self.probe.ask(ENDPOINT, asks, "x"))
        said: bytes = self.network.accept().transport.value()
        return said

    def test_of_tls_it_is_a_client_hello(self) -> None:
        for asks in (Ask.TLS, Ask.HTTPS):
            said = self.said(asks)
            # A record of the type handshake, as long as it says, that begins with a ClientHello (RFC 8446, 4 and 5.1).
            self.assertEqual((said[:2], said[5]), (b"\x16\x03", 1))
            self.assertEqual(int.from_bytes(said[3:5], "big"), len(said) - 5)

    def test_of_http_2_it_is_the_preface(self) -> None:
        self.assertTrue(self.said(Ask.H2C).startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))

    def test_any_answer_to_them_is_good_and_hanging_up_is_none(self) -> None:
        for asks in (Ask.TLS, Ask.H2C):
            asking = watch(self.probe.ask(ENDPOINT, asks, "x"))
            self.network.accept().dataReceived(b"\x15\x03\x03\0\2\2\x28")
            self.assertIs(asking.value, Answer.GOOD)
        for asks in (Ask.TLS, Ask.H2C, Ask.HTTPS):
            asking = watch(self.probe.ask(ENDPOINT, asks, "x"))
            lose(self.network.accept())
            self.assertIs(asking.value, Answer.NOT_YET)


class RaceTests(ProbeCase):
    """Several addresses of one container."""

    def setUp(self) -> None:
        super().setUp()
        self.six = Endpoint(ip_address("fd00::10"), 22)
        self.racing = watch(first_that_accepts(self.network, self.probe, [ENDPOINT, self.six], 1.0))

    def tried(self) -> list[str]:
        return [host for host, *_ in self.network.tcpClients]

    def test_the_second_is_tried_when_the_first_is_silent_for_a_moment(self) -> None:
        self.assertEqual(self.tried(), ["10.7.0.10"])
        self.network.advance(HEAD_START)
        self.assertEqual(self.tried(), ["10.7.0.10", "fd00::10"])
        self.network.accept()
        self.assertEqual(self.racing.value, self.six)

    def test_the_first_that_accepts_at_once_is_the_only_one(self) -> None:
        self.network.accept()
        self.assertEqual((self.racing.value, self.tried()), (ENDPOINT, ["10.7.0.10"]))
        self.network.advance(HEAD_START)
        self.assertEqual(self.tried(), ["10.7.0.10"])

    def test_where_there_is_no_address_there_is_nobody(self) -> None:
        self.assertIsNone(watch(first_that_accepts(self.network, self.probe, [], 1.0)).value)

    def test_none_of_them(self) -> None:
        self.network.refuse(error.ConnectionRefusedError())
        self.network.advance(HEAD_START)
        self.assertFalse(self.racing.done)
        self.network.refuse(error.ConnectionRefusedError())
        self.assertIsNone(self.racing.value)

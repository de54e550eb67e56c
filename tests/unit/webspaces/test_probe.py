"""Asking a port, with connections in memory."""

from __future__ import annotations

from twisted.internet import error
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.forward.wires import ENDPOINT, Network, lose
from tests.unit.timing import Watched, watch
from webspaced.webspaces.probe import HEAD_TIMEOUT, PortProbe


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


class HeadTests(ProbeCase):
    def ask(self, *answers: bytes) -> tuple[Watched, object]:
        asking = watch(self.probe.head(ENDPOINT, "alice.example.org"))
        connection = self.network.accept()
        for answer in answers:
            connection.dataReceived(answer)
        return asking, connection

    def test_the_request(self) -> None:
        _, connection = self.ask()
        head, _, rest = connection.transport.value().partition(b"\r\n\r\n")
        self.assertEqual(head.split(b"\r\n")[:2], [b"HEAD / HTTP/1.1", b"Host: alice.example.org"])
        self.assertIn(b"Connection: close", head)
        self.assertEqual(rest, b"")

    def test_the_status_as_soon_as_its_line_is_there(self) -> None:
        for answers in ([b"HTTP/1.1 503 Service Unavailable\r\n"], [b"HTTP/1.0 5", b"03 x\r\nA: b"], [b"HTTP/1.1 503\n"]):
            asking, connection = self.ask(*answers)
            self.assertEqual((asking.value, connection.transport.ends), (503, ["reset"]))

    def test_what_is_no_http(self) -> None:
        for answer in (b"SSH-2.0-x\r\n", b"HTTP/2 200\r\n", b"HTTP/1.1 999 x\r\n", b"\n", b"x" * 256, b"HTTP/1.1 20\r\n"):
            self.assertIsNone(self.ask(answer)[0].value)

    def test_one_that_closes_without_a_word(self) -> None:
        asking, connection = self.ask()
        lose(connection)
        self.assertIsNone(asking.value)

    def test_one_that_says_nothing_in_time_is_let_go(self) -> None:
        asking, connection = self.ask(b"HTTP/1.1 200")
        self.network.advance(HEAD_TIMEOUT)
        self.assertEqual((asking.value, connection.transport.ends), (None, ["reset"]))

    def test_one_that_cannot_be_connected_to(self) -> None:
        asking = watch(self.probe.head(ENDPOINT, "x"))
        self.network.refuse(error.ConnectionRefusedError())
        self.assertIsNone(asking.value)

"""Servers behind a forward learn who visits them: Twisted's reader of the PROXY protocol, and a container."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.haproxy import proxyEndpoint

from tests.relayed import LOOPBACK, RelayCase, until_so
from tests.stack import StackCase, wait_until
from tests.visitors import PATIENCE, echo
from webspaced.core.forward import Forward
from webspaced.core.proxy_protocol import ProxyProtocol


class Greeter(Protocol):
    """Says whom it sees, then what it is told; ends with its visitor."""

    greeting = b""

    def dataReceived(self, data: bytes) -> None:
        if not self.greeting:
            far, near = self.transport.getPeer(), self.transport.getHost()
            self.greeting = f"{ip_address(far.host)} {far.port} {ip_address(near.host)} {near.port}\n".encode()
            self.transport.write(self.greeting)
        self.transport.write(data)


class ReaderTests(RelayCase):
    async def test_a_server_sees_who_visits_it(self) -> None:
        server = proxyEndpoint(TCP4ServerEndpoint(reactor, 0, interface=LOOPBACK))
        listening = await server.listen(Factory.forProtocol(Greeter))
        self.addCleanup(listening.stopListening)
        for version in ProxyProtocol:
            for shut in (False, True):
                self.gate.shut = shut
                forward = Forward(listening.getHost().port, version)
                self.listeners.want_forwards(1, {0: forward})
                visiting = self.thread(self.ask)
                if shut:
                    await until_so(lambda: self.gate.waiting)
                    self.gate.open()
                    self.gate.waiting.clear()
                seen, own = await visiting
                self.assertEqual(seen, own)

    def ask(self) -> tuple[bytes, bytes]:
        """What the server says to a visitor, and what it should say."""
        with self.visit() as visitor:
            visitor.sendall(b"question")
            own, there = visitor.getsockname(), visitor.getpeername()
            expected = f"{own[0]} {own[1]} {there[0]} {there[1]}\nquestion".encode()
            return visitor.recv(len(expected), socket.MSG_WAITALL), expected


class Ipv6Tests(ReaderTests):
    interface = "::1"


class ContainerTests(StackCase):
    def ask(self, method: str, path: str, body: object = None) -> object:
        answer = self.stack.ask(method, f"/v1/webspace/self{path}", body)
        self.assertLess(answer.status, 300, answer)
        return answer.json if answer.body else None

    def test_a_container_sees_who_visits_it(self) -> None:
        self.stack.create()
        port = self.ask("POST", "/ports/7", {"proxyProtocol": 1})["ePort"]
        self.assertEqual(self.ask("GET", "")["proxyProtocol"], {str(port): 1})
        for state in ("asleep", "awake"):
            # The container's service gives back whatever comes.
            line, _, rest = echo(port, b"question").partition(b"\r\n")
            self.assertRegex(line, rb"^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 [0-9]+ %d$" % port, state)
            self.assertEqual(rest, b"question", state)

    def test_a_change_is_for_those_who_come_then(self) -> None:
        self.stack.create()
        port = self.stack.forward(7)
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as before:
            before.sendall(b"one")
            self.assertEqual(before.recv(3, socket.MSG_WAITALL), b"one")
            self.ask("PATCH", f"/ports/{port}", {"proxyProtocol": 1})
            wait_until("later ones are told of", lambda: echo(port, b"two").startswith(b"PROXY TCP4 "))
            self.ask("PATCH", f"/ports/{port}", {"proxyProtocol": None})
            wait_until("and no more", lambda: echo(port, b"three") == b"three")
            before.sendall(b"four")
            self.assertEqual(before.recv(4, socket.MSG_WAITALL), b"four")

"""Handshakes of WebSockets, as strange as anybody can make them."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from tests.unit.http.served import Answer, ServedCase, request
from tests.unit.http.test_channel import _Echo
from webspaced.http.upgrade import Upgrade

SELF = "/v1/webspace/self"
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
HANDSHAKE = request("GET", "/", headers=UPGRADE)


class UpgradeCase(ServedCase):
    def setUp(self) -> None:
        super().setUp()
        self.echo = _Echo()

    def serve(self, resource: Any = None) -> None:
        self.public.resource._inner = resource or Upgrade(self.echo.accept)


class HandshakeTests(UpgradeCase):
    def refused(self, handshake: bytes, status: int = 400) -> Answer:
        line = self.line()
        line.say(handshake)
        answer = Answer(line.value(), "GET")
        self.assertEqual((answer.status, answer.headers["content-type"]), (status, "application/problem+json"), handshake)
        self.assertEqual(answer.json["status"], status)
        line.hang_up()
        return answer

    def test_what_is_none_is_the_clients_mistake(self) -> None:
        self.serve()
        host = b"Host: webspaced.test\r\n"
        for wrong in (
            HANDSHAKE.replace(host, b""),
            HANDSHAKE.replace(host, b"").replace(b"HTTP/1.1", b"HTTP/1.0"),
            HANDSHAKE.replace(host, host + host),
            HANDSHAKE.replace(host, b"Host: xn--99999999999\r\n"),
            HANDSHAKE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: caf\xc3\xa9\r\n\r\n"),
            HANDSHAKE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: \xff\r\n\r\n"),
            request("GET", "/"),
        ):
            self.assertIn("WebSocket handshake", self.refused(wrong).json["message"])

    @given(st.sampled_from(["Host", *UPGRADE, "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"]), st.binary(max_size=20))
    def test_whatever_a_header_is(self, name: str, value: bytes) -> None:
        self.serve()
        line = self.line()
        kept = [each for each in HANDSHAKE.split(b"\r\n") if not each.startswith(name.encode() + b":")]
        line.say(b"\r\n".join([kept[0], name.encode() + b": " + value.translate(None, b"\r\n"), *kept[1:]]))
        self.assertIn(line.value()[9:12], (b"101", b"400"))
        line.hang_up()

    def test_a_host_that_is_no_text_wherever_it_comes(self) -> None:
        for path in ("/v1/images", "/health", f"{SELF}/exec"):
            answer = self.refused(request("GET", path).replace(b"webspaced.test", b"caf\xff.example"))
            self.assertIn("Host", answer.json["message"])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_the_answer_bears_the_id_of_the_request(self) -> None:
        self.serve()
        line = self.line()
        line.say(HANDSHAKE.replace(b"\r\n\r\n", b"\r\nX-Request-ID: mine-1\r\n\r\n"))
        self.assertTrue(line.value().startswith(b"HTTP/1.1 101 "), line.value())
        self.assertIn(b"x-request-id: mine-1\r\n", line.value().lower())
        line.hang_up()

    def test_no_other_method(self) -> None:
        self.serve()
        for method in ("HEAD", "POST"):
            line = self.line()
            line.say(HANDSHAKE.replace(b"GET", method.encode()))
            self.assertTrue(line.value().startswith(b"HTTP/1.1 405 "), line.value())
            line.hang_up()

    def test_head_is_not_get_where_get_is_more_than_an_answer(self) -> None:
        self.ask("POST", SELF, {"image": "fast"}, token="alice")
        with mock.patch.object(self.w.interior, "console_log", side_effect=AssertionError):
            for path, allowed in (("log", "DELETE, GET"), ("exec", "GET, POST"), ("console", "GET")):
                line = self.line()
                line.say(request("HEAD", f"{SELF}/{path}", token="alice", headers=UPGRADE))
                answer = Answer(line.value(), "HEAD")
                self.assertEqual((answer.status, answer.headers["allow"]), (405, allowed))
                self.assertEqual(self.ask("OPTIONS", f"{SELF}/{path}").headers["allow"], f"{allowed}, OPTIONS")
                line.hang_up()


class _Later(Resource):
    """Answers a handshake only when told, as if it waited for LXD."""

    isLeaf = True

    def __init__(self, upgrade: Upgrade) -> None:
        super().__init__()
        self.told: Deferred[None] = Deferred()
        self._upgrade = upgrade

    def render(self, request: Any) -> int:
        self.told.addCallback(lambda _: self._upgrade.render(request))
        return 1


class EarlyTests(UpgradeCase):
    def setUp(self) -> None:
        super().setUp()
        self.frame = Connection(ConnectionType.CLIENT).send(TextMessage("hello"))

    def heard(self, line: Any) -> str:
        head, _, frames = line.value().partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        client = Connection(ConnectionType.CLIENT)
        client.receive_data(frames)
        events = list(client.events())
        line.hang_up()
        return "".join(event.data for event in events)

    def test_frames_in_the_packet_of_the_handshake(self) -> None:
        self.serve()
        line = self.line()
        line.say(HANDSHAKE + self.frame)
        self.assertEqual(self.heard(line), "HELLO")

    def test_frames_that_come_before_the_answer(self) -> None:
        later = _Later(Upgrade(self.echo.accept))
        self.serve(later)
        line = self.line()
        line.say(HANDSHAKE + self.frame[:3])
        line.say(self.frame[3:] + self.frame[:4])
        later.told.callback(None)
        line.say(self.frame[4:])
        self.assertEqual(self.heard(line), "HELLOHELLO")

    def test_a_first_message_in_the_packet_of_the_handshake_opens_a_terminal(self) -> None:
        self.ask("POST", SELF, {"image": "fast"}, token="alice")
        first = Connection(ConnectionType.CLIENT).send(TextMessage(json.dumps({"command": 7})))
        line = self.line()
        line.say(request("GET", f"{SELF}/exec", token="alice", headers=UPGRADE) + first)
        self.w.clock.run_for(1)
        self.assertIn(b"command must be a list", line.value())
        line.hang_up()
        self.w.clock.run_for(60)

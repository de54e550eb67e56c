"""No token and no password is in any log: planted wherever a client can put one, and searched for whatever goes wrong."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, TextMessage

from tests.unit.http.served import ServedCase, request
from tests.unit.http.test_upgrade import UPGRADE
from webspaced.errors import RemoteError, Unavailable
from webspaced.http.bodies import LARGEST

SECRET = "s3cr3t-0123456789abcdef"
SELF = "/v1/webspace/self"
HEADERS = (
    {},
    {"Cookie": f"session={SECRET}"},
    {"Sec-WebSocket-Protocol": f"webspaced, webspaced.ticket.{SECRET}"},
    {"Proxy-Authorization": f"Basic {SECRET}"},
    {"X-Request-ID": f"not well formed: {SECRET}"},
    {"X-Forwarded-For": SECRET},
    {"Origin": f"https://{SECRET}.example"},
    {"Referer": f"https://panel.example/?token={SECRET}", "User-Agent": SECRET},
    {"Access-Control-Request-Headers": SECRET, "Upgrade": "websocket", "Connection": "upgrade"},
)
BODIES: tuple[Any, ...] = (
    None,
    {"image": "fast"},
    {"httpPort": 8080},
    {"image": "fast", "password": SECRET},
    {"image": "fast", "passwrod": SECRET},
    {"image": SECRET[:3], "password": {"x": SECRET}},
    {"path": "exec", "command": ["passwd", SECRET]},
    f'{{"password": "{SECRET}"'.encode(),
    SECRET.encode(),
    SECRET.encode() * (LARGEST // len(SECRET) + 1),
)
PATHS = (SELF, f"{SELF}/state", f"{SELF}/config", f"{SELF}/ticket", f"{SELF}/exec", f"{SELF}/log", "/v1/images", "/nothing")


class SecretTests(ServedCase):
    def setUp(self) -> None:
        super().setUp()
        self.logs = [self.listen_to_log(form, level) for form in ("text", "json") for level in ("debug", "info")]

    def searched(self) -> None:
        for log in self.logs:
            self.assertGreater(len(log.getvalue()), 100)
            self.assertNotIn(SECRET, log.getvalue())

    def send_everything(self) -> None:
        for path in PATHS:
            for body in BODIES:
                self.ask("POST", f"{path}?access_token={SECRET}", body, token="alice")
                self.ask("PATCH", f"{path}?access_token={SECRET}", body, token="alice")
                self.ask("PUT", f"{path}?access_token={SECRET}", body, token=SECRET)
            self.ask("GET", f"{path}?{SECRET}", token="alice")
            for headers in HEADERS:
                for method in ("GET", "DELETE", "OPTIONS", "TRACE"):
                    self.ask(method, f"{path}?{SECRET}", token=SECRET, headers={**headers, "Connection": "close"})

    def test_in_whatever_a_client_sends(self) -> None:
        self.send_everything()
        self.searched()

    def test_when_lxd_and_iam_fail(self) -> None:
        for error in (Unavailable("away"), RemoteError("broken", 500)):
            with mock.patch.object(self.identity, "authenticate", side_effect=error):
                self.send_everything()
        self.searched()

    def test_when_we_made_a_mistake(self) -> None:
        # A new error each time: the traceback of one that is raised again and again grows.
        with mock.patch.object(self.identity, "authenticate", side_effect=ValueError):
            self.send_everything()
        self.assertTrue(self.flushLoggedErrors(ValueError))
        for kind, part in ((ValueError, "read"), (KeyError, "create"), (RecursionError, "set_config")):
            with mock.patch.object(self.w.service, part, side_effect=kind):
                self.send_everything()
                self.assertTrue(self.flushLoggedErrors(kind), part)
        self.searched()

    def test_when_the_client_is_gone_or_slow_or_talks_nonsense(self) -> None:
        for data in (
            request("POST", f"{SELF}?{SECRET}", {"image": "fast", "x": SECRET}, token="alice"),
            f"GET /{SECRET} HTTP/1.1\r\nAuthorization: Bearer {SECRET}\r\n".encode(),
            f"GET / HTTP/1.1\r\nAuthorization {SECRET}\r\n\r\n".encode(),
            f"{SECRET}\r\n\r\n".encode(),
            f"GET / {SECRET}\r\n\r\n".encode(),
            f"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}\r\n".encode(),
            f"GET /v1/webspace/%FF?{SECRET} HTTP/1.1\r\n\r\n".encode(),
        ):
            for patience in (0, 100):
                line = self.line()
                line.say(data)
                self.w.clock.run_for(patience)
                line.hang_up()
        self.w.clock.run_for(10)
        self.ask("GET", "/v1/images")
        self.searched()

    def terminal(self, path: str, *messages: Message) -> bytes:
        """Say all that over a WebSocket, the first of it in the packet of the handshake; gives what was answered."""
        line, client = self.line(), Connection(ConnectionType.CLIENT)
        first, *later = (client.send(message) for message in messages)
        line.say(request("GET", f"{SELF}/{path}?{SECRET}", token="alice", headers=UPGRADE) + first)
        for data in later:
            self.w.clock.run_for(1)
            line.say(data)
        self.w.clock.run_for(1)
        said = line.value()
        self.assertTrue(said.startswith(b"HTTP/1.1 101 "), said)
        line.hang_up()
        self.w.clock.run_for(5)
        return said

    async def opened(self, *_: Any) -> Any:
        """Open a terminal in which nothing happens."""
        return mock.Mock(ended=Deferred())

    def test_in_terminals(self) -> None:
        self.ask("POST", SELF, {"image": "fast"}, token="alice")
        self.w.clock.run_for(5)
        command = {"command": ["sh", "-c", f"echo {SECRET}"], "environment": {"PASSWORD": SECRET}}
        goodbye = CloseConnection(1000, SECRET)
        for opens in ("attach", "console"):
            self.patch(self.w.insides, opens, self.opened)
        for path in ("exec", "console"):
            for first in (
                json.dumps(command),
                json.dumps({**command, "user": SECRET}),
                json.dumps({"command": ["passwd", SECRET], "password": SECRET}),
                json.dumps({"command": SECRET, "environment": [SECRET]}),
                f'{{"password": "{SECRET}"',
                SECRET,
            ):
                for later in (BytesMessage(SECRET.encode()), *map(TextMessage, (SECRET, json.dumps({"signal": SECRET})))):
                    self.terminal(path, TextMessage(first), later, goodbye)
            self.terminal(path, BytesMessage(SECRET.encode() * 10), goodbye)
            self.terminal(path, goodbye)
        self.assertIn("a terminal of webspace 1 ended", self.logs[0].getvalue())
        self.searched()

    def test_the_search_finds_what_is_there(self) -> None:
        self.ask("GET", "/v1/images")
        self.searched()
        Logger().info("{thing}", thing=SECRET)
        self.assertRaises(self.failureException, self.searched)

    def test_tickets(self) -> None:
        answer = self.ask("POST", f"{SELF}/ticket", {"path": "exec"}, token="alice")
        for log in self.logs:
            self.assertNotIn(answer.json["ticket"], log.getvalue())

"""Terminals over WebSockets: the whole daemon in memory, with the simulated LXD behind it."""

from __future__ import annotations

import io
import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.client import Exchange
from tests.simulation.deployment import API, MEMBERS, Deployment
from tests.unit.timing import watch
from webspaced.http.bodies import LARGEST
from webspaced.http.rights import INTERVAL
from webspaced.http.terminals import FIRST_MESSAGE_TIMEOUT, GOODBYE_TIMEOUT, LARGEST_EARLY, MOST_ORDERS
from webspaced.lib.logs import log_observer
from webspaced.lib.websocket import Rejected, WebSocket, connect
from webspaced.testing.lxd.files import Entry


class Client:
    """A client's terminal: ``shown`` is what came, ``end`` how the server closed."""

    def __init__(self) -> None:
        self.shown = b""
        self.end: tuple[int, str] | None = None
        self.socket: WebSocket

    def opened(self) -> None:
        pass

    def text(self, message: str) -> None:
        raise AssertionError(message)

    def data(self, piece: bytes) -> None:
        self.shown += piece

    def closed(self, code: int, reason: str) -> None:
        self.end = code, reason

    def say(self, **message: Any) -> None:
        self.socket.send_text(json.dumps(message))


class TerminalCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.d = Deployment()
        self.addCleanup(self.d.close)
        self.d.start()
        self.d.pass_time(3)
        self.assertTrue(self.d.ready)

    def answered(self, exchange: Exchange) -> Exchange:
        self.until(lambda: exchange.done, 120)
        return exchange

    def until(self, true: Any, seconds: float = 60) -> None:
        for _ in range(int(seconds / 0.05)):
            if true():
                return
            self.d.pass_time(0.05)
        self.fail("waited in vain")

    def create(self, uid: int = 1) -> None:
        self.assertEqual(self.answered(self.d.ask(uid, "POST", "", {"image": "fast"})).status, 201)

    def begin(self, path: str = "exec", *, who: str = "self", token: str | None = "alice", **headers: str) -> Any:
        client = Client()
        fields = {**headers, **({} if token is None else {"Authorization": f"Bearer {token}"})}
        endpoint = TCP4ClientEndpoint(self.d.reactor, *API)
        raw = [(name.encode(), value.encode()) for name, value in fields.items()]
        opening = watch(
            Deferred.fromCoroutine(
                connect(self.d.reactor, endpoint, "api", f"/v1/webspace/{who}/{path}", client, headers=raw)
            )
        )
        self.until(lambda: opening.done)
        return client, opening

    def open(self, path: str = "exec", **more: Any) -> Client:
        client, opening = self.begin(path, **more)
        client.socket = opening.value
        return client  # type: ignore[no-any-return]

    def shell(self, *command: str, **more: Any) -> Client:
        client = self.open()
        client.say(command=list(command), width=80, height=24, **more)
        return client

    def ended(self, client: Client) -> tuple[int, str]:
        self.until(lambda: client.end is not None)
        assert client.end is not None
        return client.end


class ExecTests(TerminalCase):
    def test_a_stopped_webspace_is_booted_and_the_code_is_the_reason(self) -> None:
        self.create()
        client = self.shell("sh", "-c", "echo hello; exit 3")
        self.assertEqual((self.ended(client), client.shown), ((1000, "3"), b"hello\r\n"))

    def test_typing_and_the_end_of_input(self) -> None:
        self.create()
        client = self.shell("cat")
        client.socket.write(b"abc\n")
        self.until(lambda: b"abc\r\nabc\r\n" in client.shown)
        client.socket.write(b"\x04")
        self.assertEqual(self.ended(client), (1000, "0"))

    def test_what_is_typed_while_it_boots_is_not_lost(self) -> None:
        self.create()
        client = self.shell("cat")
        client.socket.write(b"early\n")
        client.socket.write(b"\x04")
        self.assertEqual(self.ended(client), (1000, "0"))
        self.assertIn(b"early\r\nearly\r\n", client.shown)

    def test_much_that_is_typed_while_it_boots_waits(self) -> None:
        self.create()
        client = self.shell("cat")
        line = b"x" * 999 + b"\n"
        for _ in range(3 * LARGEST_EARLY // 1000):
            client.socket.write(line)
        client.socket.write(b"\x04")
        self.assertEqual(self.ended(client), (1000, "0"))
        self.assertEqual(client.shown.count(b"x"), 2 * 999 * (3 * LARGEST_EARLY // 1000))

    def test_signals_and_sizes(self) -> None:
        self.create()
        client = self.shell("sleep", "60")
        self.d.pass_time(5)
        client.say(resize={"width": 100, "height": 50}, signal=0)
        client.say(resize={"width": 0, "height": 0})
        self.d.pass_time(1)
        sizes = [each.sockets.size for each in self.running()]
        self.assertEqual(sizes, [{"width": "100", "height": "50"}])
        self.assertIsNone(client.end)
        client.say(signal=15)
        self.assertEqual(self.ended(client), (1000, "143"))

    def test_orders_that_come_while_it_boots(self) -> None:
        self.create()
        client = self.shell("sleep", "60")
        client.say(signal=9)
        self.assertEqual(self.ended(client), (1000, "137"))

    def test_a_client_that_leaves_takes_its_command_along(self) -> None:
        self.create()
        client = self.shell("sleep", "1000")
        self.d.pass_time(5)
        client.socket.close()
        self.d.pass_time(2)
        self.assertEqual(client.end, (1000, ""))
        assert self.d.daemon is not None
        self.assertEqual(len(self.d.daemon.sites._api._terminals), 0)
        self.assertEqual(self.running(), [])

    def test_a_client_that_leaves_while_it_boots(self) -> None:
        self.create()
        client = self.shell("sleep", "1000")
        self.d.pass_time(0.2)
        client.socket.abort()
        self.d.pass_time(20)
        self.assertEqual((self.running(), self.d.mishaps), ([], []))

    def running(self) -> list[Any]:
        return [each for each in self.d.lxd.machine.operations.all() if not each.over]

    def test_user_group_environment_and_directory(self) -> None:
        self.create()
        client = self.shell("env", environment={"A": "b"}, user=33, group=33, workingDirectory="/etc")
        self.ended(client)
        self.assertIn(b"A=b\r\n", client.shown)
        self.assertIn(b"TERM=xterm-256color\r\n", client.shown)

    def test_an_unknown_command_has_the_shells_code(self) -> None:
        self.create()
        self.assertEqual(self.ended(self.shell("no-such-command")), (1000, "127"))

    def test_mistakes_in_the_first_message(self) -> None:
        self.create()
        for message, word in (
            ("{", "JSON"), ('{"\\ud800": 1}', "unknown"), ("[]", "object"), ("{}", "command"),
            ('{"command": "ls"}', "command"), ('{"command": []}', "command"),
            ('{"command": ["a\\u0000"]}', "null"), ('{"command": ["\\ud800"]}', "text"), ('{"command": ["a"], "x": 1}', "x"),
            ('{"command": ["a"], "user": -1}', "user"), ('{"command": ["a"], "user": true}', "user"),
            ('{"command": ["a"], "width": "80"}', "width"), ('{"command": ["a"], "environment": {"": "b"}}', "environment"),
            ('{"command": ["a"], "environment": {"a": 1}}', "environment"),
            ('{"command": ["a"], "workingDirectory": "etc"}', "workingDirectory"),
        ):  # fmt: skip
            client = self.open()
            client.socket.send_text(message)
            code, reason = self.ended(client)
            self.assertEqual((code, word in reason), (1011, True), (message, reason))

    def test_mistakes_in_later_messages(self) -> None:
        self.create()
        for message in ({"signal": 65}, {"resize": 3}, {"resize": {"widht": 3}}, {"size": {}}, {"x": "y" * LARGEST}):
            client = self.shell("cat")
            client.say(**message)
            self.assertEqual(self.ended(client)[0], 1011)

    def test_nobody_is_waited_for_for_ever(self) -> None:
        self.create()
        client = self.open()
        self.d.pass_time(FIRST_MESSAGE_TIMEOUT + 1)
        self.assertEqual(self.ended(client)[0], 1011)
        self.assertIn("first message", self.ended(client)[1])

    def test_it_ends_with_its_token_also_for_a_client_that_goes_on_typing(self) -> None:
        self.create()
        self.create(2)
        ended, stays = self.shell("cat"), self.open(token="bob")
        stays.say(command=["cat"])
        ended.socket.write(b"before\n")
        self.until(lambda: b"before" in ended.shown)
        self.d.change_token(1, "new")
        self.d.pass_time(INTERVAL + 1)
        ended.socket.write(b"after\n")
        self.assertEqual(self.ended(ended), (1008, "the token is not valid"))
        self.assertNotIn(b"after", ended.shown)
        # (Bob's goes on.)
        self.assertEqual(len(self.running()), 1)
        self.assertIsNone(stays.end)
        self.d.remove_member(2)
        self.assertEqual(self.ended(stays)[0], 1008)

    def test_it_ends_with_its_token_while_nobody_has_said_anything(self) -> None:
        self.create()
        client = self.open("console")
        self.d.change_token(1, "new")
        self.d.pass_time(INTERVAL + 1)
        self.assertEqual(self.ended(client)[0], 1008)

    def test_lxd_goes_away(self) -> None:
        self.create()
        client = self.shell("sleep", "60")
        self.d.pass_time(5)
        self.d.lose_lxd(1, finish=True)
        code, reason = self.ended(client)
        self.assertEqual((code, "LXD" in reason), (1011, True), reason)

    def test_the_container_stops(self) -> None:
        self.create()
        client = self.shell("sleep", "60")
        self.d.pass_time(5)
        self.d.put_state(1, "stop", force=True)
        self.assertEqual(self.ended(client), (1000, "137"))

    def test_a_stop_of_webspaced_says_goodbye(self) -> None:
        self.create()
        client = self.shell("sleep", "60")
        self.d.pass_time(5)
        self.d.stop()
        self.d.pass_time(1)
        self.assertEqual(self.ended(client)[0], 1001)

    def test_the_id_of_its_request_is_in_what_is_logged(self) -> None:
        self.create()
        lines = io.StringIO()
        observer = log_observer(lines, "debug", "text")
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        client = self.open(**{"X-Request-ID": "mine-1"})
        client.say(command=["true"])
        self.ended(client)
        self.d.pass_time(1)
        told = [line for line in lines.getvalue().splitlines() if "mine-1" in line]
        for words in ("webspace 1 is up", "a terminal of webspace 1 ended", "GET /v1/webspace/self/exec 101"):
            self.assertTrue(any(words in line for line in told), (words, lines.getvalue()))

    def test_a_boot_that_fails(self) -> None:
        self.assertEqual(self.answered(self.d.ask(1, "POST", "", {"image": "crash"})).status, 201)
        code, reason = self.ended(self.shell("true"))
        self.assertEqual((code, "stopped" in reason), (1011, True), reason)


class FakeTerminal:
    """What the tests look at from inside."""

    def __init__(self) -> None:
        self.ended: Deferred[int] = Deferred()
        self.producer: Any = None
        self.typed = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.typed += data

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def close(self) -> None:
        self.is_closed = True


class PressureTests(TerminalCase):
    def setUp(self) -> None:
        super().setUp()
        self.create()
        self.terminal = FakeTerminal()
        self.opening: Deferred[FakeTerminal] = Deferred()

        async def attach(*_: Any) -> Any:
            return await self.opening

        assert self.d.daemon is not None
        self.api = self.d.daemon.sites._api
        self.patch(self.api._insides, "attach", attach)

    def session(self) -> Any:
        (session,) = self.api._terminals._open
        return session

    def test_who_types_waits_for_the_container(self) -> None:
        self.shell("cat")
        self.d.pass_time(1)
        self.opening.callback(self.terminal)
        self.assertIs(self.terminal.producer, self.session().socket)

    def test_who_types_much_before_there_is_anybody_to_read_it_waits(self) -> None:
        client = self.shell("cat")
        for _ in range(20):
            client.socket.write(b"x" * 50_000)
        self.d.pass_time(5)
        self.assertLess(len(self.session()._early), LARGEST_EARLY + 10_000)
        self.opening.callback(self.terminal)
        self.d.pass_time(5)
        self.assertEqual(len(self.terminal.typed), 1_000_000)

    def test_who_leaves_while_it_is_opened_has_it_closed(self) -> None:
        client = self.shell("cat")
        self.d.pass_time(1)
        cancelled: list[object] = []
        self.opening._canceller = cancelled.append
        client.socket.close()
        self.d.pass_time(1)
        self.assertEqual((len(cancelled), len(self.api._terminals)), (1, 0))

    def test_who_leaves_then_has_it_closed(self) -> None:
        client = self.shell("cat")
        self.d.pass_time(1)
        self.opening.callback(self.terminal)
        client.socket.close()
        self.d.pass_time(1)
        self.assertTrue(self.terminal.is_closed)

    def test_too_many_orders_before_there_is_a_terminal(self) -> None:
        client = self.shell("cat")
        for _ in range(MOST_ORDERS + 1):
            client.say(signal=1)
        self.assertIn("too many orders", self.ended(client)[1])

    def test_a_stop_waits_for_what_lxd_has_to_end(self) -> None:
        client = self.shell("cat")
        self.d.pass_time(1)
        self.opening.callback(self.terminal)
        closing = watch(self.api.close())
        self.d.pass_time(1)
        self.assertEqual((self.terminal.is_closed, closing.done, self.ended(client)[0]), (True, False, 1001))
        self.terminal.ended.callback(0)
        self.assertTrue(closing.done)

    def test_but_not_for_ever(self) -> None:
        self.shell("cat")
        self.d.pass_time(1)
        self.opening.callback(self.terminal)
        closing = watch(self.api.close())
        self.d.pass_time(GOODBYE_TIMEOUT + 0.1)
        self.assertTrue(closing.done)


class HandshakeTests(TerminalCase):
    def refused(self, status: int, **more: Any) -> None:
        _, opening = self.begin(**more)
        self.assertIsInstance(opening.error, Rejected)
        self.assertEqual(opening.error.status, status, more)

    def test_a_refusal_is_an_answer_with_a_problem_document(self) -> None:
        self.refused(404)
        self.create()
        self.refused(401, token=None)
        self.refused(403, token="nobody")
        self.refused(403, who="bob")
        self.refused(401, who="id:2")
        self.refused(404, token="bob")

    def test_a_plain_request(self) -> None:
        self.create()
        answer = self.answered(self.d.ask(1, "GET", "/exec"))
        self.assertEqual(answer.status, 400)
        self.assertIn("WebSocket", json.loads(answer.body)["message"])
        self.assertIn(b"application/problem+json", answer.received)

    def test_there_is_room_for_so_many(self) -> None:
        self.create()
        self.patch(self.d.daemon.sites._api._terminals, "_most_per_webspace", 2)
        clients = [self.shell("sleep", "60") for _ in range(2)]
        self.refused(429)
        clients[0].socket.close()
        self.ended(clients[0])
        self.assertEqual(self.ended(self.shell("true")), (1000, "0"))

    def test_room_in_all(self) -> None:
        self.create()
        self.create(2)
        self.patch(self.d.daemon.sites._api._terminals, "_most", 1)
        self.shell("sleep", "60")
        self.refused(429, token="bob")


class ConsoleTests(TerminalCase):
    def test_a_console_and_its_log(self) -> None:
        self.create()
        client = self.open("console")
        client.say(width=80, height=24)
        self.d.pass_time(5)
        client.socket.write(b"hello")
        self.until(lambda: b"hello" in client.shown)
        client.say(width=100, height=50)
        self.d.pass_time(1)
        self.assertIsNone(client.end)
        log = self.answered(self.d.ask(1, "GET", "/log"))
        self.assertEqual((log.status, log.body), (200, b"hello"))
        self.assertIn(b"text/plain; charset=utf-8", log.received.lower())
        client.socket.write(b"more")
        self.d.pass_time(1)
        self.assertEqual(self.answered(self.d.ask(1, "DELETE", "/log")).status, 204)
        self.assertEqual(self.answered(self.d.ask(1, "GET", "/log")).body, b"")
        client.socket.close()
        self.assertEqual(self.ended(client), (1000, ""))

    def test_who_comes_last_has_it(self) -> None:
        self.create()
        first, second = self.open("console"), self.open("console")
        first.say(width=80, height=24)
        self.d.pass_time(5)
        second.say()
        self.assertEqual(self.ended(first), (1000, "0"))
        second.socket.write(b"x")
        self.until(lambda: b"x" in second.shown)

    def test_mistakes(self) -> None:
        self.create()
        client = self.open("console")
        client.say(command=["sh"])
        self.assertEqual(self.ended(client)[0], 1011)

    def test_the_log_of_none(self) -> None:
        self.assertEqual(self.answered(self.d.ask(1, "GET", "/log")).status, 404)
        self.assertEqual(self.answered(self.d.ask(1, "DELETE", "/log")).status, 404)
        self.create()
        log = self.answered(self.d.ask(1, "GET", "/log"))
        self.assertEqual((log.status, log.body), (200, b""))
        self.assertEqual(self.answered(self.d.ask(1, "DELETE", "/log")).status, 204)


class PlainTests(TerminalCase):
    def run_it(self, command: Any, uid: int = 1) -> Exchange:
        return self.answered(self.d.ask(uid, "POST", "/exec", {"command": command}))

    def test_output_errors_and_code(self) -> None:
        self.create()
        answer = self.run_it("echo out; echo err >&2; exit 5")
        expected = {"stdout": "out\n", "stderr": "err\n", "exitCode": 5}
        self.assertEqual((answer.status, json.loads(answer.body)), (200, expected))

    def test_the_login_of_the_command_line(self) -> None:
        self.create()
        answer = json.loads(self.run_it("getent passwd root").body)
        self.assertEqual((answer["exitCode"], len(answer["stdout"].split(":"))), (0, 7))

    def test_bounds(self) -> None:
        self.create()
        self.assertEqual(self.run_it("sleep 61").status, 504)
        answer = self.run_it("head -c 1048577 /dev/zero")
        self.assertEqual((answer.status, "1048576" in json.loads(answer.body)["message"]), (502, True))
        self.assertEqual(self.run_it("head -c 1048576 /dev/zero").status, 200)

    def test_mistakes(self) -> None:
        self.assertEqual(self.run_it("true").status, 404)
        self.create()
        for command in (None, "", 3, ["ls"], "a\0b", "x" * 200_000):
            self.assertEqual(self.run_it(command).status, 400, command)
        answer = self.answered(self.d.ask(1, "POST", "/exec", {"command": "true", "shell": "sh"}))
        self.assertEqual((answer.status, "shell" in json.loads(answer.body)["message"]), (400, True))

    def test_what_is_no_text_shows_as_such(self) -> None:
        self.create()
        self.d.lxd.machine.instances["default", "ws-u1"].files["/root/x"] = Entry(contents=b"\xff")
        self.assertEqual(json.loads(self.run_it("cat /root/x").body)["stdout"], "�")

    def test_others_wait_for_nobody(self) -> None:
        self.create()
        self.create(2)
        slow = self.d.ask(1, "POST", "/exec", {"command": "sleep 30"})
        self.assertEqual(self.run_it("true", 2).status, 200)
        self.assertFalse(slow.done)
        self.assertEqual(MEMBERS[2], "bob")

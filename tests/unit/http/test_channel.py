"""Clients that are slow, greedy or gone. Nothing of them stays: no connection, no timer, no count."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from tests.unit.http.served import CLIENT, PROXY, Line, ServedCase, request
from webspaced.http.bodies import LARGEST
from webspaced.http.channel import IDLE_TIMEOUT, RECEIVE_TIMEOUT, SLOWEST_READER, UNREAD_TIMEOUT
from webspaced.http.upgrade import Upgrade
from webspaced.lib.websocket import WebSocket

IMAGES = request("GET", "/v1/images")
GRACE = 16.0
"""More than the seconds after which Twisted cuts what does not end by itself."""



class TotalTests(ServedCase):
    """So many connections in all, whoever's: those that do nothing make room."""

    def setUp(self) -> None:
        super().setUp()
        self.configure(most=4)

    def lines(self, *addresses: str) -> list[Line]:
        found = []
        for address in addresses:
            found.append(self.line(address))
            self.w.clock.run_for(1)
        return found

    def over(self, lines: list[Line]) -> list[bool]:
        return [line.ended is not None for line in lines]

    def test_the_longest_idle_of_who_has_the_most_makes_room(self) -> None:
        lines = self.lines("192.0.2.1", "192.0.2.2", PROXY, PROXY)
        lines[2].say(b"GET /v1/im")
        self.assertEqual(self.ask("GET", "/v1/images", address="192.0.2.3").status, 200)
        self.assertEqual(self.over(lines), [False, False, False, True])
        # What ends gives its place back.
        lines[0].hang_up()
        self.lines("192.0.2.4", "192.0.2.5")
        self.assertEqual(self.over(lines), [True, False, False, True])

    def test_who_is_answered_and_who_has_a_websocket_stays(self) -> None:
        with mock.patch.object(self.w.service, "images", SlowReaderTests._never.__get__(self)):
            lines = self.lines(*(f"192.0.2.{number}" for number in range(4)))
            for line in lines[:3]:
                line.say(IMAGES)
            lines[3].channel._successor = mock.Mock()
            self.assertIsNotNone(self.line("192.0.2.9").ended)
            self.assertEqual(self.over(lines), [False] * 4)
        for line in lines:
            line.hang_up()
        self.assertEqual(self.public.places.held, 0)

    def test_one_address_leaves_room_for_others(self) -> None:
        self.configure(most=4, connections=100)
        self.assertEqual(self.over(self.lines(*["192.0.2.1"] * 3)), [False, False, True])

    def test_a_flood_of_idle_ones_keeps_nobody_out(self) -> None:
        for number in range(50):
            self.line(f"192.0.2.{number}")
            answer = self.ask("GET", "/v1/images", address="203.0.113.1")
            self.assertEqual(answer.status, 200)
        self.assertLessEqual(self.public.places.held, 4)


class ChannelCase(ServedCase):
    def tearDown(self) -> None:
        # Of many requests it is not told one by one: they are summed up a minute later.
        waiting = [call for call in self.w.clock.getDelayedCalls() if call.func.__qualname__ != "Sparing._sum_up"]
        self.assertEqual(waiting, [])

    def dribble(self, line: Line, data: bytes, pause: float) -> float:
        """Say one byte after the other, and give how long that went well."""
        began = self.w.clock.seconds()
        for byte in data:
            line.say(bytes([byte]))
            self.w.clock.run_for(pause)
            if line.ended:
                break
        return self.w.clock.seconds() - began


class SlowSenderTests(ChannelCase):
    def test_who_says_nothing(self) -> None:
        line = self.line()
        self.w.clock.run_for(IDLE_TIMEOUT - 1)
        self.assertIsNone(line.ended)
        self.w.clock.run_for(2)
        self.assertTrue(line.ended)

    def test_a_head_that_comes_byte_by_byte(self) -> None:
        for start in (b"", b"GET / HTTP/1.1\r\nHost: a\r\n"):
            line = self.line()
            line.say(start)
            self.assertLess(self.dribble(line, b"X" * 100, 10), RECEIVE_TIMEOUT + 11)
            self.assertTrue(line.ended)
            self.assertTrue(line.value().startswith(b"HTTP/1.1 408 "), line.value())

    def test_a_body_that_comes_byte_by_byte(self) -> None:
        for head in (b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n"):
            line = self.line()
            line.say(b"POST /v1/webspace/self HTTP/1.1\r\nHost: a\r\n" + head)
            self.assertLess(self.dribble(line, b" " * 100, 10), RECEIVE_TIMEOUT + 11)
            self.assertTrue(line.ended)

    def test_a_second_request_that_comes_byte_by_byte(self) -> None:
        line = self.line()
        line.say(IMAGES + b"GET /v1/im")
        self.w.clock.run_for(1)
        self.assertTrue(line.value().startswith(b"HTTP/1.1 200 "))
        self.assertLess(self.dribble(line, b"X" * 100, 10), RECEIVE_TIMEOUT + 11)
        self.assertTrue(line.ended)

    def test_slow_but_in_time(self) -> None:
        line = self.line()
        self.dribble(line, IMAGES, 0.5)
        self.w.clock.run_for(1)
        self.assertTrue(line.value().startswith(b"HTTP/1.1 200 "), line.value())
        line.hang_up()

    def test_an_answer_may_take_longer_than_a_request(self) -> None:
        self.w.lxd.go_away()
        self.w.lxd.come_back()
        line = self.line()
        with mock.patch.object(self.w.service, "images", self._slowly):
            line.say(IMAGES)
            self.w.clock.run_for(400)
        self.assertTrue(line.value().startswith(b"HTTP/1.1 200 "), line.value())
        line.hang_up()

    async def _slowly(self) -> list[object]:
        from webspaced.lib.deferreds import sleep  # noqa: PLC0415

        await sleep(self.w.clock, 300)
        return []


class SlowReaderTests(ChannelCase):
    def test_an_answer_that_nobody_reads_after_which_the_connection_ends(self) -> None:
        for head in (b"GET /v1/images HTTP/1.0\r\n\r\n", request("GET", "/v1/images", headers={"Connection": "close"})):
            line = self.line()
            line.reads = False
            line.say(head)
            self.w.clock.run_for(UNREAD_TIMEOUT - 1)
            self.assertIsNone(line.ended)
            self.w.clock.run_for(2)
            self.assertIs(line.ended, ConnectionAborted)

    def test_an_answer_that_nobody_reads_on_a_connection_that_stays(self) -> None:
        line = self.line()
        line.reads = False
        line.say(IMAGES)
        self.w.clock.run_for(1)
        line.producer.pauseProducing()
        self.w.clock.run_for(IDLE_TIMEOUT + GRACE)
        self.assertIs(line.ended, ConnectionAborted)

    def test_a_stream_that_nobody_reads(self) -> None:
        line = self.line()
        with mock.patch.object(self.w.service, "images", self._never):
            line.say(IMAGES)
            line.producer.pauseProducing()
            self.w.clock.run_for(UNREAD_TIMEOUT - 1)
            line.producer.resumeProducing()
            line.producer.pauseProducing()
            self.w.clock.run_for(UNREAD_TIMEOUT - 1)
            self.assertIsNone(line.ended)
            self.w.clock.run_for(2)
        self.assertIs(line.ended, ConnectionAborted)

    def read_slowly(self, line: Line, speed: float, seconds: float) -> None:
        """Read for so long, with the buffer of the transport never empty."""
        for _ in range(int(seconds / 5)):
            line.acknowledged += int(5 * speed)
            self.w.clock.run_for(5)

    def test_who_reads_slowly_but_reads(self) -> None:
        for headers in ({}, {"Connection": "close"}):
            line = self.line()
            line.reads = False
            line.say(request("GET", "/v1/images", headers=headers))
            if not headers:
                line.producer.pauseProducing()
            self.read_slowly(line, 1.1 * SLOWEST_READER, 10 * UNREAD_TIMEOUT)
            self.assertIsNone(line.ended, headers)
            self.read_slowly(line, 0.9 * SLOWEST_READER, 2 * UNREAD_TIMEOUT)
            self.assertIs(line.ended, ConnectionAborted)

    def test_what_was_read_before_the_answer_was_whole_counts(self) -> None:
        line = self.line()
        line.reads = False
        with mock.patch.object(self.w.service, "images", self._soon):
            line.say(request("GET", "/v1/images", headers={"Connection": "close"}))
            line.producer.pauseProducing()
            line.acknowledged += int(SLOWEST_READER * UNREAD_TIMEOUT)
            self.w.clock.run_for(UNREAD_TIMEOUT + 1)
        self.assertIsNone(line.ended)
        line.hang_up()

    async def _soon(self) -> list[object]:
        from webspaced.lib.deferreds import sleep  # noqa: PLC0415

        await sleep(self.w.clock, UNREAD_TIMEOUT / 2)
        return []

    def test_after_a_slow_answer_the_connection_may_be_idle_as_after_any(self) -> None:
        line = self.line()
        line.say(IMAGES)
        line.producer.pauseProducing()
        self.read_slowly(line, 1.1 * SLOWEST_READER, 5 * IDLE_TIMEOUT - 5)
        line.producer.resumeProducing()
        self.w.clock.run_for(IDLE_TIMEOUT - 1)
        self.assertIsNone(line.ended)
        self.w.clock.run_for(2)
        self.assertIs(line.ended, ConnectionDone)

    def test_a_stream_after_which_the_connection_ends_may_be_full_for_a_moment(self) -> None:
        line = self.line()
        with mock.patch.object(self.w.service, "images", self._never):
            line.say(request("GET", "/v1/images", headers={"Connection": "close"}))
            line.producer.pauseProducing()
            line.producer.resumeProducing()
            self.w.clock.run_for(10 * UNREAD_TIMEOUT)
            self.assertIsNone(line.ended)
            line.hang_up()

    async def _never(self) -> None:
        from twisted.internet.defer import Deferred  # noqa: PLC0415

        await Deferred()


class PipelineTests(ChannelCase):
    def test_answers_come_in_order(self) -> None:
        line = self.line()
        ids = [b"1", b"2", b"3"]
        line.say(b"".join(request("GET", "/v1/images", headers={"X-Request-ID": text.decode()}) for text in ids))
        self.w.clock.run_for(1)
        found = [part.partition(b"\r\n")[0] for part in line.value().lower().split(b"x-request-id: ")[1:]]
        self.assertEqual(found, ids)
        line.hang_up()

    def test_who_sends_on_and_on_is_not_read_on_and_on(self) -> None:
        line = self.line()
        with mock.patch.object(self.w.service, "images", SlowReaderTests._never.__get__(self)):
            for _ in range(1000):
                line.say(IMAGES)
                if line.producerState == "paused":
                    break
            self.assertEqual(line.producerState, "paused")
            line.hang_up()

    def test_the_first_request_that_is_too_large_ends_it(self) -> None:
        line = self.line()
        line.say(b"POST /v1/webspace/self HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (LARGEST + 1) + IMAGES)
        self.w.clock.run_for(3)
        self.assertEqual(line.value().count(b"HTTP/1.1 "), 1)
        self.assertTrue(line.ended)


class _Echo:
    """Answers each text in capitals."""

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.socket: Any = None

    def opened(self) -> None:
        pass

    def text(self, message: str) -> None:
        self.socket.send_text(message.upper())

    def data(self, piece: bytes) -> None:
        pass

    def closed(self, code: int, reason: str) -> None:
        self.ended.append(code)

    def accept(self, connection: Any) -> WebSocket:
        self.socket = WebSocket(Clock(), self, connection)
        return self.socket


class WebSocketTests(ChannelCase):
    def test_served_told_and_counted(self) -> None:
        log = self.listen_to_log()
        self.configure(connections=1)
        echo = _Echo()
        self.public.resource._inner = Upgrade(echo.accept)
        line = self.line()
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        line.say(request("GET", "/", headers={**upgrade, "Sec-WebSocket-Version": "13"}))
        self.assertTrue(line.value().startswith(b"HTTP/1.1 101 "), line.value())
        line.clear()
        self.w.clock.run_for(1000)
        client = Connection(ConnectionType.CLIENT)
        line.say(client.send(TextMessage("hello")))
        client.receive_data(line.value())
        self.assertEqual(next(client.events()).data, "HELLO")
        self.assertIsNotNone(self.line().ended)
        self.assertEqual(self.accesses(log), [])
        line.hang_up()
        self.assertEqual(len(echo.ended), 1)
        self.assertEqual([event["status"] for event in self.accesses(log)], [101])
        again = self.line()
        self.assertIsNone(again.ended)
        again.hang_up()


PIPELINE = b"".join((
    request("GET", "/live", headers={"X-Request-ID": "1"}),
    request("POST", "/nothing", {"a": "b" * 50}, headers={"X-Request-ID": "2"}),
    request("POST", "/nothing", headers={"X-Request-ID": "3", "Transfer-Encoding": "chunked"}) + b"3\r\nabc\r\n0\r\n\r\n",
    b"\r\n",
    request("OPTIONS", "/v1/images", headers={"X-Request-ID": "4", "Connection": "close"}),
))  # fmt: skip


class SplitTests(ChannelCase):
    @given(st.lists(st.integers(0, len(PIPELINE))))
    def test_wherever_the_network_cuts_it(self, cuts: list[int]) -> None:
        whole, parts = self.line(), self.line()
        whole.say(PIPELINE)
        edges = [0, *sorted(cuts), len(PIPELINE)]
        for start, end in pairwise(edges):
            parts.say(PIPELINE[start:end])
        answers = [re.sub(rb"Date: .*?\r\n", b"", line.value()) for line in (whole, parts)]
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", answers[0]), [b"204", b"404", b"404", b"204"])
        self.assertTrue(whole.ended and parts.ended)


class CountTests(ChannelCase):
    def setUp(self) -> None:
        super().setUp()
        self.configure(connections=3)
        self.opened: list[Line] = []

    def open(self, address: str = CLIENT, *, inside: bool = False) -> Line:
        line = self.line(address, inside=inside)
        self.opened.append(line)
        return line

    def tearDown(self) -> None:
        for line in self.opened:
            line.hang_up()
        self.assertEqual(self.public._connections, {})
        super().tearDown()

    def test_one_address_may_have_so_many(self) -> None:
        lines = [self.open() for _ in range(4)]
        self.assertEqual([line.ended is None for line in lines], [True, True, True, False])
        self.assertIsNone(self.open("192.0.2.10").ended)
        lines[0].hang_up()
        self.assertIsNone(self.open().ended)
        self.assertIsNotNone(self.open().ended)
        self.assertEqual([self.open(inside=True).ended for _ in range(5)], [None] * 5)

    def test_a_network_of_ipv6(self) -> None:
        lines = [self.open(f"2001:db8::{n}") for n in range(4)]
        self.assertIsNotNone(lines[3].ended)

    def test_proxies_may_have_any_number(self) -> None:
        self.assertEqual([self.open(PROXY).ended for _ in range(10)], [None] * 10)

    def test_a_websocket_counts_until_its_end(self) -> None:
        log = self.listen_to_log()
        lines = [self.open() for _ in range(3)]
        sockets = [mock.Mock(spec=Protocol) for _ in lines]
        with mock.patch.object(self.w.service, "images", SlowReaderTests._never.__get__(self)):
            for line, protocol in zip(lines, sockets, strict=True):
                line.say(IMAGES)
                line.channel.hand_over(protocol, b"")
        # A terminal may be left alone for long.
        self.w.clock.run_for(1000)
        self.assertEqual([line.ended for line in lines], [None] * 3)
        lines[0].say(b"frame")
        sockets[0].dataReceived.assert_called_once_with(b"frame")
        self.assertIsNotNone(self.open().ended)
        lines[0].hang_up()
        sockets[0].connectionLost.assert_called_once()
        self.assertIsNone(self.open().ended)
        (event,) = self.accesses(log)
        self.assertEqual((event["status"], event["path"]), (101, "/v1/images"))
        self.assertGreaterEqual(event["seconds"], 1000)

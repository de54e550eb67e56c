"""WebSockets between two ends of a network in memory."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Pong, RejectConnection, Request, TextMessage

from tests.unit.timing import watch
from webspaced.lib import websocket
from webspaced.lib.websocket import (
    ABNORMAL,
    CLOSE_TIMEOUT,
    FRAMES_PER_SECOND,
    LONGEST_REASON,
    NORMAL,
    PING_INTERVAL,
    PONG_INTERVAL,
    SILENCE_LIMIT,
    SLICE,
    TOO_LARGE,
    Rejected,
    WebSocket,
    connect,
    shortened,
)
from webspaced.testing.network import MemoryReactor


class Hears:
    def __init__(self) -> None:
        self.got: list[Any] = []

    def opened(self) -> None:
        self.got.append("opened")

    def text(self, message: str) -> None:
        self.got.append(("text", message))

    def data(self, piece: bytes) -> None:
        self.got.append(("data", piece))

    def closed(self, code: int, reason: str) -> None:
        self.got.append(("closed", code, reason))

    @property
    def bytes(self) -> int:
        return sum(len(each[1]) for each in self.got if each[0] == "data")

    @property
    def end(self) -> Any:
        return [each[1:] for each in self.got if each[0] == "closed"]


class Accepting(Protocol):
    """Answers a client's handshake, and hands the transport over."""

    def __init__(self, case: WebSocketCase) -> None:
        self.case = case
        self.connection = WSConnection(ConnectionType.SERVER)

    def dataReceived(self, data: bytes) -> None:
        self.connection.receive_data(data)
        for event in self.connection.events():
            self.case.requested.append(event)
            if self.case.rejects:
                self.transport.write(self.connection.send(RejectConnection(status_code=self.case.rejects)))
                return
            self.transport.write(self.connection.send(AcceptConnection()))
            inner = self.connection.connection
            assert inner is not None
            self.case.server = WebSocket(self.case.reactor, self.case.far, inner, largest_text=100)
            self.transport.protocol = self.case.server
            self.case.server.makeConnection(self.transport)


class WebSocketCase(SynchronousTestCase):
    rejects = 0

    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        self.near, self.far = Hears(), Hears()
        self.requested: list[Any] = []
        self.server: Any = None
        self.port = self.reactor.listenTCP(1, Factory.forProtocol(lambda: Accepting(self)), interface="127.0.0.1")

    def begin(self) -> Any:
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", 1)
        return watch(Deferred.fromCoroutine(connect(self.reactor, endpoint, "lxd", "/a?b=c", self.near, largest_text=100)))

    def run_on(self, turns: int = 50) -> None:
        for _ in range(turns):
            self.reactor.advance(0)

    def open(self) -> WebSocket:
        opening = self.begin()
        self.run_on()
        self.assertIsInstance(opening.value, WebSocket)
        self.client: WebSocket = opening.value
        return self.client


class HandshakeTests(WebSocketCase):
    def test_both_are_told(self) -> None:
        self.open()
        self.assertEqual((self.near.got, self.far.got), (["opened"], ["opened"]))
        request = self.requested[0]
        self.assertIsInstance(request, Request)
        self.assertEqual((request.host, request.target), ("lxd", "/a?b=c"))

    def test_a_refusal_says_its_status(self) -> None:
        self.rejects = 403
        opening = self.begin()
        self.run_on()
        self.assertIsInstance(opening.error, Rejected)
        self.assertEqual((opening.error.status, self.near.got), (403, []))

    def test_a_server_that_hangs_up(self) -> None:
        self.rejects = 1
        self.patch(Accepting, "dataReceived", lambda other, _data: other.transport.abortConnection())
        opening = self.begin()
        self.run_on()
        self.assertIsInstance(opening.error, ConnectionError)

    def test_nonsense_is_no_handshake(self) -> None:
        self.patch(Accepting, "dataReceived", lambda other, _data: other.transport.write(b"HTTP/3 nonsense\r\n\r\n"))
        opening = self.begin()
        self.run_on()
        self.assertIsInstance(opening.error, ConnectionError)

    def test_who_gives_up_hangs_up(self) -> None:
        self.patch(Accepting, "dataReceived", lambda _other, _data: None)
        opening = self.begin()
        self.run_on()
        opening.deferred.cancel()
        self.run_on()
        self.assertTrue(self.reactor.connections["127.0.0.1", 1][0].disconnected)

    def test_a_port_that_refuses(self) -> None:
        self.port.stopListening()
        opening = self.begin()
        self.run_on()
        self.assertTrue(opening.error)


class MessageTests(WebSocketCase):
    def test_both_kinds_both_ways(self) -> None:
        self.open()
        self.client.write(b"\0\xff")
        self.client.send_text("grün")
        self.server.write(b"abc")
        self.server.send_text("")
        self.run_on()
        self.assertEqual(self.far.got[1:], [("data", b"\0\xff"), ("text", "grün")])
        self.assertEqual(self.near.got[1:], [("data", b"abc"), ("text", "")])

    def test_large_data_comes_in_pieces(self) -> None:
        self.open()
        self.client.write(b"x" * 1_000_000)
        self.run_on(500)
        self.assertEqual(self.far.bytes, 1_000_000)
        self.assertGreater(len(self.far.got), 3)

    def test_text_is_bounded(self) -> None:
        self.open()
        self.client.send_text("x" * 100)
        self.client.send_text("y" * 101)
        self.client.send_text("z")
        self.run_on()
        self.assertEqual(self.far.got[1], ("text", "x" * 100))
        self.assertEqual([each for each in self.far.got[2:] if each[0] == "text"], [])
        self.assertEqual(self.near.end[0][0], TOO_LARGE)

    def test_fragments_without_any_text_are_bounded_too(self) -> None:
        self.open()
        for _ in range(200):
            self.client._send(TextMessage("", message_finished=False))
        self.run_on()
        self.assertEqual(self.near.end[0][0], TOO_LARGE)

    def test_who_sends_many_small_frames_does_not_have_everybody_wait(self) -> None:
        self.open()
        frames = b"".join(self.client._connection.send(TextMessage("x")) for _ in range(5000))
        self.client.transport.write(frames)
        heard = []
        self.reactor.advance(0)
        for _ in range(200):
            heard.append(len(self.far.got))
            self.reactor.advance(0)
        steps = [after - before for before, after in pairwise(heard)]
        self.assertLessEqual(max(steps), SLICE / 7 + 1)
        self.assertLessEqual(heard[-1], FRAMES_PER_SECOND + SLICE / 7 + 1)
        for _ in range(6):
            self.reactor.advance(1)
            self.run_on(100)
        self.assertEqual(len(self.far.got), 5001)

    def test_who_is_trusted_is_read_as_fast_as_they_send(self) -> None:
        self.open()
        self.client._trusting = True
        self.server.transport.write(b"".join(self.server._connection.send(TextMessage("x")) for _ in range(5000)))
        self.run_on(10)
        self.assertEqual(len(self.near.got), 5001)

    def test_pings_are_answered_once_a_second(self) -> None:
        self.open()
        answered: list[bytes] = []
        self.client._handlers[Pong] = lambda event: answered.append(bytes(event.payload))
        for number in range(100):
            self.client._send(Ping(b"%d" % number))
        self.run_on()
        self.assertEqual(answered, [b"0"])
        self.reactor.advance(PONG_INTERVAL)
        self.run_on()
        self.assertEqual(answered, [b"0", b"99"])

    def test_a_reason_that_is_no_text_is_said_all_the_same(self) -> None:
        self.open()
        self.server.close(websocket.INTERNAL_ERROR, "a \ud800 b")
        self.run_on()
        self.assertEqual(self.near.end, [(1011, "a ? b")])

    def test_what_follows_a_goodbye_counts_for_nothing(self) -> None:
        self.open()
        goodbye = self.client._connection.send(CloseConnection(NORMAL))
        self.client.transport.write(goodbye + b"\x81\x80abcd" + b"\xff\xff")
        self.run_on()
        self.assertEqual((self.far.got[1:], self.flushLoggedErrors()), ([("closed", NORMAL, "")], []))

    def test_a_malformed_frame_ends_it(self) -> None:
        self.open()
        self.client.transport.write(b"\xff\xff\xff\xff")
        self.run_on()
        self.assertEqual(self.near.end[0][0], 1002)
        self.assertEqual(len(self.far.end), 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_ping_is_answered(self) -> None:
        self.open()
        before = self.reactor.seconds()
        while self.reactor.seconds() < before + 2 * SILENCE_LIMIT:
            self.reactor.advance(PING_INTERVAL / 2)
            self.run_on()
        self.assertEqual((self.near.end, self.far.end), ([], []))


class EndTests(WebSocketCase):
    def test_code_and_reason_arrive_after_all_data(self) -> None:
        self.open()
        self.server.write(b"x" * 300_000)
        self.server.close(NORMAL, "42")
        self.server.write(b"late")
        self.run_on(500)
        self.assertEqual((self.near.bytes, self.near.got[-1]), (300_000, ("closed", NORMAL, "42")))
        self.assertEqual(self.far.got[-1][:2], ("closed", NORMAL))
        self.assertTrue(self.reactor.connections["127.0.0.1", 1][0].disconnected)

    def test_what_a_peer_still_types_is_not_heard_after_the_goodbye(self) -> None:
        self.open()
        self.server.close(NORMAL, "0")
        self.client.write(b"typed")
        self.run_on()
        self.assertEqual((self.near.end, self.far.bytes), ([(NORMAL, "0")], 0))

    def test_the_end_is_told_once(self) -> None:
        self.open()
        for each in (self.client, self.server):
            each.close()
        self.run_on()
        self.reactor.advance(CLOSE_TIMEOUT)
        self.run_on()
        self.assertEqual((len(self.near.end), len(self.far.end)), (1, 1))

    def test_a_lost_connection_has_no_code(self) -> None:
        self.open()
        self.client.abort()
        self.run_on()
        self.assertEqual([self.near.end[0][0], self.far.end[0][0]], [ABNORMAL, ABNORMAL])
        self.assertFalse(self.client.is_open)

    def test_a_peer_that_never_answers_the_goodbye_is_left(self) -> None:
        self.open()
        self.client.pauseProducing()
        self.server.close()
        self.run_on()
        self.assertEqual(self.far.end, [])
        self.reactor.advance(CLOSE_TIMEOUT)
        self.run_on()
        self.assertEqual(self.far.end[0][0], ABNORMAL)

    def test_who_was_paused_hears_the_answer_to_a_goodbye(self) -> None:
        self.open()
        self.server.pauseProducing()
        self.server.close(NORMAL, "0")
        self.run_on()
        self.assertEqual((self.near.end, self.far.end), ([(NORMAL, "0")], [(NORMAL, "0")]))

    def test_who_says_goodbye_and_takes_nothing_more_is_left(self) -> None:
        self.open()
        self.client.pauseProducing()
        self.server.write(bytes(2_000_000))
        self.run_on()
        self.client.transport.write(self.client._connection.send(CloseConnection(NORMAL)))
        self.run_on()
        self.assertEqual(self.far.end, [(NORMAL, "")])
        self.assertFalse(self.server.transport.disconnected)
        self.reactor.advance(CLOSE_TIMEOUT)
        self.run_on()
        self.assertTrue(self.server.transport.disconnected)

    def test_who_was_paused_for_somebody_who_is_gone_is_read_on(self) -> None:
        self.open()
        self.server.pauseProducing()
        self.client.send_text("hello")
        self.run_on()
        self.server.stopProducing()
        self.run_on()
        self.assertEqual(self.far.got[-1], ("text", "hello"))

    def test_a_dead_peer_is_left(self) -> None:
        self.open()
        self.client.pauseProducing()
        self.client._set_timer(None)
        for _ in range(int(SILENCE_LIMIT / PING_INTERVAL) + 2):
            self.reactor.advance(PING_INTERVAL)
            self.run_on()
        self.assertEqual(self.far.end[0][0], ABNORMAL)

    def test_nobody_is_left_for_silence_while_nothing_of_them_is_read(self) -> None:
        self.open()
        self.server.pauseProducing()
        for _ in range(int(SILENCE_LIMIT / PING_INTERVAL) + 2):
            self.reactor.advance(PING_INTERVAL)
            self.run_on()
        self.server.resumeProducing()
        self.run_on()
        self.assertEqual(self.far.end, [])

    def test_a_reason_is_cut_to_what_a_frame_holds(self) -> None:
        self.open()
        self.server.close(websocket.INTERNAL_ERROR, "ü" * 100)
        self.run_on()
        self.assertEqual(self.near.end, [(1011, "ü" * 61)])
        self.assertEqual((shortened("x" * 200), shortened("short")), ("x" * LONGEST_REASON, "short"))


class PressureTests(WebSocketCase):
    """One WebSocket feeds another: what the last does not read holds up the first."""

    def test_a_slow_reader_pauses_who_writes(self) -> None:
        self.open()
        heard: list[str] = []

        class Producer:
            def pauseProducing(self) -> None:
                heard.append("pause")

            def resumeProducing(self) -> None:
                heard.append("resume")

            def stopProducing(self) -> None:
                heard.append("stop")

        self.client.pauseProducing()
        self.server.registerProducer(Producer(), True)
        self.server.write(bytes(2_000_000))
        self.run_on(500)
        self.assertEqual(heard, ["pause"])
        self.client.resumeProducing()
        self.run_on(2000)
        self.assertEqual((heard, self.near.bytes), (["pause", "resume"], 2_000_000))

    def test_a_goodbye_does_not_wait_for_a_producer(self) -> None:
        self.open()
        self.server.registerProducer(self.server, True)
        self.server.close(NORMAL, "7")
        self.run_on()
        self.assertEqual(self.near.end, [(NORMAL, "7")])
        self.assertTrue(self.reactor.connections["127.0.0.1", 1][0].disconnected)

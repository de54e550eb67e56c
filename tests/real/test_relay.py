"""The relay on real sockets: sizes up to 100 MB both ways, ends, resets, slow readers, a thousand held, fairness."""

from __future__ import annotations

import contextlib
import socket
import time

from twisted.internet.defer import Deferred, gatherResults

from tests.relayed import PATIENCE, RelayCase, reset, send_all, take_all, until_so
from webspaced.forward.engine import BUFFER

SIZES = (0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 300_000, 1 << 20, 5_000_001)
LARGE = 100_000_000
HELD = 1000


class SizeTests(RelayCase):
    async def there_and_back(self, up: int, down: int) -> None:
        visitor, container = await self.thread(self.pair)
        with visitor, container:
            sent_up, sent_down, got_up, got_down = await gatherResults([
                self.thread(send_all, visitor, up, 1),
                self.thread(send_all, container, down, 2),
                self.thread(take_all, container),
                self.thread(take_all, visitor),
            ])
        self.assertEqual((got_up, got_down), ((up, sent_up), (down, sent_down)))

    async def test_any_size_there(self) -> None:
        for size in SIZES:
            await self.there_and_back(size, 0)

    async def test_any_size_back(self) -> None:
        for size in SIZES:
            await self.there_and_back(0, size)

    async def test_large_ones_both_ways_at_once(self) -> None:
        await self.there_and_back(LARGE, LARGE)
        self.assertEqual(self.engine.pipes.open, len(self.engine.pipes._free))

    async def test_copied_where_there_are_no_pipes(self) -> None:
        self.engine.pipes.most = 0
        await self.there_and_back(5_000_001, 5_000_001)
        self.assertEqual(self.engine.pipes.open, 0)

    async def test_what_was_moved_is_counted(self) -> None:
        await self.there_and_back(5_000_001, 70)
        await until_so(lambda: not self.listeners.counters().open)
        counters = self.listeners.counters()
        self.assertEqual((counters.to_container, counters.to_visitor, counters.opened), (5_000_001, 70, 1))

    async def test_one_that_reads_slowly_gets_all(self) -> None:
        visitor, container = await self.thread(self.pair)
        with visitor, container:
            sending = self.thread(send_all, container, 8_000_000)
            size, digest = await self.thread(take_all, visitor, lambda: time.sleep(0.002))
            self.assertEqual((size, digest), (8_000_000, await sending))


class EndTests(RelayCase):
    async def test_who_ends_first_still_gets_the_answer(self) -> None:
        for first in (0, 1):
            ends = await self.thread(self.pair)
            one, other = ends[first], ends[1 - first]
            with one, other:
                sent = await self.thread(send_all, one, 100_000)
                self.assertEqual(await self.thread(take_all, other), (100_000, sent))
                sent = await self.thread(send_all, other, 3_000_000)
                self.assertEqual(await self.thread(take_all, one), (3_000_000, sent))

    async def test_a_reset_is_a_reset_at_the_other_side(self) -> None:
        for first in (0, 1):
            for before in (0, 10, 3_000_000):
                ends = await self.thread(self.pair)
                # A container that resets before the relay has noticed that it is there is connected to again.
                await until_so(lambda: self.listeners.counters().open)
                await self.thread(self.reset_after, ends[first], ends[1 - first], before)
                await until_so(lambda: not self.listeners.counters().open)

    def reset_after(self, one: socket.socket, other: socket.socket, size: int) -> None:
        if size:
            one.sendall(b"x" * 10)
            other.recv(10)
        # The other side does not read: there is something in every buffer on the way.
        one.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            one.sendall(b"y" * size)
        reset(one)
        with other:
            self.assertRaises(ConnectionResetError, take_all, other)

    async def test_urgent_data_stops_nothing(self) -> None:
        visitor, container = await self.thread(self.pair)
        with visitor, container:
            got = self.thread(take_all, container)
            for piece in (b"a" * 100, b"b" * 300_000, b"c"):
                await self.thread(visitor.sendall, piece)
                await self.thread(visitor.send, b"!", socket.MSG_OOB)
            await self.thread(visitor.sendall, b"d" * 1000)
            await self.thread(visitor.shutdown, socket.SHUT_WR)
            # The urgent bytes themselves travel beside the stream.
            self.assertEqual((await got)[0], 301_101)

    async def test_urgent_data_keeps_nothing_back(self) -> None:
        visitor, container = await self.thread(self.pair)
        with visitor, container:
            # Much, so that it is spliced.
            sent = await self.thread(self.fill, visitor)
            self.assertEqual(await self.thread(self.read, container, sent), sent)
            await self.thread(visitor.send, b"!", socket.MSG_OOB)
            await self.thread(visitor.sendall, b"x" * 100)
            # No end follows that would wake anybody.
            self.assertEqual(await self.thread(self.read, container, 100), 100)

    async def test_small_pieces_go_at_once_and_a_silent_peer_is_asked_after(self) -> None:
        visitor, container = await self.thread(self.pair)
        with visitor, container:
            await until_so(lambda: self.listeners.counters().open)
            (visit,) = self.listeners._forwards[0].visits.relayed
            for line in (visit._line, visit._backend):
                for level, option in ((socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.SOL_SOCKET, socket.SO_KEEPALIVE)):
                    self.assertEqual(line.sock.getsockopt(level, option), 1)

    async def test_urgent_data_is_not_the_end_when_the_end_is_there_too(self) -> None:
        for first in (0, 1):
            ends = await self.thread(self.pair)
            one, other = ends[first], ends[1 - first]
            with one, other:
                sent = await self.thread(self.fill, one)
                resting = self.thread(self.end_urgently, one)
                # The relay splices, and what it finds next is the mark with an end behind.
                got = await self.thread(self.read, other, sent - 1_000_000)
                await resting
                got += (await self.thread(take_all, other))[0]
                self.assertEqual(got, sent + 101_000)

    def fill(self, sock: socket.socket) -> int:
        """Send until nothing goes any more; how much that was."""
        sock.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while True:
                sent += sock.send(b"x" * 65536)
        sock.settimeout(PATIENCE)
        return sent

    def end_urgently(self, sock: socket.socket) -> None:
        sock.sendall(b"y" * 1000)
        sock.send(b"!", socket.MSG_OOB)
        sock.sendall(b"z" * 100_000)
        sock.shutdown(socket.SHUT_WR)

    def read(self, sock: socket.socket, most: int) -> int:
        """Read so much at least; how much that was, less if an end comes before."""
        got = 0
        while got < most and (data := sock.recv(65536)):
            got += len(data)
        return got

    async def test_an_answer_before_a_reset_arrives_as_without_a_relay(self) -> None:
        for port in (self.backend.getsockname()[1], self.port):
            answering = self.thread(self.answer_early)
            self.assertEqual(await self.thread(self.ask_at_length, port), (20_000, True))
            await answering

    def answer_early(self) -> None:
        """Answer and close with the request unread, which resets (RFC 2525, section 2.17)."""
        container, _ = self.backend.accept()
        with container:
            container.recv(1)
            container.sendall(b"x" * 20_000)

    def ask_at_length(self, port: int) -> tuple[int, bool]:
        """How much of the answer comes, and whether a reset ends it."""
        with socket.create_connection((self.interface, port), PATIENCE) as visitor:
            visitor.sendall(b"question")
            got = 0
            try:
                while data := visitor.recv(65536):
                    got += len(data)
            except ConnectionResetError:
                return got, True
            return got, False

    async def test_cut_when_its_forward_is_removed_and_others_stay(self) -> None:
        visitor, container = await self.thread(self.pair)
        await until_so(lambda: self.listeners.counters().open)
        self.listeners.want_forwards(2, {})
        self.assertEqual(self.listeners.counters().open, 1)
        self.listeners.want_forwards(1, {})
        for end in (visitor, container):
            with end, self.assertRaises(ConnectionResetError):
                await self.thread(end.recv, 1)


class HeldTests(RelayCase):
    def setUp(self) -> None:
        super().setUp()
        self.gate.shut = True

    def ask(self, number: int) -> socket.socket:
        sock = self.visit()
        sock.sendall(b"early %d" % number)
        return sock

    async def test_a_thousand_wait_and_are_served(self) -> None:
        visitors = await self.thread(lambda: [self.ask(number) for number in range(HELD)])
        await until_so(lambda: len(self.gate.waiting) == HELD)
        self.assertEqual(self.listeners.counters().held, HELD)
        answering = self.thread(self.answer_all)
        self.gate.open()
        await answering
        answers = await self.thread(lambda: [sock.recv(100) for sock in visitors])
        self.assertEqual(answers, [b"early %d" % number for number in range(HELD)])
        for sock in visitors:
            sock.close()
        await until_so(lambda: not self.listeners.counters().open)
        self.assertEqual(self.listeners.counters().opened, HELD)

    def answer_all(self) -> None:
        for _ in range(HELD):
            sock, _address = self.backend.accept()
            sock.sendall(sock.recv(100))
            sock.shutdown(socket.SHUT_WR)
            self.addCleanup(sock.close)

    async def test_one_that_goes_away_is_forgotten(self) -> None:
        sock = await self.thread(self.ask, 1)
        await until_so(lambda: self.gate.waiting)
        reset(sock)
        await until_so(lambda: not self.listeners.counters().held)
        self.assertEqual(self.listeners.counters().failed, {"left": 1})

    async def test_one_that_ends_without_a_word_is_forgotten(self) -> None:
        sock = await self.thread(self.visit)
        await until_so(lambda: self.gate.waiting)
        sock.close()
        await until_so(lambda: not self.listeners.counters().held)
        self.assertEqual(self.listeners.counters().failed, {"left": 1})

    async def test_half_a_close_is_kept_on_forwards(self) -> None:
        sock = await self.thread(self.ask, 1)
        sock.shutdown(socket.SHUT_WR)
        await until_so(lambda: self.gate.waiting)
        self.gate.open()
        container, _ = await self.thread(self.backend.accept)
        with sock, container:
            self.assertEqual((await self.thread(take_all, container))[0], len(b"early 1"))
            await self.thread(container.sendall, b"answer")
            self.assertEqual(await self.thread(sock.recv, 100), b"answer")

    async def test_drain(self) -> None:
        self.gate.shut = False
        visitor, container = await self.thread(self.pair)
        await until_so(lambda: self.listeners.counters().open)
        closing = Deferred.fromCoroutine(self.listeners.close(60))
        with self.assertRaises(ConnectionRefusedError):
            await self.thread(self.visit)
        sent = await self.thread(send_all, visitor, 2_000_000)
        self.assertEqual(await self.thread(take_all, container), (2_000_000, sent))
        visitor.close()
        container.close()
        await closing


class FairnessTests(RelayCase):
    async def test_small_ones_go_on_beside_a_large_one(self) -> None:
        """While one direction moves as much as it can, others have their turn after each of its own."""
        bulk, sink = await self.thread(self.pair)
        small, echo = await self.thread(self.pair)
        drained = self.thread(take_all, sink)
        pushed = self.thread(send_all, bulk, LARGE)
        moved, trips = [], 0
        while not pushed.called:
            await self.thread(small.sendall, b"ping")
            self.assertEqual(await self.thread(echo.recv, 4), b"ping")
            moved.append(self.listeners.counters().to_container)
            trips += 1
        await drained
        for sock in (bulk, sink, small, echo):
            sock.close()
        # Much of it was still to come at most of the answers.
        self.assertGreater(sum(amount < LARGE for amount in moved), 5)
        self.assertGreater(trips, 5)

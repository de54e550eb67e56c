"""A line by itself: held, answered, cut; and the ports and pipes around it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import CannotListenError, ConnectionRefusedError  # noqa: A004
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.forward.kernel import Relay
from tests.unit.timing import watch
from webspaced.core.address import Endpoint
from webspaced.errors import Refused
from webspaced.forward import choice, engine, states
from webspaced.forward.engine import HUP, Engine
from webspaced.forward.lines import Crowd, ILine
from webspaced.forward.pipes import LEAST, PATIENCE, Pipes
from webspaced.forward.ports import AT_ONCE, SocketLines
from webspaced.forward.rests import PAUSE, SAYING
from webspaced.forward.stock import StockLines
from webspaced.lib.descriptors import reserve_of
from webspaced.lib.places import Places

ANSWER = b"503"
DIAGRAMS = Path(__file__).parents[3] / "docs" / "diagrams"


class AloneTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.relay = Relay()
        self.line, self.socket, self.owner = self.relay.lines[0], self.relay.sockets[0], self.relay.owner
        self.socket.open_window(100)

    def test_what_comes_stays_in_the_kernel(self) -> None:
        self.line.hold(half=True)
        self.socket.arrive(b"early bytes")
        self.relay.turn()
        self.assertEqual((self.socket.inbox, self.owner.told), (b"early bytes", []))

    def test_half_a_close_counts_if_it_should(self) -> None:
        for half, told in ((False, []), (True, ["gone"])):
            self.setUp()
            self.line.hold(half=half)
            self.socket.arrive(b"early bytes")
            self.socket.end()
            self.relay.turn()
            self.assertEqual(self.owner.told, told)

    def test_who_ends_without_a_word_is_gone_where_that_counts(self) -> None:
        for silent, said, told in ((True, b"", ["gone"]), (True, b"a", []), (False, b"", [])):
            self.setUp()
            self.line.hold(half=False, silent=silent)
            if said:
                self.socket.arrive(said)
            self.socket.end()
            self.relay.turn()
            self.assertEqual(self.owner.told, told)

    def test_a_reset_counts_always(self) -> None:
        self.line.hold(half=False)
        self.socket.die()
        self.relay.turn()
        self.assertEqual(self.owner.told, ["gone"])

    def test_one_that_asks_is_answered_and_closed_in_order_once_it_ends(self) -> None:
        for early in (True, False):
            self.setUp()
            if early:
                self.socket.arrive(b"GET /")
                self.relay.turn()
            self.line.answer(ANSWER)
            self.assertEqual(self.socket.received, ANSWER if early else b"")
            self.socket.arrive(b"GET / again")
            self.relay.turn()
            self.assertEqual((self.socket.received, self.socket.sees_end, self.socket.closed), (ANSWER, True, False))
            self.socket.end()
            self.relay.turn()
            self.assertEqual((self.socket.closed, self.socket.sees_reset, self.owner.told), (True, False, ["over"]))

    def test_one_that_breaks_before_it_is_answered(self) -> None:
        self.line.answer(ANSWER)
        self.socket.die()
        self.relay.turn()
        self.assertEqual((self.socket.closed, self.owner.told), (True, ["over"]))

    def test_cutting_is_a_reset_and_told_once(self) -> None:
        self.line.abort()
        self.line.abort()
        self.assertEqual((self.socket.sees_reset, self.owner.told), (True, ["over"]))

    def test_within_a_batch_numbers_stay_taken(self) -> None:
        self.line.hold(half=True)
        self.socket.arrive(b"x")
        seen: list[bool] = []

        def gone() -> None:
            self.line.abort()
            seen.append(self.socket.closed)

        self.owner.gone = gone
        self.socket.end()
        self.relay.turn()
        self.assertEqual((seen, self.socket.closed), ([False], True))

    def test_one_that_fails_takes_nobody_with_it(self) -> None:
        self.owner.gone = mock.Mock(side_effect=ValueError)
        self.line.hold(half=True)
        self.socket.end()
        other = self.relay.lines[1]
        self.relay.sockets[1].arrive(b"y")
        self.relay.turn()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual((self.socket.closed, other.readable), (True, True))


class EngineTests(SynchronousTestCase):
    def test_who_has_a_turn_coming_gets_no_second_one(self) -> None:
        relay = Relay()
        turner = mock.Mock(queued=False)
        for _ in range(3):
            relay.engine.again(turner)
        relay.turn()
        self.assertEqual(turner.turn.call_count, 1)

    def test_a_hang_up_after_the_end_of_one_direction_ends_the_other(self) -> None:
        relay = Relay()
        relay.begin()
        relay.sockets[0].end()
        relay.turn()
        # Whoever asked for the error before took it away: only the hang-up is left.
        relay.lines[0].event(HUP)
        self.assertEqual([each.sees_reset for each in relay.sockets], [True, True])

    def test_one_that_is_closed_by_what_it_tells_ends_in_order(self) -> None:
        relay = Relay()
        closed: list[bool] = []
        relay.kernel.close = lambda: closed.append(relay.sockets[1].closed)
        relay.owner.gone = lambda: (relay.lines[1].abort(), relay.engine.close())
        relay.lines[0].hold(half=True)
        relay.sockets[0].end()
        relay.turn()
        self.assertEqual(closed, [True])


class Scripted:
    """An epoll that gives batches of events, then nothing; each handler notes its name and takes a millisecond."""

    def __init__(self, *batches: str) -> None:
        self.batches = list(batches)
        self.told: list[str] = []
        self.now = 0.0
        self.reactor = Reader()
        self.engine = Engine(self.reactor, poller=self, seconds=lambda: self.now)
        for name in set("".join(batches)):
            self.engine.add(ord(name), mock.Mock(event=lambda _, name=name: self.note(name)))

    def bulk(self, name: str, turns: int) -> None:
        """Want a turn, and another one after each, so often."""
        turner = mock.Mock(queued=False)

        def turn() -> None:
            self.note(name)
            if self.told.count(name) < turns:
                self.engine.again(turner)

        turner.turn = turn
        self.engine.again(turner)

    def note(self, name: str) -> None:
        self.told.append(name)
        self.now += 0.001

    def register(self, fd: int, events: int) -> None:
        pass

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        return [(ord(name), 1) for name in self.batches.pop(0)] if self.batches else []

    def fileno(self) -> int:
        return 3

    def close(self) -> None:
        pass


class TurnTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(engine, "LEAST", 1)

    def test_a_long_batch_is_told_in_parts(self) -> None:
        kernel = Scripted("abcde", "f")
        kernel.engine.doRead()
        self.assertEqual(kernel.told, ["a", "b"])
        # The reactor has a turn between, and asks for nothing new before these are told.
        self.assertEqual((len(kernel.batches), len(kernel.reactor.getDelayedCalls())), (1, 1))
        kernel.reactor.turn(4)
        self.assertEqual(kernel.told, list("abcdef"))

    def test_nothing_is_closed_while_events_are_left(self) -> None:
        kernel, sock = Scripted("abc"), mock.Mock()
        kernel.engine.doRead()
        kernel.engine.close_socket(ord("c"), sock)
        self.assertEqual((kernel.told, sock.close.called), (["a", "b"], False))
        kernel.reactor.turn()
        self.assertEqual((kernel.told, sock.close.call_count), (["a", "b"], 1))

    def test_closing_closes_all(self) -> None:
        kernel, sock = Scripted("abc"), mock.Mock()
        kernel.engine.doRead()
        kernel.engine.close_socket(ord("c"), sock)
        kernel.engine.close()
        self.assertEqual(sock.close.call_count, 1)

    def test_what_is_small_waits_for_one_turn_of_bulk(self) -> None:
        kernel = Scripted("", "a", "b")
        for name in "XY":
            kernel.bulk(name, 3)
        kernel.engine.doRead()
        kernel.reactor.turn(2)
        self.assertEqual("".join(kernel.told)[:5], "XaYbX")

    def test_bulk_has_its_turn_among_many_that_are_small(self) -> None:
        kernel = Scripted(*["abcde"] * 3)
        kernel.bulk("X", 3)
        kernel.reactor.turn(20)
        self.assertEqual("".join(kernel.told)[:18], "abcdeX" * 3)


class Reader(MemoryReactorClock):
    """A reactor that is turned by hand."""

    def turn(self, times: int = 3) -> None:
        for _ in range(times):
            for reader in self.getReaders():
                reader.doRead()
            self.advance(0)


class Visitor:
    """A protocol that keeps its line."""

    made: list[Any] = []  # noqa: RUF012

    def makeConnection(self, line: Any) -> None:
        self.made.append(line)

    def gone(self) -> None:
        self.made[-1].abort()

    def over(self) -> None:
        self.made.pop()


class PortTests(SynchronousTestCase):
    def setUp(self) -> None:
        Visitor.made.clear()
        self.reactor = Reader()
        self.room = True
        self.most_ports = 9
        self.engine = Engine(self.reactor)
        self.lines = SocketLines(self.engine, dict.fromkeys(Crowd, self.has_room), 20)
        self.addCleanup(self.lines.close)
        self.factory = Factory()
        self.factory.buildProtocol = lambda _: Visitor()

    def has_room(self) -> bool:
        return self.room and self.lines.ports <= self.most_ports

    def listen(self, interface: str = "127.0.0.1") -> Any:
        port = self.lines.listen(0, self.factory, interface)
        self.addCleanup(port.stopListening)
        return port

    def connect(self, port: Any, host: str = "127.0.0.1") -> socket.socket:
        sock = socket.create_connection((host, port.getHost().port))
        self.addCleanup(sock.close)
        return sock

    def test_gives_lines(self) -> None:
        port = self.listen()
        self.connect(port)
        self.reactor.turn()
        (line,) = Visitor.made
        self.assertTrue(ILine.providedBy(line))
        line.abort()

    def test_every_interface_is_ipv4_and_ipv6(self) -> None:
        port = self.listen("")
        hosts = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
        for host in hosts:
            self.connect(port, host)
        self.reactor.turn()
        self.assertEqual(len(Visitor.made), len(hosts))
        for line in tuple(Visitor.made):
            line.abort()

    def test_a_port_that_somebody_has(self) -> None:
        taken = self.listen().getHost().port
        self.assertRaises(CannotListenError, self.lines.listen, taken, self.factory, "127.0.0.1")

    def test_without_a_seat_nobody_is_accepted_until_there_is_one(self) -> None:
        port = self.listen()
        self.room = False
        self.connect(port)
        self.reactor.turn()
        self.assertEqual((Visitor.made, self.engine._poller.poll(0)), ([], []))
        self.lines.freed()
        self.reactor.turn()
        self.assertEqual(Visitor.made, [])
        self.room = True
        self.lines.freed()
        self.reactor.turn()
        self.assertEqual(len(Visitor.made), 1)
        Visitor.made[0].abort()

    def test_ports_that_are_many_leave_no_room_until_one_is_closed(self) -> None:
        self.most_ports = 1
        port, other = self.listen(), self.lines.listen(0, self.factory, "127.0.0.1")
        self.connect(port)
        self.reactor.turn()
        self.assertEqual(Visitor.made, [])
        other.stopListening()
        self.reactor.turn()
        self.assertEqual(len(Visitor.made), 1)
        Visitor.made[0].abort()

    def test_that_there_is_no_room_is_said_once_a_minute(self) -> None:
        said: list[str] = []
        self.patch(self.lines.rests[Crowd.FORWARDS], "log", mock.Mock(warn=lambda text, **_: said.append(text)))
        port = self.listen()
        for seconds, lines in ((0, 1), (SAYING - 1, 1), (1, 2)):
            self.reactor.advance(seconds)
            self.lines.rests[Crowd.FORWARDS].add(port)
            self.assertEqual(len(said), lines)

    def test_within_the_pause_nobody_goes_on(self) -> None:
        port = self.listen()
        self.connect(port)
        self.lines.rests[Crowd.FORWARDS].add(port, "Too many open files")
        self.lines.freed()
        self.reactor.turn()
        self.assertEqual(Visitor.made, [])
        self.reactor.advance(PAUSE)
        self.reactor.turn()
        self.assertEqual(len(Visitor.made), 1)
        Visitor.made[0].abort()

    def test_a_flooded_port_keeps_nobody_out(self) -> None:
        ports = [self.listen() for _ in range(3)]
        self.room = False
        for port in ports:
            for _ in range(5):
                self.connect(port)
        self.reactor.turn()
        served: list[int] = []
        for port in ports:
            port.factory = Factory()
            port.factory.buildProtocol = lambda _, port=port: self.take_a_seat(served, ports.index(port))
        for _ in range(6):
            # One seat is free.
            self.room = True
            self.lines.freed()
            self.reactor.turn()
        self.assertEqual([sorted(served[:3]), sorted(served[3:])], [[0, 1, 2]] * 2)
        for line in tuple(Visitor.made):
            line.abort()

    def take_a_seat(self, served: list[int], port: int) -> Visitor:
        self.room = False
        served.append(port)
        return Visitor()

    def test_more_ports_than_there_may_be(self) -> None:
        self.lines._most_ports = 1
        port = self.lines.listen(0, self.factory, "127.0.0.1")
        error = self.assertRaises(CannotListenError, self.listen)
        self.assertEqual(error.socketError.errno, errno.EMFILE)
        port.stopListening()
        self.listen()

    def test_a_visitor_that_cannot_be_served_is_reset(self) -> None:
        port = self.listen()
        port.factory = Factory()
        port.factory.buildProtocol = lambda _: mock.Mock(makeConnection=mock.Mock(side_effect=ValueError("a bug")))
        sock = self.connect(port)
        self.reactor.turn()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertRaises(ConnectionResetError, sock.recv, 1)

    def test_without_descriptors_it_rests_and_goes_on(self) -> None:
        port = self.listen()
        self.connect(port)
        full = mock.Mock(side_effect=OSError(errno.EMFILE, "Too many open files"))
        with mock.patch.object(port, "_sock", mock.Mock(accept=full)):
            self.reactor.turn(10)
        self.assertEqual((full.call_count, Visitor.made), (1, []))
        self.reactor.advance(PAUSE)
        self.reactor.turn()
        self.assertEqual(len(Visitor.made), 1)
        Visitor.made[0].abort()

    def test_a_connection_that_failed_before_it_was_accepted_is_passed_over(self) -> None:
        port = self.listen()
        self.connect(port)
        accept = mock.Mock(side_effect=[OSError(errno.ECONNABORTED, "aborted"), port._sock.accept(), BlockingIOError()])
        with mock.patch.object(port, "_sock", mock.Mock(accept=accept)):
            port.event(1)
        self.assertEqual(len(Visitor.made), 1)
        Visitor.made[0].abort()

    def test_dialling_what_answers_is_done_at_once(self) -> None:
        where = self.listen().getHost()
        line: Any = self.lines.dial(Endpoint(ip_address(where.host), where.port), 1.0)
        self.assertTrue(ILine.providedBy(line))
        line.abort()

    def test_dialling_what_refuses(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        dialled = watch(self.lines.dial(Endpoint(ip_address("127.0.0.1"), port), 1.0))
        self.reactor.turn()
        self.assertIsInstance(dialled.error, ConnectionRefusedError)

    def test_dialling_without_descriptors(self) -> None:
        with mock.patch("socket.socket", side_effect=OSError(errno.EMFILE, "Too many open files")):
            dialled = watch(self.lines.dial(Endpoint(ip_address("127.0.0.1"), 9), 1.0))
        self.assertIsInstance(dialled.error, Refused)


class PlaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Reader()
        self.lines = SocketLines(Engine(self.reactor), dict.fromkeys(Crowd, lambda: True), 20)
        self.addCleanup(self.lines.close)
        self.served: list[int] = []

    def come(self, number: int) -> Any:
        place = self.lines.place()
        if place is None:
            self.served.append(number)
        else:
            place.addCallbacks(lambda _: self.served.append(number), lambda _: None)
        return place

    def test_some_go_on_at_once_and_the_others_turn_by_turn_in_order(self) -> None:
        for number in range(3 * AT_ONCE - 1):
            self.come(number)
        self.assertEqual(self.served, list(range(AT_ONCE)))
        self.lines.queued = False
        self.lines.turn()
        self.assertEqual(self.served, list(range(2 * AT_ONCE)))
        self.lines.turn()
        self.assertEqual(self.served, list(range(3 * AT_ONCE - 1)))

    def test_the_engine_gives_the_turns(self) -> None:
        for number in range(3 * AT_ONCE):
            self.come(number)
        self.reactor.turn(5)
        self.assertEqual(len(self.served), 3 * AT_ONCE)
        self.assertIsNone(self.come(-1))

    def test_one_that_goes_away_is_passed_over(self) -> None:
        places = [self.come(number) for number in range(AT_ONCE + 3)]
        places[-2].cancel()
        self.reactor.turn(5)
        self.assertEqual(self.served, [*range(AT_ONCE + 1), AT_ONCE + 2])


class PipesTests(SynchronousTestCase):
    def test_are_large_and_come_back(self) -> None:
        pipes = Pipes()
        pipe = pipes.take()
        assert pipe is not None
        self.assertEqual(fcntl.fcntl(pipe.into, fcntl.F_GETPIPE_SZ), pipe.size)
        self.assertGreaterEqual(pipe.size, LEAST)
        pipes.give_back(pipe, 0)
        self.assertIs(pipes.take(), pipe)
        pipes.give_back(pipe, 0)
        pipes.close()
        self.assertEqual(pipes.open, 0)
        self.assertRaises(OSError, os.fstat, pipe.into)

    def test_one_with_bytes_inside_is_closed(self) -> None:
        pipes = Pipes()
        pipe = pipes.take()
        assert pipe is not None
        pipes.give_back(pipe, 1)
        self.assertRaises(OSError, os.fstat, pipe.out)
        self.assertEqual(pipes.open, 0)

    def test_no_more_than_the_bound(self) -> None:
        pipes = Pipes(most=2)
        lent = [pipes.take() for _ in range(3)]
        self.assertEqual([pipe is None for pipe in lent], [False, False, True])
        for pipe in lent[:2]:
            pipes.give_back(pipe, 0)
        pipes.close()

    def test_small_ones_are_none(self) -> None:
        pipes = Pipes()
        with mock.patch("fcntl.fcntl", side_effect=[OSError(errno.EPERM, "no more"), 4096]):
            self.assertIsNone(pipes.take())
        self.assertEqual((pipes.open, pipes.most), (0, 0))
        self.assertIsNone(pipes.take())
        # Where it stays so, it is said once.
        log = mock.Mock()
        self.patch(Pipes, "log", log)
        with mock.patch("os.pipe2", side_effect=OSError(errno.EMFILE, "no more")) as asked:
            self.assertEqual([pipes.take() for _ in range(3 * PATIENCE)], [None] * 3 * PATIENCE)
        self.assertEqual((asked.call_count, log.warn.called), (3, False))
        # It may have been so for a moment only.
        taken = [pipes.take() for _ in range(PATIENCE - 1)]
        self.assertEqual(len(list(filter(None, taken))), 1)
        pipes.give_back(next(filter(None, taken)), 0)
        pipes.close()


class LimitTests(SynchronousTestCase):
    def test_too_few_descriptors_are_said_with_what_to_do(self) -> None:
        enough = choice.RESERVED + choice.PORTS + 300
        self.assertIsNone(choice.shortage(enough, 100))
        advice = choice.shortage(enough - 1, 100)
        self.assertIn(f"LimitNOFILE={enough}", advice or "")
        self.assertIn("webspaces.max_held = 100", advice or "")

    def test_it_is_logged_at_the_start(self) -> None:
        self.patch(choice, "raise_descriptor_limit", lambda: 4096)
        said: list[str] = []
        self.patch(choice, "log", mock.Mock(warn=lambda _format, **fields: said.append(fields["advice"])))
        seats = choice.seats_for(4096, 1024)
        self.assertEqual((seats.web.most, seats.forwards.most, seats.forwards.most_per_visitor), (1536, 1344, 336))
        self.assertEqual(len(said), 1)

    def test_ports_and_visitors_share_what_there_is(self) -> None:
        share = choice.Share(10_000, has_front=True)
        self.assertEqual((share.front, share.free), (1250, 5000))
        share = choice.Share(10_000)
        self.assertEqual((share.ports, share.visitors(0), share.visitors(1000), share.web), (5625, 3750, 3250, 468))

    @given(st.integers(64, 1 << 20))
    def test_whatever_the_limit_there_is_room_for_some_and_some_is_left(self, limit: int) -> None:
        share = choice.Share(limit)
        self.assertGreater(share.ports, 0)
        for ports in (0, share.ports):
            visitors = share.visitors(ports)
            self.assertGreater(visitors, 0)
            self.assertLessEqual(ports + choice.EACH * visitors, limit - reserve_of(limit).size)

    def test_forwards_leave_boot_ports_their_room_and_may_not_be_left_any(self) -> None:
        self.patch(choice, "raise_descriptor_limit", lambda: 200)
        share = choice.Share(200)
        seats = choice.Seats(Places(1000, 1000), Places(1000, 1000))
        forwards, web = seats.forwards, seats.web
        self.addCleanup(choice.lines_for(Reader(), seats).close)
        self.assertGreater(share.web, 0)
        forwards.held = share.visitors(0) - share.web - 1
        self.assertTrue(forwards.has_room())
        forwards.held += 1
        self.assertEqual((forwards.has_room(), web.has_room()), (False, True))
        web.held = share.web - 1
        self.assertEqual((forwards.has_room(), web.has_room()), (False, True))
        web.held += 1
        self.assertFalse(web.has_room())
        # Web visitors take more where forwards do not need it.
        forwards.held = 0
        self.assertTrue(web.has_room())


class OtherSystemTests(SynchronousTestCase):
    """Where there is no epoll(7), no splice(2), or a reactor of another kind."""

    def test_without_them_it_is_twisteds_transports(self) -> None:
        program = """if True:
            import os, select
            for name in dir(select):
                if name.lower().startswith("epoll"):
                    delattr(select, name)
            del os.splice
            from twisted.internet.selectreactor import SelectReactor
            from webspaced.forward.choice import lines_for
            print(type(lines_for(SelectReactor(), None)).__name__)
        """
        shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        self.assertEqual((shown.stdout, shown.stderr), ("StockLines\n", ""))

    def test_a_reactor_without_descriptors(self) -> None:
        lines = choice.lines_for(object(), choice.Seats(Places(1, 1), Places(1, 1)))
        self.assertIsInstance(lines, StockLines)
        lines.close()


class TableTests(SynchronousTestCase):
    def test_every_state_is_reached_and_left_or_is_an_end(self) -> None:
        for table, kind, first in ((states.VISITS, states.Stage, "arrived"), (states.FLOWS, states.Flow, "copying")):
            reached = {first, *table.values()}
            self.assertEqual(reached, set(kind))
            ends = set(kind) - {begin for begin, _ in table}
            self.assertEqual(len(ends), 1)

    def test_the_documentation_shows_the_tables(self) -> None:
        if not DIAGRAMS.exists():
            # The tests of a wheel run beside a checkout; those of another tree do not.
            self.skipTest("there is no docs/diagrams here")
        for name, diagram in states.diagrams().items():
            self.assertEqual((DIAGRAMS / f"{name}.dot").read_text(), diagram, "draw it again: python -m harness.diagrams")

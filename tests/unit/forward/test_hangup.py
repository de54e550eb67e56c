"""Noticing a peer that is gone while nothing is read: on real socket pairs, without a reactor's loop."""

from __future__ import annotations

import gc
import socket
import struct
from functools import partial

from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from webspaced.forward.hangup import EpollHangups, IHangups


class HangupTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        self.hangups = EpollHangups(self.reactor)
        self.addCleanup(self.hangups.close)
        self.gone: list[str] = []

    def pair(self) -> tuple[socket.socket, socket.socket]:
        # TCP: a UNIX pair knows no RST.
        with socket.create_server(("127.0.0.1", 0)) as server:
            theirs = socket.create_connection(server.getsockname())
            ours, _ = server.accept()
        self.addCleanup(theirs.close)
        self.addCleanup(ours.close)
        return ours, theirs

    def watched(self, name: str = "x", *, half: bool) -> tuple[socket.socket, socket.socket]:
        ours, theirs = self.pair()
        self.hangups.watch(ours, lambda: self.gone.append(name), half=half)
        return ours, theirs

    def turn(self) -> list[str]:
        self.hangups.doRead()
        return self.gone

    def reset(self, theirs: socket.socket) -> None:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()

    def test_is_a_reader_of_the_reactor(self) -> None:
        self.assertIn(self.hangups, self.reactor.getReaders())
        self.assertTrue(verifyObject(IHangups, self.hangups))
        self.assertGreater(self.hangups.fileno(), 0)

    def test_a_peer_that_is_there_is_not_told_even_if_it_sends(self) -> None:
        _, theirs = self.watched(half=True)
        theirs.sendall(b"early bytes")
        self.assertEqual(self.turn(), [])

    def test_a_half_close_counts_with_half_only(self) -> None:
        for half, told in ((True, ["x"]), (False, [])):
            self.gone.clear()
            _, theirs = self.watched(half=half)
            theirs.shutdown(socket.SHUT_WR)
            self.assertEqual(self.turn(), told)

    def test_a_reset_counts_always(self) -> None:
        for half in (True, False):
            self.gone.clear()
            _, theirs = self.watched(half=half)
            self.reset(theirs)
            self.assertEqual(self.turn(), ["x"])

    def test_is_told_once(self) -> None:
        _, theirs = self.watched(half=True)
        theirs.close()
        self.turn()
        self.assertEqual(self.turn(), ["x"])

    def test_early_bytes_do_not_hide_the_end(self) -> None:
        _, theirs = self.watched(half=True)
        theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
        theirs.close()
        self.assertEqual(self.turn(), ["x"])

    def test_after_unwatch_nothing_is_told(self) -> None:
        ours, theirs = self.watched(half=True)
        self.hangups.unwatch(ours)
        theirs.close()
        self.assertEqual((self.turn(), self.hangups.watched), ([], 0))

    def test_unwatch_of_what_is_not_watched_or_closed_is_harmless(self) -> None:
        ours, _ = self.pair()
        self.hangups.unwatch(ours)
        watched, _ = self.watched(half=True)
        fd = watched.fileno()
        watched.close()
        self.hangups.unwatch(watched)
        self.assertEqual(self.hangups.watched, 0)
        # The number is free for another socket.
        while True:
            again, theirs = self.watched("again", half=True)
            if again.fileno() >= fd:
                break
        theirs.close()
        self.assertEqual(self.turn(), ["again"])

    def test_each_is_told_of_its_own(self) -> None:
        pairs = {name: self.watched(name, half=True) for name in "abc"}
        pairs["b"][1].close()
        self.assertEqual(self.turn(), ["b"])
        self.assertEqual(self.hangups.watched, 3)

    def test_who_is_told_may_unwatch_the_others(self) -> None:
        one, two = self.pair(), self.pair()
        for mine, other in ((one, two), (two, one)):
            gone = partial(self.tell_and_unwatch, other[0])
            self.hangups.watch(mine[0], gone, half=True)
        one[1].close()
        two[1].close()
        self.assertEqual(self.turn(), ["x"])

    def tell_and_unwatch(self, other: socket.socket) -> None:
        self.gone.append("x")
        self.hangups.unwatch(other)

    def test_leaves_the_reactor(self) -> None:
        other = EpollHangups(self.reactor)
        other.close()
        self.assertNotIn(other, self.reactor.getReaders())
        gc.collect()

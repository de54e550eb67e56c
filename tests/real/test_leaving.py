"""webspaced is stopped while somebody is connected to a webspace through it."""

from __future__ import annotations

import os
import signal
import socket

from tests.stack import StackCase, wait_until
from tests.visitors import PATIENCE, receive_all


class LeavingTests(StackCase):
    def prepare(self) -> None:
        # Longer than any of the tests waits: who is cut was not cut because the time was up.
        self.stack.set_timeouts(shutdown="10m")

    def setUp(self) -> None:
        super().setUp()
        self.stack.create()
        self.port = self.stack.forward(7)
        self.visitor = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        self.addCleanup(self.visitor.close)
        self.talk(b"before")

    def talk(self, data: bytes) -> None:
        """Say something, and get it back from the container."""
        self.visitor.sendall(data)
        self.assertEqual(self.visitor.recv(len(data), socket.MSG_WAITALL), data)

    def tell_to_stop(self) -> None:
        os.kill(self.stack.pid, signal.SIGTERM)
        wait_until("it waits for its visitor", lambda: "to finish" in self.stack.log())

    def test_who_is_connected_may_finish(self) -> None:
        self.tell_to_stop()
        self.assertRaises(ConnectionRefusedError, socket.create_connection, ("127.0.0.1", self.port), PATIENCE)
        self.talk(b"after")
        self.visitor.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(self.visitor), b"")
        self.assertEqual(self.stack.wait_for_end(), -signal.SIGTERM)

    def test_a_second_signal_waits_for_nobody(self) -> None:
        self.hurried_by(signal.SIGTERM)

    def test_nor_does_an_interrupt(self) -> None:
        self.hurried_by(signal.SIGINT)

    def hurried_by(self, number: signal.Signals) -> None:
        self.tell_to_stop()
        os.kill(self.stack.pid, number)
        self.assertRaises(ConnectionResetError, receive_all, self.visitor)
        self.assertEqual(self.stack.wait_for_end(), -signal.SIGTERM)

from __future__ import annotations

import socket
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.acknowledged import acknowledged


class AcknowledgedTests(SynchronousTestCase):
    def pair(self) -> tuple[socket.socket, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname(), timeout=10)
            served, _ = server.accept()
        for end in (client, served):
            self.addCleanup(end.close)
        return client, served

    @staticmethod
    def of(end: Any) -> int:
        return acknowledged(mock.Mock(getHandle=lambda: end))

    def test_grows_with_what_the_client_reads_and_not_with_what_is_written(self) -> None:
        client, served = self.pair()
        served.setblocking(False)
        written = served.send(b"x" * 20_000_000)
        before = self.of(served)
        self.assertLess(before, written)
        read = 0
        while read < written:
            read += len(client.recv(1 << 20))
        self.assertGreater(self.of(served), before)

    def test_where_it_cannot_be_known(self) -> None:
        one, other = socket.socketpair()
        for end in (one, other):
            self.addCleanup(end.close)
        client, _ = self.pair()
        client.close()
        for wrong in (one, client, None):
            self.assertEqual(self.of(wrong), 0)
        self.assertEqual(acknowledged(object()), 0)

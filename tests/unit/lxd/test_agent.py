from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import URI

from webspaced.errors import Unavailable
from webspaced.lxd.agent import UnixEndpoints, find_socket


class SocketTests(SynchronousTestCase):
    def test_a_given_one_is_taken_as_it_is(self) -> None:
        self.assertEqual(find_socket("unix:///a/b.socket", ()), "/a/b.socket")

    def test_the_first_known_place_that_has_a_socket(self) -> None:
        with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as server:
            path, file = os.path.join(directory, "s"), Path(directory, "f")  # noqa: PTH118  (sockets want short texts)
            server.bind(path)
            file.touch()
            self.assertEqual(find_socket("", (f"{directory}/none", str(file), path)), path)

    def test_none_says_where_was_looked_and_what_to_do(self) -> None:
        error = self.assertRaises(Unavailable, find_socket, "", ("/nowhere/a", "/nowhere/b"))
        for said in ("/nowhere/a", "/nowhere/b", "lxd.url"):
            self.assertIn(said, str(error))

    def test_every_address_leads_to_the_socket(self) -> None:
        reactor = MemoryReactorClock()
        UnixEndpoints(reactor, "/a/b").endpointForURI(URI.fromBytes(b"http://elsewhere:1/")).connect(None)
        self.assertEqual(reactor.unixClients[0][0], "/a/b")

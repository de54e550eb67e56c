from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import URI

from tests.unit.lxd.test_tls import Party
from webspaced.errors import Invalid, Unavailable
from webspaced.lxd.agent import Connections, UnixEndpoints, endpoints_for, find_socket
from webspaced.lxd.tls import Identities


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


class RenewalTests(SynchronousTestCase):
    """Certificates are renewed while webspaced runs."""

    def setUp(self) -> None:
        reactor = MemoryReactorClock()
        self.identities = Identities(server=Party("lxd").pem)
        self.endpoints: Any = endpoints_for(reactor, "https://10.0.0.1", self.identities)
        self.connections = Connections(reactor, self.endpoints, self.identities)
        self.before = self.endpoints.creator

    def test_new_connections_are_made_with_the_new_ones_once_that_is_in_effect(self) -> None:
        put = self.connections.renewed(Identities(server=Party("other").pem))
        self.assertIs(self.endpoints.creator, self.before)
        put()
        self.assertIsNot(self.endpoints.creator, self.before)

    def test_the_same_ones_change_nothing(self) -> None:
        self.connections.renewed(self.identities)()
        self.assertIs(self.endpoints.creator, self.before)

    def test_wrong_ones_are_refused(self) -> None:
        self.assertRaises(Invalid, self.connections.renewed, Identities(server="nonsense"))
        self.assertIs(self.endpoints.creator, self.before)

    def test_a_local_socket_needs_none(self) -> None:
        reactor = MemoryReactorClock()
        Connections(reactor, UnixEndpoints(reactor, "/socket")).renewed(Identities(server="nonsense"))()

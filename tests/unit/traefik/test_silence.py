"""Whether a Traefik that keeps silent connections for ever is told of."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.internet.error import ConnectionRefusedError as Refusal
from twisted.internet.testing import MemoryReactorClock, StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from webspaced.traefik.entry_point import EntryPoint
from webspaced.traefik.silence import LONGEST, SilenceWatch

URL = "https://192.0.2.7:443"


class SilenceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.watch = SilenceWatch(self.reactor, EntryPoint(self.reactor, URL).bare, URL)
        self.said: list[str] = []
        warn = lambda form, **fields: self.said.append(form.format(**fields))  # noqa: E731
        self.patch(self.watch, "log", mock.Mock(warn=warn))

    def look(self) -> Any:
        looking = self.watch.look()
        host, port, factory, *_ = self.reactor.tcpClients[-1]
        self.assertEqual((host, port), ("192.0.2.7", 443))
        protocol = factory.buildProtocol(None)
        transport = StringTransportWithDisconnection()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return looking, protocol, transport

    def test_one_that_hangs_up_is_well_set(self) -> None:
        looking, _, transport = self.look()
        self.reactor.advance(LONGEST - 1)
        self.assertNoResult(looking)
        transport.loseConnection()
        self.successResultOf(looking)
        self.assertEqual((transport.value(), self.said), (b"", []))

    def test_one_that_does_not_is_told_of_once_until_it_changes(self) -> None:
        for _ in range(2):
            looking, _, transport = self.look()
            self.reactor.advance(LONGEST)
            self.successResultOf(looking)
            self.assertFalse(transport.connected)
            self.assertEqual(len(self.said), 1)
        self.assertIn(URL, self.said[0])
        looking, _, transport = self.look()
        self.reactor.advance(LONGEST - 1)
        transport.loseConnection()
        looking, *_ = self.look()
        self.reactor.advance(LONGEST)
        self.assertEqual(len(self.said), 2)

    def test_one_that_hangs_up_soon_cuts_uploads(self) -> None:
        for took, lines in ((60, 0), (61, 1), (60, 1)):
            _, _, transport = self.look()
            self.reactor.advance(took)
            transport.loseConnection()
            self.assertEqual(len(self.said), lines)
        self.assertIn("cuts uploads that take longer than about 61 s", self.said[0])

    def test_one_that_is_not_there_says_nothing(self) -> None:
        looking = self.watch.look()
        *_, factory, _, _ = self.reactor.tcpClients[-1]
        factory.clientConnectionFailed(None, Failure(Refusal()))
        self.successResultOf(looking)
        self.assertEqual(self.said, [])

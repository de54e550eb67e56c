"""The pages of a service for its operators, and the listener beneath."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from webspaced.base.families import Reading, one
from webspaced.base.figures import page_of
from webspaced.base.listener import Listener
from webspaced.base.metric import Metric, Sort
from webspaced.base.site import operators_site
from webspaced.errors import Unavailable
from webspaced.settings import Address

CATALOGUE = {"some_things": Metric("some_things", Sort.GAUGE, "How many things there are.")}


class PagesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.trouble: str | None = None
        self.reactor = MemoryReactorClock()
        page = page_of(CATALOGUE, self.read)
        site = operators_site(self.reactor, Address("127.0.0.1", 9), lambda: self.trouble, page)
        site.startService()
        _port, self.factory, _backlog, self.interface = self.reactor.tcpServers[0]

    def read(self) -> Iterable[Reading]:
        yield one("some_things", 3)

    def ask(self, path: str, method: str = "GET") -> tuple[int, str]:
        transport = StringTransport()
        channel: Any = self.factory.buildProtocol(None)
        channel.makeConnection(transport)
        channel.dataReceived(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head, _, body = transport.value().decode().partition("\r\n\r\n")
        return int(head.split()[1]), body

    def test_live(self) -> None:
        self.assertEqual(self.ask("/live"), (204, ""))

    def test_ready(self) -> None:
        self.assertEqual(self.ask("/ready"), (204, ""))
        self.trouble = "nothing was read yet"
        status, body = self.ask("/ready")
        self.assertEqual(status, 503)
        self.assertIn("nothing was read yet", body)

    def test_metrics(self) -> None:
        status, body = self.ask("/metrics")
        self.assertEqual(status, 200)
        self.assertIn("# TYPE some_things gauge\nsome_things 3.0\n", body)
        self.assertIn("process_resident_memory_bytes", body)

    def test_head(self) -> None:
        self.assertEqual(self.ask("/metrics", "HEAD"), (200, ""))

    def test_nothing_else(self) -> None:
        self.assertEqual(self.ask("/")[0], 404)
        self.assertEqual(self.ask("/metrics", "POST")[0], 405)


class Deaf(MemoryReactorClock):
    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        raise CannotListenError(interface, port, OSError("in use"))


class ListenerTests(SynchronousTestCase):
    def test_an_address_that_cannot_be_bound_is_named(self) -> None:
        listener = Listener(Deaf(), Address("192.0.2.1", 80), Site(None), "images")
        error = self.assertRaises(Unavailable, listener.startService)
        self.assertEqual(str(error), "cannot listen on 192.0.2.1:80 for images: in use")

    def test_it_stops_listening(self) -> None:
        reactor = MemoryReactorClock()
        listener = Listener(reactor, Address("127.0.0.1", 9), Site(None), "images")
        listener.startService()
        self.successResultOf(listener.stopService())
        self.assertIsNone(listener.port)
        self.successResultOf(listener.stopService())

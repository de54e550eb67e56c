"""Visitors of running webspaces pay for nothing that a cold one needs; what became of all is counted."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refusal
from zope.interface import implementer

from tests.unit.forward.test_visit import WEB
from tests.unit.forward.test_visit import VisitCase as _Case
from tests.unit.forward.wires import ENDPOINT, lose
from webspaced.core.address import Endpoint
from webspaced.core.probing import Ask
from webspaced.core.proxy_protocol import ProxyProtocol
from webspaced.errors import BootFailed, PortSilent, Refused, Unavailable
from webspaced.forward.lines import ILine, ILines
from webspaced.forward.means import Destination
from webspaced.forward.states import Stage

ENDS = Endpoint(ip_address("203.0.113.7"), 51000), Endpoint(ip_address("192.0.2.1"), 60022)


@implementer(ILine)
class Line:
    """A line that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.moved = 0
        self.whose: tuple[Endpoint, Endpoint] | None = ENDS

    def hold(self, *, half: bool, silent: bool = False) -> None:
        self.told.append(("hold", half))

    def ends(self) -> tuple[Endpoint, Endpoint] | None:
        return self.whose

    def relay_to(self, other: Any, first: bytes = b"") -> None:
        self.told.append(("relay", other, first) if first else ("relay", other))

    def answer(self, data: bytes) -> None:
        self.told.append(("answer", data[:12]))

    def abort(self) -> None:
        self.told.append("abort")


@implementer(ILines)
class Lines:
    """Dials what ``next`` says."""

    def __init__(self) -> None:
        self.dialled: list[Any] = []
        self.next: Any = None
        self.seats_freed = 0

    def line(self, transport: Any, owner: Any) -> Any:
        return transport

    def dial(self, endpoint: Any, timeout: float) -> Any:
        self.dialled.append(endpoint)
        return self.next

    def listen(self, port: int, factory: Any, interface: str, *, web: bool = False) -> Any:
        raise NotImplementedError

    def place(self) -> None:
        pass

    def freed(self) -> None:
        self.seats_freed += 1

    def close(self) -> None:
        raise NotImplementedError


class WarmTests(_Case):
    def setUp(self) -> None:
        super().setUp()
        self.lines = Lines()
        self.visits.means = evolve(self.visits.means, lines=self.lines)
        self.gate.now = ENDPOINT

    def arrive(self, *, gone: bool = False) -> tuple[Any, Line]:
        visit, line = self.visits.buildProtocol(None), Line()
        if gone:
            line.whose = None
        assert visit is not None
        visit.makeConnection(line)
        return visit, line

    def test_is_relayed_at_once_and_the_gate_is_asked_for_nothing_more(self) -> None:
        self.lines.next = backend = Line()
        visit, line = self.arrive()
        self.assertEqual((line.told, self.gate.asked, self.places.held), ([("relay", backend)], [], 0))
        self.assertEqual((visit.stage, self.seats.held, self.visits.relayed), (Stage.RELAYED, 1, {visit}))
        self.assertEqual(self.network.getDelayedCalls(), [])
        visit.over()
        self.assertEqual((visit.stage, self.seats.held, self.visits.present), (Stage.OVER, 0, set()))
        self.assertEqual(self.lines.seats_freed, 1)

    def test_one_that_has_to_wait_for_the_connection_is_held_meanwhile(self) -> None:
        self.lines.next = dialling = Deferred()
        visit, line = self.arrive()
        self.assertEqual((visit.stage, line.told, self.places.held), (Stage.HELD, [("hold", False)], 1))
        dialling.callback(Line())
        self.assertEqual((visit.stage, self.places.held, len(self.lines.dialled)), (Stage.RELAYED, 0, 1))

    def test_one_whose_container_does_not_answer_goes_the_long_way(self) -> None:
        self.lines.next = dialling = Deferred()
        visit, _ = self.arrive()
        dialling.errback(Refusal())
        self.assertEqual(self.gate.suspected, [(ENDPOINT, True, Ask.CONNECTION)])
        self.lines.next = Line()
        self.gate.open()
        self.assertEqual(visit.stage, Stage.RELAYED)

    def test_one_that_leaves_gives_the_connection_up(self) -> None:
        cancelled: list[Any] = []
        self.lines.next = Deferred(cancelled.append)
        visit, line = self.arrive()
        visit.gone()
        self.assertEqual(line.told[-1], "abort")
        visit.over()
        self.assertEqual((len(cancelled), self.visits.failed, self.places.held), (1, {"left": 1}, 0))

    def test_one_that_finds_no_place_to_wait_gives_the_connection_up(self) -> None:
        cancelled: list[Any] = []
        self.destination = WEB
        for _ in range(4):
            self.lines.next = Deferred(cancelled.append)
            visit, line = self.arrive()
        self.assertEqual((len(cancelled), visit.stage, line.told), (1, Stage.REFUSED, [("answer", b"HTTP/1.1 503")]))


class ToldOfTests(WarmTests):
    """The same, where the container is told who visits it."""

    def setUp(self) -> None:
        super().setUp()
        self.destination = Destination(1, 22, proxy_protocol=ProxyProtocol.V1)

    def test_is_relayed_at_once_and_the_gate_is_asked_for_nothing_more(self) -> None:
        self.lines.next = backend = Line()
        _, line = self.arrive()
        self.assertEqual(line.told, [("relay", backend, b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 60022\r\n")])

    def test_one_that_is_gone_already_is_told_to_nobody(self) -> None:
        self.lines.next = backend = Line()
        visit, line = self.arrive(gone=True)
        self.assertEqual((backend.told, line.told), (["abort"], ["abort"]))
        visit.over()
        self.assertEqual((visit.stage, self.visits.failed, self.visits.opened), (Stage.OVER, {"left": 1}, 0))

    def test_one_that_goes_while_it_waits_for_the_connection_is_told_to_nobody(self) -> None:
        self.lines.next = dialling = Deferred()
        visit, line = self.arrive(gone=True)
        backend = Line()
        dialling.callback(backend)
        self.assertEqual((backend.told, line.told[-1], self.visits.failed), (["abort"], "abort", {"left": 1}))
        visit.over()
        self.assertEqual((visit.stage, self.places.held, self.seats.held), (Stage.OVER, 0, 0))


class CounterTests(_Case):
    def test_what_moved_is_counted_while_it_is_open_and_after(self) -> None:
        visit, backend = self.relayed()
        visit.dataReceived(b"question")
        backend.dataReceived(b"the answer")
        for open_now in (1, 0):
            counters = self.visits.counters()
            self.assertEqual((counters.open, counters.opened), (open_now, 1))
            self.assertEqual((counters.to_container, counters.to_visitor), (8, 10))
            lose(visit)

    def test_the_time_that_was_waited(self) -> None:
        visit = self.visitor()
        self.network.advance(3)
        self.assertEqual((self.visits.counters().held, self.visits.counters().held_seconds), (1, 0))
        self.gate.open()
        self.network.accept()
        lose(visit)
        self.assertEqual((self.visits.counters().held, self.visits.counters().held_seconds), (0, 3))

    def test_failures_by_reason(self) -> None:
        for error in (Refused("no"), BootFailed("no"), PortSilent("no"), Unavailable("no"), Refused("no")):
            self.visitor()
            self.gate.asked[-1][1].errback(error)
            lose(next(iter(self.visits.present)))
        self.assertEqual(
            self.visits.counters().failed, {"refused": 2, "boot_failed": 1, "port_silent": 1, "unavailable": 1}
        )

"""Who waits before a browser gets a page, and the boot goes on meanwhile."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.unit.forward.test_reception import WebCase, head
from tests.unit.forward.wires import ENDPOINT, FakeLook
from tests.unit.world import DEFAULTS
from webspaced.core.address import Endpoint
from webspaced.core.desired import AUTO, Desired, Wish
from webspaced.core.probing import Ask
from webspaced.core.waiting import Waiting
from webspaced.core.webspace import Webspace
from webspaced.errors import BootFailed, Momentary, PortSilent, Refused
from webspaced.forward.means import Destination
from webspaced.forward.pages import load_pages
from webspaced.forward.states import Stage
from webspaced.forward.visit import FAREWELL
from webspaced.forward.waiting import KEPT, Manner, WaitingRoom

PAGES = load_pages()
AFTER = 2.0
HTML = "Accept: text/html,*/*;q=0.8\r\nAccept-Language: de\r\n"
BROWSER = head("Mozilla/5.0", more=HTML + "Sec-Fetch-Mode: navigate\r\n")


class WaitingCase(WebCase):
    def setUp(self) -> None:
        super().setUp()
        self.manner = Manner(waiting=Waiting.PAGE, page_after=AFTER)
        self.webspace: Webspace | None = Webspace(user=1, config=DEFAULTS)
        self.room = WaitingRoom(self.network, self.gate, FakeLook(1), lambda _: self.webspace, PAGES, self.manner)
        self.visits.means = evolve(self.visits.means, waiting_room=self.room)

    def wants(self, waiting: Waiting, desired: Desired = AUTO) -> None:
        self.webspace = Webspace(user=1, config=evolve(DEFAULTS, waiting=waiting), desired=desired)

    def calls(self) -> int:
        return len(self.network.getDelayedCalls())


class PageTests(WaitingCase):
    def test_a_browser_gets_it_after_a_while(self) -> None:
        visit = self.asks(BROWSER)
        self.network.advance(AFTER - 0.1)
        self.assertEqual((visit.stage, visit.transport.value()), (Stage.HELD, b""))
        self.network.advance(0.2)
        self.assertIn("alice.example.org wacht auf", visit.transport.value().decode())
        self.assertEqual((visit.stage, visit.transport.ends, self.places.held), (Stage.REFUSED, ["half"], 0))
        self.assertEqual(self.visits.failed, {"paged": 1})
        self.assertEqual(self.visits.means.refusals._spells, {}, "it is not refused")

    def test_everything_else_is_held(self) -> None:
        for said in (
            head(), head(more="Accept: application/json\r\n"),
            BROWSER.replace(b"GET", b"POST"), BROWSER.replace(b"GET", b"HEAD"),
            head(more=HTML + "Sec-Fetch-Mode: cors\r\n"), head(more=HTML + "Upgrade: websocket\r\n"), b"no head\n\n",
        ):  # fmt: skip
            self.setUp()
            visit = self.asks(said)
            self.network.advance(100)
            self.assertEqual((visit.stage, visit.transport.value()), (Stage.HELD, b""), said)

    def test_whose_word_counts(self) -> None:
        for operators, members, is_paged in (
            (Waiting.HOLD, Waiting.DEFAULT, False), (Waiting.HOLD, Waiting.PAGE, True), (Waiting.HOLD, Waiting.HOLD, False),
            (Waiting.PAGE, Waiting.DEFAULT, True), (Waiting.PAGE, Waiting.HOLD, False),
        ):  # fmt: skip
            self.setUp()
            self.room.manner = evolve(self.manner, waiting=operators)
            self.wants(members)
            visit = self.asks(BROWSER)
            self.network.advance(AFTER)
            self.assertEqual(visit.stage is Stage.REFUSED, is_paged, (operators, members))

    def test_who_is_served_in_time_never_sees_it(self) -> None:
        visit = self.asks(BROWSER)
        self.gate.open()
        backend = self.network.accept()
        self.assertEqual(self.calls(), 0, "no timer is left")
        self.network.advance(10)
        self.assertEqual((visit.stage, backend.transport.value(), self.calls()), (Stage.RELAYED, BROWSER, 0))
        self.assertIsNone(visit._request)

    def test_who_leaves_before_it_leaves_nothing(self) -> None:
        self.asks(BROWSER).connectionLost()
        self.assertEqual((self.calls(), self.gate.cancelled), (0, [0]))

    def test_the_boot_has_somebody_who_waits_for_it_at_every_moment(self) -> None:
        visit = self.asks(BROWSER)
        cancelled: list[list[int]] = []
        ready = self.gate.ready

        def asked(uid: int, port: int, asks: Ask) -> Deferred[Endpoint]:
            cancelled.append(list(self.gate.cancelled))
            return ready(uid, port, asks)

        self.patch(self.gate, "ready", asked)
        self.network.advance(AFTER)
        self.assertEqual((cancelled, self.gate.cancelled), ([[]], [0]), "first the new one, then the old one")
        visit.connectionLost()
        self.assertEqual((len(self.gate.asked), self.gate.cancelled), (2, [0]))

    def test_it_asks_again_and_is_served_once_it_is_up(self) -> None:
        self.asks(BROWSER)
        self.network.advance(AFTER)
        again = self.asks(BROWSER)
        self.network.advance(AFTER)
        self.assertIn(b"Wartezeit bisher: 4 s.", again.transport.value())
        self.assertEqual(len(self.gate.asked), 3, "two visits, and one boot that is kept")
        third = self.asks(BROWSER)
        for number in (1, 3):
            self.gate.open(number)
        self.network.accept()
        self.assertEqual(third.stage, Stage.RELAYED)
        self.network.advance(FAREWELL)
        self.assertEqual(self.calls(), 0)

    def test_a_page_that_nobody_looks_at_any_more_keeps_nothing(self) -> None:
        self.asks(BROWSER)
        self.network.advance(AFTER)
        for _ in range(3):
            self.network.advance(KEPT - AFTER - 1)
            self.asks(BROWSER)
            self.network.advance(AFTER)
        kept = 1
        self.assertNotIn(kept, self.gate.cancelled)
        self.network.advance(KEPT)
        self.assertIn(kept, self.gate.cancelled)
        self.assertEqual(self.calls(), 0)

    def test_at_the_end_nothing_is_kept(self) -> None:
        self.asks(BROWSER)
        self.network.advance(AFTER)
        self.room.close()
        self.network.advance(FAREWELL)
        self.assertEqual((self.gate.cancelled, self.calls()), ([0, 1], 0))

    def test_a_boot_that_fails_while_nobody_is_here_is_told_to_who_comes_next(self) -> None:
        self.asks(BROWSER)
        self.network.advance(AFTER)
        self.gate.asked[1][1].errback(Failure(BootFailed("it is broken")))
        self.gate.asked[0][1].addErrback(lambda _: None)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.asks(BROWSER)
        self.assertEqual(len(self.gate.asked), 3)

    def test_a_mistake_of_ours_is_logged(self) -> None:
        self.asks(BROWSER)
        self.network.advance(AFTER)
        self.gate.asked[1][1].errback(Failure(ZeroDivisionError()))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_where_tls_is_passed_through_challenges_are_held(self) -> None:
        self.destination = Destination(1, 8443, Ask.TLS, plain=80)
        tls = self.asks(b"\x16\x03\x01")
        self.network.advance(100)
        self.assertEqual(tls.stage, Stage.HELD)

    def test_one_that_is_ready_costs_nothing(self) -> None:
        self.gate.now = ENDPOINT
        self.visitor()
        self.network.accept()
        self.assertEqual(self.calls(), 0)


class RefusedTests(WaitingCase):
    def told(self, error: Exception, said: bytes = BROWSER) -> str:
        visit = self.asks(said)
        self.gate.asked[-1][1].errback(Failure(error))
        self.network.advance(AFTER)
        return visit.transport.value().decode()

    def test_pages_for_all_that_can_go_wrong(self) -> None:
        off, suspended = Desired(wish=Wish.STOPPED), Desired(wish=Wish.SUSPENDED, public="not <paid>", reason="secret")
        for error, desired, said, after in (
            (BootFailed("it got no address"), AUTO, "konnte nicht gestartet werden", 5),
            (PortSilent("nothing answers on port 80"), AUTO, "nothing answers on port 80", 5),
            (Refused("it failed a moment ago", 3.2), AUTO, "gerade nicht erreichbar", 4),
            (Refused("its owner has switched it off", 300), off, "ist abgeschaltet", 300),
            (Refused("it is suspended", 300), suspended, "not &lt;paid&gt;", 300),
            (Momentary("it has too many visitors at once", 2), AUTO, "kein Platz", 5),
            (ValueError("a secret"), AUTO, "it could not be started", 5),
        ):
            self.wants(Waiting.PAGE, desired)
            told = self.told(error)
            self.assertIn(said, told)
            self.assertNotIn("secret", told)
            self.assertIn(f"\r\nRetry-After: {after}\r\n", told)
            self.assertIn("text/html", told)
        self.flushLoggedErrors(ValueError)

    def test_others_get_the_plain_answer(self) -> None:
        self.assertIn("text/plain", self.told(BootFailed("it is broken"), head()))
        self.wants(Waiting.HOLD)
        self.assertIn("text/plain", self.told(BootFailed("it is broken")))

    def test_who_finds_no_place(self) -> None:
        self.places.most = 1
        self.asks(BROWSER)
        self.assertIn("kein Platz", self.asks(BROWSER).transport.value().decode())

    def test_an_ignored_agent_gets_no_page(self) -> None:
        visit = self.asks(BROWSER.replace(b"Mozilla", b"zgrab"))
        self.assertIn(b"text/plain", visit.transport.value())

    def test_a_page_that_is_due_when_the_boot_fails_is_not_sent_too(self) -> None:
        visit = self.asks(BROWSER)
        self.gate.asked[0][1].errback(Failure(BootFailed("it is broken")))
        self.network.advance(AFTER)
        self.assertEqual(visit.transport.value().count(b"HTTP/1.1"), 1)

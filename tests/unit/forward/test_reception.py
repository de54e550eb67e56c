"""Who wakes a sleeping webspace."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from attrs import evolve
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.forward.test_visit import VisitCase
from tests.unit.forward.wires import ENDPOINT, FakeLook, Wire
from webspaced.core.address import Endpoint
from webspaced.core.probing import Ask
from webspaced.core.visitor import CHALLENGES, Request
from webspaced.errors import BootFailed
from webspaced.forward.means import Destination
from webspaced.forward.reception import UNWOKEN_RETRY_AFTER, AgentIgnored, Reception, Wakers, WokeTooMany
from webspaced.forward.states import Stage
from webspaced.forward.visit import SILENCE
from webspaced.forward.visits import Visits
from webspaced.forward.web import WebVisit
from webspaced.lib.buckets import Buckets, Rate

PROXY, STRANGER, V6 = "127.0.0.1", "192.0.2.7", "2001:db8::1"
PAGE = Request(method="GET", path="/")
SCANNER = Request(method="GET", path="/", agent="Mozilla/5.0 zgrab/0.x")


def reception(clock: object, *asleep: int, agents: tuple[str, ...] = ("zgrab",), per_minute: int = 2) -> Reception:
    boots: Buckets[str] = Buckets(clock, Rate(per_minute / 60, per_minute), 100)
    return Reception(FakeLook(*asleep), Wakers(agents=agents, boots=boots, trusted=(ip_network("127.0.0.0/8"),)))


class Line:
    """A line whose peer has an address, or is gone."""

    def __init__(self, peer: str) -> None:
        self.peer = peer

    def ends(self) -> tuple[Endpoint, Endpoint] | None:
        return (Endpoint(ip_address(self.peer), 40000), ENDPOINT) if self.peer else None


class JudgeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.reception = reception(self.clock, 1, 2)

    def kinds(self, *visits: tuple[int, str, Request | None]) -> list[type | None]:
        found = [self.reception.hindrance(uid, Line(peer), request) for uid, peer, request in visits]
        return [each and type(each) for each in found]

    def test_an_ignored_agent_wakes_nobody_and_is_served_by_what_is_awake(self) -> None:
        self.assertEqual(self.kinds((1, PROXY, SCANNER), (3, PROXY, SCANNER)), [AgentIgnored, None])
        hindrance = self.reception.hindrance(1, Line(PROXY), SCANNER)
        self.assertEqual(hindrance.retry_after, UNWOKEN_RETRY_AFTER)

    def test_without_a_list_every_agent_wakes(self) -> None:
        self.reception = reception(self.clock, 1, agents=())
        self.assertEqual(self.kinds((1, PROXY, SCANNER), (1, PROXY, PAGE)), [None, None])

    def test_an_address_wakes_so_many_in_a_minute(self) -> None:
        self.assertEqual(self.kinds(*[(uid, STRANGER, None) for uid in (1, 2, 1)]), [None, None, WokeTooMany])
        self.assertEqual(self.kinds((1, "192.0.2.8", None)), [None])
        self.assertEqual(self.reception.hindrance(1, Line(STRANGER)).retry_after, 30.0)
        self.clock.advance(30)
        self.assertEqual(self.kinds(*[(1, STRANGER, None)] * 2), [None, WokeTooMany])

    def test_who_joins_costs_nothing(self) -> None:
        self.assertEqual(self.kinds(*[(3, STRANGER, None)] * 50, (1, STRANGER, None)), [None] * 51)

    def test_who_thaws_one_that_dozes_boots_nobody_and_an_ignored_agent_does_not_even_that(self) -> None:
        self.reception._look.dozing.add(4)
        self.assertEqual(self.kinds(*[(4, STRANGER, PAGE)] * 50, (4, STRANGER, SCANNER)), [None] * 50 + [AgentIgnored])

    def test_a_network_of_ipv6_is_one(self) -> None:
        visits = [(1, f"2001:db8::{number}", None) for number in (1, 2, 3)]
        self.assertEqual(self.kinds(*visits, (1, "2001:db8:0:1::1", None)), [None, None, WokeTooMany, None])

    def test_an_address_of_ipv4_is_one_on_every_socket(self) -> None:
        visits = [(1, peer, None) for peer in (STRANGER, f"::ffff:{STRANGER}", STRANGER)]
        self.assertEqual(self.kinds(*visits), [None, None, WokeTooMany])

    def test_a_trusted_proxy_tells_whose_visit_it_is(self) -> None:
        requests = [evolve(PAGE, forwarded_for=(each,)) for each in (STRANGER, "6.6.6.6, " + STRANGER, STRANGER, V6)]
        self.assertEqual(self.kinds(*[(1, PROXY, each) for each in requests]), [None, None, WokeTooMany, None])

    def test_others_are_not_believed_and_that_is_said_once(self) -> None:
        with capturedLogs() as events:
            visits = [(1, STRANGER, evolve(PAGE, forwarded_for=(each,))) for each in ("1.1.1.1", "1.1.1.2", "1.1.1.3")]
            self.assertEqual(self.kinds(*visits), [None, None, WokeTooMany])
        self.assertEqual([event.get("peer") for event in events], [STRANGER])

    def test_of_whom_only_the_proxy_is_known_there_is_no_bound(self) -> None:
        self.assertEqual(self.kinds(*[(1, PROXY, PAGE), (1, PROXY, None), (1, "", None)] * 5), [None] * 15)

    def test_0_is_no_bound(self) -> None:
        self.reception = reception(self.clock, 1, per_minute=0)
        self.assertEqual(self.kinds(*[(1, STRANGER, PAGE)] * 50), [None] * 50)

    def test_challenges_wake_whoever_asks_and_cost_nothing(self) -> None:
        challenge = evolve(SCANNER, path=f"{CHALLENGES}token")
        self.assertEqual(self.kinds(*[(1, STRANGER, challenge)] * 5, (1, STRANGER, PAGE)), [None] * 6)


def head(agent: str = "curl/8", path: str = "/", more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: alice.example.org\r\nUser-Agent: {agent}\r\n{more}\r\n".encode()


class WebCase(VisitCase):
    """Visits to a boot port of a webspace that sleeps."""

    destination = Destination(1, 80, Ask.HTTP)
    kind: type = WebVisit

    def setUp(self) -> None:
        super().setUp()
        self.patch(Wire, "getPeer", lambda _: IPv4Address("TCP", PROXY, 40000))
        self.reception = reception(self.network, 1)
        means = evolve(self.visits.means, reception=self.reception)
        self.visits = Visits(means, lambda: self.destination, self.kind)

    def asked(self) -> list[tuple[int, int, Ask]]:
        return [what for what, _ in self.gate.asked]

    def asks(self, said: bytes) -> WebVisit:
        visit = self.visitor()
        visit.dataReceived(said)
        return visit


class WebTests(WebCase):
    def test_nothing_is_woken_before_the_whole_head_is_there_and_nothing_of_it_is_lost(self) -> None:
        visit = self.visitor()
        said = head() + b"and a body"
        for piece in (said[:5], said[5:-12]):
            visit.dataReceived(piece)
            self.assertEqual((self.asked(), visit.stage, visit.transport.producerState), ([], Stage.ARRIVED, "producing"))
        visit.dataReceived(said[-12:])
        self.assertEqual((self.asked(), visit.stage), ([(1, 80, Ask.HTTP)], Stage.HELD))
        self.assertEqual(visit.transport.producerState, "paused")
        self.gate.open()
        backend = self.network.accept()
        visit.dataReceived(b", and more")
        self.assertEqual(backend.transport.value(), said + b", and more")

    def test_who_comes_to_one_that_is_ready_says_nothing_first(self) -> None:
        self.gate.now = ENDPOINT
        self.visitor()
        self.assertEqual(len(self.network.tcpClients), 1)

    def test_one_that_got_ready_meanwhile_is_reached_at_once(self) -> None:
        visit = self.visitor()
        self.gate.now = ENDPOINT
        visit.dataReceived(head())
        self.assertEqual((self.asked(), len(self.network.tcpClients)), ([], 1))

    def test_an_ignored_agent_is_told_to_come_later_and_wakes_nobody(self) -> None:
        visit = self.asks(head("ZGrab/0.x"))
        said = visit.transport.value()
        self.assertTrue(said.startswith(b"HTTP/1.1 503 "), said)
        for each in (b"\r\nRetry-After: 3600\r\n", b"\r\nCache-Control: no-store\r\n"):
            self.assertIn(each, said)
        self.assertEqual((self.asked(), self.visits.failed, self.places.held), ([], {"agent_ignored": 1}, 0))
        self.assertEqual(self.visits.means.refusals._spells, {})

    def test_it_joins_the_boot_of_somebody_else(self) -> None:
        self.reception._look.asleep.clear()
        self.asks(head("zgrab"))
        self.assertEqual(len(self.asked()), 1)

    def test_an_address_that_woke_too_many_is_told_until_when(self) -> None:
        more = f"X-Forwarded-For: {STRANGER}\r\n"
        visits = [self.asks(head(more=more)) for _ in range(3)]
        self.assertEqual([visit.stage for visit in visits], [Stage.HELD, Stage.HELD, Stage.REFUSED])
        self.assertIn(b"Retry-After: 30\r\n", visits[2].transport.value())
        self.assertEqual(self.visits.failed, {"woke_too_many": 1})
        self.assertEqual(list(self.visits.means.refusals._spells), [1])

    def test_who_says_no_whole_head_is_not_waited_for(self) -> None:
        quiet, slow = self.visitor(), self.asks(b"GET / HTTP/1.1\r\n")
        self.network.advance(SILENCE)
        self.assertEqual((quiet.transport.ends, slow.transport.ends, self.asked()), (["reset"], ["reset"], []))
        self.assertEqual(self.visits.failed, {"left": 2})

    def test_what_is_none_of_http_1_is_for_its_server_to_judge(self) -> None:
        for said in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\0\n\n"):
            self.assertEqual(self.asks(said).stage, Stage.HELD)

    def test_others_than_plain_http_are_held_byte_for_byte(self) -> None:
        for asks in (Ask.H2C, Ask.HTTPS, Ask.TLS):
            self.destination = Destination(1, 80, asks)
            self.assertEqual(self.visitor().stage, Stage.HELD)

    def test_where_tls_is_passed_through_the_plain_part_is_looked_at_further(self) -> None:
        self.destination = Destination(1, 8443, Ask.TLS, plain=80)
        tls, plain, scanner = self.asks(b"\x16\x03"), self.visitor(), self.visitor()
        for piece in (b"G", head("zgrab", f"{CHALLENGES}t")[1:]):
            self.assertEqual(plain.stage, Stage.ARRIVED)
            plain.dataReceived(piece)
        scanner.dataReceived(head("zgrab"))
        self.assertEqual([each.stage for each in (tls, plain, scanner)], [Stage.HELD, Stage.HELD, Stage.REFUSED])
        self.assertEqual(self.asked(), [(1, 8443, Ask.TLS), (1, 80, Ask.HTTP)])

    def test_a_boot_that_fails_is_told_as_ever(self) -> None:
        visit = self.asks(head())
        self.gate.asked[-1][1].errback(BootFailed("it is broken"))
        self.assertIn(b"it is broken", visit.transport.value())


class ForwardTests(WebCase):
    """On forwards addresses are the visitors' own, and nobody can be told anything."""

    destination = Destination(1, 22)

    def test_an_address_that_woke_too_many_is_reset(self) -> None:
        for peer in (IPv4Address("TCP", STRANGER, 40000), IPv6Address("TCP", V6, 40000)):
            self.setUp()
            self.patch(Wire, "getPeer", lambda _, peer=peer: peer)
            visits = [self.visitor() for _ in range(3)]
            self.assertEqual([visit.transport.ends for visit in visits], [[], [], ["reset"]])
            self.assertEqual((self.visits.failed, self.places.held), ({"woke_too_many": 1}, 2))

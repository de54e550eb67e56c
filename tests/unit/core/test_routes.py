"""Which route is wanted, and the least that must be written."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import product

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.address import Endpoint
from webspaced.core.protocol import Protocol
from webspaced.core.routes import Readiness, Route, Standing, difference, wanted_route

ADDRESS, OTHER = ip_address("10.7.0.5"), ip_address("10.7.0.6")
BOOT = Endpoint(ip_address("127.0.0.1"), 20007)
DIRECT = Endpoint(ADDRESS, 80)
STANDING = Standing(
    name="ws-u7", hosts=("alice.example.org",), http_port=80, passthrough=False, boot=BOOT, address=ADDRESS,
    readiness=Readiness.READY,
)  # fmt: skip

ENDPOINTS = st.builds(
    Endpoint, st.sampled_from(["10.7.0.5", "10.7.0.6", "fd42::5", "127.0.0.1"]).map(ip_address), st.integers(1, 65535)
)
ROUTES = st.builds(
    Route,
    name=st.just("x"),
    hosts=st.lists(st.sampled_from(["a.org", "b.org"]), max_size=2, unique=True).map(tuple),
    backend=ENDPOINTS,
    passthrough=st.booleans(),
    protocol=st.sampled_from(Protocol),
    challenges=st.none() | ENDPOINTS,
)
TABLES = st.dictionaries(st.sampled_from([f"ws-u{n}" for n in range(6)]), ROUTES)


class WantedTests(SynchronousTestCase):
    def test_ready_leads_to_the_container(self) -> None:
        wanted = wanted_route(STANDING, BOOT)
        self.assertEqual(wanted, Route(name="ws-u7", hosts=("alice.example.org",), backend=DIRECT))

    def test_stopped_leads_to_the_boot_port(self) -> None:
        for readiness in Readiness:
            standing = evolve(STANDING, address=None, readiness=readiness)
            self.assertEqual(wanted_route(standing, DIRECT).backend, BOOT)

    def test_unknown_keeps_a_direct_route_that_is_still_right(self) -> None:
        self.assertEqual(wanted_route(evolve(STANDING, readiness=Readiness.UNKNOWN), DIRECT).backend, DIRECT)

    def test_unknown_never_makes_a_route_direct(self) -> None:
        unknown = evolve(STANDING, readiness=Readiness.UNKNOWN)
        for published in (None, BOOT, Endpoint(OTHER, 80), Endpoint(ADDRESS, 81)):
            self.assertEqual(wanted_route(unknown, published).backend, BOOT, published)

    def test_a_port_that_never_answers_leads_to_the_boot_port(self) -> None:
        self.assertEqual(wanted_route(evolve(STANDING, readiness=Readiness.NEVER), DIRECT).backend, BOOT)

    def test_diverted_leads_to_the_boot_port_whatever_else_is_known(self) -> None:
        for readiness, published in product(Readiness, (None, DIRECT, BOOT)):
            standing = evolve(STANDING, diverted=True, readiness=readiness)
            self.assertEqual(wanted_route(standing, published).backend, BOOT)

    def test_an_address_that_anothers_visitors_may_still_use_is_not_taken_up(self) -> None:
        self.assertEqual(wanted_route(STANDING, BOOT, {ADDRESS}).backend, BOOT)
        self.assertEqual(wanted_route(STANDING, BOOT, {OTHER}).backend, DIRECT)

    def test_but_a_route_that_names_it_already_stays(self) -> None:
        self.assertEqual(wanted_route(STANDING, DIRECT, {ADDRESS}).backend, DIRECT)

    def test_passthrough_and_port_are_the_webspaces(self) -> None:
        wanted = wanted_route(evolve(STANDING, passthrough=True, http_port=8443), None)
        self.assertTrue(wanted.passthrough)
        self.assertEqual(wanted.backend, Endpoint(ADDRESS, 8443))

    def test_challenges_go_by_the_boot_port_whatever_the_webspace_does(self) -> None:
        for address in (None, ADDRESS):
            standing = evolve(STANDING, passthrough=True, address=address)
            self.assertEqual(wanted_route(standing, None).challenges, BOOT)
        self.assertIsNone(wanted_route(STANDING, None).challenges)

    def test_the_boot_port_speaks_what_the_container_speaks(self) -> None:
        for address, protocol in product((None, ADDRESS), Protocol):
            standing = evolve(STANDING, address=address, protocol=protocol)
            self.assertIs(wanted_route(standing, None).protocol, protocol)
            self.assertIs(wanted_route(evolve(standing, passthrough=True), None).protocol, Protocol.HTTP)

    @settings(deadline=None, max_examples=60)
    @given(st.sampled_from(Readiness), st.booleans(), st.none() | ENDPOINTS, st.sets(st.sampled_from([ADDRESS, OTHER])))
    def test_the_backend_is_its_own_address_or_its_own_boot_port_and_applying_it_twice_changes_nothing(
        self, readiness: Readiness, diverted: bool, published: Endpoint | None, taken: set
    ) -> None:
        standing = evolve(STANDING, readiness=readiness, diverted=diverted)
        wanted = wanted_route(standing, published, taken)
        self.assertIn(wanted.backend, (BOOT, DIRECT))
        self.assertEqual(wanted_route(standing, wanted.backend, taken), wanted)


class DifferenceTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=80)
    @given(TABLES, TABLES)
    def test_applying_it_gives_what_is_wanted_and_nothing_in_it_is_needless(
        self, actual: dict[str, Route], wanted: dict[str, Route]
    ) -> None:
        todo = difference(actual, wanted)
        applied = {name: route for name, route in {**actual, **todo.put}.items() if name not in todo.remove}
        self.assertEqual(applied, wanted)
        self.assertTrue(all(actual.get(name) != route for name, route in todo.put.items()))
        self.assertEqual(todo.remove, frozenset(actual) - frozenset(wanted))
        self.assertEqual(bool(todo), actual != wanted)

"""Which router comes first: never a webspace's before one that says more about one of its hosts."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.traefik.test_render import HOSTS
from webspaced.traefik.rules import CHALLENGE_PRIORITY, any_of, challenges_of, hosts_in, priority, unnamed

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
SHORTEST = "A" * 22
"""128 bits of it are the least (RFC 8555 section 8.3)."""
TRAEFIKS_OWN = "PathPrefix(`/.well-known/acme-challenge/`)"


class PriorityTests(SynchronousTestCase):
    @given(HOSTS, st.sampled_from([TOKEN, SHORTEST]))
    def test_a_solver_comes_before_every_host_it_answers_for(self, hosts: list[str], token: str) -> None:
        for host in hosts:
            solver = f"Host(`{host}`) && Path(`/.well-known/acme-challenge/{token}`)"
            self.assertGreater(len(solver), priority("Host", hosts))
            self.assertGreater(len(solver), CHALLENGE_PRIORITY)

    def test_however_many_and_long_they_are(self) -> None:
        hosts = [f"shop{n}.{'customer' * 8}.example" for n in range(20)]
        self.assertLess(priority("Host", hosts), len(TRAEFIKS_OWN))
        self.assertLess(len(TRAEFIKS_OWN), CHALLENGE_PRIORITY)
        self.assertGreater(priority("Host", ["a"]), 0)

    def test_whoever_names_just_this_host_comes_first(self) -> None:
        for matcher in ("Host", "HostSNI"):
            hosts = ["alices.net", "alice.example.org"]
            self.assertEqual(priority(matcher, hosts), len(any_of(matcher, hosts[:1])) - 1)

    def test_a_catch_all_comes_after_it(self) -> None:
        for rule in ("PathPrefix(`/`)", "HostRegexp(`.+`)"):
            self.assertGreater(priority("Host", ["alice.example.org", "foo.de"]), len(rule))


class RuleTests(SynchronousTestCase):
    @given(HOSTS)
    def test_hosts_are_read_back(self, hosts: list[str]) -> None:
        for matcher in ("Host", "HostSNI"):
            self.assertEqual(hosts_in(any_of(matcher, hosts)), hosts)

    def test_all_hosts_are_bound_to_the_path(self) -> None:
        self.assertEqual(challenges_of(["a.org", "b.org"]), f"(Host(`a.org`) || Host(`b.org`)) && {TRAEFIKS_OWN}")

    @given(HOSTS, HOSTS)
    def test_what_is_unnamed_is_just_these(self, hosts: list[str], others: list[str]) -> None:
        patterns = hosts_in(unnamed(hosts))
        for host in (*hosts, *others, *(each.replace(".", "x") for each in hosts)):
            self.assertEqual(any(re.search(pattern, host) for pattern in patterns), host in hosts)

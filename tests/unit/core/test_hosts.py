"""One owner for each host name."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.hosts import HostClaims

HOSTS = st.sampled_from(["a", "b", "c"])
UIDS = st.integers(1, 3)


class ClaimMachine(RuleBasedStateMachine):
    """Against a model that is one dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.claims = HostClaims()
        self.owner: dict[str, int] = {}

    @rule(host=HOSTS, uid=UIDS)
    def claim(self, host: str, uid: int) -> None:
        assert self.claims.claim(host, uid) == (self.owner.setdefault(host, uid) == uid)

    @rule(uid=UIDS, keep=st.sets(HOSTS))
    def release(self, uid: int, keep: set[str]) -> None:
        self.claims.release(uid, keep)
        self.owner = {host: owner for host, owner in self.owner.items() if owner != uid or host in keep}

    @invariant()
    def every_owner_keeps_its_own(self) -> None:
        for host, uid in self.owner.items():
            assert self.claims.claim(host, uid)


class HostTests(SynchronousTestCase):
    def test_the_first_keeps_a_name_until_it_lets_go(self) -> None:
        claims = HostClaims()
        self.assertTrue(claims.claim("a.org", 1))
        self.assertFalse(claims.claim("a.org", 2))
        claims.release(1, ())
        self.assertTrue(claims.claim("a.org", 2))

    def test_what_is_kept_stays(self) -> None:
        claims = HostClaims()
        claims.claim("a.org", 1)
        claims.release(1, ["a.org"])
        self.assertFalse(claims.claim("a.org", 2))

    def test_any_sequence(self) -> None:
        run_state_machine_as_test(ClaimMachine, settings=settings(deadline=None, max_examples=30, stateful_step_count=20))

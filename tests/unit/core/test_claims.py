"""The latest grant wins, whoever asks, in whatever order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.claims import AHEAD, FIRST_TIME, Claim, Grants, believed, load_grants, winner

CLAIMS = st.lists(
    st.builds(Claim, uid=st.integers(1, 5), granted=st.sampled_from([0.0, 1.0, 2.0]), born=st.sampled_from(["a", "b"])),
    unique_by=lambda claim: claim.uid,
    max_size=5,
)


class WinnerTests(SynchronousTestCase):
    def test_nobody(self) -> None:
        self.assertIsNone(winner([]))

    def test_the_latest_grant(self) -> None:
        old, new = Claim(uid=1, granted=1.0, born="a"), Claim(uid=2, granted=2.0, born="b")
        self.assertIs(winner([old, new]), new)

    def test_before_grants_were_kept_the_older_instance_then_the_smaller_id(self) -> None:
        copy, original = Claim(uid=1, granted=0.0, born="b"), Claim(uid=2, granted=0.0, born="a")
        self.assertIs(winner([copy, original]), original)
        twins = [Claim(uid=uid, granted=0.0, born="a") for uid in (3, 2)]
        self.assertEqual(winner(twins), twins[1])

    @settings(deadline=None, max_examples=60)
    @given(CLAIMS, st.randoms())
    def test_the_order_in_which_they_are_seen_does_not_matter(self, claims: list[Claim], random: object) -> None:
        shuffled = list(claims)
        random.shuffle(shuffled)
        won = winner(claims)
        self.assertEqual(winner(shuffled), won)
        if won is not None:
            self.assertEqual(won.granted, max(claim.granted for claim in claims))


class BelievedTests(SynchronousTestCase):
    NOW = FIRST_TIME + 1e6

    def test_what_lies_in_the_future_has_no_time(self) -> None:
        self.assertEqual(believed(self.NOW + AHEAD + 1, self.NOW), 0.0)

    def test_what_is_past_or_a_little_ahead_has(self) -> None:
        for granted in (0.0, 5.0, self.NOW, self.NOW + AHEAD):
            self.assertEqual(believed(granted, self.NOW), granted)

    def test_a_clock_that_was_never_set_judges_nothing(self) -> None:
        self.assertEqual(believed(self.NOW, 86400.0), self.NOW)


class GrantsTests(SynchronousTestCase):
    def test_what_is_kept_is_read_back(self) -> None:
        grants = Grants(name=3.0).with_port(40000, 1.5).with_domain("a.example", 2.5)
        self.assertEqual(load_grants(grants.to_json(), [40000], ["a.example"]), grants)
        grants = grants.with_lost(["a.example"])
        self.assertEqual(load_grants(grants.to_json(), [40000], ["a.example"]), grants)
        grants = Grants(boot={20001: 1.5})
        self.assertEqual(load_grants(grants.to_json(), [], []), grants)
        self.assertEqual([grants.of_boot_port(port) for port in (20001, 20002, None)], [1.5, 0.0, 0.0])

    def test_a_domain_that_is_granted_anew_is_not_lost(self) -> None:
        grants = Grants().with_lost(["a.example", "b.example"]).with_domain("a.example", 2.5)
        self.assertEqual(grants.lost, {"b.example"})
        self.assertEqual(grants.only([], ["a.example"]).lost, frozenset())

    def test_of_what_is_not_there_nothing_is_kept(self) -> None:
        grants = Grants().with_port(40000, 1.5).with_domain("a.example", 2.5)
        self.assertEqual(grants.only([], []).to_json(), {})
        self.assertEqual(load_grants(grants.to_json(), [], []), Grants())

    def test_what_is_none_counts_as_before_grants_were_kept(self) -> None:
        for odd in (None, [], "x", {"ports": [], "domains": 7, "name": "x"}, {"ports": {"40000": True}, "name": -1}):
            self.assertEqual(load_grants(odd, [40000], ["a.example"]), Grants())
        for lost in (7, "a.example", [[], 7]):
            self.assertEqual(load_grants({"lost": lost}, [], ["a.example"]), Grants())
        for boot in ([], 7, {"x": 1}, {"²": 1}, {"20001": "1"}, {"20001": -1}, {"9" * 5000: 1}):
            self.assertEqual(load_grants({"boot": boot}, [], []), Grants())
        for odd in (float("inf"), float("nan"), -1, "1", None, 1e300, 10**400):
            self.assertEqual(load_grants({"ports": {"40000": odd}}, [40000], []).of_port(40000), 0.0)

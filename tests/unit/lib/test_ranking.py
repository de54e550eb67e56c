from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.ranking import Ranking


class RankingTests(SynchronousTestCase):
    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=60))
    def test_it_counts_and_knows_who_has_the_most(self, steps: list[tuple[str, bool]]) -> None:
        ranking: Ranking[str] = Ranking()
        counts: Counter[str] = Counter()
        for key, more in steps:
            if more:
                ranking.add(key)
            elif counts[key]:
                ranking.remove(key)
            counts[key] = max(0, counts[key] + (1 if more else -1))
        there = +counts
        self.assertEqual({key: ranking[key] for key in "abcdef"}, {key: counts[key] for key in "abcdef"})
        self.assertEqual(bool(ranking), bool(there))
        for number in (1, 3, 9):
            first = [ranking[key] for key in ranking.first(number)]
            self.assertEqual(first, sorted(there.values(), reverse=True)[:number])

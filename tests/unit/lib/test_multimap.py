from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.multimap import Multimap

GIVEN = st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(0, 5))), max_size=20)


class MultimapTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=100)
    @given(GIVEN)
    def test_owners_are_those_to_whom_a_key_was_given_last(self, given: list[tuple[int, set[int]]]) -> None:
        multimap: Multimap[int, int] = Multimap()
        for owner, keys in given:
            multimap.give(owner, keys)
        last = dict(given)
        for key in range(6):
            self.assertEqual(multimap.owners(key), {owner for owner, keys in last.items() if key in keys})
        for owner in last:
            multimap.give(owner, ())
        self.assertEqual((multimap._keys, multimap._owners), ({}, {}))

"""Giving out unique numbers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.ports import free_ports


class FreePortTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=100)
    @given(st.integers(1, 50), st.integers(0, 30), st.sets(st.integers(0, 80)), st.data())
    def test_each_free_one_exactly_once_from_the_picked_place_on(
        self, start: int, length: int, used: set[int], data: st.DataObject
    ) -> None:
        ports = range(start, start + length)
        place = data.draw(st.integers(0, max(0, length - 1)))
        given_out = list(free_ports(ports, used, lambda _: place))
        self.assertEqual(sorted(given_out), sorted(set(ports) - used))
        if length and ports[place] not in used:
            self.assertEqual(given_out[0], ports[place])

    def test_the_first_skips_what_is_used(self) -> None:
        self.assertEqual(next(free_ports(range(5, 8), {7, 5}, lambda _: 2)), 6)

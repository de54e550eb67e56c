"""Shares by cause: whoever takes much loses first, and who needs one place gets it."""

from __future__ import annotations

from attrs import define
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.places import LEAST_IDLE, LOOKS, Places


@define(eq=False)
class Holder:
    """``quiet``: for so many seconds."""

    quiet: float = 0.0
    looked: int = 0
    lost: Places | None = None

    def idle(self) -> float:
        self.looked += 1
        return self.quiet

    def displaced(self, places: Places) -> None:
        self.lost = places


class PlacesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.places = Places(6, 4, 3)

    def take(self, uid: int, visitor: str = "", *, quiet: float = 0.0) -> Holder | None:
        holder = Holder(quiet)
        return holder if self.places.take(uid, holder, visitor) else None

    def crowd(self, number: int, uid: int, visitor: str = "", *, quiet: float = 0.0) -> list[Holder]:
        found = [self.take(uid, visitor, quiet=quiet) for _ in range(number)]
        assert None not in found
        return found  # type: ignore[return-value]

    def lost(self, holders: list[Holder]) -> int:
        return sum(each.lost is self.places for each in holders)

    def test_all_three_bounds_while_everybody_is_busy(self) -> None:
        self.crowd(3, 1, "a", quiet=-1)
        # Of the visitor, in whatever webspace; of the webspace, whoever it is; of all.
        self.assertIsNone(self.take(2, "a"))
        self.crowd(1, 1, "b")
        self.assertIsNone(self.take(1, "c"))
        self.crowd(2, 2, "b")
        self.assertIsNone(self.take(3, "c"))
        self.assertEqual((self.places.held, self.places.full, self.places.has_room()), (6, True, False))

    def test_a_visitor_without_a_name_has_no_bound_of_its_own(self) -> None:
        self.crowd(4, 1)
        self.crowd(2, 2)

    def test_a_visitor_makes_room_for_itself(self) -> None:
        (old,) = self.crowd(1, 1, "a", quiet=9)
        busy, others = self.crowd(2, 2, "a"), self.crowd(1, 2, "b", quiet=99)
        self.assertIsNotNone(self.take(3, "a"))
        self.assertEqual((self.lost([old]), self.lost(busy + others), self.places.held), (1, 0, 4))

    def test_and_ends_what_it_used_a_moment_ago_if_there_is_nothing_else(self) -> None:
        first, second, third = self.crowd(3, 1, "a", quiet=0.0)
        second.quiet = 0.1
        for lost in (second, first):
            self.assertIsNotNone(self.take(1, "a"))
            self.assertIs(lost.lost, self.places)
        self.assertIsNone(third.lost)

    def test_a_webspace_makes_room_for_itself_and_whoever_has_the_most_there_begins(self) -> None:
        few, many = self.crowd(1, 1, "b", quiet=99), self.crowd(3, 1, "a", quiet=9)
        others = self.crowd(1, 2, "c", quiet=99)
        self.assertIsNotNone(self.take(1, "d"))
        self.assertEqual((self.lost(few + others), self.lost(many)), (0, 1))

    def test_the_fullest_webspace_makes_room_for_others(self) -> None:
        small, large = self.crowd(2, 1, "a", quiet=99), self.crowd(1, 2, "b", quiet=9) + self.crowd(3, 2, "c", quiet=9)
        self.assertTrue(self.places.has_room())
        # To ask takes nothing from anybody.
        self.assertEqual(self.lost(small + large), 0)
        self.assertIsNotNone(self.take(3, "d"))
        self.assertEqual((self.lost(small), self.lost(large[:1]), self.lost(large[1:])), (0, 0, 1))

    def test_nobody_makes_room_for_a_webspace_that_has_more(self) -> None:
        small = self.crowd(2, 1, "a", quiet=99)
        self.crowd(2, 2, "b")
        self.crowd(1, 2, "c")
        self.crowd(1, 3, "d")
        self.assertIsNone(self.take(2, "e"))
        self.assertEqual(self.lost(small), 0)

    def test_the_one_of_whom_nothing_was_seen_for_longest(self) -> None:
        self.places = Places(3, 3)
        first, second, third = self.crowd(3, 1, "a", quiet=LEAST_IDLE)
        first.quiet = LEAST_IDLE / 2
        self.assertIsNotNone(self.take(1, "a"))
        self.assertEqual((first.lost, second.lost, third.lost), (None, self.places, None))
        first.quiet = LEAST_IDLE
        # The one that was busy is last in line by now.
        self.assertIsNotNone(self.take(1, "a"))
        self.assertEqual((first.lost, third.lost), (None, self.places))

    def test_a_newcomer_costs_so_many_looks_however_many_there_are(self) -> None:
        self.places = Places(1000, 1000)
        busy = self.crowd(1000, 1, "a")
        self.assertIsNone(self.take(2, "b"))
        self.assertEqual(sum(each.looked for each in busy), LOOKS)

    def test_what_the_machine_has_room_for(self) -> None:
        self.places.fits = lambda: self.places.held < 2
        (old, _) = self.crowd(2, 1, quiet=0.0)
        self.assertIsNone(self.take(2))
        old.quiet = 5
        self.assertIsNotNone(self.take(2))
        self.assertEqual((self.lost([old]), self.places.held), (1, 2))

    def test_given_back_once(self) -> None:
        one, other = self.crowd(2, 1, "a")
        for _ in range(2):
            self.places.give_back(1, one, "a")
        self.assertEqual(self.places.held, 1)
        self.places.give_back(1, other, "a")
        self.assertEqual((self.places.held, self.places._groups, self.places._visitors_of), (0, {}, {}))
        self.assertEqual((self.places._webspaces_of, bool(self.places._webspaces)), ({}, False))

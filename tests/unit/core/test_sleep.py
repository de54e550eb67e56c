"""When who sleeps how deep, and who makes room."""

from __future__ import annotations

from datetime import timedelta, timezone
from math import inf

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.room import Candidate, Memory, next_to_stop
from webspaced.core.schedule import parse_quiet_hours
from webspaced.core.sleep import Depth, Floors, Habits, Sleep, SleepRules, Usage

FLOORS = Floors(sent=60, received=600, cpu=6)
RULES = SleepRules(doze_after=60, stop_after=600, least=10, allow=frozenset({"doze", "awake", "sleepAfter"}))
USAGES = st.builds(
    Usage, cpu=st.floats(0, 1e6), received=st.integers(0, 1 << 40), sent=st.integers(0, 1 << 40)
)
IDLE = st.floats(0, 1e6)
RULES_OF_ALL = st.builds(
    SleepRules, doze_after=st.floats(0, 1e5), stop_after=st.floats(0, 1e5), least=st.floats(0, 100),
    allow=st.frozensets(st.sampled_from(["doze", "awake", "sleepAfter", "keepAwake", "quietHours"])),
)  # fmt: skip


class ActivityTests(SynchronousTestCase):
    def test_each_of_the_three_counts_beyond_its_floor(self) -> None:
        before = Usage(cpu=100, received=1000, sent=1000)
        for used, active in (
            (Usage(cpu=112, received=2200, sent=1120), False),
            (Usage(cpu=112.1, received=1000, sent=1000), True),
            (Usage(cpu=100, received=2201, sent=1010), True),
            (Usage(cpu=100, received=1000, sent=1121), True),
        ):
            self.assertIs(used.is_activity(before, 120, FLOORS), active, used)

    def test_what_nobody_answers_is_for_all(self) -> None:
        before = Usage(cpu=100, received=1000, sent=1000)
        self.assertFalse(Usage(cpu=100, received=10_001_000, sent=1000).is_activity(before, 60, FLOORS))
        self.assertTrue(Usage(cpu=100, received=10_001_000, sent=11_001).is_activity(before, 60, FLOORS))

    def test_in_less_than_a_minute_the_network_may_move_as_much_as_in_one(self) -> None:
        before = Usage(cpu=100, received=1000, sent=1000)
        self.assertFalse(Usage(cpu=103, received=1600, sent=1060).is_activity(before, 30, FLOORS))
        for used in (
            Usage(cpu=103.1, received=1000, sent=1000),
            Usage(cpu=100, received=1601, sent=1010),
            Usage(cpu=100, received=1000, sent=1061),
        ):
            self.assertTrue(used.is_activity(before, 30, FLOORS), used)

    def test_counters_that_begin_anew(self) -> None:
        self.assertTrue(Usage().is_activity(Usage(cpu=1), 30, FLOORS))

    @given(USAGES)
    def test_nothing_is_no_activity(self, usage: Usage) -> None:
        self.assertFalse(usage.is_activity(usage, 1, FLOORS))


class HabitTests(SynchronousTestCase):
    def test_first_it_dozes_and_then_it_is_stopped(self) -> None:
        habits = RULES.habits(Sleep.AUTO, None, kept_awake=False)
        seen = [habits.due(idle, Depth.AWAKE) for idle in (59, 60, 599, 600)]
        self.assertEqual(seen, [Depth.AWAKE, Depth.DOZING, Depth.DOZING, Depth.ASLEEP])
        self.assertEqual((habits.next_after(Depth.AWAKE), habits.next_after(Depth.DOZING)), (60, 600))

    def test_what_a_member_says(self) -> None:
        for wish, after, habits in (
            (Sleep.DOZE, None, Habits(doze_after=60)),
            (Sleep.AWAKE, None, Habits()),
            (Sleep.AUTO, 120.0, Habits(doze_after=120, stop_after=600)),
            (Sleep.AUTO, 3600.0, Habits(doze_after=3600, stop_after=3600)),
            (Sleep.AUTO, 1.0, Habits(doze_after=10, stop_after=600)),
        ):
            self.assertEqual(RULES.habits(wish, after, kept_awake=False), habits, (wish, after))
        self.assertEqual(RULES.habits(Sleep.AUTO, None, kept_awake=True), Habits())

    def test_what_is_not_allowed_any_more_counts_for_nothing(self) -> None:
        strict = SleepRules(doze_after=60, stop_after=600)
        for wish in Sleep:
            self.assertEqual(strict.habits(wish, 5000.0, kept_awake=False), Habits(doze_after=60, stop_after=600))
            self.assertTrue(strict.may_be_stopped(wish, kept_awake=False))

    def test_where_the_operator_only_stops_the_member_says_after_what_time(self) -> None:
        rules = SleepRules(stop_after=600, allow=frozenset({"sleepAfter"}))
        self.assertEqual(rules.habits(Sleep.AUTO, 120.0, kept_awake=False), Habits(stop_after=120))

    def test_by_default_nothing_ever_sleeps(self) -> None:
        self.assertFalse(SleepRules().is_on)
        self.assertIs(SleepRules().habits(Sleep.AUTO, None, kept_awake=False).due(1e9, Depth.AWAKE), Depth.AWAKE)

    def test_in_quiet_hours_it_sleeps_soon_whatever_its_member_wants_at_other_times(self) -> None:
        for wish, after, habits in (
            (Sleep.AUTO, None, Habits(doze_after=10, stop_after=600)),
            (Sleep.AUTO, 5000.0, Habits(doze_after=10, stop_after=600)),
            (Sleep.AWAKE, None, Habits(doze_after=10, stop_after=600)),
            (Sleep.DOZE, None, Habits(doze_after=10)),
        ):
            self.assertEqual(RULES.habits(wish, after, kept_awake=False, quiet=True), habits, (wish, after))
        stops = evolve(RULES, doze_after=0)
        for wish in Sleep:
            self.assertEqual(stops.habits(wish, None, kept_awake=False, quiet=True), Habits(stop_after=10), wish)
            self.assertTrue(stops.may_be_stopped(wish, kept_awake=False, quiet=True))
        self.assertFalse(RULES.may_be_stopped(Sleep.DOZE, kept_awake=False, quiet=True))

    def test_a_word_for_now_counts_in_quiet_hours_too(self) -> None:
        self.assertEqual(RULES.habits(Sleep.AUTO, None, kept_awake=True, quiet=True), Habits())

    def test_one_that_only_a_schedule_wanted_sleeps_soon_but_as_its_member_wants(self) -> None:
        for wish, after, habits in (
            (Sleep.AUTO, None, Habits(doze_after=10, stop_after=600)),
            (Sleep.AUTO, 5000.0, Habits(doze_after=10, stop_after=5000)),
            (Sleep.AWAKE, None, Habits()),
            (Sleep.DOZE, None, Habits(doze_after=10)),
        ):
            self.assertEqual(RULES.habits(wish, after, kept_awake=False, unasked=True), habits, (wish, after))

    def test_soon_is_never_later(self) -> None:
        hasty = SleepRules(doze_after=5, stop_after=600, least=60)
        self.assertEqual(hasty.habits(Sleep.AUTO, None, kept_awake=False, quiet=True).doze_after, 5)
        self.assertEqual(SleepRules(least=60).habits(Sleep.AUTO, None, kept_awake=False, quiet=True), Habits())
        odd = SleepRules(doze_after=600, stop_after=300, least=60)
        self.assertEqual(odd.habits(Sleep.AUTO, None, kept_awake=False, unasked=True).stop_after, 60)

    def test_quiet_hours_where_they_are_allowed(self) -> None:
        hours = parse_quiet_hours(["23:00-07:00"])
        rules = evolve(RULES, allow=RULES.allow | {"quietHours"})
        self.assertEqual([rules.is_quiet(hours, at) for at in (0, 7 * 3600)], [True, False])
        self.assertFalse(rules.is_quiet((), 0))
        self.assertEqual(rules.next_quiet(hours, 0), 23 * 3600)
        self.assertEqual((RULES.is_quiet(hours, 0), RULES.next_quiet(hours, 0)), (False, inf))
        # It is the operator's time zone in which they are meant.
        self.assertFalse(evolve(rules, zone=timezone(timedelta(hours=8))).is_quiet(hours, 0))

    @given(RULES_OF_ALL, st.sampled_from(Sleep), st.none() | st.floats(1, 1e5), st.booleans(), st.booleans())
    def test_quiet_or_unasked_never_keeps_it_awake_for_longer(
        self, rules: SleepRules, wish: Sleep, after: float | None, quiet: bool, unasked: bool
    ) -> None:
        usual = rules.habits(wish, after, kept_awake=False)
        habits = rules.habits(wish, after, kept_awake=False, quiet=quiet, unasked=unasked)
        self.assertTrue(habits.next_after(Depth.AWAKE) <= usual.next_after(Depth.AWAKE))

    @given(RULES_OF_ALL, st.sampled_from(Sleep), st.none() | st.floats(1, 1e5), IDLE, IDLE)
    def test_who_is_idle_for_longer_never_sleeps_less_deep(
        self, rules: SleepRules, wish: Sleep, after: float | None, one: float, other: float
    ) -> None:
        depths = list(Depth)
        habits = rules.habits(wish, after, kept_awake=False)
        shorter, longer = (depths.index(habits.due(idle, Depth.AWAKE)) for idle in sorted((one, other)))
        self.assertTrue(shorter <= longer)

    @given(RULES_OF_ALL, st.sampled_from(Sleep), st.none() | st.floats(1, 1e5), IDLE, st.sampled_from(Depth))
    def test_idleness_alone_wakes_nobody_and_what_is_told_is_what_happens(
        self, rules: SleepRules, wish: Sleep, after: float | None, idle: float, depth: Depth
    ) -> None:
        depths, habits = list(Depth), rules.habits(wish, after, kept_awake=False)
        due = habits.due(idle, depth)
        self.assertTrue(depths.index(due) >= depths.index(depth))
        self.assertEqual(due is not depth, idle >= habits.next_after(depth))


class RoomTests(SynchronousTestCase):
    def test_the_dozing_ones_first_and_of_them_the_one_that_was_idle_longest(self) -> None:
        awake = Candidate(uid=1, depth=Depth.AWAKE, idle=900)
        dozing = [Candidate(uid=uid, depth=Depth.DOZING, idle=100 * uid) for uid in (2, 4, 3)]
        asleep = Candidate(uid=9, depth=Depth.ASLEEP, idle=1e9)
        left, order = [awake, *dozing, asleep], []
        while (each := next_to_stop(left, 60)) is not None:
            left.remove(each)
            order.append(each.uid)
        self.assertEqual(order, [4, 3, 2, 1])

    def test_nobody_who_was_active_of_late(self) -> None:
        self.assertIsNone(next_to_stop([Candidate(uid=1, depth=Depth.AWAKE, idle=59.9)], 60))

    @given(st.lists(st.builds(Candidate, uid=st.integers(), depth=st.sampled_from(Depth), idle=IDLE)), IDLE)
    def test_it_is_one_of_them_and_may_be_stopped(self, candidates: list[Candidate], least: float) -> None:
        chosen = next_to_stop(candidates, least)
        fit = [each for each in candidates if each.depth is not Depth.ASLEEP and each.idle >= least]
        self.assertEqual(chosen in fit, bool(fit))

    def test_free_memory_is_a_share(self) -> None:
        self.assertEqual(Memory(total=100, used=75).free, 0.25)
        self.assertEqual((Memory(total=0, used=0).free, Memory(total=10, used=20).free), (1.0, 0.0))

"""One leads, whatever happens to the others, to the store of the lease, or to time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.lease import LeaseContract
from tests.unit.fake_lease import FakeLease, Stored
from tests.unit.timing import Time, watch
from webspaced.core.lease import LeaseTimes
from webspaced.errors import Conflict
from webspaced.leadership.struggle import Leadership, Standing

TIMES = LeaseTimes()
FAULTS = ("away", "lost", "hung", "well")


class FakeLeaseTests(SynchronousTestCase, LeaseContract):
    def setUp(self) -> None:
        self.clock, stored = Time(), Stored()
        self.first, self.second = FakeLease(self.clock, stored), FakeLease(self.clock, stored)

    def drive(self, test: object) -> None:
        self.clock.result_of(test)


class Party:
    """A daemon that wants to lead; ``heard`` has its changes of standing."""

    def __init__(self, clock: Time, stored: Stored, name: str, *, queues: bool = True) -> None:
        self.lease = FakeLease(clock, stored)
        self.leadership = Leadership(clock, self.lease, name, TIMES, queues=queues)
        self.heard: list[Standing] = []
        self.leadership.subscribe(self.heard.append)
        self.elected = watch(self.leadership.run())

    @property
    def leads(self) -> bool:
        return self.leadership.holds()


class LeadershipCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.stored = Stored()

    def party(self, name: str, *, queues: bool = True) -> Party:
        return Party(self.clock, self.stored, name, queues=queues)

    def leader(self, name: str = "a") -> Party:
        party = self.party(name)
        self.assertTrue(self.clock.run_until(lambda: party.leads, 1.0))
        return party


class SuspendedMachineTests(LeadershipCase):
    def test_who_slept_for_longer_than_the_lease_writes_nothing(self) -> None:
        """A suspended machine's monotonic clock stands still, and its timers with it; others' clocks went on."""
        slept = [0.0]
        leadership = Leadership(
            self.clock, FakeLease(self.clock, self.stored), "a", TIMES, now=lambda: self.clock.seconds() + slept[0]
        )
        leadership.run()
        self.assertTrue(self.clock.run_until(leadership.holds, 1.0))
        slept[0] = 3600.0
        self.assertFalse(leadership.holds())
        self.clock.run_for(TIMES.deadline)
        # Nobody took it meanwhile: it is renewed, and counts from then.
        self.assertTrue(leadership.holds())

    def test_who_slept_finds_out_who_leads_now(self) -> None:
        slept = [0.0]
        leadership = Leadership(
            self.clock, FakeLease(self.clock, self.stored), "a", TIMES, now=lambda: self.clock.seconds() + slept[0]
        )
        leadership.run()
        self.clock.run_until(leadership.holds, 1.0)
        slept[0] = 3600.0
        self.clock.result_of(FakeLease(self.clock, self.stored).write("b_1", self.stored.claim))
        self.clock.run_for(TIMES.pause + 1)
        self.assertEqual((leadership.holds(), leadership.standing), (False, Standing.OVER))

    def test_a_lease_that_ends_is_noticed_though_its_clock_is_behind(self) -> None:
        ahead = [0.0]
        leadership = Leadership(
            self.clock, lease := FakeLease(self.clock, self.stored), "a", TIMES, now=lambda: self.clock.seconds() - ahead[0]
        )
        leadership.run()
        self.clock.run_until(leadership.holds, 1.0)
        ahead[0], lease.away = 0.1, True
        self.clock.run_for(TIMES.deadline + 1)
        self.assertEqual(leadership.standing, Standing.SUSPENDED)

    def test_a_clock_that_is_set_back_makes_no_second_leader(self) -> None:
        clocks = [Time(), Time()]
        first = Party(clocks[0], self.stored, "a")
        self.assertTrue(clocks[0].run_until(lambda: first.leads, 1.0))
        clocks[0].run_for(30)
        second = Party(clocks[1], self.stored, "b")
        clocks[0].rightNow -= 60
        for _ in range(240):
            for clock in clocks:
                clock.run_for(0.5)
            self.assertFalse(first.leads and second.leads)
        self.assertTrue(second.leads)


class ElectionTests(LeadershipCase):
    def test_the_first_leads_at_once_and_goes_on(self) -> None:
        party = self.leader()
        self.assertTrue(party.elected.done)
        for _ in range(50):
            self.clock.run_for(3.0)
            self.assertTrue(party.leads)
        self.assertEqual((party.heard, self.stored.name), ([], "a"))

    def test_the_second_waits(self) -> None:
        first, second = self.leader("a"), self.party("b")
        self.clock.run_for(100)
        self.assertEqual((first.leads, second.leads, second.elected.done), (True, False, False))
        self.assertEqual(second.lease.writes, 0)

    def test_an_orderly_end_is_taken_over_within_a_pause(self) -> None:
        first, second = self.leader("a"), self.party("b")
        self.clock.run_for(30)
        self.clock.result_of(first.leadership.release())
        self.assertEqual((first.leads, first.heard), (False, [Standing.OVER]))
        self.clock.run_for(TIMES.pause + 0.1)
        self.assertTrue(second.leads)
        self.clock.run_for(60)
        self.assertEqual(self.stored.name, "b")

    def test_a_crash_is_taken_over_within_the_lease_time(self) -> None:
        first, second = self.leader("a"), self.party("b")
        self.clock.run_for(30)
        first.leadership._running.cancel()
        died = self.clock.seconds()
        self.clock.run_until(lambda: second.leads, 100)
        self.assertLessEqual(self.clock.seconds() - died, TIMES.duration + TIMES.pause + 0.1)
        self.assertGreaterEqual(self.clock.seconds() - died, TIMES.duration - TIMES.pause)

    def test_a_restart_under_the_same_name_need_not_wait(self) -> None:
        first = self.leader("a")
        self.clock.run_for(30)
        first.leadership._running.cancel()
        self.assertTrue(self.leader("a").leads)

    def test_without_a_queue_the_second_is_refused_as_soon_as_the_first_is_seen_alive(self) -> None:
        self.leader("a")
        second = self.party("b", queues=False)
        self.clock.run_for(2 * TIMES.pause + 0.1)
        with self.assertRaisesRegex(Conflict, "a serves these webspaces already"):
            second.elected.value  # noqa: B018
        self.clock.run_for(100)
        self.assertEqual((second.lease.writes, self.stored.name), (0, "a"))

    def test_without_a_queue_a_dead_ones_lease_is_taken_after_its_time(self) -> None:
        first = self.leader("a")
        first.leadership._running.cancel()
        second = self.party("b", queues=False)
        self.clock.run_for(TIMES.duration + TIMES.pause + 0.1)
        self.assertTrue(second.leads)

    def test_who_stops_while_waiting_leaves_the_lease_alone(self) -> None:
        self.leader("a")
        second = self.party("b")
        self.clock.run_for(5)
        self.clock.result_of(second.leadership.release())
        with self.assertRaises(CancelledError):
            second.elected.value  # noqa: B018
        self.clock.run_for(100)
        self.assertEqual((self.stored.name, second.lease.writes), ("a", 0))

    def test_a_store_that_is_away_is_waited_for(self) -> None:
        party = self.party("a")
        party.lease.away = True
        self.clock.run_for(60)
        self.assertFalse(party.leads)
        party.lease.away = False
        self.clock.run_for(TIMES.pause + 0.1)
        self.assertTrue(party.leads)


class LossTests(LeadershipCase):
    def test_it_stops_writing_before_another_can_lead_and_ends_then(self) -> None:
        first, second = self.leader("a"), self.party("b")
        self.clock.run_for(30)
        first.lease.away = True
        self.clock.run_until(lambda: not first.leads, 100)
        self.assertFalse(second.leads)
        ended = self.clock.seconds()
        self.clock.run_until(lambda: second.leads, 100)
        self.assertGreater(self.clock.seconds(), ended + 1)
        self.assertEqual(first.heard, [Standing.SUSPENDED])
        first.lease.away = False
        self.clock.run_for(TIMES.pause + 0.1)
        self.assertEqual(first.heard, [Standing.SUSPENDED, Standing.OVER])
        self.clock.run_for(100)
        self.assertEqual((second.leads, self.stored.name), (True, "b"))

    def test_if_nobody_took_it_it_goes_on(self) -> None:
        first = self.leader("a")
        first.lease.away = True
        self.clock.run_for(300)
        self.assertFalse(first.leads)
        first.lease.away = False
        self.clock.run_for(TIMES.pause + 0.1)
        self.assertTrue(first.leads)
        self.assertEqual(first.heard, [Standing.SUSPENDED, Standing.LEADING])

    def test_it_is_suspended_at_its_deadline_whatever_it_waits_for(self) -> None:
        first = self.leader("a")
        self.clock.run_for(3 * TIMES.pause)
        renewed = first.leadership._renewed
        first.lease.hung = True
        self.clock.run_until(lambda: bool(first.heard), 100)
        self.assertAlmostEqual(self.clock.seconds(), renewed + TIMES.deadline, places=3)

    def test_two_of_one_name_do_not_lead_side_by_side(self) -> None:
        first, second = self.leader("a"), self.leader("a")
        self.clock.run_for(2 * TIMES.pause + 0.1)
        self.assertEqual((first.leads, first.heard[-1], second.leads), (False, Standing.OVER, True))
        self.clock.run_for(100)
        self.assertTrue(second.leads)

    def test_if_somebody_had_it_meanwhile_it_ends_though_nobody_has_it_now(self) -> None:
        first, second = self.leader("a"), self.party("b")
        first.lease.away = True
        self.clock.run_until(lambda: second.leads, 100)
        self.clock.result_of(second.leadership.release())
        first.lease.away = False
        self.clock.run_for(2 * TIMES.pause + 0.1)
        self.assertEqual((first.leads, first.heard[-1]), (False, Standing.OVER))

    def test_a_store_that_hangs_is_one_that_is_away(self) -> None:
        first, second = self.leader("a"), self.party("b")
        self.clock.run_for(30)
        first.lease.hung = True
        self.clock.run_until(lambda: not first.leads, 100)
        self.assertFalse(second.leads)
        first.lease.hung = False
        self.clock.run_for(100)
        self.assertNotEqual(first.leads, second.leads)

    def test_lost_answers_do_not_depose(self) -> None:
        first = self.leader("a")
        for _ in range(5):
            first.lease.lost = True
            self.clock.run_for(5)
            first.lease.lost = False
            self.clock.run_for(TIMES.pause + 1)
            self.assertTrue(first.leads)
        self.assertNotIn(Standing.OVER, first.heard)

    def test_a_lease_that_an_operator_deleted_is_written_again(self) -> None:
        first = self.leader("a")
        self.stored.claim = None
        self.clock.run_for(2 * TIMES.pause + 0.1)
        self.assertTrue(first.leads)
        self.assertEqual((self.stored.name, first.heard), ("a", []))

    def test_a_process_that_was_stopped_knows_before_any_timer_fires(self) -> None:
        first = self.leader("a")
        self.clock.rightNow += 60
        self.assertFalse(first.leads)

    def test_a_renewal_under_way_at_the_end_is_no_hindrance(self) -> None:
        first = self.leader("a")
        self.clock.run_until(lambda: False, TIMES.pause + 0.005)
        self.clock.result_of(first.leadership.release())
        self.clock.run_for(10)
        self.assertEqual(self.stored.name, "")


class SafetyTests(SynchronousTestCase):
    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(FAULTS), st.floats(0.1, 20)), max_size=25))
    def test_never_do_two_lead(self, events: list[tuple[int, str, float]]) -> None:
        clock, stored = Time(), Stored()
        parties = [Party(clock, stored, name) for name in "abc"]
        for who, what, seconds in events:
            lease = parties[who].lease
            lease.away, lease.lost, lease.hung = (what == each for each in ("away", "lost", "hung"))
            end = clock.seconds() + seconds
            while clock.seconds() < end:
                clock.run_for(min(0.25, end - clock.seconds()))
                self.assertLessEqual(sum(party.leads for party in parties), 1)
        for party in parties:
            party.lease.away = party.lease.lost = party.lease.hung = False
        alive = [party for party in parties if party.leadership.standing is not Standing.OVER]
        clock.run_for(TIMES.duration + 3 * TIMES.pause)
        self.assertEqual(sum(party.leads for party in parties), int(bool(alive)))

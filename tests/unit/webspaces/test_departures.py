"""The webspace of a member who is gone: served for the grace time, and then neither served nor woken."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import GRACE_OF_IAM, World
from webspaced.core.desired import Desired, Wish
from webspaced.core.instance import Status
from webspaced.core.probing import Ask
from webspaced.core.user import User
from webspaced.core.webspace import UNKNOWN_SINCE_KEY
from webspaced.errors import Conflict, Refused
from webspaced.webspaces.conditions import Kind

BOOT_PORT, CONTAINER = "127.0.0.1:20001", "10.7.0.10:80"


class DepartureTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()

    def config(self) -> dict[str, str]:
        return self.w.lxd.containers["ws-u1"].config

    def begin(self, *, running: bool = False) -> None:
        """Start with a webspace that has a forward, and whose member IAM does not know."""
        self.w.webspace(1, running=running, ports={49152: 22})
        del self.w.identity.members[1]
        self.w.start()
        self.w.clock.run_for(2)

    def refused(self) -> str:
        return str(self.assertRaises(Refused, self.w.clock.result_of, self.w.ready(1)))

    def test_within_the_grace_it_is_served_and_woken(self) -> None:
        self.begin()
        self.assertEqual(self.w.store.routes["ws-u1"].hosts, ("alice.example.org",))
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))
        self.w.clock.run_for(GRACE_OF_IAM - 100)
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))
        self.assertNotIn(Kind.DEPARTED, self.w.conditions.of(1))

    def test_another_grace_counts_for_who_is_unknown_already(self) -> None:
        self.begin()
        self.w.clock.run_for(60)
        self.w.departures.change_grace(30)
        self.w.clock.run_for(10)
        self.assertIn(Kind.DEPARTED, self.w.conditions.of(1))
        self.w.departures.change_grace(0)
        self.w.clock.run_for(10)
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))

    def test_after_it_one_that_sleeps_is_not_woken(self) -> None:
        self.begin()
        self.w.clock.run_for(GRACE_OF_IAM)
        self.assertIn("no longer a member", self.refused())
        for by_api in (False, True):
            self.assertRaises(Refused, self.w.clock.result_of, self.w.booter.boot(1, by_api=by_api))
        self.assertRaises(Conflict, self.w.clock.result_of, self.w.power.boot(1))
        self.assertEqual(self.w.calls("start"), [])
        self.assertIn(Kind.DEPARTED, self.w.conditions.of(1))
        # It keeps what it has, until an admin takes it away.
        self.assertEqual(self.w.claims.holder(49152), 1)
        self.assertEqual(self.w.claims.holder("alice.example.org"), 1)

    def test_what_it_was_wanted_to_be_stays_where_it_cannot_be_started(self) -> None:
        self.begin()
        self.w.clock.result_of(self.w.power.want(1, Desired(wish=Wish.STOPPED)))
        self.w.clock.run_for(GRACE_OF_IAM)
        self.assertRaises(Conflict, self.w.clock.result_of, self.w.power.boot(1))
        self.assertIs(self.w.seen(1).webspace.desired.wish, Wish.STOPPED)

    def test_one_that_runs_is_not_served_any_more_and_shut_down_without_anybody_asking(self) -> None:
        self.begin(running=True)
        self.assertEqual(self.w.store.backend("ws-u1"), CONTAINER)
        self.w.clock.run_for(GRACE_OF_IAM - 1)
        self.assertEqual(self.w.store.backend("ws-u1"), BOOT_PORT)
        self.assertIn("no longer a member", self.refused())
        self.assertIsNone(self.w.gate.ready_now(1, 80, Ask.HTTP))
        self.w.clock.run_for(10)
        self.assertEqual(self.w.lxd.containers["ws-u1"].status, Status.STOPPED)
        self.assertEqual(self.w.calls("start"), [])

    def test_one_that_is_started_by_others_is_shut_down_again(self) -> None:
        self.begin()
        self.w.clock.run_for(GRACE_OF_IAM)
        self.w.clock.result_of(self.w.lxd.start("ws-u1"))
        self.w.clock.run_for(10)
        self.assertEqual(self.w.lxd.containers["ws-u1"].status, Status.STOPPED)

    def test_who_is_known_again_has_it_back(self) -> None:
        self.begin()
        self.w.clock.run_for(GRACE_OF_IAM)
        # Somebody took the wrong one out of the list.
        self.w.identity.members[1] = "alice"
        self.w.connect()
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))
        self.assertNotIn(Kind.DEPARTED, self.w.conditions.of(1))
        self.assertNotIn(UNKNOWN_SINCE_KEY, self.config())

    def restore(self, since: str) -> None:
        """Restore a snapshot from when IAM did not know the member."""
        self.w.clock.run_for(GRACE_OF_IAM + 100)
        self.w.lxd.set_keys("ws-u1", **{UNKNOWN_SINCE_KEY: since})
        self.w.clock.run_for(0.5)

    def test_who_is_known_is_served_although_a_snapshot_says_otherwise(self) -> None:
        self.w.webspace(1)
        self.w.start()
        self.restore("5")
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))
        self.assertNotIn(UNKNOWN_SINCE_KEY, self.config())

    def test_nor_if_it_says_what_was_right_once(self) -> None:
        self.begin()
        since = self.config()[UNKNOWN_SINCE_KEY]
        self.w.identity.members[1] = "alice"
        self.w.connect()
        self.restore(since)
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))

    def test_of_who_is_gone_iam_is_not_asked_with_each_event(self) -> None:
        self.begin()
        asked: list[int] = []
        by_id = self.w.identity.by_id

        async def asking(uid: int) -> User:
            asked.append(uid)
            return await by_id(uid)

        self.w.identity.by_id = asking  # type: ignore[method-assign]
        for n in range(5):
            self.w.lxd.set_keys("ws-u1", **{"user.note": str(n)})
            self.w.clock.run_for(1)
        self.assertEqual(asked, [])

    def test_one_that_was_known_again_meanwhile_is_not_stopped(self) -> None:
        self.begin(running=True)
        self.w.identity.members[1] = "alice"
        self.w.clock.run_for(GRACE_OF_IAM + 10)
        self.assertEqual(self.w.calls("stop"), [])
        self.assertEqual(self.w.store.backend("ws-u1"), CONTAINER)

    def test_iam_being_away_for_long_makes_nobody_leave(self) -> None:
        self.w.webspace(1)
        self.w.identity.away = True
        self.w.start()
        self.w.clock.run_for(2 * GRACE_OF_IAM)
        self.w.connect()
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))
        self.assertNotIn(UNKNOWN_SINCE_KEY, self.config())

    def test_while_iam_is_away_nothing_is_stopped_for_what_it_said_once(self) -> None:
        self.begin(running=True)
        self.w.identity.away = True
        self.w.clock.run_for(GRACE_OF_IAM + 10)
        self.assertEqual(self.w.calls("stop"), [])
        self.w.identity.away = False
        self.w.connect()
        self.w.clock.run_for(10)
        self.assertEqual(self.w.lxd.containers["ws-u1"].status, Status.STOPPED)

    def test_what_it_said_once_before_it_went_away_refuses_nobody(self) -> None:
        self.begin()
        self.w.identity.away = True
        self.w.clock.run_for(GRACE_OF_IAM + 86400.0)
        self.w.connect()
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))
        self.assertNotIn(Kind.DEPARTED, self.w.conditions.of(1))
        self.w.identity.away = False
        self.w.connect()
        self.w.clock.run_for(10)
        self.assertIn("no longer a member", self.refused())
        self.assertEqual(self.w.lxd.containers["ws-u1"].status, Status.STOPPED)

    def test_a_snapshot_from_the_time_when_iam_did_not_know_a_member_refuses_nobody(self) -> None:
        self.w.webspace(1)
        self.w.start()
        self.w.clock.run_for(2 * GRACE_OF_IAM)
        self.w.lxd.set_keys("ws-u1", **{UNKNOWN_SINCE_KEY: "5"})
        self.w.clock.run_for(1)
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))
        self.w.connect()
        self.assertNotIn(UNKNOWN_SINCE_KEY, self.config())

    def test_it_can_be_shut_down_and_deleted(self) -> None:
        self.begin()
        self.w.clock.run_for(GRACE_OF_IAM)
        # It is off, and stays so.
        self.w.clock.result_of(self.w.power.shut_down(1))
        self.w.clock.result_of(self.w.service.delete(1, by_admin=True))
        self.assertIsNone(self.w.claims.holder(49152))

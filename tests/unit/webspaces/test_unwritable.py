"""Nothing is stopped whose visitors could not be led back to webspaced; an admin's word is carried out all the same."""

from __future__ import annotations

import errno
import os

from tests.unit.timing import watch
from tests.unit.webspaces.running import DIRECT, RunningCase
from webspaced.core.desired import Desired, Wish, suspension
from webspaced.core.instance import Status
from webspaced.errors import RoutesUnwritable
from webspaced.webspaces.conditions import Kind


class UnwritableTests(RunningCase):
    def setUp(self) -> None:
        super().setUp()
        self.w.store.errors = [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))] * 1000

    def refused(self, work: object) -> None:
        attempt = watch(work)
        self.w.clock.run_for(20)
        self.assertIsInstance(attempt.error, RoutesUnwritable)
        self.assertIn("No space left on device", str(attempt.error))
        self.assertEqual(self.w.calls("stop", "force", "delete"), [])
        self.assertEqual(self.container.status, Status.RUNNING)
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))
        self.assertEqual(self.w.store.backend("ws-u1"), DIRECT)

    def test_what_a_member_wants_is_refused_and_nothing_is_done(self) -> None:
        for work in (self.w.power.shut_down, self.w.power.reboot, self.w.service.delete):
            self.refused(work(1))
        self.refused(self.w.power.want(1, Desired(wish=Wish.STOPPED)))
        self.assertIs(self.w.seen(1).webspace.desired.wish, Wish.AUTO)
        self.w.store.errors.clear()
        self.w.clock.result_of(self.w.power.shut_down(1))
        self.assertEqual(self.container.status, Status.STOPPED)
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20001")

    def test_it_has_a_condition_as_long_as_its_route_is_not_as_it_should_be(self) -> None:
        shutting = watch(self.w.power.shut_down(1))
        self.w.clock.run_for(1)
        self.assertIn("No space left on device", self.w.conditions.of(1)[Kind.ROUTE_UNWRITTEN])
        self.w.store.errors.clear()
        self.w.clock.run_for(10)
        self.assertIsNone(shutting.value)
        self.assertNotIn(Kind.ROUTE_UNWRITTEN, self.w.conditions.of(1))

    def test_a_suspension_and_an_admins_deletion_are_carried_out(self) -> None:
        suspending = watch(self.w.power.want(1, suspension("root", "spam", ""), by_admin=True))
        self.w.clock.run_for(20)
        self.assertIsNone(suspending.value)
        self.assertEqual(self.container.status, Status.STOPPED)
        deleting = watch(self.w.service.delete(1, by_admin=True))
        self.w.clock.run_for(20)
        self.assertIsNone(deleting.value)

    def test_one_that_sleeps_can_be_deleted_only_with_its_route(self) -> None:
        self.w.store.errors.clear()
        self.w.clock.result_of(self.w.power.shut_down(1))
        self.w.clock.run_for(5)
        self.w.store.errors = [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))] * 1000
        deleting = watch(self.w.service.delete(1))
        self.w.clock.run_for(20)
        self.assertIsInstance(deleting.error, RoutesUnwritable)
        self.assertIn("ws-u1", self.w.lxd.containers)

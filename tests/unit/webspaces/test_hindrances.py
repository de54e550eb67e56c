"""What LXD would refuse is found before anything is done."""

from __future__ import annotations

from tests.unit.timing import watch
from tests.unit.webspaces.running import RunningCase
from webspaced.core.creation import marker
from webspaced.core.desired import Desired, Wish, suspension
from webspaced.core.instance import Status
from webspaced.core.webspace import CREATING_KEY
from webspaced.errors import Conflict, Forbidden


class HindranceTests(RunningCase):
    def protect(self, what: str, value: str = "true") -> None:
        self.w.lxd.set_keys("ws-u1", **{f"security.protection.{what}": value})
        self.w.clock.run_for(1)

    def refused(self, kind: type[Exception], work: object) -> str:
        self.w.lxd.calls.clear()
        self.w.store.writes.clear()
        attempt = watch(work)
        self.w.clock.run_for(10)
        self.assertIsInstance(attempt.error, kind)
        # Nothing was done to it, and its visitors noticed nothing.
        self.assertEqual(self.w.calls("stop", "force", "delete", "start", "configure"), [])
        self.assertEqual(self.w.store.writes, [])
        return str(attempt.error)

    def served(self) -> None:
        self.assertEqual(self.container.status, Status.RUNNING)
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))

    def test_one_that_is_protected_is_not_stopped_to_be_deleted(self) -> None:
        self.protect("delete")
        for by_admin in (False, True):
            self.assertIn("protection.delete", self.refused(Forbidden, self.w.service.delete(1, by_admin=by_admin)))
        self.served()
        self.protect("delete", "false")
        self.w.clock.result_of(self.w.service.delete(1))
        self.assertNotIn("ws-u1", self.w.lxd.containers)

    def test_it_can_be_rebooted_all_the_same(self) -> None:
        self.protect("delete")
        self.w.clock.result_of(self.w.power.reboot(1))
        self.served()

    def test_what_could_not_be_started_again_is_not_rebooted(self) -> None:
        self.protect("start")
        self.assertIn("protection.start", self.refused(Forbidden, self.w.power.reboot(1)))
        self.served()
        # It may well be switched off.
        self.w.clock.result_of(self.w.power.shut_down(1))
        self.assertIn("protection.start", self.refused(Forbidden, self.w.power.boot(1)))

    def test_while_lxd_works_on_it_it_is_left_alone(self) -> None:
        self.w.lxd.busy.add("ws-u1")
        for work in (self.w.power.shut_down, self.w.power.reboot, self.w.service.delete):
            self.assertIn("Backing up instance", self.refused(Conflict, work(1)))
        self.served()

    def test_what_takes_a_moment_is_waited_for(self) -> None:
        self.w.lxd.busy.add("ws-u1")
        deleting = watch(self.w.service.delete(1))
        self.w.clock.run_for(1)
        self.w.lxd.busy.clear()
        self.w.clock.run_for(5)
        self.assertTrue(deleting.done)
        self.assertNotIn("ws-u1", self.w.lxd.containers)

    def test_nor_is_it_switched_off_by_its_member(self) -> None:
        self.w.lxd.busy.add("ws-u1")
        self.assertIn("Backing up", self.refused(Conflict, self.w.power.want(1, Desired(wish=Wish.STOPPED))))
        self.assertIs(self.w.seen(1).webspace.desired.wish, Wish.AUTO)
        self.served()

    def test_a_suspension_is_carried_out_whatever_goes_on(self) -> None:
        self.w.lxd.busy.add("ws-u1")
        self.w.clock.result_of(self.w.power.want(1, suspension("root", "spam", "")))
        self.assertEqual(self.container.status, Status.STOPPED)

    def test_what_a_creation_left_is_kept_where_it_is_protected(self) -> None:
        left = self.w.webspace(2)
        left.config[CREATING_KEY] = marker("ws-u2", 0)
        left.config["security.protection.delete"] = "true"
        self.w.connect()
        self.w.clock.run_for(10)
        self.assertIn("ws-u2", self.w.lxd.containers)
        self.assertEqual(self.w.calls("delete"), [])
        member = self.w.clock.result_of(self.w.identity.by_id(2))
        creating = self.w.service.create(member, "fast")
        self.assertIn("protection.delete", str(self.assertRaises(Forbidden, self.w.clock.result_of, creating)))

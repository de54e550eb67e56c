"""The daemon among others: it stands by, leads, is suspended, deposed, or refused."""

from __future__ import annotations

from unittest import mock

from tests.unit.assembled import AssembledCase
from tests.unit.fake_lease import FakeLease, FakeMark, Stored
from tests.unit.world import DEFAULTS
from webspaced import assembly, election
from webspaced.core.lease import LeaseTimes
from webspaced.core.webspace import CREATING_KEY, KEY, Webspace
from webspaced.election import Election
from webspaced.leadership import Leadership

TIMES = LeaseTimes()


class StandingCase(AssembledCase):
    """A daemon ``me`` beside another one that is told what to do by hand, and holds the lease if ``rival`` says so."""

    queues = True

    def given(self, *, rival: bool = False) -> None:
        self.stored = Stored()
        self.patch(election, "OwnerLease", lambda *_: FakeLease(self.machine, self.stored))
        self.mark = FakeMark()
        self.patch(assembly, "election_for", lambda *_: Election(self.leadership(), self.mark))
        self.build()
        self.rival = Leadership(self.machine, FakeLease(self.machine, self.stored), "rival", TIMES)
        if rival:
            self.rival.run().addErrback(lambda _: None)
            self.machine.run_for(1)
            self.assertTrue(self.rival.holds())
        self.daemon.privilegedStartService()
        self.daemon.startService()
        self.machine.run_for(1)

    def leadership(self) -> Leadership:
        self.lease = FakeLease(self.machine, self.stored)
        return Leadership(self.machine, self.lease, "me", TIMES, queues=self.queues)

    def listens(self) -> bool:
        return any(port == self.boot_port() for _, port in self.machine.listening())


class QueueTests(StandingCase):
    def test_alone_it_leads(self) -> None:
        self.given()
        self.assertEqual((self.daemon.ready, self.mark.told), (True, ["show"]))
        self.create()
        self.assertTrue(self.listens())

    def test_a_standby_is_ready_and_changes_nothing(self) -> None:
        self.given(rival=True)
        self.lxd.put("ws-u2")
        self.machine.run_for(100)
        self.assertEqual((self.daemon.ready, self.mark.told), (True, []))
        status, problem = self.ask("POST", "self", {"image": "fast"})
        self.assertEqual((status, "standby" in problem["message"]), (503, True))
        self.assertEqual(self.ask("GET", "self")[0], 404)
        self.assertFalse(self.settings.traefik.file.path.exists())
        self.assertEqual({call for call, _ in self.lxd.calls} - {"list_all", "get", "state"}, set())

    def test_it_takes_over_when_the_other_gives_up(self) -> None:
        self.given(rival=True)
        self.machine.run_for(30)
        self.machine.result_of(self.rival.release())
        self.machine.run_for(TIMES.pause + 1)
        self.assertEqual((self.daemon.ready, self.mark.told), (True, ["show"]))
        self.create()
        self.assertEqual(str(self.route().backend), f"127.0.0.1:{self.boot_port()}")

    def test_at_its_end_it_hides_then_gives_up(self) -> None:
        self.given()
        with mock.patch.object(self.lease, "write", side_effect=self.lease.write) as write:
            self.machine.result_of(self.daemon.stopService())
            self.assertEqual(write.call_args.args[0], "")
        self.assertEqual((self.mark.told, self.stored.claim.holder), (["show", "hide"], ""))


class LossTests(StandingCase):
    def test_suspended_it_writes_nothing_and_goes_on_when_it_can(self) -> None:
        self.given()
        self.create()
        published = self.settings.traefik.file.path.read_text()
        self.lease.away = True
        self.machine.run_for(60)
        self.assertEqual(self.ask("POST", "self/ports/7")[0], 503)
        self.assertEqual(self.ask("GET", "self")[0], 200)
        self.lxd.remove("ws-u1")
        self.machine.run_for(60)
        self.assertEqual(self.settings.traefik.file.path.read_text(), published)
        # What the new leader would be creating, and one that needs a number: both are its business.
        self.lxd.put("ws-u3", **{KEY: Webspace(user=3, config=DEFAULTS).dump(), CREATING_KEY: "ws-u3"})
        self.lxd.put("ws-u2", **{KEY: Webspace(user=2, config=DEFAULTS).dump()})
        self.lxd.calls.clear()
        self.machine.run_for(700)
        self.assertEqual({call for call, _ in self.lxd.calls} - {"list_all", "get", "state"}, set())
        self.lease.away = False
        self.machine.run_for(TIMES.pause + 1)
        self.assertEqual(self.document()["http"].get("services", {}), {})
        self.machine.run_for(700)
        self.assertNotIn("ws-u3", self.lxd.containers)
        self.assertIn("ws-u2", self.document()["http"]["services"])
        self.lxd.remove("ws-u2")
        self.machine.run_for(10)
        self.create("bob")
        self.assertFalse(self.machine.hasStopped)

    def test_deposed_it_ends(self) -> None:
        self.given()
        self.create()
        published = self.settings.traefik.file.path.read_text()
        self.lease.away = True
        self.rival.run().addErrback(lambda _: None)
        self.machine.run_for(60)
        self.assertTrue(self.rival.holds())
        self.lxd.remove("ws-u1")
        self.lease.away = False
        self.machine.run_for(60)
        self.assertTrue(self.machine.hasStopped)
        self.assertEqual(self.settings.traefik.file.path.read_text(), published)
        self.machine.result_of(self.daemon.stopService())
        self.assertEqual(self.stored.claim.holder, "rival")


class RefusedTests(StandingCase):
    queues = False

    def test_beside_one_that_serves_it_does_not_start(self) -> None:
        self.given(rival=True)
        self.assertFalse(self.daemon.ready)
        self.machine.run_for(30)
        self.assertTrue(self.machine.hasStopped)
        self.assertFalse(self.settings.traefik.file.path.exists())

    def test_a_second_one_on_the_same_folder_does_not_either(self) -> None:
        self.given()
        second = assembly.build(self.machine, self.settings)
        with self.assertRaisesRegex(SystemExit, "another webspaced runs with .* .data_dir."):
            second.privilegedStartService()
        self.machine.result_of(self.daemon.stopService())
        second.privilegedStartService()

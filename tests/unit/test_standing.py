"""The daemon among others: it stands by, leads, is suspended, deposed, or refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar
from unittest import mock

from twisted.internet.defer import Deferred

from tests.unit.assembled import AssembledCase
from tests.unit.fake_lease import FakeLease, FakeMark, Stored
from tests.unit.timing import watch
from tests.unit.world import DEFAULTS
from webspaced.assembly import build as assembly
from webspaced.assembly import election
from webspaced.assembly.election import Election
from webspaced.core.creation import marker
from webspaced.core.lease import Claim, LeaseTimes
from webspaced.core.webspace import CREATING_KEY, KEY, Webspace
from webspaced.errors import Unavailable
from webspaced.leadership.struggle import Leadership
from webspaced.reload.live import Live

TIMES = LeaseTimes()


async def never(*_: object) -> None:
    await Deferred()


class StandingCase(AssembledCase):
    """A daemon ``me`` beside another one that is told what to do by hand, and holds the lease if ``rival`` says so."""

    queues = True
    lease_is_away = False
    mark_errors: ClassVar[Sequence[Exception]] = ()

    def given(self, *, rival: bool = False) -> None:
        self.stored = Stored()
        self.patch(election, "OwnerLease", lambda *_: FakeLease(self.machine, self.stored))
        self.mark = FakeMark()
        self.mark.errors = list(self.mark_errors)
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
        self.lease.away = self.lease_is_away
        return Leadership(self.machine, self.lease, "me", TIMES, queues=self.queues)

    def listens(self) -> bool:
        return any(port == self.boot_port() for _, port in self.machine.listening())


class QueueTests(StandingCase):
    def test_alone_it_leads(self) -> None:
        self.given()
        self.assertEqual((self.daemon.ready, self.mark.told), (True, ["hide", "show"]))
        self.create()
        self.assertTrue(self.listens())

    def test_what_is_known_at_the_start_is_kept_before_anybody_is_served(self) -> None:
        self.given()
        self.assertEqual(self.kept, [False, True])

    def test_a_standby_is_ready_and_changes_nothing(self) -> None:
        self.given(rival=True)
        self.lxd.put("ws-u2")
        self.machine.run_for(100)
        self.assertEqual((self.daemon.ready, self.mark.told), (True, ["hide"]))
        status, problem = self.ask("POST", "self", {"image": "fast"})
        self.assertEqual((status, "standby" in problem["message"]), (503, True))
        self.assertEqual(self.ask("GET", "self")[0], 404)
        self.assertFalse(self.settings.traefik.file.path.exists())
        self.assertEqual({call for call, _ in self.lxd.calls} - {"list_all", "get", "state", "leases"}, set())

    def test_it_takes_over_when_the_other_gives_up(self) -> None:
        self.given(rival=True)
        self.machine.run_for(30)
        self.machine.result_of(self.rival.release())
        self.machine.run_for(TIMES.pause + 1)
        self.assertEqual((self.daemon.ready, self.mark.told), (True, ["hide", "show"]))
        self.create()
        self.assertEqual(str(self.route().backend), f"127.0.0.1:{self.boot_port()}")

    def test_one_that_died_is_marked_no_more(self) -> None:
        self.given(rival=True)
        self.rival._running.cancel()
        self.machine.run_for(TIMES.duration + 2 * TIMES.pause)
        self.assertEqual(self.mark.told, ["hide", "show instead of rival"])

    def test_at_its_end_it_hides_then_gives_up(self) -> None:
        self.given()
        with mock.patch.object(self.lease, "write", side_effect=self.lease.write) as write:
            self.machine.result_of(self.daemon.stopService())
            self.assertEqual(write.call_args.args[0], "")
        self.assertEqual((self.mark.told, self.stored.name), (["hide", "show", "hide"], ""))


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
        self.lxd.put("ws-u3", **{KEY: Webspace(user=3, config=DEFAULTS).dump(), CREATING_KEY: marker("ws-u3", time.time())})
        self.lxd.put("ws-u2", **{KEY: Webspace(user=2, config=DEFAULTS).dump()})
        self.lxd.calls.clear()
        self.machine.run_for(700)
        self.assertEqual({call for call, _ in self.lxd.calls} - {"list_all", "get", "state", "leases"}, set())
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
        self.assertEqual(self.stored.name, "rival")


    def test_deposed_at_once_it_gives_up_what_it_writes(self) -> None:
        self.given()
        self.create()
        heard: list[str] = []
        publisher, exposure = self.daemon._parts.publisher, self.daemon._parts.exposure
        self.patch(publisher, "suspend", lambda: heard.append("publisher"))
        self.patch(exposure, "suspend", lambda: heard.append("exposure"))
        self.stored.claim = Claim("rival_1", "new", 99)
        self.machine.run_for(2 * TIMES.pause)
        self.assertEqual((heard, self.machine.hasStopped), (["publisher", "exposure"], True))

    def test_a_store_that_hangs_keeps_the_lease_from_nobody(self) -> None:
        self.given()
        self.create()
        self.patch(self.daemon._parts.publisher._store, "apply", never)
        self.lxd.remove("ws-u1")
        self.machine.run_for(1)
        stopping = watch(self.daemon.stopService())
        self.machine.run_for(3)
        self.assertEqual((self.stored.name, stopping.done), ("", True))

    def test_a_label_that_cannot_be_set_at_once_is_set_later(self) -> None:
        self.mark_errors = [Unavailable("no"), Unavailable("no")]
        self.given()
        self.machine.run_for(5)
        self.assertEqual((self.daemon.ready, self.machine.hasStopped, self.mark.told), (True, False, ["hide", "show"]))


class RefusedTests(StandingCase):
    queues = False

    def test_a_lease_that_cannot_be_read_is_not_waited_for_for_ever(self) -> None:
        self.lease_is_away = True
        self.given()
        self.machine.run_for(30)
        self.assertFalse(self.machine.hasStopped)
        self.machine.run_for(30)
        self.assertTrue(self.machine.hasStopped)

    def test_beside_one_that_serves_it_does_not_start(self) -> None:
        self.given(rival=True)
        self.assertFalse(self.daemon.ready)
        self.machine.run_for(30)
        self.assertTrue(self.machine.hasStopped)
        self.assertFalse(self.settings.traefik.file.path.exists())

    def test_a_second_one_on_the_same_folder_does_not_either(self) -> None:
        self.given()
        second = assembly.build(self.machine, Live(self.settings))
        with self.assertRaisesRegex(SystemExit, "another webspaced runs with .* .data_dir."):
            second.privilegedStartService()
        self.machine.result_of(self.daemon.stopService())
        second.privilegedStartService()

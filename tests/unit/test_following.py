"""A visit is followed through the whole daemon, as it is assembled, by one id in the log: from accept to first byte."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.client import Exchange
from tests.simulation.deployment import default_host
from tests.unit.metrics.lived import Lived
from webspaced.lib.logs import log_observer

OF_THE_BOOT = ["boot.phase", "boot.phase", "boot.up"]


class FollowingTests(SynchronousTestCase):
    def begin(self, level: str = "debug", **webspaces: Any) -> None:
        """Start a daemon with a webspace that sleeps, and read its log from there on."""
        self.lived = Lived(more={"log_level": level}, webspaces=webspaces)
        self.addCleanup(self.lived.close)
        self.assertEqual(self.lived.ask("POST", "", {"image": "fast"}), 201)
        self.stream = io.StringIO()
        observer = log_observer(self.stream, level, "json")
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def visit(self, headers: Mapping[str, str] | None = None) -> Exchange:
        """Come to the webspace's boot port, as Traefik does."""
        route = self.lived.d.views()[0]["ws-u1"]
        at = (str(route.backend.host), route.backend.port)
        return Exchange(self.lived.d.reactor, at, "GET", "/", {"Host": default_host(1), **(headers or {})})

    def lines(self, **members: Any) -> list[dict[str, Any]]:
        """Give what the log says with these members."""
        told = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [each for each in told if members.items() <= each.items()]

    def course(self, visit_id: str) -> list[str]:
        """Give the events of one visit."""
        return [each["event"] for each in self.lines(visit_id=visit_id)]

    def test_from_accept_to_first_byte(self) -> None:
        self.begin()
        self.assertEqual(self.lived.finish(self.visit()).status, 200)
        (accepted,) = self.lines(event="visit.accepted")
        self.assertEqual(self.course(accepted["visit_id"]), [
            "visit.accepted", "visit.asked", "visit.held", "boot.asked", *OF_THE_BOOT, "boot.awaited", "boot.port-answers",
            "visit.connected", "visit.first-byte", "visit.ended",
        ])  # fmt: skip
        times = [each["time"] for each in self.lines(visit_id=accepted["visit_id"])]
        self.assertEqual(times, sorted(times))
        self.assertEqual((accepted["webspace"], accepted["port"]), (1, 80))
        (asked,) = self.lines(event="boot.asked", visit_id=accepted["visit_id"])
        (up,) = self.lines(event="boot.up")
        self.assertTrue(asked["begins"])
        self.assertEqual(up["boot_id"], asked["boot_id"])
        self.assertEqual(set(up["phases"]), {"queue", "start", "address"})
        (ended,) = self.lines(event="visit.ended")
        self.assertEqual(ended["stage"], "relayed")
        self.assertGreater(ended["to_visitor"], 0)

    def test_each_of_several_finds_the_boot_that_they_share(self) -> None:
        self.begin()
        visits = [self.visit() for _ in range(3)]
        for each in visits:
            self.assertEqual(self.lived.finish(each).status, 200)
        ids = [each["visit_id"] for each in self.lines(event="visit.accepted")]
        self.assertEqual(len(set(ids)), 3)
        (up,) = self.lines(event="boot.up")
        self.assertEqual(up["visit_id"], ids[0], "it has the id of who began it")
        for visit_id, begins in zip(ids, (True, False, False), strict=True):
            (asked,) = self.lines(event="boot.asked", visit_id=visit_id)
            (awaited,) = self.lines(event="boot.awaited", visit_id=visit_id)
            self.assertEqual((asked["boot_id"], asked["begins"]), (up["boot_id"], begins))
            self.assertEqual((awaited["boot_id"], awaited["phases"]), (up["boot_id"], up["phases"]))
            self.assertEqual(self.course(visit_id)[-3:], ["visit.connected", "visit.first-byte", "visit.ended"])

    def test_boots_that_wait_for_each_others_places_are_not_mixed_up(self) -> None:
        self.begin(max_concurrent_boots=1)
        self.assertEqual(self.lived.ask("POST", "", {"image": "fast"}, 2), 201)
        self.lived.d.pass_time(3)
        views = self.lived.d.views()[0]
        visits = [self.lived.d.visit(default_host(uid), views) for uid in (1, 2)]
        for each in visits:
            self.assertEqual(self.lived.finish(each).status, 200)
        for uid in (1, 2):
            (accepted,) = self.lines(event="visit.accepted", webspace=uid)
            phases = self.lines(event="boot.phase", visit_id=accepted["visit_id"])
            self.assertEqual([each["webspace"] for each in phases], [uid] * len(phases))
            self.assertEqual(len({each["boot_id"] for each in phases}), 1)
            self.assertIn("start", [each["phase"] for each in phases])

    def test_a_warm_one_and_one_that_leaves(self) -> None:
        self.begin()
        at = self.lived.d.views()[0]["ws-u1"].backend
        left = self.visit()
        self.lived.d.clock.run_for(0.01)
        left.leave()
        self.lived.d.pass_time(1)
        self.assertEqual(self.lived.finish(self.visit()).status, 200)
        warm = Exchange(self.lived.d.reactor, (str(at.host), at.port), "GET", "/", {"Host": default_host(1)})
        self.assertEqual(self.lived.finish(warm).status, 200)
        ids = [each["visit_id"] for each in self.lines(event="visit.accepted")]
        self.assertEqual(self.lines(event="visit.ended", visit_id=ids[0])[0]["to_visitor"], 0)
        # On this network a connection takes a moment, for which it is held.
        warm_course = ["visit.accepted", "visit.held", "visit.connected", "visit.first-byte", "visit.ended"]
        self.assertEqual(self.course(ids[-1]), warm_course)

    def test_one_that_is_refused(self) -> None:
        self.begin(ready_timeout="1s")
        self.assertEqual(self.lived.ask("PUT", "/desired", {"desired": "stopped"}), 200)
        self.assertEqual(self.lived.finish(self.visit()).status, 503)
        (refused,) = self.lines(event="visit.refused")
        self.assertEqual(refused["outcome"], "refused")
        self.assertEqual(self.course(refused["visit_id"])[-2:], ["visit.refused", "visit.ended"])

    def test_an_id_that_the_visitor_brings_is_told_and_not_taken(self) -> None:
        self.begin()
        for given, told in (("01J-abc", "01J-abc"), ("x" * 65, ""), ('a"b', ""), ("v-000000-1", "v-000000-1")):
            self.lived.d.put_state(1, "stop", force=True)
            self.lived.d.pass_time(5)
            self.assertEqual(self.lived.finish(self.visit({"X-Request-ID": given})).status, 200)
            self.assertEqual(self.lines(event="visit.asked")[-1]["client_id"], told)
            self.assertFalse(self.lines(visit_id=given))

    def test_nothing_is_told_of_visits_above_that_level(self) -> None:
        self.begin("info")
        self.assertEqual(self.lived.finish(self.visit()).status, 200)
        self.assertEqual([each["event"] for each in self.lines() if each.get("visit_id")], ["boot.up"])

    def test_a_members_call_and_its_boot(self) -> None:
        self.begin()
        self.assertEqual(self.lived.ask("POST", "/state"), 204)
        (request,) = self.lines(event="http.request")
        events = [each["event"] for each in self.lines(request_id=request["request_id"])]
        self.assertEqual(events, ["boot.asked", *OF_THE_BOOT, "http.request"])

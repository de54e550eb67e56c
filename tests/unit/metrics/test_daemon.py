"""Routes, calls, the event stream, requests, bounds and dates: each figure moves by what it counts."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import DAY, issue
from tests.simulation.client import Exchange
from tests.simulation.deployment import API
from tests.unit.iam.memory import Service
from tests.unit.kube.emulated import EmulatedCase
from tests.unit.metrics.case import FiguresCase
from tests.unit.metrics.lived import Lived
from tests.unit.timing import watch
from tests.unit.traefik.test_redis import RedisCase
from webspaced.assembly import build as assembly
from webspaced.errors import NotFound, Unavailable
from webspaced.kube.resources import SERVICE
from webspaced.metrics.dates import Ends
from webspaced.metrics.latency import PAUSE, Latency
from webspaced.webspaces.conditions import Kind


class RouteTests(FiguresCase):
    def test_written_and_settled(self) -> None:
        self.start()
        before = self.value("route_writes_total", provider="file", outcome="ok")
        self.create()
        self.assertEqual([self.value(f"routes_{each}") for each in ("wanted", "published", "unwritten")], [1, 1, 0])
        self.assertGreater(self.value("route_writes_total", provider="file", outcome="ok"), before)
        self.assertEqual(self.value("route_settle_seconds_count"), 1)

    def test_a_store_that_fails(self) -> None:
        self.start()
        self.create()

        async def apply(*_: object) -> None:
            raise Unavailable("no")

        self.patch(self.daemon._parts.publisher._store, "apply", apply)
        self.ask("DELETE", "self")
        self.assertEqual(self.value("routes_unwritten"), 1)
        self.assertGreater(self.value("route_writes_total", outcome="failed"), 0)

    def test_a_full_pass(self) -> None:
        self.start()
        before = self.value("reconciles_total", outcome="ok")
        self.machine.result_of(self.daemon._parts.reconciler.full_pass())
        self.assertEqual(self.value("reconciles_total", outcome="ok"), before + 1)
        self.assertEqual(self.value("reconcile_seconds_count"), before + 1)
        self.lxd.fail_next("list_all", Unavailable("away"))
        self.lxd.away = True
        self.assertRaises(Unavailable, self.machine.result_of, self.daemon._parts.reconciler.full_pass())
        self.assertEqual(self.value("reconciles_total", outcome="unavailable"), 1)

    def test_a_traefik_without_routes(self) -> None:
        self.start()
        self.assertNotIn("webspaced_traefik_has_routes", self.samples())
        self.start(traefik={"probe_url": "http://127.0.0.1:80"})
        self.assertEqual(self.value("traefik_has_routes"), 1)
        watching: Any = self.daemon.figures
        watching._watched.parts.served.watch.trouble = "none"
        self.assertEqual([each.value for each in self.samples()["webspaced_traefik_has_routes"]], [0])


class StandingTests(FiguresCase):
    def test_ready_and_leading(self) -> None:
        self.build(metrics={"listen_address": "127.0.0.1:9094"})
        self.assertEqual([self.value("ready"), self.value("leader"), self.value("info")], [0, 0, 1])
        self.daemon.privilegedStartService()
        self.daemon.startService()
        self.machine.run_for(1)
        self.assertEqual([self.value("ready"), self.value("leader")], [1, 1])

    def test_conditions(self) -> None:
        self.start()
        self.create()
        self.assertEqual(self.value("conditions"), 0)
        figures: Any = self.daemon.figures
        figures._watched.parts.known.conditions.note(1, Kind.NO_ADDRESS, "x")
        self.assertEqual(self.value("conditions", kind="no-address"), 1)


class RequestTests(FiguresCase):
    def test_by_endpoint_and_never_by_what_was_asked(self) -> None:
        self.start()
        self.create()
        for path in ("self", "bob", "id:7", "self/state", "x/y/z/secret"):
            self.ask("GET", path)
        self.assertEqual(self.value("api_requests_total", endpoint="/v1/webspace/{}", status="200"), 1)
        self.assertEqual(self.value("api_requests_total", endpoint="/v1/webspace/{}/state", method="GET"), 1)
        self.assertEqual(self.value("api_requests_total", endpoint="other", status="404"), 1)
        self.assertEqual(self.value("api_request_seconds_count", endpoint="other"), 1)
        self.assertNotIn("secret", self.text())

    def test_bounds(self) -> None:
        self.start(http={"limits": {"per_user": 0.001, "per_user_burst": 2}})
        self.assertEqual(self.value("limit_hits_total"), 0)
        self.assertEqual([self.ask("GET", "self")[0] for _ in range(3)], [404, 404, 429])
        self.assertEqual(self.value("limit_hits_total", cause="user_rate"), 1)
        self.assertEqual(self.value("limit_hits_total"), 1)


class CertificateTests(FiguresCase):
    def test_a_members(self) -> None:
        host = assembly.Host
        self.patch(assembly, "Host", lambda **parts: host(now=lambda: 1e9, **parts))
        self.start()
        self.create()
        self.assertEqual(self.value("certificates"), 0)
        self.assertEqual(self.ask("POST", f"self/domains/{self.domains('a.example')}")[0], 201)
        issued = issue("a.example", ends=1e9 + 30 * DAY)
        body = {"certificate": issued.pem, "key": issued.key}
        self.assertEqual(self.ask("PUT", "self/domains/a.example/certificate", body)[0], 201)
        self.assertEqual(self.value("certificates", kind="member"), 1)
        self.assertEqual(round(self.value("certificate_left_seconds", kind="member") / DAY), 30)

    def test_those_of_the_settings(self) -> None:
        readings = {each.name: each.values for each in Ends({"lxd_client": 150.0}).readings(100.0)}
        self.assertEqual(readings["webspaced_certificate_left_seconds"], {("lxd_client",): 50.0})
        self.assertEqual(readings["webspaced_certificates"], {("lxd_client",): 1})


class LxdTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lived = Lived()
        self.addCleanup(self.lived.close)

    def test_calls_and_the_event_stream(self) -> None:
        value = self.lived.value
        self.assertEqual(value("webspaced_calls_total", service="lxd", endpoint="GET /instances", outcome="ok"), 1)
        self.assertLess(value("webspaced_event_stream_age_seconds"), 11)
        self.assertEqual(value("webspaced_event_stream_up"), 1)
        self.lived.d.lose_lxd(40, finish=False)
        self.lived.d.pass_time(30)
        self.assertEqual(value("webspaced_event_stream_up"), 0)
        self.assertGreater(value("webspaced_event_stream_age_seconds"), 29)
        self.assertGreater(value("webspaced_event_stream_losses_total"), 0)
        self.lived.d.pass_time(20)
        self.assertEqual(value("webspaced_event_stream_up"), 1)
        self.assertLess(value("webspaced_event_stream_age_seconds"), 11)

    def test_relayed_bytes(self) -> None:
        self.lived.live()
        samples = self.lived.samples()
        relayed = {each.labels["direction"]: each.value for each in samples["webspaced_relay_bytes_total"]}
        self.assertTrue(relayed["to_container"] > 0 and relayed["to_visitor"] > 0, relayed)
        self.assertEqual(self.lived.value("webspaced_relay_connections_total"), 2)
        self.assertGreater(self.lived.value("webspaced_held_seconds_total"), 0)
        self.assertEqual(self.lived.value("webspaced_relay_open_connections"), 0)

    def test_probes_of_both_listeners(self) -> None:
        self.lived.finish(Exchange(self.lived.d.reactor, API, "GET", "/live", {"Host": "a"}))
        asked = {"listener": "public", "endpoint": "/live", "status": "204"}
        self.assertEqual(self.lived.value("webspaced_api_requests_total", **asked), 1)


class IamTests(SynchronousTestCase):
    def test_calls(self) -> None:
        service = Service()
        service.iamd.add(5, "eve")
        watch(service.identity.authenticate(service.iamd.token(5)))
        outcomes = service.identity.calls.outcomes.values
        self.assertEqual(outcomes["GET /users/self/token", "ok"], 1)


class KubernetesTests(EmulatedCase):
    def test_calls(self) -> None:
        self.assertRaises(NotFound, self.drive, self.client.get(SERVICE, "webspaces", "nobody"))
        expected = {("GET /api/v1/namespaces/{}/services/{}", "not_found"): 1}
        self.assertEqual(self.client.calls.outcomes.values, expected)


class RedisTests(RedisCase):
    def test_calls(self) -> None:
        self.assertEqual(self.apply(), None)
        self.redis.stop()
        self.assertRaises(Unavailable, self.differs)
        outcomes = self.store.calls.outcomes.values
        self.assertEqual(sum(number for (_, outcome), number in outcomes.items() if outcome == "unavailable"), 1)
        self.assertIn(("read", "ok"), outcomes)


class LatencyTests(SynchronousTestCase):
    def test_how_late_a_timer_comes(self) -> None:
        clock = Clock()
        latency = Latency(clock)
        latency.startService()
        for late in (0.0, 0.3):
            clock.advance(PAUSE + late)
        (spread,) = latency.seconds.spreads.values()
        self.assertEqual((sum(spread.counts), round(spread.sum, 6)), (2, 0.3))
        latency.stopService()
        self.assertEqual(clock.getDelayedCalls(), [])

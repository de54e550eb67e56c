"""The page: what it refuses, whose figures it tells, and that all of them are in the catalogue and the reference."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.client import Exchange
from tests.unit.metrics.case import FiguresCase
from tests.unit.metrics.lived import WHERE, Lived
from webspaced.base.metric import Sort
from webspaced.metrics.catalogue import CATALOGUE, EACH
from webspaced.metrics.reference import markdown

ROOT = Path(__file__).parents[3]
SUFFIXES = {Sort.COUNTER: ("",), Sort.GAUGE: ("",), Sort.HISTOGRAM: ("_bucket", "_count", "_sum")}
NOT_HERE = {"webspaced_traefik_has_routes", "webspaced_certificate_left_seconds"}
"""What a daemon that has no certificates and cannot ask Traefik does not tell."""
BY_THE_LIBRARY = ("process_", "python_gc_")


class ReferenceTests(SynchronousTestCase):
    def test_committed(self) -> None:
        committed = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
        again = "python -m webspaced.metrics.reference > docs/reference/metrics.md"
        self.assertEqual(committed, markdown(), f"print it again: {again}")

    def test_names_are_as_prometheus_wants_them(self) -> None:
        for name, metric in CATALOGUE.items():
            self.assertEqual(name.endswith("_total"), metric.sort is Sort.COUNTER, name)
            self.assertTrue(name.startswith("webspaced_"))
            self.assertTrue(metric.meaning.endswith("."), name)
            self.assertFalse(any(unit in name for unit in ("_ms", "milli", "_kb", "days")), name)


class ExpositionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lived = Lived()
        self.addCleanup(self.lived.close)

    def test_all_of_the_catalogue_and_nothing_else(self) -> None:
        self.lived.live()
        samples = self.lived.samples()
        told = {name for name in samples if not name.startswith(BY_THE_LIBRARY)}
        wanted = [metric for metric in CATALOGUE.values() if metric.name not in NOT_HERE and not metric.each]
        self.assertEqual(told, {metric.name + suffix for metric in wanted for suffix in SUFFIXES[metric.sort]})
        for metric in wanted:
            for each in samples[metric.name + SUFFIXES[metric.sort][0]]:
                self.assertEqual(set(each.labels) - {"le"}, set(metric.labels), metric.name)

    def test_nothing_tells_of_a_member(self) -> None:
        self.lived.live()
        text = self.lived.page().body.decode()
        self.assertFalse([name for name in ("ws-u1", "alice", "10.7") if f'"{name}' in text])

    def test_other_paths_are_refused(self) -> None:
        for path, method, status in (
            ("/metrics", "GET", 200), ("/metrics", "HEAD", 200), ("/metrics", "POST", 405), ("/", "GET", 404),
            ("/live", "GET", 404), ("/v1/images", "GET", 404), ("/routes", "GET", 404), ("/metrics/x", "GET", 404),
        ):  # fmt: skip
            self.assertEqual(self.lived.page(path, method).status, status, (path, method))

    def test_it_says_what_it_is(self) -> None:
        head = self.lived.page().received.partition(b"\r\n\r\n")[0]
        self.assertIn(b"Content-Type: text/plain; version=0.0.4; charset=utf-8", head)

    def test_it_is_on_no_other_listener(self) -> None:
        for port in (8001, 8002):
            asked = Exchange(self.lived.d.reactor, ("127.0.0.1", port), "GET", "/metrics", {"Host": "a"})
            self.assertEqual(self.lived.finish(asked).status, 404)

    def test_connections_are_bounded(self) -> None:
        sites = self.lived.d.daemon.sites  # type: ignore[union-attr]
        most = {address.port: site.places.most for address, site in sites.sites()}
        self.assertEqual(most[WHERE[1]], most[8002])

    def test_two_daemons_have_nothing_in_common(self) -> None:
        other = Lived()
        self.addCleanup(other.close)
        other.live()
        self.assertEqual(other.value("webspaced_wakes_total"), 2)
        self.assertEqual(self.lived.value("webspaced_wakes_total"), 0)


class EachTests(FiguresCase):
    def test_of_each_webspace_only_where_that_is_wanted(self) -> None:
        for wanted in (False, True):
            self.start(per_webspace=wanted)
            self.create()
            self.assertEqual({metric.name for metric in EACH} <= self.samples().keys(), wanted)

    def test_they_move_and_go(self) -> None:
        self.start(per_webspace=True)
        for name in ("alice", "bob"):
            self.create(name)
        self.assertEqual(self.value("webspace_depth", webspace="ws-u1"), 2)
        self.visit()
        self.assertEqual([self.value("webspace_depth", webspace=each) for each in ("ws-u1", "ws-u2")], [0, 2])
        self.lxd.containers["ws-u2"].has_network = False
        self.assertEqual(self.ask("DELETE", "self", name="bob")[0], 204)
        self.assertEqual([each.labels for each in self.samples()["webspaced_webspace_depth"]], [{"webspace": "ws-u1"}])

    def test_the_text_is_as_the_library_reads_it(self) -> None:
        lived = Lived()
        self.addCleanup(lived.close)
        lived.live()
        figures = lived.d.daemon.figures  # type: ignore[union-attr]
        figures._walk.each = True  # type: ignore[union-attr]
        samples = lived.samples()
        for metric in EACH:
            for each in samples[metric.name]:
                self.assertEqual(set(each.labels), set(metric.labels))
        self.assertEqual(len(samples["webspaced_webspace_relay_bytes_total"]), 2)
        self.assertEqual(lived.value("webspaced_webspace_relay_connections_total"), 2)
        self.assertEqual(
            lived.value("webspaced_webspace_relay_bytes_total"), lived.value("webspaced_relay_bytes_total")
        )

    def test_visitors_of_forwards_are_their_webspaces_too(self) -> None:
        self.start(per_webspace=True)
        self.create()
        external = self.ask("POST", "self/ports/7")[1]["ePort"]
        self.lxd.containers["ws-u1"].has_network = False
        self.machine.connect(external)
        self.machine.run_for(60)
        held = self.value("webspace_held_seconds_total", webspace="ws-u1")
        self.assertEqual(held, self.value("held_seconds_total"))
        self.assertGreater(held, 1)

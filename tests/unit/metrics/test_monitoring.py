"""The dashboard and the alerts ask for what there is: their queries against a daemon that has lived, and by promtool."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.promql import Query, read_query
from tests.unit.metrics.lived import Lived, by_name
from webspaced.base.families import families
from webspaced.base.metric import Sort
from webspaced.metrics.catalogue import CATALOGUE
from webspaced.metrics.dates import Ends

MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"
RULES, RULES_TEST = MONITORING / "webspaced-rules.yaml", MONITORING / "webspaced-rules.test.yaml"
BY_PROMETHEUS = {"job", "instance"}
"""Labels that it adds to whatever it scrapes."""


def dashboard() -> Any:
    return json.loads((MONITORING / "webspaced-dashboard.json").read_text())


def panels() -> Iterator[tuple[str, Any]]:
    """Give the dashboard's queries, with their panels' titles."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target


def plain(query: str) -> str:
    """Give a query as Grafana asks it."""
    return query.replace("$__rate_interval", "5m").replace("$job", ".*")


def alerts() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def exposition() -> str:
    """Give what a daemon tells that has lived, knows certificates, and can ask Traefik."""
    lived = Lived()
    try:
        lived.live()
        figures: Any = lived.d.daemon.figures  # type: ignore[union-attr]
        figures._ends = Ends({"lxd_client": 2e9})
        figures._watched.parts.served.publisher.failures += 1
        object.__setattr__(figures._watched.parts.served, "watch", Traefik())
        return lived.page().body.decode()
    finally:
        lived.close()


class Traefik:
    trouble, own = "", None


class QueryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.known = {name: [each.labels for each in samples] for name, samples in by_name(exposition()).items()}
        self.known["up"] = [{}]

    def check(self, where: str, query: Query) -> None:
        self.assertTrue(query.selectors, where)
        labels: set[str] = set(BY_PROMETHEUS)
        for metric, asked in query.selectors:
            self.assertIn(metric, self.known, where)
            there = {label for each in self.known[metric] for label in each}
            self.assertLessEqual(set(asked) - BY_PROMETHEUS, there, f"{where}: {metric}")
            labels |= there
        self.assertLessEqual(query.grouped, labels, where)

    def test_what_the_dashboard_asks_for_is_there(self) -> None:
        found = list(panels())
        self.assertGreater(len(found), 40)
        for title, target in found:
            query = read_query(plain(target["expr"]))
            self.check(title, query)
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            labels = query.grouped or {label for metric, _ in query.selectors for label in self.known[metric][0]}
            self.assertLessEqual(shown, labels | BY_PROMETHEUS, title)

    def test_what_the_alerts_ask_for_is_there(self) -> None:
        for name, expression in alerts():
            self.check(name, read_query(expression))

    def test_words_that_are_asked_for_are_of_the_vocabulary(self) -> None:
        queries = [read_query(expression) for _, expression in alerts()]
        refused = {each["reason"] for each in self.known["webspaced_visits_refused_total"]}
        for metric, label, values in (
            ("webspaced_visits_refused_total", "reason", refused),
            ("webspaced_certificate_left_seconds", "kind", {"member", "lxd_client", "lxd_server"}),
            ("webspaced_boot_seconds_bucket", "outcome", {"ok"}),
        ):  # fmt: skip
            for query in queries:
                for name, asked in query.selectors:
                    if name == metric and asked.get(label):
                        self.assertIn(asked[label], values)

    def test_every_metric_is_on_the_dashboard(self) -> None:
        shown = {metric for _, target in panels() for metric, _ in read_query(plain(target["expr"])).selectors}
        wanted = {
            metric.name + ("_bucket" if metric.sort is Sort.HISTOGRAM else "")
            for metric in CATALOGUE.values() if not metric.each
        }  # fmt: skip
        self.assertEqual(wanted - shown - {"webspaced_certificates"}, set())

    def test_a_query_that_asks_for_what_there_is_not_is_noticed(self) -> None:
        for wrong in (
            "webspaced_nothing", 'webspaced_leader{who="a"}', "sum by (who) (webspaced_leader)",
            'rate(webspaced_boots_total{depth="a"}[5m])',
        ):  # fmt: skip
            self.assertRaises(self.failureException, self.check, wrong, read_query(wrong))


class ReadingTests(SynchronousTestCase):
    def test_what_a_query_names(self) -> None:
        query = read_query('histogram_quantile(0.9, sum by (le, a) (rate(x_bucket{b="c",d=~"e|f"}[5m]))) > on (g) 2 * y')
        self.assertEqual(query, Query((("x_bucket", {"b": "c", "d": ""}), ("y", {})), frozenset(("le", "a", "g"))))
        self.assertEqual(read_query("sum(a) by (b) or c offset 5m").selectors, (("a", {}), ("c", {})))
        self.assertRaises(ValueError, read_query, 'a{b="c"')


class DashboardTests(SynchronousTestCase):
    def test_its_form(self) -> None:
        document = dashboard()
        self.assertEqual({"job", "datasource"}, {each["name"] for each in document["templating"]["list"]})
        identifiers = [panel["id"] for panel in document["panels"]]
        self.assertEqual(len(identifiers), len(set(identifiers)))
        self.assertNotIn("__inputs", document)
        for title, target in panels():
            self.assertIn('job=~"$job"', target["expr"], title)
            self.assertEqual(target["datasource"]["uid"], "${datasource}", title)

    def test_panels_do_not_overlap(self) -> None:
        cells: set[tuple[int, int]] = set()
        for panel in dashboard()["panels"]:
            place = panel["gridPos"]
            own = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            self.assertFalse(own & cells, panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24)
            cells |= own


class PromtoolTests(SynchronousTestCase):
    """By Prometheus' own tool, which ``make test`` brings (``harness/promtool.py``)."""

    def setUp(self) -> None:
        self.program = os.environ.get("WEBSPACED_TEST_PROMTOOL", "")
        if not self.program:
            message = "no promtool (WEBSPACED_TEST_PROMTOOL): run this by `make test`"
            raise SkipTest(message)

    def run_it(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments], input=text, capture_output=True, text=True, timeout=120, check=False, cwd=MONITORING
        )

    def works(self, *arguments: str, text: str = "") -> None:
        done = self.run_it(*arguments, text=text)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_the_rules_are_rules(self) -> None:
        self.works("check", "rules", RULES.name)

    def test_the_alerts_on_recorded_series(self) -> None:
        self.works("test", "rules", RULES_TEST.name)

    def test_each_alert_is_tried_both_ways(self) -> None:
        tried = [each for test in yaml.safe_load(RULES_TEST.read_text())["tests"] for each in test["alert_rule_test"]]
        for name, _ in alerts():
            ways = {bool(each.get("exp_alerts")) for each in tried if each["alertname"] == name}
            self.assertEqual(ways, {True, False}, name)

    def test_a_rule_that_is_wrong_fails_its_test(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        wrong = RULES.read_text().replace("stream_age_seconds > 60", "stream_age_seconds > 999")
        (folder / RULES.name).write_text(wrong)
        (folder / RULES_TEST.name).write_text(RULES_TEST.read_text())
        done = self.run_it("test", "rules", str((folder / RULES_TEST.name).absolute()))
        self.assertEqual(done.returncode, 1)
        self.assertIn("WebspacedEventStreamOld", done.stderr + done.stdout)

    def test_the_dashboards_queries_are_queries(self) -> None:
        rules = [{"record": f"panel:{n}", "expr": plain(target["expr"])} for n, (_, target) in enumerate(panels())]
        path = Path(self.mktemp())
        path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
        self.works("check", "rules", str(path.absolute()))

    def test_the_names_are_as_they_should_be(self) -> None:
        # What the client library tells by itself is not ours to name.
        self.works("check", "metrics", text=_own(exposition()))


def _own(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if "webspaced_" in line)


class FamilyTests(SynchronousTestCase):
    def test_one_family_for_each_name(self) -> None:
        readings = [*Ends({"a": 1.0}).readings(0.0), *Ends({"b": 2.0}).readings(0.0)]
        found = {family.name: len(family.samples) for family in families(readings, CATALOGUE)}
        self.assertEqual(found, {"webspaced_certificates": 2, "webspaced_certificate_left_seconds": 2})

"""The router's chart: its schema takes what it should, and its pages tell of every value."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml
from jsonschema import Draft7Validator
from twisted.trial.unittest import SynchronousTestCase

from harness import places
from tests.chart_values import Values, at, merged

CHART = places.CHECKOUT / "charts" / "webspaced-router"
LEAST: Values = {
    "config": {
        "router": {"interface": "lan0", "address": "172.24.254.1/16"},
        "lxd": {"url": "https://lxd:8443", "network": "lxdbr0"},
    }
}
REFUSED: dict[str, Values] = {
    "a value that nobody knows": at("replicaCount", 2),
    "an inner value that nobody knows": at("image.name", "x"),
    "a tag as digest": at("image.digest", "1.0"),
    "an address without its network": at("config.router.address", "172.24.254.1"),
    "two routers that both serve": at("config.leadership.mode", "alone"),
    "a number as a kernel setting": at("sysctls", [{"name": "net.ipv4.ip_forward", "value": 1}]),
}


class SchemaTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.schema = json.loads((CHART / "values.schema.json").read_text())
        self.defaults = yaml.safe_load((CHART / "values.yaml").read_text())

    def mistakes(self, values: Values) -> list[Any]:
        return list(Draft7Validator(self.schema).iter_errors(merged(self.defaults, values)))

    def test_defaults_and_the_least_are_taken(self) -> None:
        Draft7Validator.check_schema(self.schema)
        self.assertEqual(self.mistakes({}), [])
        self.assertEqual(self.mistakes(LEAST), [])

    def test_what_cannot_be_is_refused(self) -> None:
        for name, values in REFUSED.items():
            self.assertTrue(self.mistakes(merged(LEAST, values)), name)

    def test_schema_and_readme_know_every_value(self) -> None:
        self.assertEqual(set(self.schema["properties"]), {*self.defaults, "global"})
        rows = re.findall(r"^\| (`.*) \|", (CHART / "README.md").read_text(), re.MULTILINE)
        self.assertEqual({name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[0])}, set(self.defaults))

    def test_the_readmes_values_are_taken(self) -> None:
        text = (CHART / "README.md").read_text().partition("```yaml\n")[2].partition("```")[0]
        self.assertEqual(self.mistakes(yaml.safe_load(text)), [])

    def test_versions_follow_webspaced(self) -> None:
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        known = re.search(r'^version = "(.*)"', (places.CHECKOUT / "pyproject.toml").read_text(), re.MULTILINE)
        assert known is not None
        self.assertEqual((chart["version"], chart["appVersion"]), (known[1], known[1]))

"""The schema of the chart's values takes and refuses what it should; Helm asks the same one."""

from __future__ import annotations

import json

import yaml
from jsonschema import Draft7Validator
from twisted.trial.unittest import SynchronousTestCase

from tests.chart_values import CHART, METERED, REFUSED_BY_SCHEMA, REFUSED_WITH_WORDS, TAKEN, Values, merged


class SchemaTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.schema = json.loads((CHART / "values.schema.json").read_text())
        self.validator = Draft7Validator(self.schema)
        self.defaults = yaml.safe_load((CHART / "values.yaml").read_text())

    def mistakes(self, values: Values) -> list[str]:
        return [error.message for error in self.validator.iter_errors(merged(self.defaults, values))]

    def test_it_is_a_schema(self) -> None:
        Draft7Validator.check_schema(self.schema)

    def test_defaults_are_taken(self) -> None:
        self.assertEqual(self.mistakes({}), [])

    def test_it_knows_every_value(self) -> None:
        self.assertEqual(set(self.schema["properties"]), set(self.defaults))

    def test_the_matrix_is_taken(self) -> None:
        for name, values in {**TAKEN, "metered": METERED}.items():
            self.assertEqual(self.mistakes(values), [], name)

    def test_what_cannot_be_is_refused(self) -> None:
        for name, values in REFUSED_BY_SCHEMA.items():
            self.assertNotEqual(self.mistakes(values), [], name)

    def test_what_the_chart_has_words_for_reaches_it(self) -> None:
        for name, (_, values) in REFUSED_WITH_WORDS.items():
            self.assertEqual(self.mistakes(values), [], name)

"""The chart's files agree with what they are made of, and with the daemon."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from harness import chart_files, places
from tests.chart_values import CHART, FORMER
from webspaced.settings.schema import SETTINGS
from webspaced.traefik.requests import aliases, entry_point

NOT_IN_PODS = {"traefik.acme.ca", "traefik.http.token"}
"""Secrets of an embedded Traefik, and of a provider that the chart does not have."""


def loaded(name: str) -> Any:
    return yaml.safe_load((CHART / name).read_text())


def leaves(mapping: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


class MadeTests(SynchronousTestCase):
    def test_what_is_made_of_the_charts_files_is_up_to_date(self) -> None:
        for path, text in chart_files.written().items():
            self.assertEqual(path.read_text(), text, f"{path.name}: run python -m harness.chart_files")

    def test_every_value_has_its_row(self) -> None:
        rows = [key for key, _, _ in chart_files.values()]
        self.assertEqual(len(rows), len(set(rows)))
        for key in leaves(loaded("values.yaml")):
            self.assertTrue(any(key == row or key.startswith(f"{row}.") for row in rows), key)

    def test_a_default_is_shown_as_it_is(self) -> None:
        values = loaded("values.yaml")
        for key, shown, _ in chart_files.values():
            found: Any = values
            for name in key.split("."):
                found = found[name]
            if not isinstance(found, dict | list) or not found:
                self.assertEqual(yaml.safe_load(shown.strip("`")), found, key)

    def test_the_version_is_webspaceds(self) -> None:
        project = tomllib.loads((places.CHECKOUT / "pyproject.toml").read_text())["project"]
        about = loaded("Chart.yaml")
        self.assertEqual({about["version"], about["appVersion"]}, {project["version"]})


class DaemonTests(SynchronousTestCase):
    def test_each_secret_is_one_of_the_daemons_and_none_is_forgotten(self) -> None:
        files = {key: about.secret for key, about in SETTINGS.items() if about.from_file and key not in NOT_IN_PODS}
        for name, secret in (("secrets", True), ("certificates", False)):
            wanted = {key for key, found in files.items() if found == secret}
            self.assertEqual(set(loaded(f"files/{name}.yaml").values()), wanted)

    def test_each_secret_is_a_value(self) -> None:
        names = {*loaded("files/secrets.yaml"), *loaded("files/certificates.yaml")}
        self.assertEqual(names, set(loaded("values.yaml")["secrets"]))

    def test_what_is_told_by_variables_is_a_setting(self) -> None:
        self.assertLessEqual(set(loaded("files/agreed.yaml")), set(SETTINGS))

    def test_bounds_of_ports_are_the_daemons(self) -> None:
        text = (CHART / "templates" / "_config.tpl").read_text()
        found = re.findall(r'include "webspaced.bound" \(list \. "(\w+)" "(\w+)" (\d+)\)', text)
        self.assertEqual(
            {f"webspaces.{room}.{end}": int(number) for room, end, number in found},
            {f"webspaces.{room}.{end}": SETTINGS[f"webspaces.{room}.{end}"].default
             for room in ("ports", "boot_ports") for end in ("start", "end")},
        )  # fmt: skip


class TraefikTests(SynchronousTestCase):
    def test_headers_are_those_of_the_embedded_traefik(self) -> None:
        self.assertEqual(loaded("files/headers.yaml"), list(aliases()))

    def test_entry_points_treat_requests_as_the_embedded_traefik(self) -> None:
        arguments = loaded("traefik-values.yaml")["additionalArguments"]
        for name in ("web", "websecure"):
            prefix = f"--entrypoints.{name}.http."
            given = dict(each.removeprefix(prefix).split("=", 1) for each in arguments if each.startswith(prefix))
            self.assertEqual(given.pop("middlewares"), "webspaces_webspaced-headers@kubernetescrd")
            self.assertEqual(given, dict(_flags({**entry_point(), "middlewares": []})))


def _flags(mapping: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in mapping.items():
        name = f"{prefix}{key.lower()}"
        if isinstance(value, dict):
            yield from _flags(value, f"{name}.")
        elif value != []:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)


class FormerTests(SynchronousTestCase):
    """The table of the values of the Go daemon's chart."""

    def rows(self) -> dict[str, str]:
        text = (CHART / "README.md").read_text().partition("| former value |")[2]
        return dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", text, re.MULTILINE))

    def test_it_has_every_former_value(self) -> None:
        former = {key for key in leaves(FORMER) if key.split(".")[0] != "traefik"}
        for key in former:
            self.assertTrue(any(key == row or key.startswith(f"{row}.") for row in self.rows()), key)

    def test_it_names_none_that_there_was_not(self) -> None:
        former = set(leaves(FORMER))
        for row in self.rows():
            self.assertTrue(any(key == row or key.startswith(f"{row}.") for key in former), row)

    def test_every_former_value_has_its_place_here(self) -> None:
        values = loaded("values.yaml")
        for place in self.rows().values():
            found: Any = values
            for name in place.split("."):
                self.assertIn(name, found, place)
                found = found[name]


class NoHostTests(SynchronousTestCase):
    def test_no_registry_is_named(self) -> None:
        repository = loaded("values.yaml")["image"]["repository"]
        self.assertNotRegex(repository, r"[./:]")

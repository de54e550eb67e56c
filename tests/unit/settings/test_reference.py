from __future__ import annotations

import re
from pathlib import Path

from tests.unit.settings.loading import LoadingTestCase
from webspaced.settings import SETTINGS
from webspaced.settings.reference import markdown, sample

ROOT = Path(__file__).parents[3]


def uncommented(key_pattern: str) -> str:
    """The sample with its settings uncommented, where their own names match a pattern."""
    return re.sub(rf"^( *)#({key_pattern}:)", r"\1\2", sample(), flags=re.MULTILINE)


class SampleTests(LoadingTestCase):
    def test_committed(self) -> None:
        committed = (ROOT / "config.sample.yaml").read_text(encoding="utf-8")
        again = "python -m webspaced.settings.reference sample > config.sample.yaml"
        self.assertEqual(committed, sample(), f"print it again: {again}")

    def test_loads_as_it_is(self) -> None:
        self.assertEqual(self.load(sample()), self.load())

    def test_loads_uncommented(self) -> None:
        # The files of secrets are not there, a socket excludes sentinels, and automatic TLS is for an embedded Traefik.
        settings = self.load(uncommented(r"(?!\w*(?:token|cert|ca|key|password)_file|socket|email)\w+"))
        self.assertEqual(settings.iam.provider, "static")
        self.assertEqual(settings.iam.url, "https://iam.example.org/v1")
        self.assertEqual(
            settings.webspaces,
            self.load().webspaces.__class__(
                domain="example.org",
                networks=settings.webspaces.networks,
                reserved_addresses=settings.webspaces.reserved_addresses,
                leases=settings.webspaces.leases,
                reserved_names=settings.webspaces.reserved_names,
                ports=settings.webspaces.ports,
                domains=settings.webspaces.domains,
                wake=settings.webspaces.wake,
                pages=settings.webspaces.pages,
            ),
        )

    def test_has_every_setting(self) -> None:
        names = re.findall(r"^ *#?(\w+):", sample(), flags=re.MULTILINE)
        for key, about in SETTINGS.items():
            name = key.rpartition(".")[2] + ("_file" if about.from_file else "")
            self.assertIn(name, names)

    def test_lines_are_short(self) -> None:
        self.assertLessEqual(max(map(len, sample().splitlines())), 100)


class PageTests(LoadingTestCase):
    def test_committed(self) -> None:
        committed = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
        again = "python -m webspaced.settings.reference markdown > docs/reference/settings.md"
        self.assertEqual(committed, markdown(), f"print it again: {again}")

    def test_has_every_setting_and_variable(self) -> None:
        page = markdown()
        for key, about in SETTINGS.items():
            self.assertIn(f"| `{key}`<br>`WSD_{key.upper().replace('.', '_')}`", page)
            self.assertTrue(about.reason.endswith("."), key)

    def test_every_row_has_four_cells(self) -> None:
        rows = [
            line for line in markdown().splitlines() if line.startswith("| `") and "WSD_" in line
        ]
        self.assertEqual(len(rows), len(SETTINGS))
        for row in rows:
            self.assertEqual(len(re.findall(r"(?<!\\)\|", row)), 5, row)

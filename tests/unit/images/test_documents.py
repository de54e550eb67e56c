"""The pages and files of the image server: printed of the code, or as it is told of them."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from webspaced.images import metrics
from webspaced.images.cli import COMMANDS
from webspaced.images.settings import PAGES, SCHEMA
from webspaced.settings import load_for

ROOT = Path(__file__).parents[3]
HOW_TO = ROOT / "docs" / "how-to" / "image-server.md"
UNIT = ROOT / "deploy" / "systemd" / "webspaced-images.service"


class PrintedTests(SynchronousTestCase):
    def assertCommitted(self, path: str, text: str, command: str) -> None:
        self.assertEqual((ROOT / path).read_text(encoding="utf-8"), text, f"print it again: python -m {command} > {path}")

    def test_pages_are_committed(self) -> None:
        module = "webspaced.images.settings"
        self.assertCommitted("config.images.sample.yaml", PAGES.sample(), f"{module} sample")
        self.assertCommitted("docs/reference/images-settings.md", PAGES.markdown(), f"{module} markdown")
        self.assertCommitted("docs/reference/images-metrics.md", metrics.markdown(), "webspaced.images.metrics")

    def load(self, text: str) -> object:
        path = Path(self.mktemp())
        path.write_text(text)
        return load_for(SCHEMA, path, {})

    def test_the_sample_loads_as_it_is_and_uncommented(self) -> None:
        self.assertEqual(self.load(PAGES.sample()), self.load(""))
        uncommented = re.sub(r"^( *)#((?!\w+_file)\w+:)", r"\1\2", PAGES.sample(), flags=re.MULTILINE)
        self.assertNotEqual(self.load(uncommented), self.load(""))

    def test_lines_are_short(self) -> None:
        self.assertLessEqual(max(map(len, PAGES.sample().splitlines())), 100)

    def test_every_reason_is_a_sentence(self) -> None:
        for key, about in SCHEMA.settings.items():
            self.assertTrue(about.reason.endswith("."), key)


class HowToTests(SynchronousTestCase):
    def test_settings_in_it_load(self) -> None:
        blocks = re.findall(r"```yaml\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
        self.assertEqual(len(blocks), 2)
        file = Path(self.mktemp()).absolute()
        for block in blocks:
            file.write_text('{local: {alice: "a password"}}' if "access_file" in block else "a-token")
            load_for(SCHEMA, self.written(re.sub(r"(_file: )\S+", rf"\g<1>{file}", block)), {})

    def written(self, text: str) -> Path:
        path = Path(self.mktemp())
        path.write_text(text)
        return path

    def test_former_settings_have_a_place_here(self) -> None:
        table = HOW_TO.read_text(encoding="utf-8").partition("## From OctoLXD")[2]
        for former in ("log_level", "http.listen_address"):
            self.assertIn(f"| `{former}`", table)
            self.assertIn(former, SCHEMA.settings)
        for variable in re.findall(r"`(WSI_\w+)`", table):
            self.assertIn(variable, SCHEMA.variables)


class ManualTests(SynchronousTestCase):
    def test_it_has_every_command(self) -> None:
        text = (ROOT / "deploy" / "manual" / "webspaced-images.8").read_text(encoding="utf-8")
        for command in COMMANDS:
            self.assertRegex(text, rf"(?m)^\.BR? {command.name}\b")


class UnitTests(SynchronousTestCase):
    def test_it_starts_what_there_is(self) -> None:
        text = UNIT.read_text(encoding="utf-8")
        self.assertIn("webspaced-images run --config /etc/webspaced/webspaced-images.yaml", text)
        self.assertIn("StateDirectory=webspaced-images", text)
        self.assertEqual(str(SCHEMA.settings["data_dir"].default), "/var/lib/webspaced-images")
        self.assertIsInstance(yaml.safe_load(PAGES.sample()), dict)

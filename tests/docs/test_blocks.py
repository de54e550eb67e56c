"""Every block is of a known kind, is run or says why not, and is right as far as that can be seen without running it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator
from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

from harness.diagrams import digest, drawn_of
from tests.chart_values import CHART, merged
from tests.docs.blocks import ROOT, Block, blocks, commands, pages
from webspaced.cli.main import parser
from webspaced.settings import SETTINGS, SettingsError, load

RUN, READ = {"sh", "console"}, {"yaml", "json", "python"}
SHOWN = {"text", "mermaid", "js"}
"""What is neither run nor read: output, formats, pictures that the code host draws, and a page's script (with an excuse)."""
SECTIONS = {key.partition(".")[0] for key in SETTINGS}
LEAST_EXCUSE = 4
"""Words."""
FILE = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"


def every(*languages: str) -> Iterator[Block]:
    return (block for page in pages() for block in blocks(page) if not languages or block.language in languages)


class KindTests(SynchronousTestCase):
    def test_there_are_many(self) -> None:
        self.assertGreater(sum(block.is_shell and not block.excuse for block in every()), 30)

    def test_every_language_is_known(self) -> None:
        self.assertEqual([block.where for block in every() if block.language not in RUN | READ | SHOWN], [])

    def test_an_excuse_has_a_reason_and_names_what_there_is(self) -> None:
        for block in every():
            for word in ("not run", "checked"):
                said = block.said.get(word)
                if said is not None:
                    self.assertGreaterEqual(len(said.split()), LEAST_EXCUSE, block.where)
                    for path in re.findall(r"\b(?:tests|benchmarks|harness)/[\w/.]+\.py", said):
                        self.assertTrue((ROOT / path).exists(), f"{block.where}: there is no {path}")

    def test_a_script_and_python_are_excused(self) -> None:
        for block in every("js", "python"):
            self.assertTrue(block.excuse, f"{block.where}: nothing runs it, and it does not say why")


class ReadTests(SynchronousTestCase):
    def test_json(self) -> None:
        for block in every("json"):
            try:
                json.loads(block.text)
            except ValueError as error:
                self.fail(f"{block.where}: {error}")

    def test_python(self) -> None:
        for block in every("python"):
            compile(block.text, block.where, "exec")

    def test_yaml_is_settings_or_values_or_says_whose_it_is(self) -> None:
        for block in every("yaml"):
            if "checked" in block.said:
                yaml.safe_load(block.text)
            elif {"config", "existingSecrets", "image"} & set(self.read(block)):
                self.check_values(block)
            else:
                self.check_settings(block)

    def read(self, block: Block) -> dict[str, Any]:
        found = yaml.safe_load(block.text)
        self.assertIsInstance(found, dict, block.where)
        return dict(found)

    def check_values(self, block: Block) -> None:
        schema = json.loads((CHART / "values.schema.json").read_text())
        defaults = yaml.safe_load((CHART / "values.yaml").read_text())
        wrong = [error.message for error in Draft7Validator(schema).iter_errors(merged(defaults, self.read(block)))]
        self.assertEqual(wrong, [], block.where)

    def check_settings(self, block: Block) -> None:
        found = self.read(block)
        self.assertLessEqual(set(found), SECTIONS, f"{block.where}: no settings; say whose it is by <!-- checked: … -->")
        self.assertEqual(self.mistakes(found), [], block.where)

    def mistakes(self, found: dict[str, Any]) -> list[str]:
        path = Path(self.mktemp())
        found.setdefault("webspaces", {}).setdefault("domain", "example.org")
        path.write_text(yaml.safe_dump(self.with_files(found)))
        try:
            load(path, {})
        except SettingsError as error:
            return list(error.problems)
        return []

    def with_files(self, found: Any) -> Any:
        """Have the files that are named: a page's reader has them."""
        if not isinstance(found, dict):
            return found
        file = Path(self.mktemp()).absolute()
        file.write_text(FILE)
        return {key: str(file) if key.endswith("_file") else self.with_files(each) for key, each in found.items()}

    def test_settings_that_are_wrong_are_found(self) -> None:
        self.assertNotEqual(self.mistakes({"lxd": {"ulr": "https://lxd.example.org"}}), [])


class CommandTests(SynchronousTestCase):
    """Also in blocks that are not run."""

    def lines(self, program: str) -> Iterator[tuple[str, list[str]]]:
        for block in every("sh", "console"):
            for command in commands(block):
                for line in re.sub(r"\\\n", " ", command.text).splitlines():
                    found = re.match(rf"(?:sudo )?{program} (.*)", line)
                    if found:
                        yield block.where, shlex.split(found[1], comments=True)

    def test_the_commands_of_webspaced_are_taken(self) -> None:
        seen = list(self.lines("webspaced"))
        self.assertGreater(len(seen), 20)
        for where, words in seen:
            said = StringIO()
            try:
                with redirect_stderr(said):
                    parser().parse_args(words)
            except SystemExit as error:
                self.assertEqual(error.code, 0, f"{where}: webspaced {shlex.join(words)}: {said.getvalue()}")

    def test_the_targets_of_make_are_there(self) -> None:
        known = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        for where, words in self.lines("make"):
            self.assertIn(words[0], known, where)
            for name in (word.removeprefix("BENCH=") for word in words if word.startswith("BENCH=")):
                self.assertTrue((ROOT / "benchmarks" / f"{name}.py").exists(), f"{where}: {name}")

    def test_the_modules_of_the_harness_are_there(self) -> None:
        for where, (module, *_) in self.lines("(?:[a-z/.]*/)?python3? -m"):
            if module.startswith(("harness.", "webspaced.")):
                path = module.replace(".", "/") + ".py"
                self.assertTrue((ROOT / path).exists() or (ROOT / "src" / path).exists(), f"{where}: {module}")


    def test_the_tests_that_are_named_are_there(self) -> None:
        seen = [(where, word) for where, words in self.lines(".*python3 -m twisted.trial") for word in words]
        named = [(where, word) for where, word in seen if word.startswith("tests.")]
        self.assertGreater(len(named), 5)
        for where, word in named:
            self.assertIsNotNone(namedAny(word), where)


class LinkTests(SynchronousTestCase):
    """Sphinx looks at the links among its pages; these are those of the code host, too."""

    def test_every_link_leads_to_a_file(self) -> None:
        for page in pages():
            text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
            for link in re.findall(r"\]\(([^)\s]+)\)", text):
                if not re.match(r"[a-z]+:", link):
                    path = page.parent / link.partition("#")[0]
                    self.assertTrue(path.exists() if link[0] != "#" else True, f"{page.relative_to(ROOT)}: {link}")


class DiagramTests(SynchronousTestCase):
    def test_each_is_drawn_of_its_source(self) -> None:
        sources = sorted((ROOT / "docs" / "diagrams").glob("*.dot"))
        self.assertGreater(len(sources), 3)
        for source in sources:
            drawn = drawn_of(source.with_suffix(".svg").read_text(encoding="utf-8"))
            self.assertEqual(drawn, digest(source.read_text(encoding="utf-8")), f"{source.name}: python -m harness.diagrams")

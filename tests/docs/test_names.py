"""What pages name in passing is there: settings, metrics, commands, files of the repository, calls of the API."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml
from twisted.trial.unittest import SynchronousTestCase

from tests.chart_values import CHART
from tests.docs.blocks import ROOT, pages
from tests.openapi import operations
from webspaced.cli.registry import COMMANDS
from webspaced.images import metrics as images
from webspaced.images.settings import SCHEMA as IMAGES
from webspaced.lan.metrics import CATALOGUE as LAN
from webspaced.metrics.catalogue import CATALOGUE
from webspaced.router.metrics import CATALOGUE as OF_ROUTER
from webspaced.router.settings import SCHEMA as ROUTER
from webspaced.settings import SETTINGS
from webspaced.vocabulary.events import EVENTS
from webspaced.webspaces.conditions import Kind

SECTIONS = "dhcp|dns|guards|http|iam|leadership|lxd|metrics|router|timeouts|tracing|traefik|webspaces"
GROUPS = ("traefik.containo.us", "traefik.io")
"""Of Kubernetes' kinds."""
FILES = "charts|deploy|docs|harness|requirements|src|static|tests|tools"


def spans() -> Iterator[tuple[str, str]]:
    """Give every piece of code in a line of text, with its page."""
    for page in pages():
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for span in re.findall(r"`([^`\n]+)`", text):
            yield str(page.relative_to(ROOT)), span


def found(pattern: str) -> list[tuple[str, str]]:
    """Give what matches a pattern as a whole, with its page; it must be something."""
    return [(page, match[1]) for page, span in spans() if (match := re.fullmatch(pattern, span))]


class NameTests(SynchronousTestCase):
    def assertAllKnown(self, named: list[tuple[str, str]], known: set[str], least: int) -> None:
        self.assertGreater(len(named), least)
        self.assertEqual([each for each in named if each[1] not in known], [])

    def test_settings_and_values_of_the_chart(self) -> None:
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        of_chart = {f"{key}.{name}" for key, each in values.items() if isinstance(each, dict) for name in each}
        settings = {*SETTINGS, *IMAGES.settings, *ROUTER.settings}
        known = settings | {f"{key}_file" for key in settings} | of_chart
        sections = {key.rpartition(".")[0] for key in settings}
        named = found(rf"((?:{SECTIONS})\.[a-z_.]+?)(?:: .*)?")
        named = [each for each in named if not each[1].endswith((".py", ".yaml", ".yml", *GROUPS))]
        # Events have names of the same form.
        self.assertAllKnown(named, known | sections | set(EVENTS), 100)

    def test_metrics(self) -> None:
        every = (*CATALOGUE, *images.CATALOGUE, *LAN, *OF_ROUTER)
        known = {name for metric in every for name in (metric, f"{metric}_total")}
        self.assertAllKnown(found(r"(webspaced_[a-z_]+)"), known, 20)

    def test_commands(self) -> None:
        self.assertAllKnown(found(r"webspaced ([a-z-]+)(?: .*)?"), {command.name for command in COMMANDS}, 10)

    def test_conditions(self) -> None:
        conditions = {kind.value for kind in Kind}
        named = found(r"((?:port|host|address|certificate|bad|route|name)-[a-z]+)")
        self.assertAllKnown(named, conditions, 5)

    def test_files(self) -> None:
        for page, path in found(rf"((?:{FILES})/[\w./-]+)"):
            self.assertTrue((ROOT / path).exists(), f"{page}: {path}")

    def test_calls(self) -> None:
        known = {(method, re.sub(r"\{.*?\}", "{}", path)) for method, path, _ in operations()}
        for page, span in spans():
            call = re.fullmatch(r"(GET|POST|PUT|PATCH|DELETE) (/\S+)", span)
            if call and not call[2].startswith("/1.0/"):
                path = re.sub(r"/webspace/[^/]+", "/webspace/{}", re.sub(r"\{.*?\}|<.*?>", "{}", call[2]))
                self.assertIn((call[1], path), known, page)


class DecisionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.records = sorted((ROOT / "docs" / "decisions").glob("0*.md"))

    def test_every_record_has_its_number_and_its_parts(self) -> None:
        parts = ["Context", "Decision", "Consequences", "What would change it"]
        for number, path in enumerate(self.records, 1):
            text = path.read_text(encoding="utf-8")
            self.assertTrue(path.name.startswith(f"{number:04}-"), path.name)
            self.assertTrue(text.startswith(f"# {number}. "), path.name)
            self.assertEqual(re.findall(r"^## (.*)$", text, re.MULTILINE), parts, path.name)

    def test_the_index_has_every_record(self) -> None:
        index = (ROOT / "docs" / "decisions" / "index.md").read_text(encoding="utf-8")
        for path in self.records:
            title = path.read_text(encoding="utf-8").partition("\n")[0].partition(". ")[2]
            self.assertIn(f"[{title}]({path.name})", index)

    def test_the_code_cites_what_there_is(self) -> None:
        cited = set()
        for path in (path for room in ("src", "tests") for path in (ROOT / room).rglob("*.py")):
            for found in re.findall(r"design decisions? ([\d, and]+)", path.read_text(encoding="utf-8")):
                cited |= {int(each) for each in re.findall(r"\d+", found)}
        self.assertGreater(len(cited), 5)
        self.assertLessEqual(max(cited), len(self.records))

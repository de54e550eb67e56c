"""What an operator is told when a configuration cannot be served, or is only half used."""

from __future__ import annotations

from pathlib import Path

from twisted.application.service import IServiceMaker, ServiceMaker
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from webspaced.settings import load
from webspaced.tap import Options, _not_used, makeService

CLUSTER = """
iam: {url: "https://iam.example.org/v1"}
lxd: {url: "https://lxd.example.org:8443"}
webspaces: {domain: example.org}
traefik: {provider: kubernetes}
"""


class TapTests(SynchronousTestCase):
    def options(self, text: str) -> Options:
        self.path = Path(self.mktemp())
        self.path.write_text(text)
        options = Options()
        options.parseOptions(["--config", str(self.path)])
        return options

    def test_what_is_not_served_yet_ends_the_start_with_a_line_for_each(self) -> None:
        ended = self.assertRaises(SystemExit, makeService, self.options(CLUSTER))
        lines = str(ended).splitlines()
        for line, key in zip(lines, ("traefik.provider",), strict=True):
            self.assertTrue(line.startswith(f"{self.path}: {key}: "), line)

    def test_a_mistake_ends_it_too(self) -> None:
        ended = self.assertRaises(SystemExit, makeService, self.options("nonsense: 1\n"))
        self.assertIn("nonsense", str(ended))

    def test_what_is_set_and_changes_nothing_yet_is_named(self) -> None:
        self.options("webspaces: {domain: example.org}\nhttp: {cors: {allowed_origins: ['https://example.org']}}\n")
        self.assertEqual(_not_used(load(self.path, {})), ["http.cors.allowed_origins"])

    def test_twistd_knows_the_plugin(self) -> None:
        makers = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "webspaced"]
        self.assertEqual([type(maker) for maker in makers], [ServiceMaker])
        self.assertIs(makers[0].options, Options)

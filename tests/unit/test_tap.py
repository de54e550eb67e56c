"""What an operator is told when a configuration cannot be served, or is only half used."""

from __future__ import annotations

from pathlib import Path

import yaml
from twisted.application.service import IServiceMaker, ServiceMaker
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from webspaced.settings import load
from webspaced.tap import NOT_SERVED, NOT_USED, Options, _not_used, makeService

CLUSTER = """
iam: {url: "https://iam.example.org/v1"}
lxd: {url: "https://lxd.example.org:8443"}
webspaces: {domain: example.org}
traefik: {provider: redis}
"""


class TapCase(SynchronousTestCase):
    def options(self, text: str) -> Options:
        self.path = Path(self.mktemp())
        self.path.write_text(text)
        options = Options()
        options.parseOptions(["--config", str(self.path)])
        return options


class TapTests(TapCase):
    def test_what_is_not_served_yet_ends_the_start_with_a_line_for_each(self) -> None:
        ended = self.assertRaises(SystemExit, makeService, self.options(CLUSTER))
        lines = str(ended).splitlines()
        for line, key in zip(lines, ("traefik.provider",), strict=True):
            self.assertTrue(line.startswith(f"{self.path}: {key}: "), line)

    def test_a_mistake_ends_it_too(self) -> None:
        ended = self.assertRaises(SystemExit, makeService, self.options("nonsense: 1\n"))
        self.assertIn("nonsense", str(ended))

    def test_what_is_set_and_changes_nothing_yet_is_named(self) -> None:
        self.options("webspaces: {domain: example.org}\ntraefik: {iam_token: a-token}\n")
        self.assertEqual(_not_used(load(self.path, {})), ["traefik.iam_token"])

    def test_a_setting_that_is_given_its_default_is_no_wish(self) -> None:
        self.options("webspaces: {domain: example.org}\nhttp: {cors: {allowed_origins: ['*']}}\n")
        self.assertEqual(_not_used(load(self.path, {})), [])

    def test_twistd_knows_the_plugin(self) -> None:
        makers = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "webspaced"]
        self.assertEqual([type(maker) for maker in makers], [ServiceMaker])
        self.assertIs(makers[0].options, Options)


SET = {
    "webspaces.ports.kubernetes_service": "webspaced-ports",
    "traefik.iam_token": "a-token",
}
ASKED = {("traefik.provider", "redis"): "redis"}


class LaterTests(TapCase):
    """Every row of the tables of what is still to come."""

    def with_setting(self, key: str, value: object) -> Options:
        document: dict[str, object] = {"webspaces": {"domain": "example.org"}}
        *sections, last = key.split(".")
        inner = document
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[last] = value
        return self.options(yaml.safe_dump(document))

    def test_what_is_not_used(self) -> None:
        self.assertEqual(set(SET), set(NOT_USED))
        for key, value in SET.items():
            self.with_setting(key, value)
            self.assertEqual(_not_used(load(self.path, {})), [key])

    def test_names_on_a_certificate_that_nobody_issues(self) -> None:
        self.with_setting("traefik.default_sans", ["*.example.org"])
        self.assertEqual(_not_used(load(self.path, {})), ["traefik.default_sans"])
        environ = {"WSD_TRAEFIK_CERT_RESOLVER": "acme"}
        self.assertEqual(_not_used(load(self.path, environ)), [])

    def test_what_is_not_served(self) -> None:
        self.assertEqual(set(ASKED), {(wish.key, wish.what) for wish in NOT_SERVED})
        for (key, what), value in ASKED.items():
            ended = self.assertRaises(SystemExit, makeService, self.with_setting(key, value))
            self.assertIn(f"{key}: {what} is not served by this version yet (", str(ended))

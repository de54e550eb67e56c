"""What an operator is told when a configuration cannot be served, or is only half used."""

from __future__ import annotations

from pathlib import Path

import yaml
from twisted.application.service import IServiceMaker, ServiceMaker
from twisted.logger import capturedLogs, formatEvent
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from webspaced import tap
from webspaced.settings import load
from webspaced.tap import NOT_USED, Options, _not_used, makeService


class TapCase(SynchronousTestCase):
    def setUp(self) -> None:
        # The tests' own reactor stays as it is.
        self.clocked: list[object] = []
        self.patch(tap, "go_by_monotonic_time", self.clocked.append)

    def options(self, text: str) -> Options:
        self.path = Path(self.mktemp())
        self.path.write_text(text)
        options = Options()
        options.parseOptions(["--config", str(self.path)])
        return options


class TapTests(TapCase):
    def test_a_mistake_ends_the_start(self) -> None:
        ended = self.assertRaises(SystemExit, makeService, self.options("nonsense: 1\n"))
        self.assertIn("nonsense", str(ended))

    def test_the_reactor_goes_by_a_clock_that_nobody_sets(self) -> None:
        self.assertRaises(SystemExit, makeService, self.options("nonsense: 1\n"))
        self.assertEqual([hasattr(each, "callLater") for each in self.clocked], [True])

    def test_files_and_folders_in_others_hands_are_named_before_anything_is_built(self) -> None:
        data = Path(self.mktemp()).absolute()
        data.mkdir(mode=0o777)
        data.chmod(0o777)
        more = "webspaces: {domain: example.org}\ntraefik: {redis: {password: x}}\n"
        options = self.options(f"data_dir: {data}\n{more}")
        self.path.chmod(0o644)
        with capturedLogs() as logs:
            ended = self.assertRaises(SystemExit, makeService, options)
        self.assertIn(f"{data} (data_dir) may be written to by others", str(ended))
        self.assertEqual(list(data.iterdir()), [])
        said = [formatEvent(event) for event in logs]
        self.assertTrue(any(str(self.path) in text and "secret" in text for text in said), said)

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
    "traefik.iam_token": "a-token",
}


class LaterTests(TapCase):
    """Every row of the table of what is not used."""

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
        for provider, setting, idle in (
            ("file", "CERT_RESOLVER", False),
            ("redis", "CERT_RESOLVER", False),
            ("redis", "REDIS_CERT_RESOLVER", False),
            ("file", "REDIS_CERT_RESOLVER", True),
        ):
            environ = {f"WSD_TRAEFIK_{setting}": "acme", "WSD_TRAEFIK_PROVIDER": provider}
            self.assertEqual(_not_used(load(self.path, environ)), ["traefik.default_sans"] * idle)

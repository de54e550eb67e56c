"""Settings that only the image server has."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from webspaced.images.core.version import Version
from webspaced.images.kinds import ImageName
from webspaced.images.server import policy_of
from webspaced.images.settings import SCHEMA, Settings
from webspaced.settings import SettingsError, load_for


class SettingsTests(SynchronousTestCase):
    def load(self, text: str = "", **environ: str) -> Settings:
        path = Path(self.mktemp())
        path.write_text(text)
        return load_for(SCHEMA, path, environ)

    def mistakes(self, text: str) -> str:
        return str(self.assertRaises(SettingsError, self.load, text))

    def test_defaults(self) -> None:
        settings = self.load("data_dir: /srv/images")
        self.assertEqual(settings.directories, {"local": Path("/srv/images/published")})
        self.assertEqual(settings.releases.repositories, ())
        self.assertEqual(settings.http.listen_address.host, "127.0.0.1")
        self.assertEqual(settings.operators_address.host, "127.0.0.1")

    def test_mappings_in_a_file_and_in_variables(self) -> None:
        wanted = {ImageName("a/b", "c"): Version("1.10")}
        self.assertEqual(self.load("images: {pins: {'a/b:c': '1.10'}}").images.pins, wanted)
        self.assertEqual(self.load(WSI_IMAGES_PINS="{'a/b:c': '1.10'}").images.pins, wanted)

    def test_a_number_is_no_version(self) -> None:
        # It would be 1.1.
        self.assertIn("in quotes", self.mistakes("images: {pins: {'a/b:c': 1.10}}"))

    def test_mistakes(self) -> None:
        for text in (
            "releases: {repositories: [a]}", "releases: {repositories: ['*/*']}", "releases: {repositories: ['a/..']}",
            "images: {pins: {c: '1'}}", "images: {pins: {'../x:c': '1'}}", "images: {pins: {'a:c': latest}}",
            "images: {withdrawn: ['a:c']}", "images: {manifests: {'a:c': {alias: x}}}", "directories: {'..': /x}",
            "directories: [a]", "http: {tls: {certificate: /x}}", "http: {access: {a: {b: ''}}}",
            "{directories: {a/b: /x}, releases: {repositories: [A/b]}}", "cache: {size: 5}",
        ):  # fmt: skip
            self.mistakes(text)

    def test_passwords_are_not_told(self) -> None:
        self.assertNotIn("hushhush", self.mistakes("http: {access: {a: {b: [hushhush]}}}"))
        self.assertNotIn("hushhush", repr(self.load("http: {access: {a: {b: hushhush}}}")))
        path = Path(self.mktemp()).absolute()
        path.write_text("{a: {b: hushhush}}")
        self.assertEqual(self.load(f"http: {{access_file: {path}}}").http.access, {"a": {"b": "hushhush"}})

    def test_what_is_said_of_a_stream_is_for_that_one(self) -> None:
        settings = self.load("images: {pins: {'A/b:c': '1'}, withdrawn: ['a/b:c/2', 'x:c/3'], versions: 4}")
        policy = policy_of(settings, "a/B")
        self.assertEqual((policy.pins, policy.withdrawn), ({"c": Version("1")}, {("c", Version("2"))}))
        self.assertEqual(policy.most, 4)
        self.assertEqual(policy_of(settings, "other").pins, {})

"""`webspaced make-cert` as an operator types it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tests.unit.cli.test_user import CommandCase
from webspaced.lxd.tls import Identities, connection_creator
from webspaced.settings import load


class MakeCertTests(CommandCase):
    def make(self, *words: str) -> tuple[str, str]:
        status, out, err = self.run_it("make-cert", *words)
        self.assertEqual(status, 0, err)
        return out, err

    def test_both_files_and_what_to_do_with_them(self) -> None:
        directory = self.folder / "new" / "place"
        out, err = self.make("--directory", str(directory))
        certificate, key = directory / "lxd-client.crt", directory / "lxd-client.key"
        self.assertEqual(out, f"lxc config trust add {certificate} --name webspaced\n")
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(directory.stat().st_mode), 0o700)
        self.assertNotIn("PRIVATE", out + err)
        connection_creator("lxd", Identities(client=certificate.read_text(), client_key=key.read_text()))

    def test_what_it_says_can_be_pasted_into_the_settings(self) -> None:
        _, err = self.make("--directory", str(self.folder))
        lines = err.splitlines()
        yaml = "\n".join([*lines[lines.index("  lxd:") :], "  webspaces: {domain: example.org}"])
        file = self.folder / "webspaced.yaml"
        (self.folder / "FILE").write_text((self.folder / "lxd-client.crt").read_text())
        file.write_text(yaml.replace("FILE ", f"{self.folder}/FILE ").replace("HOST", "lxd.example"))
        settings = load(file, {})
        self.assertEqual(settings.lxd.tls.client_key, (self.folder / "lxd-client.key").read_text().rstrip())

    def test_what_lxd_may_trust_already_is_never_overwritten(self) -> None:
        self.make("--directory", str(self.folder))
        before = (self.folder / "lxd-client.key").read_bytes()
        (self.folder / "lxd-client.crt").unlink()
        self.assertIn("exists already", self.wrong(1, "make-cert", "--directory", str(self.folder)))
        self.assertEqual((self.folder / "lxd-client.key").read_bytes(), before)

    def test_made_by_root_they_are_of_whose_directory_it_is(self) -> None:
        given: dict[str, tuple[int, int]] = {}

        def fchown(descriptor: int, uid: int, gid: int) -> None:
            given[Path(f"/proc/self/fd/{descriptor}").resolve().name] = uid, gid

        # As root it does, as anybody else it must not try.
        for euid in (0, 1000):
            folder = self.folder / str(euid)
            self.patch(os, "geteuid", lambda euid=euid: euid)
            self.patch(os, "fchown", fchown)
            self.make("--directory", str(folder))
            owner = folder.stat().st_uid, folder.stat().st_gid
            expected = {"lxd-client.crt": owner, "lxd-client.key": owner} if euid == 0 else {}
            self.assertEqual(given, expected)
            given.clear()

    def test_into_the_data_directory_of_the_settings(self) -> None:
        config = self.folder / "webspaced.yaml"
        config.write_text(f"data_dir: {self.folder}/data\nwebspaces: {{domain: example.org}}\n")
        self.make("--config", str(config))
        self.assertTrue((self.folder / "data" / "lxd-client.crt").exists())

    def test_wrong_settings_are_named(self) -> None:
        config = Path(self.folder / "webspaced.yaml")
        config.write_text("nonsense: 1\n")
        self.assertIn("nonsense", self.wrong(1, "make-cert", "--config", str(config)))

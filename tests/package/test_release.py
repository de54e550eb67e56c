"""A release, made of a copy of this checkout: one version everywhere, the changelog collected, all built and tagged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parents[2]
VERSION = "98.7.6"
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".tox", "run", "run-test", "dist", "build", "_build", "__pycache__", "*.egg-info", "_trial_temp*",
    ".*_cache",
)  # fmt: skip
AUTHOR = {f"GIT_{role}_{what}": text for role in ("AUTHOR", "COMMITTER") for what, text in (("NAME", "t"), ("EMAIL", "t@t"))}


class ReleaseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.copy = Path(self.mktemp()).absolute()
        shutil.copytree(ROOT, self.copy, ignore=NOT_COPIED, symlinks=True)
        self.run_it("git", "init", "--quiet")
        self.run_it("git", "add", "--all")
        self.run_it("git", "commit", "--quiet", "--message", "all")

    def run_it(self, *command: str, status: int = 0) -> str:
        done = subprocess.run(
            command, cwd=self.copy, env={**os.environ, **AUTHOR, "PYTHONPATH": str(self.copy)}, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def release(self, version: str, status: int = 0) -> str:
        return self.run_it(sys.executable, "-m", "harness.release", version, status=status)

    def test_it_is_whole(self) -> None:
        said = self.release(VERSION)
        made = {path.name for path in (self.copy / "dist").iterdir()}
        wanted = {f"webspaced-{VERSION}.tar.gz", f"webspaced-{VERSION}-py3-none-any.whl", f"webspaced-{VERSION}.cdx.json"}
        self.assertEqual(made, wanted)
        for name in wanted:
            self.assertIn(name, said)
        chart = yaml.safe_load((self.copy / "charts/webspaced/Chart.yaml").read_text())
        self.assertEqual((chart["version"], chart["appVersion"]), (VERSION, VERSION))
        self.assertIn(VERSION, (self.copy / "CHANGELOG.md").read_text())
        self.assertEqual([path.name for path in (self.copy / "changelog.d").iterdir() if path.name[0] != "."], ["README.md"])
        components = json.loads((self.copy / f"dist/webspaced-{VERSION}.cdx.json").read_text())["components"]
        self.assertIn("twisted", {each["name"].lower() for each in components})
        self.assertEqual(self.run_it("git", "status", "--porcelain"), "")
        self.assertEqual(self.run_it("git", "describe", "--exact-match").strip(), f"v{VERSION}")
        self.assertIn("is there already", self.release(VERSION, status=1))

    def test_what_it_refuses(self) -> None:
        self.assertIn("no version", self.release("1.2", status=1))
        (self.copy / "README.md").write_text("changed")
        self.assertIn("not committed", self.release(VERSION, status=1))
        self.assertEqual(self.run_it("git", "tag"), "")

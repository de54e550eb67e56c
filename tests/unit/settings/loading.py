"""What the tests of loading share."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from webspaced.settings import Settings, SettingsError, load


class LoadingTestCase(SynchronousTestCase):
    """Loads settings from texts."""

    def write(self, name: str, text: str) -> Path:
        """A file in a folder of this test's own."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        path = folder / name
        path.write_text(dedent(text), encoding="utf-8")
        return path.absolute()

    def load(self, text: str = "", **environ: str) -> Settings:
        """The settings of a file that has a domain, and of variables."""
        domain = "" if "webspaces:" in text else "webspaces: {domain: example.org}\n"
        return load(self.write("w.yaml", domain + dedent(text)), environ)

    def problems(self, text: str, **environ: str) -> list[str]:
        """The mistakes in a file that has a domain, and in variables; its path is shown as FILE."""
        domain = "" if "webspaces:" in text else "webspaces: {domain: example.org}\n"
        return self.problems_of(self.write("w.yaml", domain + dedent(text)), **environ)

    def problems_of(self, path: Path | None, **environ: str) -> list[str]:
        """The mistakes in a file and in variables; the file's path is shown as FILE."""
        error = self.assertRaises(SettingsError, load, path, environ)
        self.assertEqual(str(error), "\n".join(error.problems))
        return [problem.replace(str(path), "FILE") for problem in error.problems]

"""`make release VERSION=1.2.3`: everything of a release but its publication.

The version is written into pyproject.toml and the chart; the changelog is collected of its fragments; sdist and wheel are
built, the wheel of the sdist, and checked; dist/ gets a list of components, too; a commit and a tag hold it.
What is wrong ends it before the commit: `git reset --hard` takes the rest back.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from harness import places, requirements, sbom, venv
from harness.saying import CannotGoOn, run_program, say

TOOLS = ("build==1.6.1", "cyclonedx-bom==7.5.0", "towncrier==26.9.0", "twine==7.0.0")
PROJECT = places.CHECKOUT / "pyproject.toml"
CHARTS = sorted((places.CHECKOUT / "charts").glob("*/Chart.yaml"))
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        command, cwd=places.CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotGoOn(f"{' '.join(map(str, command))} failed:\n{(done.stdout + done.stderr).strip()[-3000:]}")
    return done.stdout


def _begin(version: str) -> None:
    if VERSION.fullmatch(version) is None:
        raise CannotGoOn(f"{version} is no version such as 1.2.3 or 1.2.3rc1")
    if _run("git", "status", "--porcelain"):
        raise CannotGoOn("there are changes that are not committed")
    if _run("git", "tag", "--list", f"v{version}"):
        raise CannotGoOn(f"v{version} is there already")


def _write_version(version: str) -> None:
    """Write it into pyproject.toml; the charts follow."""
    chart_lines = (r"(?m)^(version: )\S+()", r'(?m)^(appVersion: ")[^"]*(")')
    of_charts = [(path, pattern) for path in CHARTS for pattern in chart_lines]
    for path, pattern in ((PROJECT, r'(?m)^(version = ")[^"]*(")'), *of_charts):
        text, found = re.subn(pattern, rf"\g<1>{version}\g<2>", path.read_text(encoding="utf-8"))
        if found != 1:
            raise CannotGoOn(f"{path.name} has {found} lines with its version")
        path.write_text(text, encoding="utf-8")


def _build(python: Path, folder: Path) -> list[Path]:
    """Build sdist and wheel; both are whole when the wheel of the sdist is that of the checkout."""
    _run(python, "-m", "build", "--outdir", folder, ".")
    files = sorted(folder.iterdir())
    _run(python, "-m", "twine", "check", "--strict", *files)
    with tempfile.TemporaryDirectory(prefix="webspaced-wheel-") as temporary:
        ours = _names(venv.build_wheel(python, Path(temporary)))
    differing = ours ^ _names(next(folder.glob("*.whl")))
    if differing:
        raise CannotGoOn(f"the sdist is not what the checkout is: {', '.join(sorted(differing)[:20])}")
    return files


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def release(version: str, python: Path) -> list[Path]:
    """Do it; gives what is to be published."""
    _begin(version)
    _write_version(version)
    _run(python, "-m", "towncrier", "build", "--yes", "--version", version)
    target = places.CHECKOUT / "dist"
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="webspaced-release-") as temporary:
        files = _build(python, Path(temporary))
        made = [Path(shutil.move(file, target / file.name)) for file in files]
    components = target / f"webspaced-{version}.cdx.json"
    sbom.write(requirements.FOLDER / "package.lock", components, str(python))
    _run("git", "commit", "--all", "--message", f"Release {version}")
    _run("git", "tag", "--annotate", f"v{version}", "--message", f"webspaced {version}")
    return [*made, components]


def main() -> int:
    """Make a release of this checkout."""
    parser = argparse.ArgumentParser(prog="python -m harness.release", description=__doc__)
    parser.add_argument("version")
    version = parser.parse_args().version
    with tempfile.TemporaryDirectory(prefix="webspaced-tools-") as temporary:
        tools = venv.Venv(Path(temporary) / "tools")
        tools.ensure()
        tools.install(*TOOLS)
        made = release(version, tools.python)
    say("made, committed and tagged; to be published:")
    for path in made:
        say(f"  {path}")
    return 0


if __name__ == "__main__":
    run_program(main)

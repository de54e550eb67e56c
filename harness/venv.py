"""Virtual environments, and the wheel of this checkout in them.

`python -m harness.venv` makes `.venv` hold the checkout as it is now.
"""

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness import packages, places
from harness.saying import CannotGoOn, run_program, say

# What a wheel is made of; the README is shown by package indexes only.
SOURCES = ("setup.py", "pyproject.toml", "LICENSE", "src", "twisted", "static")
NOT_SOURCES = ("__pycache__", "*.egg-info", "dropin.cache")


class Venv:
    """A virtual environment at a path; its notes say what it was made from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._notes_file = path / "webspaced-harness.json"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"

    def ensure(self) -> None:
        """Make it, unless it is there, whole, and made here by this Python. Idempotent."""
        made_by = f"{sys.base_prefix} {sys.version} {self.path}"
        if self.noted("made by") == made_by and self.python.exists():
            return
        _ensure_module_venv()
        say(f"making {self.path.name} ...")
        subprocess.run([sys.executable, "-m", "venv", "--clear", self.path], check=True)
        self.note("made by", made_by)

    def install(self, *arguments: str | Path) -> None:
        """Run pip's install."""
        _pip(self.python, "install", *arguments)

    def noted(self, key: str) -> str | None:
        """What was noted under a key."""
        return self._notes().get(key)

    def note(self, key: str, value: str) -> None:
        """Remember something as long as the environment lives."""
        self._notes_file.write_text(json.dumps({**self._notes(), key: value}), encoding="utf-8")

    def _notes(self) -> dict[str, str]:
        try:
            notes = json.loads(self._notes_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}


def _ensure_module_venv() -> None:
    """Debian keeps half of the module venv in a package of its own."""
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return
    packages.ensure(("python3-venv",), "a virtual environment")
    # ensurepip is looked for afresh by the child that makes the environment.
    check = [sys.executable, "-c", "import ensurepip, venv"]
    if subprocess.run(check, check=False, capture_output=True).returncode:
        raise CannotGoOn(f"{sys.executable} cannot make virtual environments (no module ensurepip)")


def _pip(python: Path, *arguments: str | Path) -> None:
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
        raise CannotGoOn("pip failed; its message is above")


def _files() -> Iterator[Path]:
    for name in SOURCES:
        top = places.CHECKOUT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and not any(part.match(known) for part in _parts(path) for known in NOT_SOURCES):
                yield path


def _parts(path: Path) -> list[Path]:
    return [Path(part) for part in path.relative_to(places.CHECKOUT).parts]


def sources_hash() -> str:
    """A number that changes with whatever goes into the wheel."""
    digest = hashlib.sha256()
    for path in _files():
        digest.update(f"{path.relative_to(places.CHECKOUT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def build_wheel(python: Path, folder: Path) -> Path:
    """Build the checkout's wheel into a folder.

    From a copy: setuptools puts its `build` beside the sources, and what was deleted here would live on there.
    """
    with tempfile.TemporaryDirectory(prefix="webspaced-wheel-") as temporary:
        for path in [*_files(), places.CHECKOUT / "README.md"]:
            if path.exists():
                target = Path(temporary) / path.relative_to(places.CHECKOUT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        _pip(python, "wheel", "--no-deps", "--wheel-dir", folder, temporary)
    return next(folder.glob("webspaced-*.whl"))


def ensure_product() -> Venv:
    """`.venv` with the checkout's wheel in it; builds and installs only when sources changed."""
    venv = Venv(places.VENV)
    venv.ensure()
    sources = sources_hash()
    if venv.noted("sources") == sources:
        return venv
    say("building and installing webspaced (a minute when its dependencies have to come too) ...")
    with tempfile.TemporaryDirectory(prefix="webspaced-dist-") as folder:
        wheel = build_wheel(venv.python, Path(folder))
        # First with what it needs, then itself once more: pip would keep an equal version.
        venv.install(f"{wheel}[all]")
        venv.install("--no-deps", "--force-reinstall", wheel)
    venv.note("sources", sources)
    return venv


def main() -> int:
    """Bring `.venv` up to date."""
    ensure_product()
    return 0


if __name__ == "__main__":
    run_program(main)

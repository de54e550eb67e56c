"""`python -m harness.requirements`: write the lock files of requirements/, with uv of a pinned version.

Each holds for every Python that pyproject.toml allows, as what is for some is marked so. Users have the
ranges of pyproject.toml.
"""

import subprocess
import tempfile
import tomllib
from pathlib import Path

from harness import places, venv
from harness.saying import CannotGoOn, run_program, say

UV = "uv==0.13.9"
FOLDER = places.CHECKOUT / "requirements"
LOCKS = {
    # What a cluster needs; it has a Traefik.
    "image": ("redis", "kubernetes", "tracing"),
    "package": ("all",),
    "test": ("test",),
}


def oldest() -> str:
    """The oldest Python that is supported."""
    project = tomllib.loads((places.CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["requires-python"].removeprefix(">="))


def write(uv: Path) -> None:
    """Write all of them; a version that is in one already stays while it fits."""
    for name, extras in LOCKS.items():
        command: list[str | Path] = [
            uv, "pip", "compile", "--quiet", "--universal", "--python-version", oldest(), "--generate-hashes", "--no-header",
            "--no-annotate", "--native-tls", *(f"--extra={extra}" for extra in extras), "pyproject.toml",
            "--output-file", FOLDER / f"{name}.lock",
        ]
        if subprocess.run(command, cwd=places.CHECKOUT, check=False).returncode:
            raise CannotGoOn(f"{name}.lock was not written; uv says why above")
        say(f"wrote requirements/{name}.lock")


def main() -> int:
    """Write them with an uv of their own."""
    with tempfile.TemporaryDirectory(prefix="webspaced-uv-") as temporary:
        tools = venv.Venv(Path(temporary) / "tools")
        tools.ensure()
        tools.install(UV)
        write(tools.path / "bin" / "uv")
    return 0


if __name__ == "__main__":
    run_program(main)

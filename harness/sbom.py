"""`python -m harness.sbom LOCK FILE`: what Python packages a lock file brings, as a CycloneDX document.

Needs cyclonedx-bom in the environment that it runs in, which checks the document against its schema. Packages of an
image's base are not in it.
"""

import subprocess
import sys
from pathlib import Path

from harness import places
from harness.saying import CannotGoOn, run_program


def write(lock: Path, target: Path, python: str = sys.executable) -> None:
    """Write the document, reproducibly: the same lock file gives the same one."""
    command: list[str | Path] = [
        python, "-m", "cyclonedx_py", "requirements", "--pyproject", places.CHECKOUT / "pyproject.toml",
        "--mc-type", "application", "--output-reproducible", "--validate", "--of", "JSON", "-o", target, lock,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotGoOn(f"no list of components: {done.stderr.strip()[-1000:]}")


def main() -> int:
    """Write one."""
    write(Path(sys.argv[1]), Path(sys.argv[2]))
    return 0


if __name__ == "__main__":
    run_program(main)

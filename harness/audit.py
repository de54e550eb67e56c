"""`make audit`: which of the locked packages have known vulnerabilities, by pip-audit.

Status 1 if one has, 2 if some could not be looked up, as where PyPI is not reached: then nothing is known of them.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness import requirements, venv
from harness.saying import CannotGoOn, run_program, say

TOOL = "pip-audit==2.10.1"
VULNERABLE, UNKNOWN = 1, 2


def audit(python: Path, lock: Path) -> Mapping[str, Any]:
    """Give what pip-audit tells of a lock file."""
    options = ("--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json")
    command: list[str | Path] = [python, "-m", "pip_audit", *options, "-r", lock]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        raise CannotGoOn(f"pip-audit failed:\n{done.stderr.strip()[-2000:]}") from None


def vulnerable(told: Mapping[str, Any]) -> Iterator[str]:
    """Name what is known, and the version that mends it."""
    for each in told["dependencies"]:
        for found in each.get("vulns", ()):
            mended = ", ".join(found["fix_versions"]) or "no version yet"
            yield f"{each['name']} {each['version']}: {found['id']} (mended in {mended})"


def unknown(told: Mapping[str, Any]) -> list[str]:
    """Name what could not be looked up."""
    return [each["name"] for each in told["dependencies"] if "skip_reason" in each]


def main() -> int:
    """Look all lock files up."""
    status = 0
    with tempfile.TemporaryDirectory(prefix="webspaced-audit-") as temporary:
        tools = venv.Venv(Path(temporary) / "tools")
        tools.ensure()
        tools.install(TOOL)
        for name in requirements.LOCKS:
            told = audit(tools.python, requirements.FOLDER / f"{name}.lock")
            found, missing = list(vulnerable(told)), unknown(told)
            for line in found:
                say(f"{name}.lock: {line}")
            packages = len(told["dependencies"])
            say(f"{name}.lock: {packages} packages, {len(found)} vulnerabilities, {len(missing)} not looked up")
            status = VULNERABLE if found or status == VULNERABLE else UNKNOWN if missing else status
    return status


if __name__ == "__main__":
    run_program(main)

"""Prometheus' promtool for tests: found on PATH, else out of the distribution's package, which is not installed.

Installing it would start a Prometheus of the machine's own.
"""

import fcntl
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import places
from harness.saying import CannotGoOn, say

PACKAGE = "prometheus"
PROGRAM = Path("usr/bin/promtool")
DOWNLOAD = ["apt-get", "download", "-q", PACKAGE]
PATIENCE = 300


def ensured() -> Path:
    """The program; fetches its package if need be. Raises CannotGoOn with the reason when that cannot be."""
    found = shutil.which("promtool")
    if found:
        return Path(found)
    folder = places.cache() / "promtool"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        # For whoever fetches the same; the kernel gives it back however this process ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / PROGRAM).exists():
            _fetch(folder)
    return folder / PROGRAM


def _fetch(folder: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise CannotGoOn("there is no promtool on PATH, and no apt to fetch it with")
    say("fetching promtool, once ...")
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unfinished-"))
    try:
        try:
            _run(DOWNLOAD, unfinished)
        except CannotGoOn:
            # On a new machine apt has no lists yet.
            _run(["apt-get", "update", "-q"], unfinished)
            _run(DOWNLOAD, unfinished)
        (package,) = unfinished.glob("*.deb")
        _run(["dpkg-deb", "-x", str(package), str(unfinished / "files")], unfinished)
        if not (unfinished / "files" / PROGRAM).exists():
            raise CannotGoOn(f"the package {PACKAGE} has no {PROGRAM} here")
        shutil.rmtree(folder, ignore_errors=True)
        (unfinished / "files").rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise CannotGoOn(f"{command[0]} did not end within {PATIENCE} s") from error
    if done.returncode:
        raise CannotGoOn(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-500:]}")

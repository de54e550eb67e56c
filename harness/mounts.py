"""Bind mounts, and what else is mounted below a folder."""

import subprocess
import time
from pathlib import Path

from harness.saying import CannotGoOn


def below(folder: Path) -> list[Path]:
    """What is mounted at a folder and below it, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    # Fields are documented in proc(5); blanks in a path are written in octal.
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    inside = [point for point in points if point == str(folder) or point.startswith(f"{folder}/")]
    return [Path(point) for point in sorted(inside, reverse=True)]


def same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one folder."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def bind(source: Path, target: Path) -> None:
    """Make a folder appear at a second path."""
    target.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "--bind", source, target], check=False, capture_output=True, text=True)
    if done.returncode:
        raise CannotGoOn(f"cannot mount {source} at {target}: {done.stderr.strip()}")


def unmount(folder: Path) -> None:
    """Unmount a folder and all below it, whoever still uses it."""
    for _ in range(20):
        points = below(folder)
        if not points:
            return
        for point in points:
            subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
        time.sleep(0.05)

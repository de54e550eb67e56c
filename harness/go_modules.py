"""Go modules at pinned versions, and programs built from them.

A pin names the module, its version and its checksum. Go's own client fetches and verifies it, and with it the `go.sum` that
pins whatever the module needs.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.saying import CannotGoOn, say

PATIENCE = 300


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait for whoever makes the same; the kernel gives the lock back however this process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def downloaded(pinned: Mapping[str, Any]) -> Path:
    """Where Go keeps a module, once it has it. Raises CannotGoOn with the reason when it cannot be had."""
    name = f"{pinned['module']}@{pinned['version']}"
    # Outside of the checkout: no other module's versions count.
    with tempfile.TemporaryDirectory(prefix="webspaced-go-") as empty:
        try:
            done = _go(["mod", "download", "-json", name], Path(empty), {"GOFLAGS": "-mod=mod"}, PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise CannotGoOn(f"{name} was not had within {PATIENCE} s") from error
    told = _told(done.stdout)
    if done.returncode or "Error" in told:
        raise CannotGoOn(f"{name} cannot be had: {told.get('Error') or done.stderr.strip()[-500:]}")
    if told.get("Sum") != pinned["sum"]:
        raise CannotGoOn(f"{name} is not the one that is pinned: {told.get('Sum')}")
    return Path(told["Dir"])


def built(pinned: Mapping[str, Any], program: Path) -> None:
    """Build a module's command (`package`, a folder in it) to a path. Raises CannotGoOn with the reason.

    `variables` are set in it, as its own makers' builds do.
    """
    if shutil.which("go") is None:
        raise CannotGoOn(f"there is no {program.name}, and no Go to build one")
    source = downloaded(pinned)
    say(f"building {program.name} {pinned['version']}, once ...")
    unfinished = program.with_name(f"{program.name}.unfinished")
    flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in pinned["variables"].items())])
    command = ["build", "-mod=readonly", "-trimpath", f"-ldflags={flags}", "-o", str(unfinished), f"./{pinned['package']}"]
    done = _go(command, source, {"CGO_ENABLED": "0"}, None)
    if done.returncode:
        raise CannotGoOn(f"{program.name} cannot be built: {done.stderr.strip()[-1000:]}")
    unfinished.replace(program)


def _go(
    arguments: list[str], folder: Path, environment: Mapping[str, str], patience: float | None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["go", *arguments], cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=patience,
    )


def _told(text: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(text)
    except ValueError:
        return {}
    return told

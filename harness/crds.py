"""The schemas of Traefik's and cert-manager's custom resources, out of the Go modules of both.

`tools/crds/modules.json` pins the modules, and names the files in them (cert-manager's chart has the same ones, as
templates). They are fetched once, by Go's own client, which verifies them, and kept outside of the checkout.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from harness import places
from harness.saying import CannotGoOn, say

PINNED = places.CHECKOUT / "tools" / "crds" / "modules.json"
PATIENCE = 300


def ensured() -> Path:
    """The folder with all of them; fetches them if need be. Raises CannotGoOn with the reason when that cannot be."""
    folder = places.cache() / "crds" / hashlib.sha256(PINNED.read_bytes()).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        # For whoever fetches the same; the kernel gives it back however this process ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    if shutil.which("go") is None:
        raise CannotGoOn("there are no schemas of Traefik's and cert-manager's resources, and no Go to fetch them with")
    say("fetching the schemas of Traefik's and cert-manager's resources, once ...")
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unfinished-"))
    try:
        for pinned in json.loads(PINNED.read_text(encoding="utf-8")):
            for file in _files(pinned):
                name = f"{pinned['module'].split('/')[1]}-{file.name}"
                shutil.copyfile(file, unfinished / Path(name).with_suffix(".yaml"))
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _files(pinned: dict[str, Any]) -> list[Path]:
    found = sorted(_module(pinned).glob(pinned["files"]))
    if not found:
        raise CannotGoOn(f"{pinned['module']} {pinned['version']} has no {pinned['files']}")
    return found


def _module(pinned: dict[str, Any]) -> Path:
    """Where Go keeps a module, once it has it."""
    command = ["go", "mod", "download", "-json", f"{pinned['module']}@{pinned['version']}"]
    # Outside of the checkout: no other module's versions count.
    with tempfile.TemporaryDirectory(prefix="webspaced-crds-") as empty:
        try:
            done = subprocess.run(
                command, cwd=empty, env={**os.environ, "GOFLAGS": "-mod=mod"}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, check=False, timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired as error:
            raise CannotGoOn(f"{pinned['module']} was not had within {PATIENCE} s") from error
    told = _told(done.stdout)
    if done.returncode or "Error" in told:
        raise CannotGoOn(f"{pinned['module']} cannot be had: {told.get('Error') or done.stderr.strip()[-500:]}")
    if told.get("Sum") != pinned["sum"]:
        raise CannotGoOn(f"{pinned['module']} {pinned['version']} is not the one of {PINNED.name}: {told.get('Sum')}")
    return Path(told["Dir"])


def _told(text: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(text)
    except ValueError:
        return {}
    return told

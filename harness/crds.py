"""The schemas of Traefik's, cert-manager's and the Prometheus operator's custom resources, out of the Go modules of these.

`tools/crds/modules.json` pins the modules, and names the files in them (cert-manager's chart has the same ones, as
templates). They are fetched once, by Go's own client, which verifies them, and kept outside of the checkout.
"""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from harness import go_modules, places
from harness.saying import CannotGoOn, say

PINNED = places.CHECKOUT / "tools" / "crds" / "modules.json"


def ensured() -> Path:
    """The folder with all of them; fetches them if need be. Raises CannotGoOn with the reason when that cannot be."""
    folder = places.cache() / "crds" / hashlib.sha256(PINNED.read_bytes()).hexdigest()[:16]
    with go_modules.alone(folder.with_suffix(".lock")):
        if not folder.exists():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    if shutil.which("go") is None:
        raise CannotGoOn("there are no schemas of custom resources, and no Go to fetch them with")
    say("fetching the schemas of custom resources, once ...")
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
    module = go_modules.downloaded(pinned)
    found = sorted(file for pattern in pinned["files"] for file in module.glob(pattern))
    if not found:
        raise CannotGoOn(f"{pinned['module']} {pinned['version']} has no {', '.join(pinned['files'])}")
    return found
